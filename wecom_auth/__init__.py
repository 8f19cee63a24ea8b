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
    from ._clients.raising import raise_for_errcode
    from ._clients.requests.adapter import WeComAdapter
    from ._clients.requests.auth import WeComAuth
    from ._credential.app import AppCredential
    from ._credential.corp import CorpCredential
    from ._credential.credential import Credential
    from ._credential.downstream import DownstreamCredential
    from ._credential.exchange import Answer, Grant, Send
    from ._credential.external import ExternalToken
    from ._credential.kind import Kind
    from ._credential.provider import ProviderCredential
    from ._credential.suite import SuiteCredential
    from ._credential.token import Token
    from ._dropin import Installation, claim, install
    from ._http.redaction import mask_urllib3_logs, redact
    from ._source.counts import Statistics
    from ._source.events import Event
    from ._source.jsticket import ExternalTicket, JsTicket
    from ._source.process import on_event
    from ._source.source import TokenSource
    from ._source.tickets import TicketBox
    from .errors import (
        APIError,
        CredentialError,
        TokenConnectionError,
        TokenTimeout,
        TokenUnavailable,
        WeComError,
    )
    from .stores import FileStore, RedisStore, TokenStore
    from .stores.memory import MemoryStore

    __version__: str

_export = exports(
    __name__,
    {
        "._clients.requests.adapter": ("WeComAdapter",),
        "._clients.attach": ("attach",),
        "._call.retry": ("Retry",),
        "._clients.raising": ("raise_for_errcode",),
        "._clients.requests.auth": ("WeComAuth",),
        "._credential.app": ("AppCredential",),
        "._credential.credential": ("Credential",),
        "._credential.external": ("ExternalToken",),
        "._credential.exchange": ("Answer", "Grant", "Send"),
        "._credential.downstream": ("DownstreamCredential",),
        "._credential.kind": ("Kind",),
        "._credential.corp": ("CorpCredential",),
        "._credential.provider": ("ProviderCredential",),
        "._credential.suite": ("SuiteCredential",),
        "._source.jsticket": ("ExternalTicket", "JsTicket"),
        "._source.tickets": ("TicketBox",),
        "._clients.decorator": ("with_access_token",),
        "._dropin": ("Installation", "claim", "install"),
        ".errors": (
            "APIError",
            "CredentialError",
            "TokenConnectionError",
            "TokenTimeout",
            "TokenUnavailable",
            "WeComError",
        ),
        "._http.redaction": ("mask_urllib3_logs", "redact"),
        "._source.events": ("Event",),
        "._source.process": ("on_event",),
        "._source.source": ("TokenSource",),
        "._source.counts": ("Statistics",),
        ".stores": ("FileStore", "RedisStore", "TokenStore"),
        ".stores.memory": ("MemoryStore",),
        "._credential.token": ("Token",),
    },
)

__all__ = [
    "APIError",
    "Answer",
    "AppCredential",
    "CorpCredential",
    "Credential",
    "CredentialError",
    "DownstreamCredential",
    "Event",
    "ExternalTicket",
    "ExternalToken",
    "FileStore",
    "Grant",
    "Installation",
    "JsTicket",
    "Kind",
    "MemoryStore",
    "ProviderCredential",
    "RedisStore",
    "Retry",
    "Send",
    "Statistics",
    "SuiteCredential",
    "TicketBox",
    "Token",
    "TokenConnectionError",
    "TokenSource",
    "TokenStore",
    "TokenTimeout",
    "TokenUnavailable",
    "WeComAdapter",
    "WeComAuth",
    "WeComError",
    "attach",
    "claim",
    "install",
    "mask_urllib3_logs",
    "on_event",
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
