"""Look into the body of an answer that nobody has read, and give back what was read.

A transport never knows whether the caller streams, so no more is read than a rejection is long.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from wecom_auth._clients.requests.peek import decode
from wecom_auth._http.verdict import BODY_LIMIT, HEADERS, errcode_in, may_hold_errcode

_HEADERS = {key.encode(): name for key, name in HEADERS.items()}


def _headers_of(response: Any, codes: frozenset[int]) -> dict[str, str] | None:
    """Return the headers of an answer that may hold one of these codes, else None."""
    if response.status_code != 200:
        return None
    headers = {
        _HEADERS[key]: value.decode("latin-1")
        for name, value in response.headers.raw
        if (key := name.lower()) in _HEADERS
    }
    return headers if may_hold_errcode(headers, codes) else None


class Peeked:
    """Give back first what was read of a body, and then the rest.

    A failure met while looking is kept for the reader whose body it cuts short. A body that was
    read to its end is closed at once: its end alone does not free the connection.

    Args:
        stream: the body as it came.
    """

    library: Any
    _rest: Any = None
    _error: Exception | None = None
    _is_closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: list[bytes] = []

    @property
    def elapsed(self) -> Any:
        """Return the time the call took, where the body as it came knows that."""
        return getattr(self._stream, "elapsed", None)

    def peek(self) -> bytes | None:
        """Read the body as far as a rejection is long; return it if that is all of it."""
        size, rest = 0, iter(self._stream)
        try:
            for piece in rest:
                self._pieces.append(piece)
                size += len(piece)
                if size > BODY_LIMIT:
                    self._rest = rest
                    return None
        except self.library.RequestError as error:
            self._error = error
        except BaseException:
            self.close()
            raise
        self.close()
        return None if self._error else b"".join(self._pieces)

    async def apeek(self) -> bytes | None:
        """Do the same as `peek`, in a coroutine."""
        size, rest = 0, aiter(self._stream)
        try:
            async for piece in rest:
                self._pieces.append(piece)
                size += len(piece)
                if size > BODY_LIMIT:
                    self._rest = rest
                    return None
        except self.library.RequestError as error:
            self._error = error
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        return None if self._error else b"".join(self._pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._all() if self._rest or self._error else iter(self._pieces)

    def _all(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error
        yield from self._rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error
        if self._rest is not None:
            async for piece in self._rest:
                yield piece

    def close(self) -> None:
        """Free the connection, once."""
        if not self._is_closed:
            self._is_closed = True
            self._stream.close()

    async def aclose(self) -> None:
        """Do the same as `close`, in a coroutine."""
        if self._is_closed:
            return
        self._is_closed = True
        if hasattr(self._rest, "aclose"):  # a generator left open would be closed by nobody
            await self._rest.aclose()
        await self._stream.aclose()


def peeked_class(library: Any) -> Any:
    """Return the class of such bodies that this library takes for its own."""
    own = (Peeked, library.SyncByteStream, library.AsyncByteStream)
    return type("Peeked", own, {"library": library})


def look(kind: Any, response: Any, codes: frozenset[int]) -> int | None:
    """Return the errcode of this answer if it is one of these, else None.

    Args:
        kind: the library's class of a body that was looked into.
        response: the answer; its body stays readable from its start. An answer that holds one of
            the codes has been read to its end, and its connection is free.
        codes: the errcodes that are looked for.
    """
    headers = _headers_of(response, codes)
    if headers is None:
        return None
    if response.is_stream_consumed:
        return errcode_in(_content(kind, response), codes, headers)
    response.stream = peeked = kind(response.stream)
    return _errcode(peeked.peek(), codes, headers)


async def alook(kind: Any, response: Any, codes: frozenset[int]) -> int | None:
    """Do the same as `look`, in a coroutine."""
    headers = _headers_of(response, codes)
    if headers is None:
        return None
    if response.is_stream_consumed:
        return errcode_in(_content(kind, response), codes, headers)
    response.stream = peeked = kind(response.stream)
    return _errcode(await peeked.apeek(), codes, headers)


def _content(kind: Any, response: Any) -> bytes | None:
    """Return the body of an answer that has been read; None where it was streamed away."""
    try:
        content: bytes = response.content
    except kind.library.ResponseNotRead:
        return None
    return content


def _errcode(body: bytes | None, codes: frozenset[int], headers: dict[str, str]) -> int | None:
    return errcode_in(body and decode(body, headers.get("Content-Encoding")), codes, headers)
