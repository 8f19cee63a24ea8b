"""The credentials of a service provider: its suites, its own, and the corps that authorised it.

Source: WeCom developer documentation, "get_suite_token", "get_corp_token", "get_provider_token".
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from .._http.query import escape
from .._http.scope import PLATFORM, parse_base_url
from ..errors import CredentialError
from . import checks
from .credential import Credential
from .environment import Environment
from .exchange import Grant, Send, TicketStale, post, with_newest
from .kind import CORP, PROVIDER, SUITE


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
        base_url = found.read("BASE_URL")
        return cls(
            suite_id.value,
            secret.value,
            ticket,
            base_url=PLATFORM if base_url is None else base_url.value,
            allow_http=found.flag("ALLOW_HTTP"),
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
            text, code, errmsg = self._explain(str(error)), error.errcode, error.errmsg
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

    def _explain(self, text: str) -> str:
        age = self._ticket.age(self.suite_id) if isinstance(self._ticket, Tickets) else None
        pushed = "" if age is None else f"; it was pushed {age / 60:.0f} min ago"
        return f"{text} | the suite_ticket is stale{pushed}: does the callback URL answer?"

    def __repr__(self) -> str:
        return f"SuiteCredential(suite_id={self.suite_id!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_suite, (self.suite_id, self._secret, self._ticket, self.base_url)


class CorpCredential(Credential):
    """A corp that has authorised a suite.

    Its token is fetched with the suite's, out of the same store and by the same way.

    Args:
        suite: the `SuiteCredential`.
        auth_corpid: the corp that authorised it.
        permanent_code: of the authorisation, or a function of auth_corpid that returns it; it is
            asked at each fetch and once more after a refusal.
        base_url: where the calls go; the suite's if not given.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> corp = CorpCredential(suite, "wpXXXX", codes.__getitem__)  # doctest: +SKIP
    """

    __slots__ = ("_code", "corpid", "parent")

    kind = CORP
    runs_inline = False

    corpid: str
    parent: SuiteCredential
    _code: str | Callable[[str], str]

    def __init__(
        self,
        suite: SuiteCredential,
        auth_corpid: str,
        permanent_code: str | Callable[[str], str],
        *,
        base_url: str | None = None,
        allow_http: bool = False,
    ) -> None:
        if not isinstance(suite, SuiteCredential):
            raise TypeError(f"suite must be a SuiteCredential, not {checks.kind(suite)}")
        object.__setattr__(self, "parent", suite)
        object.__setattr__(self, "corpid", checks.text("auth_corpid", auth_corpid))
        object.__setattr__(self, "_code", checks.secret("permanent_code", permanent_code))
        base_url = suite.base_url if base_url is None else parse_base_url(base_url, allow_http)
        self._name(base_url, f"corp:{len(self.corpid)}:{self.corpid}:{suite.key}")

    @property
    def auth_corpid(self) -> str:
        """The corp, by the platform's own name."""
        return self.corpid

    @property
    def permanent_code(self) -> str:
        """The code as it stands now; a function is asked."""
        code = self._code
        return code if isinstance(code, str) else checks.text("permanent_code", code(self.corpid))

    def fingerprint(self) -> str:
        """Return a hash of the permanent_code: a new authorisation ends a remembered refusal."""
        return checks.digest(self.permanent_code)

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Raise TypeError: the exchange needs the suite's token; see `obtain_with`."""
        raise TypeError("a CorpCredential is fetched with its suite's token")

    def obtain_with(self, token: str, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain_with`."""
        return with_newest(
            lambda: self.permanent_code, lambda code: self._exchange(token, send, seconds, code)
        )

    def _exchange(self, token: str, send: Send, seconds: float, code: str) -> Grant:
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}?suite_access_token={escape(token)}"
        body = {"auth_corpid": self.corpid, "permanent_code": code}
        return post(self.kind, send, seconds, url, body, (code, token))

    def __repr__(self) -> str:
        return f"CorpCredential({self.parent!r}, auth_corpid={self.corpid!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_corp, (self.parent, self.corpid, self._code, self.base_url)


class ProviderCredential(Credential):
    """A service provider itself.

    Args:
        corpid: the provider's own.
        provider_secret: its secret, or a function that returns it.
        base_url: where the calls go, as for `AppCredential`.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> provider = ProviderCredential("ww01provider", "provider_secret")
    """

    __slots__ = ("_secret", "corpid")

    kind = PROVIDER
    runs_inline = False

    corpid: str
    _secret: str | Callable[[], str]

    def __init__(
        self,
        corpid: str,
        provider_secret: str | Callable[[], str],
        *,
        base_url: str = PLATFORM,
        allow_http: bool = False,
    ) -> None:
        object.__setattr__(self, "corpid", checks.text("corpid", corpid))
        object.__setattr__(self, "_secret", checks.secret("provider_secret", provider_secret))
        base_url = parse_base_url(base_url, allow_http)
        self._name(base_url, f"provider:{len(base_url)}:{base_url}:{self.corpid}")

    @classmethod
    def from_env(
        cls, prefix: str = "WECOM_", *, environ: Mapping[str, str] | None = None
    ) -> "ProviderCredential":
        """Return the provider that PROVIDER_CORPID and PROVIDER_SECRET (or ..._FILE) name.

        Raises:
            ValueError: naming the variable that is missing or wrong.
        """
        found = Environment(prefix, os.environ if environ is None else environ)
        corpid, secret = found.require("PROVIDER_CORPID"), found.require("PROVIDER_SECRET")
        base_url = found.read("BASE_URL")
        return cls(
            corpid.value,
            secret.value,
            base_url=PLATFORM if base_url is None else base_url.value,
            allow_http=found.flag("ALLOW_HTTP"),
        )

    def fingerprint(self) -> str:
        """Return a hash of the secret."""
        return checks.digest(checks.ask("provider_secret", self._secret))

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain`."""
        return with_newest(
            lambda: checks.ask("provider_secret", self._secret),
            lambda secret: self._exchange(send, seconds, secret),
        )

    def _exchange(self, send: Send, seconds: float, secret: str) -> Grant:
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}"
        body = {"corpid": self.corpid, "provider_secret": secret}
        return post(self.kind, send, seconds, url, body, (secret,))

    def __repr__(self) -> str:
        return f"ProviderCredential(corpid={self.corpid!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_provider, (self.corpid, self._secret, self.base_url)


def _restore_suite(suite_id: str, secret: Any, ticket: Any, base_url: str) -> SuiteCredential:
    return SuiteCredential(suite_id, secret, ticket, base_url=base_url, allow_http=True)


def _restore_corp(suite: Any, corpid: str, code: Any, base_url: str) -> CorpCredential:
    return CorpCredential(suite, corpid, code, base_url=base_url, allow_http=True)


def _restore_provider(corpid: str, secret: Any, base_url: str) -> ProviderCredential:
    return ProviderCredential(corpid, secret, base_url=base_url, allow_http=True)
