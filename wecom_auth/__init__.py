"""Keeps every WeCom (企业微信) server API call authorised: one line on any requests.Session.

    session = attach(requests.Session(), AppCredential("ww0123...", "corpsecret"))

Four ways to attach, and one source of tokens behind them; the README tells which to take.
"""

from typing import TYPE_CHECKING, Any

from .adapter import WeComAdapter, attach
from .answers import raise_for_errcode
from .auth import WeComAuth
from .credentials import AppCredential, Credential, ExternalToken
from .decorator import with_access_token
from .errors import APIError, CredentialError, TokenUnavailable, WeComError
from .redaction import mask_urllib3_logs
from .source import TokenSource
from .state import Statistics
from .stores import TokenStore
from .stores.memory import MemoryStore
from .tokens import Token

if TYPE_CHECKING:
    from .dropin import install
    from .stores import FileStore, RedisStore

__all__ = [
    "APIError",
    "AppCredential",
    "Credential",
    "CredentialError",
    "ExternalToken",
    "FileStore",
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
    "with_access_token",
]


def __getattr__(name: str) -> Any:
    if name == "install":  # a twentieth of the import, for those who use it
        from .dropin import install

        return install
    if name in ("FileStore", "RedisStore"):  # their libraries are extras
        from . import stores

        return getattr(stores, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("wecom-auth")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
