"""Look into one answer of requests, no further than a rejection is long.

Of a stream the header is read first, because then the body need not be; of a body that requests
reads anyway it is read last, because hardly any body contains the code at all.
"""

from typing import Any

import requests

from ..._http import redaction
from ..._http.verdict import (
    errcode_in,
    errcode_of,
    header_code,
    is_file,
    may_hold_errcode,
    parse,
)
from ...errors import APIError, describe
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
    # What is not streamed, requests reads in any case.
    body = _glance(response, codes) if stream and _is_unread(response) else _body(response)
    return errcode_in(body, codes, response.headers)


def raise_for_errcode(response: requests.Response, **kwargs: Any) -> requests.Response:
    """Raise for any non-zero errcode, else return the response; like `raise_for_status`.

    Args:
        response: the answer to a WeCom call. A file, a body that is not JSON, and JSON without
            a top-level errcode pass.
        kwargs: what requests hands to a response hook.

    Raises:
        APIError: with `errcode`, `errmsg`, `advice`, `help_url` and the `response`.

    Example:
        >>> session.hooks["response"].append(raise_for_errcode)  # doctest: +SKIP
        >>> raise_for_errcode(session.get(url)).json()  # doctest: +SKIP
    """
    if not isinstance(response, requests.Response):
        raise TypeError(f"response must be a requests.Response, not {type(response).__name__}")
    if header_code(response.headers) == 0 or is_file(response.headers):
        return response
    stream = kwargs.get("stream", True) and _is_unread(response)
    answer = parse(_small_json(response) if stream else _body(response))
    code = errcode_of(answer)
    if not code:
        return response
    what = "the call"
    if response.request is not None:  # as in one made by hand, in a test
        visible = hide.visible_request(response.request, "access_token")
        what = f"{visible.method} {visible.path_url.partition('?')[0]}"
        hide.hide_token(response, visible, "access_token")
    errmsg = redaction.redact(str(answer.get("errmsg", "")))
    raise APIError(describe(what, code, errmsg), errcode=code, errmsg=errmsg, response=response)


def _is_unread(response: requests.Response) -> bool:
    return response._content is False


def _body(response: requests.Response) -> bytes | None:
    """Return the body; None where the caller has streamed it away."""
    gone = _is_unread(response) and response._content_consumed
    return None if gone else response.content


def _glance(response: requests.Response, codes: frozenset[int]) -> bytes | None:
    """Return the body of a stream if it may hold one of these codes."""
    if response._content_consumed or not may_hold_errcode(response.headers, codes):
        return None
    return peek(response)


def _small_json(response: requests.Response) -> bytes | None:
    """Return the body of a stream if it is short JSON."""
    may_be = "json" in response.headers.get("Content-Type", "").lower()
    return peek(response) if may_be and not response._content_consumed else None
