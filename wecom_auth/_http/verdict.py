"""Reading one answer: its errcode, and whether it says that the token was rejected.

An answer is read no further than it must be. The `Error-Code` header alone can clear a token,
but never condemn it. Of a stream it is read first, because then the body need not be; of a body
that requests reads anyway it is read last, because hardly any body contains the code at all. A file
is never an error, whatever it contains; a body is looked at only if it is as small as a rejection,
in decoded bytes; and only the top level of the JSON counts, because
`externalcontact/transfer_customer` answers errcode 0 around errcodes per item.
"""

import json
import re
from functools import lru_cache
from typing import Any

import requests

from ..errors import APIError, describe
from . import redaction
from .peeking import BODY_LIMIT, peek


def rejection(
    response: requests.Response, codes: frozenset[int], *, stream: bool = False
) -> int | None:
    """The errcode by which this answer rejects its token, or None.

    Args:
        response: the answer; a body that is looked at stays readable from its start.
        codes: the errcodes that reject this kind of token.
        stream: whether the caller asked to stream the body; then only JSON is looked at.
    """
    if response.status_code != 200:
        return None
    # What is not streamed, requests reads in any case.
    body = _glance(response, codes) if stream and _is_unread(response) else _body(response)
    # Most answers are told apart without parsing: a code that is there stands in the text.
    if not body or len(body) > BODY_LIMIT or not _any_of(codes).search(body):
        return None
    # The header alone rejects nothing: what it says of a message that went out would double it.
    code = errcode_of(parse(body))
    if code not in codes or _header_code(response) not in (None, *codes) or _is_file(response):
        return None
    return code


def raise_for_errcode(response: requests.Response, **kwargs: Any) -> requests.Response:
    """The twin of `raise_for_status`: raises for any non-zero errcode, else gives the response.

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
    if _header_code(response) == 0 or _is_file(response):
        return response
    stream = kwargs.get("stream", True) and _is_unread(response)
    answer = parse(_small_stream(response) if stream else _body(response))
    code = errcode_of(answer)
    if not code:
        return response
    what = "the call"
    if response.request is not None:  # as in one made by hand, in a test
        visible = redaction.visible_request(response.request, "access_token")
        what = f"{visible.method} {visible.path_url.partition('?')[0]}"
        redaction.hide_token(response, visible, "access_token")
    errmsg = redaction.redact(str(answer.get("errmsg", "")))
    raise APIError(describe(what, code, errmsg), errcode=code, errmsg=errmsg, response=response)


def parse(body: bytes | None) -> dict[str, Any]:
    """A JSON object from bytes that anybody may have sent; empty where it is none."""
    if not body:
        return {}
    try:
        answer = json.loads(body.decode(json.detect_encoding(body), "replace"))
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def errcode_of(answer: Any) -> int | None:
    """The top-level errcode of a parsed answer, or None where there is no whole number."""
    code = answer.get("errcode")
    return code if type(code) is int else None


def _header_code(response: requests.Response) -> int | None:
    text = response.headers.get("Error-Code")
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        return None


def _is_file(response: requests.Response) -> bool:
    return "Content-Disposition" in response.headers


def _is_unread(response: requests.Response) -> bool:
    return response._content is False


def _body(response: requests.Response) -> bytes | None:
    """The body; None where the caller has streamed it away."""
    gone = _is_unread(response) and response._content_consumed
    return None if gone else response.content


@lru_cache(maxsize=8)
def _any_of(codes: frozenset[int]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"%d" % code for code in codes))


def _glance(response: requests.Response, codes: frozenset[int]) -> bytes | None:
    """The body of a stream, unless its header already says that the token is good."""
    told = _header_code(response)
    if told is not None and told not in codes:
        return None
    return _small_stream(response, told=told is not None)


def _small_stream(response: requests.Response, told: bool = False) -> bytes | None:
    """The body of a stream if it may be a rejection: JSON, or `told` by its header, and short."""
    headers = response.headers
    if response._content_consumed or _is_file(response):
        return None
    if not told and "json" not in headers.get("Content-Type", "").lower():
        return None
    length = headers.get("Content-Length", "")[:9]
    if "Content-Encoding" not in headers and length.isdecimal() and int(length) > BODY_LIMIT:
        return None
    return peek(response)
