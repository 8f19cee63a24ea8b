"""Null transports of the other clients: answers out of memory, below all work that is theirs.

Each stands where its client would touch a socket, so that the client still makes URLs, headers,
connections and answers as it always does.
"""

import asyncio
import io
import itertools
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from typing import Any

from .null import Answer


def bytes_of(answer: Answer) -> bytes:
    """The answer as it goes over the wire."""
    lines = [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join([f"HTTP/1.1 {answer.status} OK", *lines, "", ""]).encode() + answer.body


class Pool:
    """In place of a connection pool of httpcore, of either version, sync and async.

    Args:
        core: the library.
        answers: given one after the other.
    """

    def __init__(self, core: Any, answers: Sequence[Answer]) -> None:
        self._core = core
        self._answers = itertools.cycle(
            (each.status, [(k.encode(), v.encode()) for k, v in each.headers.items()], each.body)
            for each in answers
        )

    def handle_request(self, request: Any) -> Any:
        """Answer from memory."""
        status, headers, body = next(self._answers)
        return self._core.Response(status, headers=headers, content=body)

    async def handle_async_request(self, request: Any) -> Any:
        """Do the same in a coroutine."""
        return self.handle_request(request)

    def close(self) -> None:
        """There is nothing to close."""

    async def aclose(self) -> None:
        """There is nothing to close."""


def connector(aiohttp: Any, answers: Sequence[Answer]) -> Any:
    """Return a connector of aiohttp whose connections are answered from memory."""
    wire = itertools.cycle(map(bytes_of, answers))

    class Connector(aiohttp.BaseConnector):  # type: ignore[misc]
        async def _create_connection(self, *args: Any, **options: Any) -> Any:
            protocol = self._factory()
            protocol.connection_made(_Wire(self._loop, protocol, wire))
            return protocol

    return Connector()


class _Wire(asyncio.Transport):
    """A connection: whatever is written, one answer comes in the loop's next round."""

    def __init__(self, loop: Any, protocol: Any, wire: Iterator[bytes]) -> None:
        super().__init__()
        self._loop, self._protocol, self._wire = loop, protocol, wire

    def write(self, data: Any) -> None:
        self._loop.call_soon(self._protocol.data_received, next(self._wire))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close


class Handler(urllib.request.HTTPSHandler):
    """Opens connections of http.client that are answered from memory."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self._wire = itertools.cycle(map(bytes_of, answers))

    def https_open(self, request: urllib.request.Request) -> Any:
        """Do all that urllib does but for the socket."""
        return self.do_open(self._connection, request)  # type: ignore[arg-type]

    def _connection(self, host: str, **options: Any) -> HTTPConnection:
        connection = _Connection(host, timeout=options["timeout"])
        connection.answer = next(self._wire)
        return connection


class _Connection(HTTPConnection):
    answer = b""

    def connect(self) -> None:
        self.sock = _Socket(self.answer)  # type: ignore[assignment]


class _Socket:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def sendall(self, data: bytes) -> None:
        pass

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._content))  # type: ignore[type-var]

    def close(self) -> None:
        pass
