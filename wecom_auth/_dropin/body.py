"""Bodies of calls that may be sent again, and of answers that were looked at."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from .._http.verdict import BODY_LIMIT


def position(file: Any) -> int | None:
    """Return where a file stands, if it can be put back there, else None."""
    try:
        found = file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None
    return found if type(found) is int else None


def rewind(file: Any, there: int | None) -> bool:
    """Put a file back to where it stood; False where that fails, as with a closed one."""
    try:
        if there is not None:
            file.seek(there)
    except (OSError, ValueError):
        return False
    return there is not None


def rewinder(stream: Any) -> Callable[[], bool] | None:
    """Return what puts the body of a request of httpx back to its start; None where nothing can."""
    fields = getattr(stream, "fields", None)
    if fields is not None:  # multipart: httpx rewinds its files, where they can be
        files = [each.file for each in fields if hasattr(each, "file")]
        whole = all(isinstance(f, str | bytes) or position(f) is not None for f in files)
        return (lambda: True) if whole else None
    if type(stream).__name__ == "ByteStream":
        return lambda: True
    file = getattr(stream, "_stream", None)
    there = position(file)
    return None if there is None else lambda: rewind(file, there)


def decode(raw: bytes | None, headers: Mapping[str, str]) -> bytes | None:
    """Return a body without its gzip or deflate; None where it is another, or too long."""
    encoding = headers.get("Content-Encoding", "").lower()
    if raw is None or not encoding:
        return raw
    if encoding not in ("gzip", "deflate"):
        return None
    try:
        body = zlib.decompressobj(47).decompress(raw, BODY_LIMIT + 1)
    except zlib.error:
        return None
    return body if len(body) <= BODY_LIMIT else None


def peek(library: Any, answer: Any) -> bytes | None:
    """Return the raw body of a short answer of httpx; whatever was read is given back."""
    stream, head, error = answer.stream, b"", None
    if isinstance(stream, _Rest):
        return None
    pieces = iter(stream)
    try:
        for piece in pieces:
            head += piece
            if len(head) > BODY_LIMIT:
                break
    except Exception as failure:  # the library's own: it is kept for the reader
        error = failure
    if error is None and len(head) <= BODY_LIMIT:
        stream.close()
        answer.stream = library.ByteStream(head)
        return head
    answer.stream = _rest(library)(head, pieces, stream, error)
    return None


async def peek_async(library: Any, answer: Any) -> bytes | None:
    """Return the raw body of a short answer; see `peek`."""
    stream, head, error = answer.stream, b"", None
    if isinstance(stream, _Rest):
        return None
    pieces = aiter(stream)
    try:
        async for piece in pieces:
            head += piece
            if len(head) > BODY_LIMIT:
                break
    except Exception as failure:  # the library's own: it is kept for the reader
        error = failure
    if error is None and len(head) <= BODY_LIMIT:
        await stream.aclose()
        answer.stream = library.ByteStream(head)
        return head
    answer.stream = _rest(library)(head, pieces, stream, error)
    return None


class _Rest:
    """A stream that first gives back what was read, and then the rest."""

    def __init__(self, head: bytes, pieces: Any, stream: Any, error: Exception | None) -> None:
        self._head, self._pieces, self._stream, self._error = head, pieces, stream, error

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        if self._error is not None:
            raise self._error
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        if self._error is not None:
            raise self._error
        async for piece in self._pieces:
            yield piece

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


@lru_cache(maxsize=4)
def _rest(library: Any) -> Any:
    return type("Rest", (_Rest, library.SyncByteStream, library.AsyncByteStream), {})
