"""An app's credential: corpid and corpsecret."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .._http.redaction import visible_corpid
from .._http.scope import PLATFORM, parse_base_url
from . import checks
from .credential import Credential
from .environment import CORPID, CORPSECRET, Environment, read_secret_file
from .exchange import Grant, Send, exchange, with_newest


class AppCredential(Credential):
    """An app's corpid and corpsecret; also a provider-developed app's, with its permanent_code.

    Args:
        corpid: the company's id, as the admin console shows it.
        corpsecret: the app's own secret; each app has its own, and its own token. Or a function
            without arguments that returns it: it is asked at each fetch and once more after a
            refusal, and may be one function for each app only.
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

    __slots__ = ("_secret", "corpid")

    runs_inline = False

    corpid: str
    _secret: "str | Callable[[], str]"

    def __init__(
        self,
        corpid: str,
        corpsecret: str | Callable[[], str],
        *,
        base_url: str = PLATFORM,
        allow_http: bool = False,
    ) -> None:
        corpid = checks.text("corpid", corpid)
        secret = checks.secret("corpsecret", corpsecret)
        base_url = parse_base_url(base_url, allow_http)
        object.__setattr__(self, "corpid", corpid)
        object.__setattr__(self, "_secret", secret)
        self._name(base_url, _key(base_url, corpid, checks.identity(secret)))

    @classmethod
    def from_env(
        cls, prefix: str = "WECOM_", *, environ: Mapping[str, str] | None = None
    ) -> "AppCredential":
        """Return the credential that the environment names.

        Reads `CORPID` and `CORPSECRET` after the prefix (also spelled `CORP_ID`, `SECRET`,
        `CORP_SECRET`), `BASE_URL` and `ALLOW_HTTP`. With `_FILE` after the name (a mounted
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
        given = secret.value if secret.file is None else SecretFile(secret.file, secret.value)
        return cls(corpid.value, given, base_url=found.base_url(), allow_http=True)

    @property
    def corpsecret(self) -> str:
        """The secret as it stands now: a function is asked, a file is read again."""
        return checks.ask("corpsecret", self._secret)

    def fingerprint(self) -> str:
        """Return a hash of the secret, which may have changed since it was refused."""
        return checks.digest(self.corpsecret)

    def obtain(self, send: Send, seconds: float) -> Grant:
        """Fetch a token with one exchange; see `Credential.obtain`."""
        return with_newest(lambda: self.corpsecret, partial(self._exchange, send, seconds))

    def _exchange(self, send: Send, seconds: float, secret: str) -> Grant:
        query = urlencode({"corpid": self.corpid, "corpsecret": secret})
        url = f"{self.base_url}/cgi-bin/{self.kind.exchange}?{query}"
        return exchange(self.kind, send, seconds, "GET", url, secrets=(secret,))

    def __repr__(self) -> str:
        return f"AppCredential(corpid={visible_corpid(self.corpid)!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.corpid, self._secret, self.base_url)


def _restore(corpid: str, corpsecret: Any, base_url: str) -> AppCredential:
    return AppCredential(corpid, corpsecret, base_url=base_url, allow_http=True)


def _key(base_url: str, corpid: str, identity: str) -> str:
    """Length-prefixed, so that no two credentials share one; the secret only as a hash."""
    digest = sha256(f"{len(corpid)}:{corpid}{identity}".encode()).hexdigest()[:32]
    return f"app:{len(base_url)}:{base_url}:{len(corpid)}:{corpid}:{digest}"


class SecretFile:
    """A mounted secret: a function that reads its file at each call.

    While the file cannot be read, the value last read stands. It is named by its path: processes
    that run while the secret is rotated share one token.
    """

    def __init__(self, path: Path, value: str) -> None:
        self._path, self._value = path, value

    def __call__(self) -> str:
        with suppress(OSError, ValueError):
            self._value = read_secret_file(self._path) or self._value
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretFile) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def identity(self) -> str:
        """The part of a key that names this secret."""
        return f"file:{self._path}"
