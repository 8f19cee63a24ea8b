"""One call as a flow without I/O: what to do next, given what came back.

A driver enters it only on the rare path, where there is no fresh token or an answer rejects one.
It does each step in its client's own way and sends back what came of it.
"""

from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._credential.token import Token
from .._log import log
from .._source import process
from .._source.source import TokenSource
from .retry import ONLY_TOKENS, RESENDS, Answered, Policy, Retry


class Get(NamedTuple):
    """Get a valid token; reply with it."""


class Replace(NamedTuple):
    """Drop this rejected token and get another; reply with it, or None where there is none."""

    rejected: Token


class Drop(NamedTuple):
    """Drop this rejected token; reply with None."""

    rejected: Token


class Send(NamedTuple):
    """Send the call with this token; reply with an `Answered`.

    Where the call is made `again` and its body cannot be, reply with None and send nothing. A
    rejected answer is read to its end and closed before a reply is sent: a hundred of them would
    hold the connections that gettoken waits for.
    """

    token: Token
    again: bool = False


class Wait(NamedTuple):
    """Wait so many seconds; reply with None."""

    seconds: float


Step = Get | Replace | Drop | Send | Wait
Flow = Generator[Step, Any, Any]

_healed: ContextVar[set[object]] = ContextVar("wecom_auth_healed")


class HealedInside:
    """Collect the credentials whose calls are retried inside this block.

    A decorated function whose call was retried inside, by another way, is not called again.
    No `@contextmanager`: its generator would cost every call a microsecond.
    """

    __slots__ = ("_mark",)

    def __enter__(self) -> set[object]:
        credentials: set[object] = set()
        self._mark = _healed.set(credentials)
        return credentials

    def __exit__(self, *error: object) -> None:
        _healed.reset(self._mark)


def call(
    source: TokenSource,
    token: Token | None = None,
    first: Answered | None = None,
    *,
    retry: Retry = ONLY_TOKENS,
    method: str = "",
    limit: float | None = None,
    replayable: bool = True,
) -> Flow:
    """Make one call: token, send, verdict, and perhaps again. Return the caller's answer.

    Args:
        source: hands out the tokens.
        token: the token that the call was sent with, where the driver has sent it.
        first: the answer to that.
        retry: the user's wishes beyond a rejected token.
        method: the HTTP method; empty for a decorated function.
        limit: seconds that the call may take, if its caller set a limit.
        replayable: False where it is known that the body cannot be sent again.

    Raises:
        CredentialError, TokenUnavailable: no token for the first send.
    """
    policy = Policy(source.credential.rejections, retry, method, limit)
    if token is None or first is None:
        token = yield Get()
        first = yield Send(token)
    current = _Current(source, token, first)
    for attempt in policy.retrying():
        if policy.waits and (seconds := policy.waits.pop()):
            yield Wait(seconds)
        if attempt.retry_state.attempt_number > 1:
            yield from _again(current, policy, replayable)
        attempt.retry_state.set_result(current.verdict)
    if policy.is_retried(current.verdict):
        _not_again(current, current.answered, "the answer to the last try says the same")
    return current.answered.answer


@dataclass(slots=True)
class _Current:
    """The token and the answer that the call has come to."""

    source: TokenSource
    token: Token
    answered: Answered
    is_final: bool = False

    @property
    def verdict(self) -> Answered:
        return Answered(None) if self.is_final else self.answered


def _again(current: _Current, policy: Policy, replayable: bool) -> Generator[Step, Any, None]:
    """Make the call again; the answer in hand is final where that cannot be."""
    rejected, before = policy.rejects(current.answered), current.answered
    policy.count(before)
    token: Token | None = current.token
    if not replayable:
        second = None
        if rejected:
            yield Drop(current.token)
    else:
        if rejected:
            token = yield Replace(current.token)
        second = None if token is None else (yield Send(token, again=True))
    if token is None or second is None:
        current.is_final = True
        why = "there is no other token" if token is None else "its body cannot be sent again"
        return _not_again(current, before, why)
    current.token, current.answered = token, second
    credential = current.source.credential
    _healed.get(set()).add(credential)
    log.debug("errcode %s: the call was made again", before.errcode)
    process.emit("resent", credential, before.errcode)
    if policy.rejects(second) and policy.resends >= RESENDS:
        yield Drop(token)  # else a request prepared once would meet it for ever
    elif rejected:
        current.source.accept(token)
    return None


def _not_again(current: _Current, answered: Answered, why: str) -> None:
    process.emit("not_resent", current.source.credential, answered.errcode, why=why)
    log.debug("errcode %s: the call was not made again: %s", answered.errcode, why)
