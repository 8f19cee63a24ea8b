"""One exchange over HTTP: how it is sent, and what its answer means."""

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from .._http.redaction import redact, shorten
from .._http.trouble import answer_cause, network_cause, network_facts
from .._http.verdict import errcode_of, parse
from ..errors import (
    IP_NOT_TRUSTED,
    CredentialError,
    TokenUnavailable,
    WeComError,
    advice_of,
    describe,
    network_kind,
    renewed,
)
from . import checks
from .kind import Kind

T = TypeVar("T")

TOKEN_LIFE = 7200.0
"""Seconds; the life of every token the platform documents."""

is_exchange: ContextVar[bool] = ContextVar("wecom_auth_exchange", default=False)
"""True while an exchange of this package is sent, which the drop-in lets pass."""


class Answer(NamedTuple):
    """The answer to an exchange: status, headers, and a body of 8 KB at most."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Send(Protocol):
    """Send one HTTP request and return its answer; never follow a redirect, never retry.

    Args:
        method: `GET` or `POST`.
        url: with its query.
        headers: to send, beside those that the way there adds.
        body: the body, or None.
        seconds: how long this may take.

    Raises:
        TokenTimeout, TokenConnectionError, TokenUnavailable: there is no answer; without cause
            and context, which may show the URL.
    """

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer: ...


class Grant(NamedTuple):
    """The token that an exchange brought, and the seconds that it lives."""

    value: str
    life: float = TOKEN_LIFE

    def __repr__(self) -> str:
        return f"<Grant {shorten(self.value)}, {self.life:g} s>"


class Abandoned(Exception):
    """The exchange was not carried out: the event loop that should have sent it has ended."""


class ParentRejected(CredentialError):
    """The exchange says that the parent's token is dead."""


class TicketStale(CredentialError):
    """The exchange wants a newer ticket."""


def exchange(
    kind: Kind,
    send: Send,
    seconds: float,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    secrets: tuple[str, ...] = (),
) -> Grant:
    """Send one exchange and read its answer.

    Args:
        kind: says which field holds the token, and whose failure an errcode is.
        send: sends the request.
        seconds: how long it may take.
        method: `GET` or `POST`.
        url: of the exchange, with its query.
        headers: beside those of the way there.
        body: of a POST.
        secrets: values kept out of every error.

    Raises:
        CredentialError: the platform refuses the credential; asking again never helps.
        TokenUnavailable: no token now.
    """
    mark = is_exchange.set(True)
    try:
        answer = send(method, url, headers or {}, body, seconds)
        failure = None
    except TokenUnavailable as error:
        failure = renewed(error)
        failure.args = (redact(str(error), *secrets),)
    finally:
        is_exchange.reset(mark)
    if failure is not None:
        raise failure  # out here, where an error that shows the secret is no context
    return grant_of(kind, answer, url, secrets)


def post(
    kind: Kind,
    send: Send,
    seconds: float,
    url: str,
    body: Mapping[str, object],
    secrets: tuple[str, ...],
) -> Grant:
    """Send one exchange whose arguments go as JSON; as `exchange`."""
    headers = {"Content-Type": "application/json"}
    data = json.dumps(body).encode()
    return exchange(kind, send, seconds, "POST", url, headers=headers, body=data, secrets=secrets)


def grant_of(kind: Kind, answer: Answer, url: str, secrets: tuple[str, ...] = ()) -> Grant:
    """Return the token in an answer, or raise the failure that it is."""
    said = parse(answer.body)
    code, value = errcode_of(said), checks.token(said.get(kind.field))
    if not code and value:  # old answers have no errcode
        return Grant(value, seconds_of(said.get("expires_in"), TOKEN_LIFE))
    if code:
        errmsg = redact(str(said.get("errmsg", "")), *secrets)
        text = describe(kind.exchange, code, errmsg)
        raise _failure(kind, code)(text, errcode=code, errmsg=errmsg)
    raise _no_answer(kind, answer, url)


def _no_answer(kind: Kind, answer: Answer, url: str) -> TokenUnavailable:
    cause = answer_cause(answer.status, "", answer.body)
    parts = urlsplit(url)
    facts = {"host": parts.netloc, "path": parts.path, "there": "another host"}
    facts |= {"code": str(answer.status)}
    advice = advice_of(cause, facts=facts)
    text = f"{kind.exchange}: HTTP {answer.status}, and no token in the answer | {advice}"
    return TokenUnavailable(text, cause=cause, facts=facts)


def unreached(error: Exception, url: str, seconds: float) -> TokenUnavailable:
    """Return the failure that an error of the network is, for a `Send` to raise.

    Raise it outside the `except` block: inside, Python would keep the error, which may show the
    secret, as its context.

    Args:
        error: what the client raised.
        url: of the exchange; only its host is kept.
        seconds: the time limit.
    """
    cause, facts = network_cause(error), network_facts(error, url, seconds)
    advice = advice_of(cause, facts=facts)
    text = redact(f"gettoken failed: {type(error).__name__}: {error}")
    text += f" | {advice}" if advice else ""
    return network_kind(error, cause)(text, cause=cause, facts=facts)


def _failure(kind: Kind, code: int) -> type[WeComError]:
    if code in kind.parent:
        return ParentRejected
    if code in kind.stale:
        return TicketStale
    refused = code in kind.refusals or code == IP_NOT_TRUSTED  # asking again never helps
    return CredentialError if refused else TokenUnavailable


def seconds_of(stated: object, default: float) -> float:
    """Parse a life: use the default if it is invalid, cap it at 7200."""
    if isinstance(stated, bool):
        return default
    try:
        life = float(stated)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return default
    return min(life, TOKEN_LIFE) if life > 0 else default


def with_newest(secret: Callable[[], T], attempt: Callable[[T], Grant]) -> Grant:
    """Make an exchange with a secret; once more where it is refused and the secret has changed."""
    used = secret()
    try:
        return attempt(used)
    except CredentialError:
        newer = secret()
        if newer == used:
            raise
    return attempt(newer)
