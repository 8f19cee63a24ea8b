"""Look at the body of a stream that nobody has read, and give back what was read."""

from io import BytesIO
from typing import Any, cast

import requests
import urllib3

from ..._http.verdict import BODY_LIMIT


def peek(response: requests.Response) -> bytes | None:
    """Return the decoded body of a stream if it is small; whatever was read is given back."""
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse):
        return None
    given_back, url = _GivenBack(raw), raw.url
    raw.url = ""  # it may hold a token, and nobody looks for it there
    response.raw = urllib3.HTTPResponse(
        body=cast(Any, given_back),
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        decode_content=raw.decode_content,
        original_response=getattr(raw, "_original_response", None),
        retries=raw.retries,
        request_url=url,
        enforce_content_length=False,
    )
    if len(given_back.head) > BODY_LIMIT or given_back.error is not None:
        return None
    return decode(given_back.head, raw.headers.get("Content-Encoding"))


def decode(head: bytes, encoding: str | None) -> bytes | None:
    """Return a body without its `Content-Encoding`; None where it is none, or too long."""
    if not encoding:
        return head
    reader = urllib3.HTTPResponse(
        BytesIO(head), {"Content-Encoding": encoding}, preload_content=False
    )
    try:
        body = reader.read(BODY_LIMIT + 1, decode_content=True)
    except urllib3.exceptions.HTTPError:
        return None
    return body if len(body) <= BODY_LIMIT else None


class _GivenBack:
    """A file that first gives back what was peeked at, still encoded, and then the rest.

    A failure met while peeking is kept for the reader whose body it cuts short. It holds no file of
    its own: the garbage collector may have closed that one before it closes this.
    """

    def __init__(self, raw: urllib3.HTTPResponse) -> None:
        self._raw = raw
        self.error: Exception | None = None
        self.head = b""
        try:
            while len(self.head) <= BODY_LIMIT:
                more = self._rest(BODY_LIMIT + 1 - len(self.head))
                if not more:
                    break
                self.head += more
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self.error = error
        self._at = 0

    def read(self, amount: int | None = None) -> bytes:
        given = self._again(amount)
        if amount is not None and len(given) == amount:
            return given
        if self.error is not None:
            if given:
                return given
            raise self.error
        return given + self._rest(None if amount is None else amount - len(given))

    def read1(self, amount: int | None = None) -> bytes:
        if given := self._again(amount):
            return given
        if self.error is not None:
            raise self.error
        return self._raw.read1(amount, decode_content=False)

    def _again(self, amount: int | None) -> bytes:
        end = None if amount is None or amount < 0 else self._at + amount
        given = self.head[self._at : end]
        self._at += len(given)
        return given

    def _rest(self, amount: int | None) -> bytes:
        return self._raw.read(amount, decode_content=False)

    @property
    def closed(self) -> bool:
        # With an error in store it is not over: a body cut short would pass for a whole one.
        return self.error is None and self._raw.closed and self._at == len(self.head)

    def close(self) -> None:
        self._at = len(self.head)
        self._raw.close()
        self._raw.release_conn()
