"""Credentials: what is exchanged for a token, and how."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn, Self

import requests

from .. import errors
from .._http.redaction import redact, visible_corpid
from .._http.scope import PLATFORM, carries_token, parse_base_url
from ..errors import TokenUnavailable
from . import checks
from .environment import (
    CORPID,
    CORPSECRET,
    Environment,
    read_secret_file,
)
from .exchange import (
    Grant,
    Send,
    exchange,
    network_kind,
    seconds,
)
from .interruption import is_interruption

EXTERNAL_LIFE = 300.0
"""Seconds that a token from elsewhere is kept when its owner does not say how long it lives."""


class Credential(ABC):
    """What is exchanged for a token, and how. Immutable, hashable, repr without secrets.

    Attributes:
        base_url: scheme, host, port and path prefix of the calls that carry the token.
        key: names the token in caches and stores; holds no secret.
        parameter: the query parameter that carries the token.
        rejections: the errcodes that say the token is dead.
        shareable: whether a shared store may hold its token.
    """

    __slots__ = ("base_url", "key")

    parameter = "access_token"
    rejections = errors.REJECTED
    shareable = True

    base_url: str
    key: str

    def _name(self, base_url: str, key: str) -> None:
        object.__setattr__(self, "base_url", base_url)
        object.__setattr__(self, "key", key)

    @abstractmethod
    def obtain(self, send: Send, limit: float) -> Grant:
        """Fetch a token, once.

        Args:
            send: sends one request, within so many seconds.
            limit: seconds this may take in all.

        Raises:
            CredentialError: the platform refuses the credential; asking again never helps.
            TokenUnavailable: it could not be fetched now.
        """

    def rejected(self, value: str) -> None:  # noqa: B027 (most have nobody to tell)
        """Called once with each token that the platform has rejected."""

    def covers(self, url: str) -> bool:
        """Whether a call to this URL carries the token.

        Scheme, host, port and path prefix must be those of `base_url`, without userinfo; token
        endpoints, webhooks and `service/` carry none.
        """
        return carries_token(url, self.base_url)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credential):
            return NotImplemented
        return type(self) is type(other) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __deepcopy__(self, memo: object) -> Self:
        # Immutable; and what an ExternalToken asks (a client with a lock) can often not be copied.
        return self


class AppCredential(Credential):
    """An app's corpid and corpsecret; also a provider-developed app's, with its permanent_code.

    Args:
        corpid: the company's id, as the admin console shows it.
        corpsecret: the app's own secret; each app has its own, and its own token.
        base_url: where the calls go: the platform, a reverse proxy with a trusted IP, or a
            private deployment. May have a path prefix, may end in `/` or `/cgi-bin`.
        allow_http: permit plain http to a host that is not loopback.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> AppCredential("ww0123456789abcdef", "corpsecret")
        AppCredential(corpid='ww0123456789abcdef', base_url='https://qyapi.weixin.qq.com')

    Source: WeCom developer documentation, "gettoken".
    """

    __slots__ = ("_file", "_secret", "corpid")

    corpid: str
    _secret: str
    _file: Path | None

    def __init__(
        self, corpid: str, corpsecret: str, *, base_url: str = PLATFORM, allow_http: bool = False
    ) -> None:
        corpid = checks.text("corpid", corpid)
        secret = checks.text("corpsecret", corpsecret)
        base_url = parse_base_url(base_url, allow_http)
        object.__setattr__(self, "corpid", corpid)
        object.__setattr__(self, "_secret", secret)
        object.__setattr__(self, "_file", None)
        self._name(base_url, _key(base_url, corpid, secret))

    @classmethod
    def from_env(
        cls, prefix: str = "WECOM_", *, environ: Mapping[str, str] | None = None
    ) -> "AppCredential":
        """The credential that the environment names.

        Reads `CORPID` and `CORPSECRET` behind the prefix (also spelled `CORP_ID`, `SECRET`,
        `CORP_SECRET`), `BASE_URL` and `ALLOW_HTTP`. With `_FILE` behind the name (a mounted
        secret, `WECOM_CORPSECRET_FILE=/run/secrets/wecom`) the value is the content of that
        file; a secret's file is read again for each gettoken, so a corrected or rotated secret
        needs no restart.

        Args:
            prefix: what the variables' names begin with.
            environ: read instead of `os.environ`.

        Raises:
            TypeError: the prefix is no str.
            ValueError: naming the variable that is missing, unreadable or wrong, or two that
                differ, as WECOM_CORPID and WECOM_CORP_ID may.

        Example:
            >>> AppCredential.from_env(environ={"WECOM_CORPID": "ww01", "WECOM_SECRET": "s"})
            AppCredential(corpid='ww01', base_url='https://qyapi.weixin.qq.com')
        """
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, not {checks.kind(prefix)}")
        found = Environment(prefix, os.environ if environ is None else environ)
        corpid = found.require(*CORPID, missing="no_corpid")
        secret = found.require(*CORPSECRET, missing="no_secret")
        base_url = found.base_url()
        credential = cls(corpid.value, secret.value, base_url=base_url, allow_http=True)
        object.__setattr__(credential, "_file", secret.file)
        return credential

    @property
    def corpsecret(self) -> str:
        """The secret as it stands now: where it came from a file, that file is read again."""
        if self._file is None:
            return self._secret
        try:
            return read_secret_file(self._file) or self._secret
        except (OSError, ValueError):
            return self._secret

    def obtain(self, send: Send, limit: float) -> Grant:
        """Fetch a token with one gettoken; see `Credential.obtain`."""
        secret = self.corpsecret
        request = requests.Request(
            "GET",
            f"{self.base_url}/cgi-bin/gettoken",
            params={"corpid": self.corpid, "corpsecret": secret},
        )
        return exchange(request, send, limit, secret)

    def __repr__(self) -> str:
        return f"AppCredential(corpid={visible_corpid(self.corpid)!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_app, (self.corpid, self._secret, self.base_url, self._file)


class ExternalToken(Credential):
    """A token that someone else keeps: a central service, a Redis key, a database row.

    No gettoken is ever made.

    Args:
        get: called without arguments; returns the token, or the token and the seconds it still
            lives. Without the seconds it is asked again after 300.
        on_rejected: called with a token that the platform has rejected, so that its owner can
            fetch another; afterwards `get` is asked again.
        base_url: where the calls go, as for `AppCredential`.
        allow_http: permit plain http to a host that is not loopback.

    Example:
        >>> ExternalToken(lambda: redis.get("wecom:token"))  # doctest: +SKIP
    """

    __slots__ = ("_get", "_on_rejected")

    shareable = False

    _get: Callable[[], str | tuple[str, float]]
    _on_rejected: Callable[[str], object] | None

    def __init__(
        self,
        get: Callable[[], str | tuple[str, float]],
        on_rejected: Callable[[str], object] | None = None,
        *,
        base_url: str = PLATFORM,
        allow_http: bool = False,
    ) -> None:
        for name, function in (("get", get), ("on_rejected", on_rejected or bool)):
            checks.function(name, function)
        object.__setattr__(self, "_get", get)
        object.__setattr__(self, "_on_rejected", on_rejected)
        base_url = parse_base_url(base_url, allow_http)
        self._name(base_url, f"external:{len(base_url)}:{base_url}")

    def obtain(self, send: Send, limit: float) -> Grant:
        """Ask `get`; see `Credential.obtain`."""
        answer = self._ask()
        pair = isinstance(answer, tuple) and len(answer) == 2
        value, life = answer if pair else (answer, None)
        token = checks.token(value.decode("ascii", "replace") if type(value) is bytes else value)
        if not token:
            raise TokenUnavailable(
                f"ExternalToken: get() returned {checks.kind(value)} where a non-empty token, or a"
                " token and the seconds it lives, was expected: is its owner running?"
            )
        return Grant(token, seconds(life, EXTERNAL_LIFE))

    def _ask(self) -> Any:
        try:
            return self._get()
        except errors.WeComError:
            raise
        except Exception as error:
            if is_interruption(error):
                raise
            text = redact(f"{type(error).__name__}: {error}")
            failure = network_kind(error)(f"ExternalToken: get() raised {text}")
        raise failure  # out here, where the owner's error is no context: it may show the token

    def rejected(self, value: str) -> None:
        """Tell the owner."""
        if self._on_rejected is not None:
            self._on_rejected(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExternalToken):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        return self.base_url, self._get, self._on_rejected

    def __repr__(self) -> str:
        name = getattr(self._get, "__qualname__", type(self._get).__name__)
        return f"ExternalToken({name}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_external, (self._get, self._on_rejected, self.base_url)


def _restore_app(corpid: str, corpsecret: str, base_url: str, file: Path | None) -> AppCredential:
    credential = AppCredential(corpid, corpsecret, base_url=base_url, allow_http=True)
    object.__setattr__(credential, "_file", file)
    return credential


def _restore_external(get: Any, on_rejected: Any, base_url: str) -> ExternalToken:
    return ExternalToken(get, on_rejected, base_url=base_url, allow_http=True)


def _key(base_url: str, corpid: str, secret: str) -> str:
    """Length-prefixed, so that no two credentials share one; the secret only as a hash."""
    digest = sha256(f"{len(corpid)}:{corpid}{secret}".encode()).hexdigest()[:32]
    return f"app:{len(base_url)}:{base_url}:{len(corpid)}:{corpid}:{digest}"
