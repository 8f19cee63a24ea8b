"""Look into the body of an answer that nobody has read, and give back what was read."""

import io
from http.client import HTTPException, HTTPResponse
from typing import Any, cast

from wecom_auth._clients.requests.peek import decode
from wecom_auth._http.verdict import BODY_LIMIT, HEADERS, errcode_in, may_hold_errcode

_FRAMING = ("chunked", "chunk_left", "length", "will_close")
"""What an answer keeps of how far its body has been read."""


def look(response: Any, codes: frozenset[int]) -> int | None:
    """Return the errcode of this answer if it is one of these, else None.

    Args:
        response: the answer; its body stays readable from its start. An answer that holds one of
            the codes has been read to its end, and its connection is closed.
        codes: the errcodes that are looked for.
    """
    if response is None or response.code != 200:
        return None
    headers = {
        HEADERS[key]: value
        for name, value in response.headers.raw_items()
        if (key := name.lower()) in HEADERS
    }
    if not may_hold_errcode(headers, codes):
        return None
    return errcode_in(body_of(response), codes, headers)


def body_of(response: Any) -> bytes | None:
    """Return the decoded body of an answer if it is small; it stays readable from its start."""
    body = _peek(response) if isinstance(response, HTTPResponse) else _reread(response)
    return body and decode(body, response.headers.get("Content-Encoding"))


def _peek(response: HTTPResponse) -> bytes | None:
    """Return the body if it is small.

    The answer is wound back to where it was, bytes and framing: what follows (a longer body, one
    that is cut short, trailers) its reader meets as if nobody had looked.
    """
    if response.fp is None:
        return None
    if response.length is not None:
        is_short = response.length <= BODY_LIMIT
        return _peek_by_length(response, response.length) if is_short else None
    before = {name: getattr(response, name) for name in _FRAMING}
    tape, body, error = _Tape(response.fp), b"", None
    response.fp = io.BufferedReader(tape)
    try:
        while len(body) <= BODY_LIMIT and (more := response.read(BODY_LIMIT + 1 - len(body))):
            body += more
        is_whole = len(body) <= BODY_LIMIT and not response.length
    except OSError as met:
        is_whole, error = False, met
    except HTTPException:
        is_whole = False
    vars(response).update(before)
    response.fp = io.BufferedReader(tape.wound_back(error))
    return body if is_whole else None


def _peek_by_length(response: HTTPResponse, length: int) -> bytes | None:
    """Return a body whose length is known, if it is small; nearly every answer is one."""
    file: Any = response.fp
    body = b""
    try:
        while len(body) < length and (more := file.read1(length - len(body))):
            body += more
    except OSError as met:
        response.fp = io.BufferedReader(_Tape(file, body, met))
        return None
    file.close()
    response.fp = io.BufferedReader(io.BytesIO(body))
    return body if len(body) == length else None


class _Tape(io.RawIOBase):
    """Note what is read of a file, so that it can be read again from there.

    Args:
        file: the connection.
        kept: what is read first.
        error: what happens then, where that has happened before.
    """

    def __init__(self, file: Any, kept: bytes = b"", error: OSError | None = None) -> None:
        self._file, self._kept, self._error = file, kept, error
        self._seen: list[bytes] = []

    def wound_back(self, error: OSError | None) -> "_Tape":
        """Return the file as it was; this one lets go of it."""
        file, self._file = self._file, io.BytesIO()
        return _Tape(file, b"".join(self._seen), error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        piece, self._kept = self._kept[:size], self._kept[size:]
        if not piece:
            piece = self._read(size)
            self._seen.append(piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        return b"" if self._file.closed else cast(bytes, self._file.read1(size))

    def fileno(self) -> int:
        return cast(int, self._file.fileno())

    def close(self) -> None:
        self._file.close()
        super().close()


def _reread(response: Any) -> bytes | None:
    """Return the body of an answer that somebody made up, if it can be wound back."""
    try:
        if not response.seekable():
            return None
        start = response.tell()
        body: bytes = response.read(BODY_LIMIT + 1)
        response.seek(start)
    except (AttributeError, OSError, ValueError):
        return None
    return body
