"""The work of a flight's leader: adopt a neighbour's token, or ask the platform for one."""

from collections.abc import Callable

from .._credential.exchange import Grant, ParentRejected, Send
from .._credential.token import Token, issue
from .._log import log
from ..errors import TRANSIENT, CredentialError, TokenUnavailable, WeComError
from ..stores.protocol import patience
from . import lives, process, recent
from .flight import Flight
from .shared import Seen
from .state import State

TRIES = 3
"""How often the platform is asked at most, where it is busy or not reached."""

Parent = Callable[[], tuple[State, Token]]

_LIMITED = (
    "freshly fetched tokens keep being rejected, so gettoken is limited by time for now."
    " Either an endpoint refuses this app's token (wrong app or wrong kind of token), or programs"
    " without a shared store end each other's tokens: give them the same store"
)


def fetch(state: State, flight: Flight, send: Send, parent: Parent) -> Token:
    """Return a token from the store, else from the platform; the last one while none is allowed.

    Args:
        state: of the credential.
        flight: the fetch that this is; it says how many seconds are left.
        send: sends the exchange.
        parent: returns the parent's state and token, where the exchange carries one.

    Raises:
        CredentialError: the platform refuses the credential, or has just done so.
        TokenUnavailable: no token could be had in time.
    """
    patience.set(flight.deadline)
    fingerprint = state.credential.fingerprint()
    _, token = _adopt(state, fingerprint)
    if token is not None:
        return token
    if (failure := state.remembered(fingerprint)) is not None:
        raise failure
    if (spare := state.spare) is not None and not _may_fetch(state, flight):
        state.emit("served_stale", why="no fetch is allowed now")
        return spare  # rejected or not: it is all there is
    if trouble := state.tell_owner():
        flight.afterwards(state.warn, "owner", trouble)
    with state.shared.lock(flight.remaining * 0.8):
        seen, token = _adopt(state, fingerprint)
        return token or _exchange(state, flight, send, parent, seen)


def _may_fetch(state: State, flight: Flight) -> bool:
    allowed = state.may_fetch()
    if not allowed:
        state.emit("budget", why="freshly fetched tokens keep being rejected")
        flight.afterwards(state.warn, "budget", _LIMITED)
    return allowed


def _adopt(state: State, fingerprint: str) -> tuple[Seen, Token | None]:
    """Return what the store holds, and the token in it if that is better than the one held."""
    now, wall = state.now()
    seen = state.shared.read(now, wall, fingerprint)
    token = seen.token
    if token is not None and not token.is_over(now, wall) and not state.is_rejected(token.value):
        held = state.current()
        if held is None or (token.is_fresh(now, wall) and token.adds_to(held)):
            state.emit("adopted", seconds=token.until_end(now, wall))
            return seen, token
    if seen.failure is not None:
        raise _explained(state, seen.failure)
    return seen, None


def _explained(state: State, failure: WeComError) -> WeComError:
    """Return a neighbour's failure with what is known here of it: a record holds its errcode."""
    if more := state.credential.explain(failure.errcode):
        failure.args = (f"{failure} | {more}",)
    return failure


def _exchange(state: State, flight: Flight, send: Send, parent: Parent, seen: Seen) -> Token:
    """Ask the platform; again where it gives what was rejected meanwhile, or is about to end."""
    if (last := lives.in_its_last_moment(state)) is not None:
        _await_end(state, flight, last)
    for tries in range(TRIES):
        rejections, asked = state.rejections, state.now()
        grant = _try(state, flight, send, parent)
        state.spend(grant.value)
        again = tries < TRIES - 1
        token = lives.first_sight(state, issue(grant, *asked), seen.token, again=again)
        if state.is_over(token):
            _await_end(state, flight, token)
            continue
        dead = not tries and state.rejected_since(grant.value, rejections)
        if not dead or not _may_fetch(state, flight):
            break
    state.shared.put(seen, token, *state.now(), state.rejected)
    life = token.until_end(*state.now())
    state.emit("fetched", seconds=life)
    recent.fetched(state.credential, token.value)
    flight.afterwards(log.info, "%s: token fetched, valid for %d s", state.credential, round(life))
    return token


def _await_end(state: State, flight: Flight, token: Token) -> None:
    """Wait for the end of a value that the platform repeats: only then does it give another."""
    left = token.until_end(*state.now())
    process.nap(min(left + 0.05 if left else 1.0, flight.remaining))


def _try(state: State, flight: Flight, send: Send, parent: Parent) -> Grant:
    """Make one exchange; up to three where the platform is busy or not reached, in time."""
    import tenacity  # late, because a process that finds its token in a store never needs it

    of_parent: list[WeComError] = []  # the parent remembers its own failure, and what ends it

    def ask_parent() -> tuple[State, Token]:
        try:
            return parent()
        except WeComError as error:
            of_parent.append(error)
            raise

    tries = tenacity.Retrying(
        stop=lambda retry: (
            retry.attempt_number >= TRIES or retry.upcoming_sleep >= flight.remaining
        ),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1.0) + tenacity.wait_random(0, 0.2),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        return tries(lambda: _once(state, flight, send, ask_parent))
    except WeComError as error:
        state.count("failures")
        state.emit("refused", error.errcode, why=str(error))
        if error.errcode is not None:
            recent.refused(state.credential, error)
        if error not in of_parent and state.flight is flight:  # not one given up long ago
            state.pause_all(error)
            if _lasts(error):
                state.remember(error, state.credential.fingerprint())
        raise


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TokenUnavailable) and error.errcode in {None, *TRANSIENT}


def _lasts(error: WeComError) -> bool:
    """Return whether asking again within a minute is of no use: a refusal, or an unknown code."""
    return isinstance(error, CredentialError) or error.errcode not in {None, *TRANSIENT}


def _once(state: State, flight: Flight, send: Send, parent: Parent) -> Grant:
    """Make one exchange; where it says that the parent's token is dead, with another one."""
    credential = state.credential
    state.count("fetches")
    if credential.parent is None:
        return credential.obtain(send, flight.remaining)
    owner, token = parent()
    try:
        return credential.obtain_with(token.value, send, flight.remaining)
    except ParentRejected:
        owner.invalidate(token.value)
    owner, newer = parent()
    try:
        grant = credential.obtain_with(newer.value, send, flight.remaining)
    except ParentRejected as error:
        owner.accept(newer.value, always=True)  # a fresh one, too: it is the child's own refusal
        raise CredentialError(str(error), errcode=error.errcode, errmsg=error.errmsg) from None
    owner.accept(newer.value)
    return grant
