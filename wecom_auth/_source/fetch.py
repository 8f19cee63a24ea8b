"""What the leader of a flight does: adopt a neighbour's token, or ask the platform for one."""

from .._credential.exchange import Grant, Send
from .._credential.token import Token, issue
from .._log import log
from ..errors import (
    RATE_LIMITED,
    CredentialError,
    TokenUnavailable,
    WeComError,
)
from .state import Flight, State

TRIES = 3
"""How often gettoken is asked at most, where the platform is busy or not reached."""

_LIMITED = (
    "freshly fetched tokens keep being rejected, so gettoken is limited to one a minute for now."
    " Either an endpoint refuses this app's token (wrong app or wrong kind of token), or programs"
    " without a shared store end each other's tokens: give them the same store"
)


def fetch(state: State, flight: Flight, send: Send) -> Token:
    """A token from the store, else from the platform; the last one while no fetch is allowed.

    Args:
        state: of the credential.
        flight: the fetch that this is; it says how many seconds are left.
        send: sends the gettoken.

    Raises:
        CredentialError: the platform refuses the credential, or has just done so.
        TokenUnavailable: no token could be had in time.
    """
    _, token = _adopt(state)
    if token is not None:
        return token
    state.raise_remembered()
    if state.last is not None and not _may_fetch(state, flight):
        return state.last  # rejected or not: it is all there is
    if trouble := state.tell_owner():
        flight.afterwards(state.warn, "owner", trouble)
    with state.shelf.lock(flight.remaining * 0.8):
        seen, token = _adopt(state)
        return token or _exchange(state, flight, send, seen)


def _may_fetch(state: State, flight: Flight) -> bool:
    allowed = state.may_fetch()
    if not allowed:
        flight.afterwards(state.warn, "budget", _LIMITED)
    return allowed


def _adopt(state: State) -> tuple[str | None, Token | None]:
    """What the store holds, and the token in it if that is better than ours."""
    if not state.shelf:
        return None, None
    now, wall = state.now()
    seen, token = state.shelf.read(now, wall)
    if token is not None and token.value not in state.rejected:
        ours = state.current()
        if ours is None or (token.value != ours.value and token.is_fresh(now, wall)):
            return seen, token
    if (failure := state.shelf.failure(wall)) is not None:
        raise failure
    return seen, None


def _exchange(state: State, flight: Flight, send: Send, seen: str | None) -> Token:
    for _ in range(2):
        rejections = state.rejections
        now, wall = state.now()
        grant = _try(state, flight, send)
        state.spend()
        if not state.rejected_since(grant.value, rejections) or not _may_fetch(state, flight):
            break
    state.shelf.put(seen, grant, wall, state.rejected)
    flight.afterwards(log.info, "%s: token fetched, valid for %d s", state.credential, grant.life)
    return issue(grant, now, wall)


def _try(state: State, flight: Flight, send: Send) -> Grant:
    """One gettoken; up to three where the platform is busy or not reached and there is time."""

    def once() -> Grant:
        state.count("fetches")
        return state.credential.obtain(send, flight.remaining)

    import tenacity  # here, because a process that finds its token in a store never needs it

    tries = tenacity.Retrying(
        stop=lambda retry: (
            retry.attempt_number >= TRIES or retry.upcoming_sleep >= flight.remaining
        ),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0) + tenacity.wait_random(0, 0.2),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        return tries(once)
    except WeComError as error:
        state.count("failures")
        lasting = isinstance(error, CredentialError) or error.errcode == RATE_LIMITED
        if lasting and state.flight is flight:  # not one that was given up, and may be long past
            state.remember(error)
        raise


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TokenUnavailable) and error.errcode != RATE_LIMITED
