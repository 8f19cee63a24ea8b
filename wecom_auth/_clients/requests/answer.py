"""Look into one answer of requests, no further than a rejection is long.

Of a stream the header is read first, because then the body need not be; of a body that requests
reads anyway it is read last, because hardly any body contains the code at all.
"""

from functools import partial
from inspect import iscoroutinefunction
from io import BytesIO
from typing import Any

import requests
import urllib3

from ..._http.verdict import errcode_in, errcode_of, may_hold_errcode, parse
from ..raising import Seen
from . import hide
from .peek import peek


def verdict(
    response: requests.Response, codes: frozenset[int], *, stream: bool = False
) -> int | None:
    """Return the errcode of this answer if it is one of these, else None.

    Args:
        response: the answer; a body that is looked at stays readable from its start. An answer
            that rejects its token has been read to its end, and its connection is free.
        codes: the errcodes that are looked for.
        stream: whether the caller asked to stream the body; then only JSON is looked at.
    """
    if response.status_code != 200:
        return None
    if not stream or not _is_unread(response):  # what is not streamed, requests reads in any case
        body = None if response._content_consumed and _is_unread(response) else response.content
        return errcode_in(body, codes, response.headers)
    code = errcode_in(_glance(response, codes), codes, response.headers)
    if code is not None and _is_unread(response):
        _release(response)
    return code


def seen(response: requests.Response, *, stream: bool) -> Seen:
    """Return what can be seen of this answer, for `raise_for_errcode`.

    Args:
        response: of requests, or of niquests, whose streams are not looked into.
        stream: whether the body may still be wanted as a stream; else it is read.
    """
    streams = stream and _is_unread(response)
    request = response.request
    body = getattr(request, "body", None)
    return Seen(
        response.status_code,
        response.headers,
        partial(_read, response, streams),
        streams,
        getattr(request, "method", None) or "",
        getattr(request, "url", None) or response.url or "",
        body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b"",
        partial(_part, response, streams),
    )


def _read(response: requests.Response, streams: bool) -> bytes | None:
    """Return the body; of a stream, if it is short JSON."""
    if not _is_unread(response):
        return response.content
    if response._content_consumed or iscoroutinefunction(response.iter_content):
        return None
    return _small_json(response) if streams else response.content


def _small_json(response: requests.Response) -> bytes | None:
    may_be = "json" in response.headers.get("Content-Type", "").lower()
    return peek(response) if may_be and isinstance(response, requests.Response) else None


def _part(response: requests.Response, streams: bool) -> requests.PreparedRequest | None:
    """Free the connection, take the token out of the answer, and return the visible request."""
    if streams and errcode_of(parse(_read(response, True))):
        _release(response)
    if response.request is not None:
        visible = hide.visible_request(response.request, "access_token")
        hide.hide_token(response, visible, "access_token")
    return response.request


def _is_unread(response: requests.Response) -> bool:
    return response._content is False


def _glance(response: requests.Response, codes: frozenset[int]) -> bytes | None:
    """Return the body of a stream if it may hold one of these codes."""
    if response._content_consumed or not may_hold_errcode(response.headers, codes):
        return None
    return peek(response)


def _release(response: requests.Response) -> None:
    """Read a rejected stream to its end, so that its connection is free; its reader still can.

    A hundred rejected answers would hold the pool that their second tries need.
    """
    raw: Any = response.raw
    try:
        body = raw.read(decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError):
        return  # who reads it meets that too
    response.raw = urllib3.HTTPResponse(
        BytesIO(body),
        headers=raw.headers,
        status=raw.status,
        version=raw.version,
        reason=raw.reason,
        preload_content=False,
        original_response=getattr(raw, "_original_response", None),
        retries=raw.retries,
        request_url=raw.url,
    )
