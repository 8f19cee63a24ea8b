"""The parts that the fronts share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol
from unittest.mock import patch

from .._platform.wire import Reply


class Answering(Protocol):
    """A platform that is entered in this process."""

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes, patience: float | None
    ) -> Reply:
        """Answer one request; raise `DroppedError` or `TimedOutError`."""
        ...

    def address(self) -> tuple[str, int]:
        """Return host and port of a loopback server for clients that want a connection."""
        ...


Find = Callable[[str], Answering | None]
"""Returns the platform that a URL is on, None for a URL elsewhere."""


class Front:
    """Replaces methods of a library while it is started."""

    def __init__(self) -> None:
        self._patches = ExitStack()

    def start(self) -> None:
        """Replace them; where that is done, do nothing."""

    def stop(self) -> None:
        """Put all back."""
        self._patches.close()

    def replace(self, kind: type, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a method by `make(the method)`, unless somebody else has replaced it."""
        there = getattr(kind, name)
        if _package(there) == _package(kind):
            self._patches.enter_context(patch.object(kind, name, make(there)))


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def bytes_of(body: Any) -> bytes:
    """Return the body as it would go over the wire; an iterator is used up, as in reality."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if hasattr(body, "read"):
        return bytes_of(body.read())
    return b"".join(bytes_of(piece) for piece in body)


def seconds_of(timeout: Any) -> float | None:
    """Return a timeout in seconds, None where there is none."""
    return timeout if isinstance(timeout, int | float) else None


def headers_of(reply: Reply) -> dict[str, str]:
    """Return the headers with a length in place of chunks, which need a connection."""
    kept = {k: v for k, v in reply.headers.items() if k.lower() != "transfer-encoding"}
    if len(kept) == len(reply.headers) and "content-length" not in map(str.lower, kept):
        kept["Content-Length"] = str(len(reply.body))
    return kept
