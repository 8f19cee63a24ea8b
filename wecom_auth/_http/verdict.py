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
from urllib.parse import urlsplit

import requests

from ..errors import APIError, advice_of, describe
from . import redaction
from .peeking import BODY_LIMIT, peek
from .trouble import answer_cause


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
    """Raise for a non-zero errcode and for an answer that is not the platform's.

    Args:
        response: the answer to a WeCom call. Files (`Content-Disposition`), streams that nobody
            has read, and bodies that are neither JSON nor a web page pass. An HTTP status of 400
            or more, a web page, an empty answer, and JSON without an errcode do not.
        kwargs: what requests hands to a response hook.

    Returns:
        The response itself.

    Raises:
        APIError: with `errcode`, `errmsg`, `advice`, `help_url` and the `response`. Where a proxy
            answered in the platform's place, `errcode` is None and `cause` says more.

    Example:
        >>> session.hooks["response"].append(raise_for_errcode)  # doctest: +SKIP
        >>> raise_for_errcode(session.get(url)).json()  # doctest: +SKIP
    """
    if not isinstance(response, requests.Response):
        raise TypeError(f"response must be a requests.Response, not {type(response).__name__}")
    failed = response.status_code >= 400
    if not failed and (_header_code(response) == 0 or _is_file(response)):
        return response
    stream = kwargs.get("stream", True) and _is_unread(response)
    body = _small_stream(response) if stream else _body(response)
    answer = parse(body)
    code = errcode_of(answer)
    if code:
        raise _refused(response, code, redaction.redact(str(answer.get("errmsg", ""))))
    if failed or (body is not None and not stream and _is_foreign(response, body, answer)):
        raise _foreign(response, body or b"")
    return response


def _refused(response: requests.Response, code: int, errmsg: str) -> APIError:
    text = describe(_visible_call(response), code, errmsg)
    return APIError(text, errcode=code, errmsg=errmsg, response=response)


def _is_foreign(response: requests.Response, body: bytes, answer: dict[str, Any]) -> bool:
    """Return whether JSON was to be expected here, and this is none of the platform's."""
    if errcode_of(answer) == 0 or response.status_code == 206 or response.is_redirect:
        return False
    request = response.request
    if request is not None and (request.method == "HEAD" or _is_exchange(request, answer)):
        return False
    content_type = response.headers.get("Content-Type", "").lower()
    if content_type:
        return "json" in content_type or "text/html" in content_type
    return not body or body.lstrip().startswith((b"{", b"[", b"<"))


def _is_exchange(request: requests.PreparedRequest, answer: dict[str, Any]) -> bool:
    """Return whether this answers an exchange of tokens: those have an errcode on failure only."""
    path = (request.url or "").partition("?")[0]
    return bool(answer) and (path.endswith("gettoken") or "/service/" in path)


def _foreign(response: requests.Response, body: bytes) -> APIError:
    call, status = _visible_call(response), response.status_code
    content_type = response.headers.get("Content-Type", "")
    cause = answer_cause(status, content_type, body)
    url = urlsplit(response.url or "")
    facts = {"host": url.netloc.rpartition("@")[2] or "the server", "path": url.path}
    facts |= {"code": str(status), "there": "another address"}
    text = (
        f"{call}: HTTP {status} ({content_type or 'no content type'}):"
        f" a proxy answered, not the platform | {advice_of(cause, facts=facts)}"
    )
    return APIError(text, cause=cause, facts=facts, response=response)


def _visible_call(response: requests.Response) -> str:
    """Return the method and path for an error, and take the token out of the response."""
    if response.request is None:  # as in one made by hand, in a test
        return "the call"
    visible = redaction.visible_request(response.request, "access_token")
    redaction.hide_token(response, visible, "access_token")
    return f"{visible.method} {visible.path_url.partition('?')[0]}"


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
