"""Look into the body of an answer of aiohttp that nobody has read; it stays where it is.

It stands outside the driver, which needs aiohttp 3.12: `install` serves older ones, too.
"""

from typing import Any

from wecom_auth._clients.requests.peek import decode
from wecom_auth._http.verdict import BODY_LIMIT, errcode_in, may_hold_errcode


def is_suspect(response: Any, codes: frozenset[int]) -> bool:
    """Return whether an answer need be looked into; the most common ones say so in a header."""
    return response.status == 200 and may_hold_errcode(response.headers, codes)


async def look(response: Any, codes: frozenset[int]) -> int | None:
    """Return the errcode of this answer if it is one of these, else None.

    Args:
        response: an answer that may hold one; its body stays unread. An answer that holds one of
            the codes has arrived to its end, and its connection is free.
        codes: the errcodes that are looked for.
    """
    return errcode_in(await body_of(response), codes, response.headers)


async def body_of(response: Any) -> bytes | None:
    """Return the decoded body of an answer if it is small; it stays unread."""
    body: bytes | None = response._body
    if body is None:
        try:
            body = await _peek(response.content)
        except BaseException:
            response.close()
            raise
    if body and body.lstrip()[:1] != b"{":  # a session that does not decompress
        body = decode(body, response.headers.get("Content-Encoding"))
    return body


async def _peek(content: Any) -> bytes | None:
    """Return the body if it is small.

    Nothing is taken out of the stream, so nothing need be put back: aiohttp has no way to do that
    but a deprecated one. It stops where no more arrives until somebody reads.
    """
    buffer = getattr(content, "_buffer", None)
    if buffer is None or content._buffer_offset:
        return None
    while not content.is_eof() and content._size <= BODY_LIMIT:
        if content._protocol._reading_paused:
            return None
        try:
            await content._wait("peek")
        except Exception:
            if content.exception() is None:  # the call's time is up
                raise
            return None  # its reader meets it
    return b"".join(buffer) if content._size <= BODY_LIMIT else None
