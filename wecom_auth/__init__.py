"""Keeps every WeCom (企业微信) server API call authorised: one line on any requests.Session.

    session = attach(requests.Session(), AppCredential("ww0123...", "corpsecret"))

Four ways to attach, and one source of tokens behind them; the README tells which to take.
A name is imported when it is first asked for: pytest loads this package for its plugin also in
projects that do not use it.
"""

from typing import TYPE_CHECKING, Any

from ._lazy import exports

if TYPE_CHECKING:
    from ._call.retry import Retry
    from ._clients.attach import attach
    from ._clients.decorator import with_access_token
    from ._clients.requests.adapter import WeComAdapter
    from ._clients.requests.answer import raise_for_errcode
    from ._clients.requests.auth import WeComAuth
    from ._credential.app import AppCredential
    from ._credential.credential import Credential
    from ._credential.exchange import Answer, Grant, Send
    from ._credential.external import ExternalToken
    from ._credential.kind import Kind
    from ._credential.token import Token
    from ._dropin import Installation, install
    from ._http.redaction import mask_urllib3_logs, redact
    from ._source.events import Event
    from ._source.process import on_event
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

_export = exports(
    __name__,
    {
        "._clients.requests.adapter": ("WeComAdapter",),
        "._clients.attach": ("attach",),
        "._call.retry": ("Retry",),
        "._clients.requests.answer": ("raise_for_errcode",),
        "._clients.requests.auth": ("WeComAuth",),
        "._credential.app": ("AppCredential",),
        "._credential.credential": ("Credential",),
        "._credential.external": ("ExternalToken",),
        "._credential.exchange": ("Answer", "Grant", "Send"),
        "._credential.kind": ("Kind",),
        "._clients.decorator": ("with_access_token",),
        "._dropin": ("Installation", "install"),
        ".errors": ("APIError", "CredentialError", "TokenUnavailable", "WeComError"),
        "._http.redaction": ("mask_urllib3_logs", "redact"),
        "._source.events": ("Event",),
        "._source.process": ("on_event",),
        "._source.source": ("TokenSource",),
        "._source.state": ("Statistics",),
        ".stores": ("FileStore", "RedisStore", "TokenStore"),
        ".stores.memory": ("MemoryStore",),
        "._credential.token": ("Token",),
    },
)

__all__ = [
    "APIError",
    "Answer",
    "AppCredential",
    "Credential",
    "CredentialError",
    "Event",
    "ExternalToken",
    "FileStore",
    "Grant",
    "Installation",
    "Kind",
    "MemoryStore",
    "RedisStore",
    "Retry",
    "Send",
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
    "on_event",
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
