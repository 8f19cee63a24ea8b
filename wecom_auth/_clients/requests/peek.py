"""Look at the body of a stream that nobody has read, without taking anything from its reader.

What the look needs is read off the socket's own buffer and put back there, chunk sizes and all, so
that urllib3 and http.client read, decode, count and fail as if nobody had looked. No more is waited
for than the look needs: a slow stream of JSON reaches its reader as it comes.
"""

import io
import re
import zlib
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, NamedTuple

import requests
import urllib3

from ..._http.verdict import BODY_LIMIT, errcode_of, parse

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class _Seen(NamedTuple):
    """Hold what has arrived of a body, and whether that is all of it."""

    body: bytes
    is_whole: bool


def peek(response: requests.Response) -> bytes | None:
    """Return the decoded body of a stream if it is small; None where there is nothing to see.

    Of JSON that is no rejection it may be the start only.
    """
    raw: Any = response.raw
    if isinstance(getattr(raw, "_fp", None), HTTPResponse | BytesIO):
        return peek_raw(raw)
    length = response.headers.get("Content-Length", "")[:9]
    # Another transport, as niquests has: its small bodies are read here, and kept.
    return response.content if length.isdecimal() and int(length) <= BODY_LIMIT else None


def peek_raw(raw: Any) -> bytes | None:
    """Return the same of urllib3's response."""
    fp = getattr(raw, "_fp", None)
    if isinstance(fp, HTTPResponse) and fp.fp is not None:
        body = _of_socket(raw, fp, fp.fp)
    else:
        body = _of_memory(raw, fp) if isinstance(fp, BytesIO) and not fp.closed else None
    if body is None or len(body) > BODY_LIMIT:
        return None
    return decode(body, raw.headers.get("Content-Encoding"))


def _of_memory(raw: Any, fp: BytesIO) -> bytes | None:
    position = fp.tell()
    body = fp.read(BODY_LIMIT + 1)
    fp.seek(position)
    # One that is not as long as it claims is no answer: its reader gets an error.
    return None if raw.length_remaining not in (None, len(body)) else body


def _of_socket(raw: Any, fp: Any, source: Any) -> bytes | None:
    is_plain = "Content-Encoding" not in raw.headers
    head, error, seen = b"", None, _seen(fp, b"")
    try:
        if not seen.is_whole:
            seen = _seen(fp, source.peek(BODY_LIMIT))  # usually all of it has arrived
        while not _is_enough(seen, is_plain) and (piece := source.read1(BODY_LIMIT)):
            head += piece
            seen = _seen(fp, head)
    except OSError as failure:
        error = failure
    if head or error:
        fp.fp = io.BufferedReader(_GivenBack(head, error, source))
    is_over = seen.is_whole or not (error or fp.chunked or fp.length)
    return seen.body if is_over or (is_plain and _is_enough(seen, is_plain)) else None


def _seen(fp: Any, data: bytes) -> _Seen:
    """Return the body in what has come off the socket."""
    if fp.chunked:
        return _without_sizes(data)
    if fp.length is None:
        return _Seen(data, False)
    return _Seen(data[: fp.length], len(data) >= fp.length)


def _without_sizes(data: bytes) -> _Seen:
    """Return the body in the chunks of it that have come."""
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        size = line.partition(b";")[0].strip()
        if not end or not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            return _Seen(body, False)
        length = int(size, 16)
        body += data[:length]
        if length == 0 or len(data) < length + 2:
            return _Seen(body, length == 0)
        data = data[length + 2 :]


def _is_enough(seen: _Seen, is_plain: bool) -> bool:
    """Return whether no more need be waited for: all of it is there, or it is no rejection.

    A rejection is one flat object. Whatever has a filled list or object in it, is of another
    shape, or has ended without an errcode, is data.
    """
    if seen.is_whole or len(seen.body) > BODY_LIMIT:
        return True
    text = _STRING.sub(b"", seen.body).strip()
    if not is_plain or not text:
        return False
    opened = sum(map(text.count, (b"{", b"["))) - sum(map(text.count, (b"}", b"]")))
    if not text.startswith(b"{") or opened > 1:
        return True
    return opened < 1 and not errcode_of(parse(seen.body))


def decode(head: bytes, encoding: str | None) -> bytes | None:
    """Return a body without its `Content-Encoding`; None where it is none, or too long."""
    if not encoding:
        return head
    if encoding.lower() == "gzip":  # at a tenth of what the response below costs
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            body = unpacker.decompress(head, BODY_LIMIT + 1)
        except zlib.error:
            return None
        if not unpacker.unused_data:
            return body if len(body) <= BODY_LIMIT else None
    reader = urllib3.HTTPResponse(
        BytesIO(head), {"Content-Encoding": encoding}, preload_content=False
    )
    try:
        body = reader.read(BODY_LIMIT + 1, decode_content=True)
    except urllib3.exceptions.HTTPError:
        return None
    return body if len(body) <= BODY_LIMIT else None


class _GivenBack(io.RawIOBase):
    """Give back what was read off a socket, then the failure that ended that, then the rest.

    Args:
        head: the bytes.
        error: met after them; it is the reader's whose body it cuts short.
        source: gives the rest.
    """

    def __init__(self, head: bytes, error: OSError | None, source: io.BufferedReader) -> None:
        super().__init__()
        self._head, self._error, self._source = head, error, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            piece, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
            buffer[: len(piece)] = piece
            return len(piece)
        if self._error is not None:
            raise self._error
        return self._source.readinto1(buffer)

    def fileno(self) -> int:
        return self._source.fileno()

    def close(self) -> None:
        super().close()
        self._source.close()
