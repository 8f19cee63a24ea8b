"""The credential of a service provider itself.

Source: WeCom developer documentation, "get_provider_token".
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from .._http.scope import PLATFORM, parse_base_url
from . import checks
from .credential import Credential
from .environment import Environment
from .exchange import Grant, Send, post, with_newest
from .kind import PROVIDER


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
        return cls(
            corpid.value,
            secret.value,
            base_url=found.base_url(),
            allow_http=True,
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
        return _restore, (self.corpid, self._secret, self.base_url)


def _restore(corpid: str, secret: Any, base_url: str) -> ProviderCredential:
    return ProviderCredential(corpid, secret, base_url=base_url, allow_http=True)
