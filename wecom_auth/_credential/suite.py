"""The credential of a suite: a third-party app of a service provider.

Source: WeCom developer documentation, "get_suite_token", "suite_ticket".
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from .._http.scope import PLATFORM, parse_base_url
from ..errors import CredentialError
from . import checks
from .credential import Credential
from .environment import Environment
from .exchange import Grant, Send, TicketStale, post, with_newest
from .kind import SUITE


@runtime_checkable
class Tickets(Protocol):
    """The newest suite_ticket of each suite; a `TicketBox` is one."""

    def get(self, suite_id: str) -> str | None:
        """Return the newest ticket of this suite, or None."""

    def age(self, suite_id: str) -> float | None:
        """Return the seconds since it was pushed, or None."""


class SuiteCredential(Credential):
    """A third-party app (suite) of a service provider.

    Args:
        suite_id: as the provider console shows it.
        suite_secret: its secret, or a function that returns it.
        ticket: a `TicketBox`, or a function that returns the newest suite_ticket. It is asked at
            each fetch, and once more where the platform calls the ticket stale (40085).
        base_url: where the calls go, as for `AppCredential`.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> suite = SuiteCredential("ww01suite", "suite_secret", TicketBox())  # doctest: +SKIP
        >>> attach(requests.Session(), suite)  # doctest: +SKIP
    """

    __slots__ = ("_secret", "_ticket", "suite_id")

    kind = SUITE
    runs_inline = False

    suite_id: str
    _secret: str | Callable[[], str]
    _ticket: Tickets | Callable[[], str | None]

    def __init__(
        self,
        suite_id: str,
        suite_secret: str | Callable[[], str],
        ticket: Tickets | Callable[[], str | None],
        *,
        base_url: str = PLATFORM,
        allow_http: bool = False,
    ) -> None:
        object.__setattr__(self, "suite_id", checks.text("suite_id", suite_id))
        object.__setattr__(self, "_secret", checks.secret("suite_secret", suite_secret))
        if not isinstance(ticket, Tickets):
            checks.function("ticket", ticket)
        object.__setattr__(self, "_ticket", ticket)
        base_url = parse_base_url(base_url, allow_http)
        self._name(base_url, f"suite:{len(base_url)}:{base_url}:{self.suite_id}")

    @classmethod
    def from_env(
        cls,
        ticket: Tickets | Callable[[], str | None],
        prefix: str = "WECOM_",
        *,
        environ: Mapping[str, str] | None = None,
    ) -> "SuiteCredential":
        """Return the suite that SUITE_ID and SUITE_SECRET (or SUITE_SECRET_FILE) name.

        Args:
            ticket: as for the constructor.
            prefix: what the variables' names begin with.
            environ: read instead of `os.environ`.

        Raises:
            ValueError: naming the variable that is missing or wrong.
        """
        found = Environment(prefix, os.environ if environ is None else environ)
        suite_id, secret = found.require("SUITE_ID"), found.require("SUITE_SECRET")
        return cls(
            suite_id.value,
            secret.value,
            ticket,
            base_url=found.base_url(),
            allow_http=True,
        )

    def fingerprint(self) -> str:
        """Return a hash of secret and ticket: a newer one ends a remembered refusal."""
        secret = checks.ask("suite_secret", self._secret)
        return checks.digest(f"{len(secret)}:{secret}{self._newest() or ''}")

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain`."""
        try:
            return with_newest(self._newest, lambda ticket: self._exchange(send, seconds, ticket))
        except TicketStale as error:
            code, errmsg = error.errcode, error.errmsg
            text = f"{error} | {self.explain(code)}"
        raise CredentialError(text, errcode=code, errmsg=errmsg)

    def _exchange(self, send: Send, seconds: float, ticket: str | None) -> Grant:
        if not ticket:
            raise CredentialError(
                f"no suite_ticket of {self.suite_id} yet: the platform pushes one every 10 minutes"
                " or so; does the callback URL answer? It can be pushed by hand in the provider"
                " console",
                errcode=41023,
            )
        secret = checks.ask("suite_secret", self._secret)
        body = {"suite_id": self.suite_id, "suite_secret": secret, "suite_ticket": ticket}
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}"
        return post(self.kind, send, seconds, url, body, (secret, ticket))

    def _newest(self) -> str | None:
        ticket = self._ticket
        return ticket.get(self.suite_id) if isinstance(ticket, Tickets) else ticket()

    def explain(self, errcode: int | None) -> str:
        """Return how old the ticket is, where that is why the exchange was refused."""
        if errcode not in self.kind.stale:
            return ""
        age = self._ticket.age(self.suite_id) if isinstance(self._ticket, Tickets) else None
        pushed = "" if age is None else f"; it was pushed {age / 60:.0f} min ago"
        ticket = f"the suite_ticket of {self.suite_id} is stale"
        return f"{ticket}{pushed}: does the callback URL answer?"

    def __repr__(self) -> str:
        return f"SuiteCredential(suite_id={self.suite_id!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.suite_id, self._secret, self._ticket, self.base_url)


def _restore(suite_id: str, secret: Any, ticket: Any, base_url: str) -> SuiteCredential:
    return SuiteCredential(suite_id, secret, ticket, base_url=base_url, allow_http=True)
