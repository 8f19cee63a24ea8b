"""Keeps every WeCom (企业微信) server API call authorised: one line on any requests.Session.

    session = attach(requests.Session(), AppCredential("ww0123...", "corpsecret"))

Four ways to attach, and one source of tokens behind them; the README tells which to take.
A name is imported when it is first asked for: pytest loads this package for its plugin also in
projects that do not use it.
"""

from typing import TYPE_CHECKING, Any

from .lazy import exports

if TYPE_CHECKING:
    from .adapter import WeComAdapter, attach
    from .answers import raise_for_errcode
    from .auth import WeComAuth
    from .credentials import AppCredential, Credential, ExternalToken
    from .decorator import with_access_token
    from .dropin import Installation, install
    from .errors import APIError, CredentialError, TokenUnavailable, WeComError
    from .redaction import mask_urllib3_logs, redact
    from .source import TokenSource
    from .state import Statistics
    from .stores import FileStore, RedisStore, TokenStore
    from .stores.memory import MemoryStore
    from .tokens import Token

_export = exports(
    __name__,
    {
        ".adapter": ("WeComAdapter", "attach"),
        ".answers": ("raise_for_errcode",),
        ".auth": ("WeComAuth",),
        ".credentials": ("AppCredential", "Credential", "ExternalToken"),
        ".decorator": ("with_access_token",),
        ".dropin": ("Installation", "install"),
        ".errors": ("APIError", "CredentialError", "TokenUnavailable", "WeComError"),
        ".redaction": ("mask_urllib3_logs", "redact"),
        ".source": ("TokenSource",),
        ".state": ("Statistics",),
        ".stores": ("FileStore", "RedisStore", "TokenStore"),
        ".stores.memory": ("MemoryStore",),
        ".tokens": ("Token",),
    },
)

__all__ = [
    "APIError",
    "AppCredential",
    "Credential",
    "CredentialError",
    "ExternalToken",
    "FileStore",
    "Installation",
    "MemoryStore",
    "RedisStore",
    "Statistics",
    "Token",
    "TokenSource",
    "TokenStore",
    "TokenUnavailable",
    "WeComAdapter",
    "WeComAuth",
    "WeComError",
    "attach",
    "install",
    "mask_urllib3_logs",
    "raise_for_errcode",
    "redact",
    "with_access_token",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("wecom-auth")
    return _export(name)


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]
