"""Notices when code tries to reach the real platform, below every HTTP client."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

REAL_HOST = "qyapi.weixin.qq.com"


class RealHostError(OSError):
    """The code under test tried to reach the real platform."""

    def __init__(self) -> None:
        super().__init__(
            f"a guarded test must not reach {REAL_HOST}: "
            "use the fixture fake_wecom, or wecom_server and its URL"
        )


_TUNNELS = {"httpx": "httpcore", "httpx2": "httpcore2"}
_PROXIES = ("HTTPProxy", "AsyncHTTPProxy", "SOCKSProxy", "AsyncSOCKSProxy")


@contextmanager
def guard() -> Iterator[list[str]]:
    """Refuse connections to the real platform; yield the list of the attempts.

    Name resolution is the first step of every client, asyncio's and httpx's included; through a
    proxy it is the tunnel instead. All of it is below mocks, the fake's and the user's own.
    """
    attempts: list[str] = []

    def refuse(host: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if name.rstrip(".").lower() == REAL_HOST:
            attempts.append(name)
            raise RealHostError

    with ExitStack() as patches:
        for owner, name, host_of in _doors():
            there = getattr(owner, name)
            patches.enter_context(patch.object(owner, name, _watched(there, host_of, refuse)))
        yield attempts


Door = tuple[Any, str, Callable[..., Any]]


def _doors() -> Iterator[Door]:
    """Yield each function that a connection comes by, and its host out of the arguments."""
    yield socket, "getaddrinfo", lambda host, *_, **__: host
    yield http.client.HTTPConnection, "set_tunnel", lambda self, host, *_, **__: host
    for library, transport in _TUNNELS.items():
        if library in sys.modules:  # then its transport is a part of the program, too
            core = import_module(transport)
            for kind in (getattr(core, name, None) for name in _PROXIES):
                if hasattr(kind, "create_connection"):
                    yield kind, "create_connection", lambda self, origin: origin.host
    if aiohttp := sys.modules.get("aiohttp"):
        connector = aiohttp.TCPConnector
        yield connector, "_resolve_host", lambda self, host, *_, **__: host
        yield connector, "_create_proxy_connection", lambda self, req, *_, **__: req.url.raw_host


def _watched(there: Any, host_of: Callable[..., Any], refuse: Callable[[Any], None]) -> Any:
    def watched(*args: Any, **kwargs: Any) -> Any:
        refuse(host_of(*args, **kwargs))
        return there(*args, **kwargs)

    return watched
