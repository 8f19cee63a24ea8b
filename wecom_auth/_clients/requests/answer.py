"""Look into one answer of requests, no further than a rejection is long.

Of a stream the header is read first, because then the body need not be; of a body that requests
reads anyway it is read last, because hardly any body contains the code at all.
"""

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ..._http import query, redaction
from ..._http.trouble import answer_cause
from ..._http.verdict import (
    errcode_in,
    errcode_of,
    header_code,
    is_file,
    may_hold_errcode,
    parse,
)
from ..._source import recent
from ...errors import APIError, advice_of, describe
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
    if not failed and (header_code(response.headers) == 0 or is_file(response.headers)):
        return response
    stream = kwargs.get("stream", True) and _is_unread(response)
    gone = response._content_consumed and _is_unread(response)
    body = _small_json(response) if stream or gone else response.content
    answer = parse(body)
    code = errcode_of(answer)
    if code and stream:
        _release(response)
    if code:
        raise _refused(response, code, redaction.redact(str(answer.get("errmsg", ""))))
    if failed or (body is not None and not stream and _is_foreign(response, body, answer)):
        raise _foreign(response, body or b"")
    return response


def _refused(response: requests.Response, code: int, errmsg: str) -> APIError:
    sent = query.find(getattr(response.request, "url", None) or "", "access_token")
    agentid = parse(_sent_body(response)).get("agentid")
    cause, facts = recent.cause_of(code, response.url or "", sent[-1] if sent else "", agentid)
    text = describe(_visible_call(response), code, errmsg, cause, facts)
    return APIError(text, errcode=code, errmsg=errmsg, cause=cause, facts=facts, response=response)


def _sent_body(response: requests.Response) -> bytes:
    body = getattr(response.request, "body", None)
    return body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""


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
    visible = hide.visible_request(response.request, "access_token")
    hide.hide_token(response, visible, "access_token")
    return f"{visible.method} {visible.path_url.partition('?')[0]}"


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


def _small_json(response: requests.Response) -> bytes | None:
    """Return the body of a stream if it is short JSON."""
    may_be = "json" in response.headers.get("Content-Type", "").lower()
    return peek(response) if may_be and not response._content_consumed else None
