"""May a rejected call go out again? One decision for every way to attach, and its rewind."""

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from email.message import Message
from typing import Any, TypeVar

import requests
from requests.cookies import RequestsCookieJar, get_cookie_header
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from .._credential.credentials import Credential
from .._credential.exchange import Send
from .._http import query
from .._http.redaction import twin
from .._http.verdict import rejection
from .._log import log
from .._source.source import TokenSource

RESENDS = 1
"""A fresh token that is rejected too says that none will do: wrong app, wrong endpoint."""

_resent: ContextVar[set[Credential]] = ContextVar("wecom_auth_resent")

_WHOLE = bytes | str | bytearray | memoryview
"""Bodies that stay as they are however often they are sent."""

R = TypeVar("R")


class NotingResends:
    """Whose calls are made again meanwhile: a decorated function is then not called again.

    No `@contextmanager`: its generator would cost every call a microsecond, or three when cold.
    """

    __slots__ = ("_mark",)

    def __enter__(self) -> set[Credential]:
        credentials: set[Credential] = set()
        self._mark = _resent.set(credentials)
        return credentials

    def __exit__(self, *error: object) -> None:
        _resent.reset(self._mark)


def _rules() -> dict[str, Any]:
    import tenacity

    return {
        "stop": tenacity.stop_after_attempt(RESENDS),
        "retry": tenacity.retry_if_result(bool),
        "retry_error_callback": lambda state: log.debug("a fresh token was rejected too"),
    }


def replay(
    source: TokenSource,
    answer: requests.Response,
    request: requests.PreparedRequest,
    sent: str,
    send: Callable[[requests.PreparedRequest], requests.Response],
    *,
    stream: bool,
    timeout: float | None = None,
    via: Send | None = None,
) -> requests.Response:
    """The answer to a rejected request made again with a fresh token, or the answer there is.

    Args:
        source: replaces the token.
        answer: the first answer, which rejects its token.
        request: the request that it answers, with the token in its URL.
        sent: that token.
        send: sends the request again.
        stream: whether the caller streams the body.
        timeout: seconds for getting a token.
        via: sends the gettoken.
    """
    codes, name = source.credential.rejections, source.credential.parameter
    if not _replayable(request):
        source.invalidate(sent)
        return answer

    def resend(value: str) -> requests.Response | None:
        if not _rewind(request):
            return None
        again = _with_cookies_of(answer, request)
        began = time.perf_counter()
        second = send(twin(again, query.put(again.url or "", name, value)))
        second.elapsed = answer.elapsed + timedelta(seconds=time.perf_counter() - began)
        _hand_on_cookies(answer, second)
        return second

    def is_rejected(second: requests.Response) -> bool:
        return rejection(second, codes, stream=stream) is not None

    return heal(source, sent, answer, resend, is_rejected, timeout=timeout, via=via)


def heal(
    source: TokenSource,
    rejected: str,
    answer: R,
    resend: Callable[[str], R | None],
    is_rejected: Callable[[R], object],
    *,
    timeout: float | None = None,
    via: Send | None = None,
) -> R:
    """The answer to the call made again with a fresh token, or the answer there is.

    Args:
        source: replaces the token.
        rejected: the token that the platform has rejected.
        answer: the answer that says so.
        resend: makes the call again with this token; None where it cannot be made again.
        is_rejected: whether an answer rejects its token.
        timeout: seconds for getting the token.
        via: sends the gettoken.
    """
    import tenacity  # here, because most processes never meet a rejection

    def again() -> bool:
        nonlocal rejected, answer
        token = source.replace(rejected, timeout, via=via)
        second = None if token is None else resend(token.value)
        if token is None or second is None:
            return False
        rejected, answer = token.value, second
        if not is_rejected(answer):
            return False
        source.invalidate(rejected)  # else a stale request prepared once would meet it for ever
        return True

    # Called, never used to decorate: a decorated function is not safe among threads.
    tenacity.Retrying(**_rules())(again)
    _resent.get(set()).add(source.credential)
    return answer


async def heal_async(
    source: TokenSource,
    rejected: str,
    answer: R,
    resend: Callable[[str], Awaitable[R | None]],
    is_rejected: Callable[[R], object],
) -> R:
    """The same for a coroutine function."""
    import tenacity

    async def again() -> bool:
        nonlocal rejected, answer
        token = await source.areplace(rejected)
        second = None if token is None else await resend(token.value)
        if token is None or second is None:
            return False
        rejected, answer = token.value, second
        if not is_rejected(answer):
            return False
        await source.ainvalidate(rejected)
        return True

    await tenacity.AsyncRetrying(**_rules())(again)
    _resent.get(set()).add(source.credential)
    return answer


def _replayable(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent again whole.

    requests notes where an open file stands when it prepares the request. Where it could not
    (a generator, a pipe, a MultipartEncoder), a second send would arrive empty.
    """
    if request.body is None or isinstance(request.body, _WHOLE):
        return True
    return isinstance(getattr(request, "_body_position", None), int)


def _rewind(request: requests.PreparedRequest) -> bool:
    """Put the body back to where it stood; False where that fails, as with a closed file."""
    if request.body is None or isinstance(request.body, _WHOLE):
        return True
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):
        return False
    return True


def _with_cookies_of(
    rejected: requests.Response, request: requests.PreparedRequest
) -> requests.PreparedRequest:
    """The request as a session would send it after the rejected answer set its cookies."""
    if not rejected.cookies:
        return request
    again = request.copy()
    known = again._cookies or RequestsCookieJar()
    theirs = again.headers.pop("Cookie", None)
    if theirs != get_cookie_header(known, again):  # the caller's own header stays as it is
        return request
    for cookie in rejected.cookies:
        known.set_cookie(cookie)
    again.prepare_cookies(known)
    return again


def _hand_on_cookies(rejected: requests.Response, final: requests.Response) -> None:
    """Let the session find the cookies of the rejected answer in the final one.

    It looks for them in the message that the standard library parsed, and at no other answer.
    """
    first, second = (
        getattr(getattr(response.raw, "_original_response", None), "msg", None)
        for response in (rejected, final)
    )
    if isinstance(first, Message) and isinstance(second, Message):
        cookies = [*first.get_all("Set-Cookie", []), *second.get_all("Set-Cookie", [])]
        del second["Set-Cookie"]
        for cookie in cookies:
            second["Set-Cookie"] = cookie
