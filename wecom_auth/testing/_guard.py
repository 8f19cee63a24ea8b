"""Notices when code tries to reach the real platform, below every HTTP client."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

REAL_HOST = "qyapi.weixin.qq.com"


class RealHostError(OSError):
    """What the code under test meets instead of the real platform."""

    def __init__(self) -> None:
        super().__init__(
            f"a guarded test must not reach {REAL_HOST}: "
            "use the fixture fake_wecom, or wecom_server and its URL"
        )


@contextmanager
def guard() -> Iterator[list[str]]:
    """Refuses connections to the real platform; yields the list of the attempts.

    Name resolution is what every client does first, asyncio's and httpx's included; through a
    proxy it is the tunnel instead.
    """
    attempts: list[str] = []

    def refuse(host: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if name.rstrip(".").lower() == REAL_HOST:
            attempts.append(name)
            raise RealHostError

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return resolve(host, *args, **kwargs)

    def set_tunnel(connection: Any, host: str, *args: Any, **kwargs: Any) -> None:
        refuse(host)
        tunnel(connection, host, *args, **kwargs)

    resolve, tunnel = socket.getaddrinfo, http.client.HTTPConnection.set_tunnel
    with ExitStack() as patches:
        patches.enter_context(patch.object(socket, "getaddrinfo", getaddrinfo))
        patches.enter_context(patch.object(http.client.HTTPConnection, "set_tunnel", set_tunnel))
        yield attempts
