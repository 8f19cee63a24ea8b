"""`raise_for_errcode`: one decision over an answer, whichever library it is of."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from .._http import query
from .._http.redaction import redact
from .._http.trouble import answer_cause
from .._http.verdict import errcode_of, header_code, is_file, parse
from .._source import recent
from ..errors import APIError, advice_of, describe

_REDIRECTS = (301, 302, 303, 307, 308)


class Seen(NamedTuple):
    """What can be seen of an answer, and of the request that it answers.

    Attributes:
        status, headers: of the answer.
        read: returns the body; None where its reader has not had it yet, or has had it already.
        streams: whether `read` returns no more than the start of a body.
        method, url: of the request, token and all; empty for an answer made by hand.
        sent: the body of the request, where that is bytes.
        part: takes the token out of the answer, and returns the request that may be shown.
    """

    status: int
    headers: Mapping[str, str]
    read: Callable[[], bytes | None]
    streams: bool
    method: str
    url: str
    sent: bytes
    part: Callable[[], Any]


class _Answer(Protocol):
    """An answer of requests, httpx, httpx2 or niquests."""

    @property
    def status_code(self) -> Any: ...
    @property
    def headers(self) -> Any: ...
    @property
    def request(self) -> Any: ...


R = TypeVar("R", bound=Mapping[str, Any] | _Answer)


def raise_for_errcode(response: R, **kwargs: Any) -> R:
    """Raise for a non-zero errcode and for an answer that is not the platform's.

    Args:
        response: the answer to a WeCom call, of requests, httpx, httpx2 or niquests. Files
            (`Content-Disposition`), streams that nobody has read, and bodies that are neither JSON
            nor a web page pass. An HTTP status of 400 or more, a web page, an empty answer, and
            JSON without an errcode do not. For aiohttp and urllib: the parsed JSON, which has to
            hold an errcode. (Answers that carry none on success, as those of `/service/` for a
            provider, are no matter for that.)
        kwargs: what requests hands to a response hook.

    Returns:
        The response itself.

    Raises:
        APIError: with `errcode`, `errmsg`, `advice`, `help_url` and the `response`. Where a proxy
            answered in the platform's place, `errcode` is None and `cause` says more.
        TypeError: for anything else.

    Example:
        >>> raise_for_errcode({"errcode": 0, "errmsg": "ok"})
        {'errcode': 0, 'errmsg': 'ok'}
        >>> session.hooks["response"].append(raise_for_errcode)  # doctest: +SKIP
        >>> raise_for_errcode(client.get(url)).json()  # doctest: +SKIP
        >>> raise_for_errcode(await response.json())  # aiohttp  # doctest: +SKIP
    """
    if isinstance(response, Mapping):
        error = _of_mapping(response)
    else:
        seen = _seen(response, kwargs)
        error = _failure(seen)
        if error is not None:
            error.request, error.response = seen.part(), response  # type: ignore[assignment]
    if error is not None:
        raise error
    return response


def _seen(response: Any, kwargs: dict[str, Any]) -> Seen:
    """Return what can be seen of it; by names, for no library is imported that is not there."""
    names = {(each.__module__.partition(".")[0], each.__name__) for each in type(response).__mro__}
    if names & {("requests", "Response"), ("niquests", "Response")}:
        from .requests.answer import seen

        return seen(response, stream=kwargs.get("stream", True))
    if names & {("httpx", "Response"), ("httpx2", "Response")}:
        from .httpx.answer import seen as seen_httpx

        return seen_httpx(response)
    raise TypeError(
        "response must be a Response of requests, httpx, httpx2 or niquests, or the parsed JSON"
        f" of another client, not {type(response).__name__}"
    )


def _of_mapping(answer: Mapping[str, Any]) -> APIError | None:
    code = errcode_of(answer)
    if code == 0:
        return None
    if code is not None:
        return _refused("the call", code, answer, "", "", None)
    cause = "not_wecom"
    facts = {"host": "the server", "path": "", "code": "200", "there": "another address"}
    text = (
        f"the JSON has no errcode: it is not the platform's answer | {advice_of(cause, '', facts)}"
    )
    return APIError(text, cause=cause, facts=facts)


def _failure(seen: Seen) -> APIError | None:
    failed = seen.status >= 400
    if not failed and (header_code(seen.headers) == 0 or is_file(seen.headers)):
        return None
    body = seen.read()
    answer = parse(body)
    code = errcode_of(answer)
    if code:
        sent = query.find(seen.url, "access_token")
        agentid = parse(seen.sent).get("agentid")
        return _refused(_call(seen), code, answer, seen.url, sent[-1] if sent else "", agentid)
    if failed or (body is not None and not seen.streams and _is_foreign(seen, body, answer)):
        return _foreign(seen, body or b"")
    return None


def _refused(
    call: str, code: int, answer: Mapping[str, Any], url: str, token: str, agentid: object
) -> APIError:
    errmsg = redact(str(answer.get("errmsg", "")), *filter(None, [token]))
    cause, facts = recent.cause_of(code, url, token, agentid)
    text = describe(call, code, errmsg, cause, facts)
    return APIError(text, errcode=code, errmsg=errmsg, cause=cause, facts=facts)


def _is_foreign(seen: Seen, body: bytes, answer: dict[str, Any]) -> bool:
    """Return whether JSON was to be expected here, and this is none of the platform's."""
    redirects = seen.status in _REDIRECTS and "Location" in seen.headers
    if errcode_of(answer) == 0 or seen.status == 206 or redirects:
        return False
    if seen.method == "HEAD" or (answer and _is_exchange(seen.url)):
        return False
    content_type = seen.headers.get("Content-Type", "").lower()
    if content_type:
        return "json" in content_type or "text/html" in content_type
    return not body or body.lstrip().startswith((b"{", b"[", b"<"))


def _is_exchange(url: str) -> bool:
    """Return whether this is an exchange of tokens: its answer has an errcode on failure only."""
    path = url.partition("?")[0]
    return path.endswith("gettoken") or "/service/" in path


def _foreign(seen: Seen, body: bytes) -> APIError:
    content_type = seen.headers.get("Content-Type", "")
    cause = answer_cause(seen.status, content_type, body)
    url = urlsplit(seen.url)
    facts = {"host": url.netloc.rpartition("@")[2] or "the server", "path": url.path}
    facts |= {"code": str(seen.status), "there": "another address"}
    text = (
        f"{_call(seen)}: HTTP {seen.status} ({content_type or 'no content type'}):"
        f" a proxy answered, not the platform | {advice_of(cause, facts=facts)}"
    )
    return APIError(text, cause=cause, facts=facts)


def _call(seen: Seen) -> str:
    """Return the method and path for an error; one made by hand, in a test, may have neither."""
    return f"{seen.method} {urlsplit(seen.url).path or '/'}" if seen.method else "the call"
