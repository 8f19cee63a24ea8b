"""Keeps every WeCom (企业微信) server API call authorised: one line on any requests.Session.

    session = attach(requests.Session(), AppCredential("ww0123...", "corpsecret"))

Four ways to attach, and one source of tokens behind them; the README tells which to take.
A name is imported when it is first asked for: pytest loads this package for its plugin also in
projects that do not use it.
"""

from typing import TYPE_CHECKING, Any

from ._lazy import exports

if TYPE_CHECKING:
    from ._clients.adapter import WeComAdapter, attach
    from ._clients.auth import WeComAuth
    from ._clients.decorator import with_access_token
    from ._credential.credentials import AppCredential, Credential, ExternalToken
    from ._credential.token import Token
    from ._dropin import Installation, install
    from ._http.redaction import mask_urllib3_logs, redact
    from ._http.verdict import raise_for_errcode
    from ._source.source import TokenSource
    from ._source.state import Statistics
    from .errors import (
        APIError,
        CredentialError,
        TokenUnavailable,
        WeComError,
    )
    from .stores import FileStore, RedisStore, TokenStore
    from .stores.memory import MemoryStore

    __version__: str

_export = exports(
    __name__,
    {
        "._clients.adapter": ("WeComAdapter", "attach"),
        "._http.verdict": ("raise_for_errcode",),
        "._clients.auth": ("WeComAuth",),
        "._credential.credentials": ("AppCredential", "Credential", "ExternalToken"),
        "._clients.decorator": ("with_access_token",),
        "._dropin": ("Installation", "install"),
        ".errors": ("APIError", "CredentialError", "TokenUnavailable", "WeComError"),
        "._http.redaction": ("mask_urllib3_logs", "redact"),
        "._source.source": ("TokenSource",),
        "._source.state": ("Statistics",),
        ".stores": ("FileStore", "RedisStore", "TokenStore"),
        ".stores.memory": ("MemoryStore",),
        "._credential.token": ("Token",),
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


if not TYPE_CHECKING:  # a checker that saw it would accept any name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("wecom-auth")
        return _export(name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
