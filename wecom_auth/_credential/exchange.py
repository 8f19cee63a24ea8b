"""One HTTP exchange: gettoken, and what its answer means."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from .. import errors
from .._http.peeking import BODY_LIMIT
from .._http.redaction import redact, shorten
from .._http.trouble import answer_cause, network_cause, network_facts
from .._http.verdict import errcode_of, parse
from ..errors import (
    CredentialError,
    TokenConnectionError,
    TokenTimeout,
    TokenUnavailable,
)
from . import checks

TOKEN_LIFE = 7200.0
"""Seconds; the life of every token the platform documents."""

Send = Callable[[requests.Request, float], requests.Response]
"""How an exchange is sent: the request, and the seconds that it may take."""


ours: ContextVar[bool] = ContextVar("wecom_auth_exchange", default=False)
"""Whether what is being sent is an exchange of ours, which the drop-in lets pass."""


class Grant(NamedTuple):
    """What an exchange brought: the token, and the seconds that it lives."""

    value: str
    life: float

    def __repr__(self) -> str:
        return f"<Grant {shorten(self.value)}, {self.life:g} s>"


def exchange(request: requests.Request, send: Send, limit: float, secret: str) -> Grant:
    """Send one gettoken and read its answer.

    Args:
        request: the gettoken call.
        send: sends it.
        limit: seconds for all of it, a server that drips its answer included.
        secret: kept out of every error.

    Raises:
        CredentialError: the platform refuses the credential; asking again never helps.
        TokenUnavailable: no token now.
    """
    deadline = time.monotonic() + limit
    try:
        with _marked_as_ours():
            response = send(request, limit)
        status, body = response.status_code, _read(response, deadline)
        failure = None
    except requests.RequestException as error:
        failure = _unreached(error, str(request.url), limit, secret)
    except OSError as error:  # a CA bundle that is not there
        failure = TokenUnavailable(redact(f"gettoken could not be sent: {error}", secret))
    if failure is not None:
        raise failure  # out here, where the error with the secret in its URL is no context
    return _grant(status, body, str(request.url), secret)


def _unreached(
    error: requests.RequestException, url: str, limit: float, secret: str
) -> TokenUnavailable:
    cause, facts = network_cause(error), network_facts(error, url, limit)
    advice = errors.advice_of(cause, facts=facts)
    text = redact(f"gettoken failed: {type(error).__name__}: {error}", secret)
    text += f" | {advice}" if advice else ""
    return network_kind(error)(text, cause=cause, facts=facts)


@contextmanager
def _marked_as_ours() -> Iterator[None]:
    mark = ours.set(True)
    try:
        yield
    finally:
        ours.reset(mark)


def seconds(stated: object, default: float) -> float:
    """A life in seconds; one that makes no sense counts as not stated, one too long is cut."""
    if isinstance(stated, bool):
        return default
    try:
        life = float(stated)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return default
    return min(life, TOKEN_LIFE) if life > 0 else default


def _read(response: requests.Response, deadline: float) -> bytes:
    """A small body as it arrives: a slow server is given up at the deadline, not after a block."""
    body = bytearray()
    with response:
        for piece in response.iter_content(_as_it_arrives(response.raw)):
            body += piece
            if len(body) > BODY_LIMIT:
                break
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer did not end in time")
    return bytes(body)


def _as_it_arrives(raw: Any) -> int:
    """The block size with which no byte that is there waits for the next one.

    1 byte, which costs a millisecond of CPU that every other thread's calls feel; or any, where the
    stream can be made to give what has arrived.
    """
    if not (hasattr(raw, "read1") and hasattr(getattr(raw, "_fp", None), "read1")):
        return 1  # urllib3 before 2.1, or a body that somebody made up

    def stream(amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        return iter(partial(raw.read1, amount, decode_content), b"")

    raw.stream = stream  # which is what iter_content reads, and whose errors it translates
    return BODY_LIMIT


def network_kind(error: Exception) -> type[TokenUnavailable]:
    """What a failure of the network is called: it is found by `requests`' own names as well.

    Where a body stalls or is cut short, requests calls that by others: the first ConnectionError,
    around urllib3's own, the second ChunkedEncodingError.
    """
    stalled = isinstance(next(iter(error.args), None), urllib3.exceptions.ReadTimeoutError)
    if isinstance(error, requests.Timeout) or stalled:
        return TokenTimeout
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return TokenConnectionError
    return TokenUnavailable


def _grant(status: int, body: bytes, url: str, secret: str) -> Grant:
    answer = parse(body)
    code, value = errcode_of(answer), checks.token(answer.get("access_token"))
    if not code and value:  # old answers have no errcode
        return Grant(value, seconds(answer.get("expires_in"), TOKEN_LIFE))
    if not code:
        raise _no_answer(status, body, url)
    errmsg = redact(str(answer.get("errmsg", "")), secret)
    passing = code in errors.TRANSIENT or code == errors.RATE_LIMITED
    kind = TokenUnavailable if passing else CredentialError
    raise kind(errors.describe("gettoken", code, errmsg), errcode=code, errmsg=errmsg)


def _no_answer(status: int, body: bytes, url: str) -> TokenUnavailable:
    cause = answer_cause(status, "", body)
    parts = urlsplit(url)
    facts = {"host": parts.netloc, "path": parts.path, "code": status, "there": "another host"}
    advice = errors.advice_of(cause, facts=facts)
    text = f"gettoken: HTTP {status}, and no token in the answer | {advice}"
    return TokenUnavailable(text, cause=cause, facts=facts)
