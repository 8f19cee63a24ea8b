"""Single flight: one fetch at a time; who leads it, who waits for it, who gives it up.

The leader fetches outside any lock. An exchange runs in a thread of its own and everybody, the
leader too, waits for it with a bound: a limit is a point in time, whatever the network does. It
runs in the caller's own thread where that owns what it needs (`inline`), where no thread starts,
and where greenlets could not wait for one.
"""

from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from urllib.parse import urlsplit

from .._clock import waiting
from .._credential.exchange import Abandoned, Send
from .._credential.token import Token
from ..errors import TokenTimeout, TokenUnavailable, WeComError, advice_of, renewed
from . import process
from .fetch import fetch
from .flight import Flight, Outcome
from .state import TIME_LIMIT, State
from .steps import Steps, Wait, run

_LOOK = 3.0
"""Seconds for which a refresh may hold up a call that has a token still."""

_TOO_LITTLE = 0.05
_SLACK = 0.1
"""Seconds past its limit that a caller waits for the exchange to say why it failed."""

_leading: ContextVar[tuple[Flight, ...]] = ContextVar("wecom_auth_flights", default=())
"""The flights that this context leads, one for another. No flag: a copied context outlives it."""


def joining(
    state: State, limit: float, send: Send, *, force: bool | Token = False, inline: bool = False
) -> Steps[Token]:
    """Return a token within so many seconds: lead the fetch, or wait for the one under way.

    Args:
        state: of the credential.
        limit: seconds that this may take.
        send: sends the exchange, if this leads.
        force: fetch even if there is a token; with a token, unless another has come since.
        inline: fetch in the caller's own thread, as its own exchange would have done.

    Raises:
        CredentialError, TokenUnavailable: there is none. What a credential of the user's own
            raises by mistake reaches the caller as it is.
    """
    deadline = waiting() + limit
    while True:
        flight, leads = board(state, deadline - waiting(), force)
        if isinstance(flight, Token):
            return flight
        if leads and (inline or not _start(state, flight, send)):
            lead(state, flight, send)
        left = max(0.0, deadline + _SLACK - waiting())
        outcome = yield Wait(flight, left if leads else flight.patience(deadline + _SLACK))
        token = _token_of(state, flight, outcome, deadline)
        if token is not None:
            return token
        _stop_at(state, deadline, limit)


def ageing(state: State, limit: float, send: Send, *, inline: bool) -> Steps[Token | None]:
    """Return the token that is held; past its soft deadline it is refreshed in the background.

    A token whose death no errcode tells is refreshed before it is used, for some seconds at most:
    another process may have done so already, and ended this one.
    """
    token = state.current()
    if token is None or token.is_fresh(*state.now()):
        return token
    if state.credential.kind.rejections:
        refresh_in_background(state, send)
    elif not state.is_put_off():
        limit = min(limit, _LOOK)
        with suppress(WeComError):  # logged once; the old one serves on
            return (yield from joining(state, limit, send, force=token, inline=inline))
    return token


def refresh_in_background(state: State, send: Send) -> None:
    """Fetch a new token in a daemon thread, unless that is under way or was put off."""
    flight = take_off(state, TIME_LIMIT)
    if flight is None:
        return
    state.emit("served_stale", why="a new token is being fetched")
    if not _start(state, flight, send):
        state.put_off(1.0)  # the old token serves on; past its hard deadline a caller fetches
        _land(state, flight, None)


def refreshing(state: State, old: Token, limit: float, send: Send, *, inline: bool) -> Steps[None]:
    """Fetch a new token in this very call, unless that is done, under way or was put off."""
    with process.lock:
        flight = take_off(state, limit) if state.current() is old else None
    if flight is not None:
        if inline or not _start(state, flight, send):
            lead(state, flight, send)
        yield Wait(flight, limit)


def take_off(state: State, limit: float) -> Flight | None:
    """Begin a flight, unless one is under way or was put off."""
    with process.lock:
        if _under_way(state) is not None or state.is_put_off():
            return None
        return _begin(state, limit)


def board(state: State, limit: float, force: bool | Token) -> tuple[Flight | Token, bool]:
    """Return a token that has come meanwhile, or the flight to take and whether to lead it."""
    with process.lock:
        token = None if force is True else state.current()
        if token is not None and token is not force:
            return token, False
        flight = _under_way(state)
        if flight is None:
            return _begin(state, limit), True
        if flight in _leading.get():
            raise TokenUnavailable(
                "a token was asked for by what is fetching it: a logging handler that calls WeCom,"
                " or the get() of an ExternalToken?"
            )
        state.count("waits")
        return flight, False


def _under_way(state: State) -> Flight | None:
    flight = state.flight
    return None if flight is None or flight.has_landed else flight  # a fork has ended it


def _begin(state: State, limit: float) -> Flight:
    state.flight = Flight(min(limit, TIME_LIMIT))  # who waits takes over then
    process.under_way(state.flight)
    return state.flight


def _start(state: State, flight: Flight, send: Send) -> bool:
    """Start the fetch in a thread; False where none starts, or greenlets could not wait for it."""
    if process.threads_block_greenlets():
        return False
    try:
        return process.start_thread(_lead_in_thread, state, flight, send)
    except BaseException:  # of a signal handler, in the middle of the start
        _land(state, flight, None)
        raise


def lead(state: State, flight: Flight, send: Send) -> None:
    """Fetch, and hand the outcome to everybody who waits; whatever happens, the flight ends."""
    outcome: Outcome = None
    try:
        outcome = _fetch(state, flight, send)
    finally:
        _land(state, flight, outcome)


def _lead_in_thread(state: State, flight: Flight, send: Send) -> None:
    """Lead in a thread of this package, where nobody would see what ends a thread."""
    try:
        outcome = _fetch(state, flight, send)
    except BaseException as error:  # SystemExit, CancelledError
        outcome = TokenUnavailable(f"what fetches the token raised {type(error).__name__}")
    _land(state, flight, outcome)


def _fetch(state: State, flight: Flight, send: Send) -> Outcome:
    under_way = (each for each in _leading.get() if not each.has_landed)
    mark = _leading.set((*under_way, flight))
    try:
        token = fetch(state, flight, send, partial(_parent_token, state, flight, send))
        return state.publish(flight, token)
    except Abandoned:
        return None  # who waits fetches by itself
    except Exception as error:
        return _failed(state, flight, error)  # a mistake of its author, too, as it is
    finally:
        _leading.reset(mark)


def _parent_token(state: State, flight: Flight, send: Send) -> tuple[State, Token]:
    """Return the parent's token, out of the child's store, by the child's way, within its time."""
    parent = state.parent()
    return parent, parent.current() or run(joining(parent, flight.remaining, send))


def _failed(state: State, flight: Flight, error: Exception) -> Exception:
    """Try a refresh that fails while the old token serves again later, and log it once."""
    try:
        serves = state.current() is not None
    except Exception as broken:  # a cache of the user's
        return broken
    if serves:
        state.put_off(1.0)
        mistake = None if isinstance(error, WeComError) else error
        text = f"the token was not refreshed, the old one serves on: {error}"
        flight.afterwards(state.warn, "refresh", text, mistake)
        state.emit("refresh_failed", getattr(error, "errcode", None), why=type(error).__name__)
    return error


def _land(state: State, flight: Flight, outcome: Outcome) -> None:
    _leave(state, flight)
    process.landed(flight)
    flight.land(outcome)


def _leave(state: State, flight: Flight) -> None:
    with process.lock:
        if state.flight is flight:
            state.flight = None


def _token_of(state: State, flight: Flight, outcome: Outcome, deadline: float) -> Token | None:
    """Return the token of a flight, raise its failure; None where the caller should try again."""
    if outcome is None and flight.is_overdue:
        _leave(state, flight)
    if isinstance(outcome, TokenTimeout) and deadline - waiting() > flight.limit:
        return None  # whoever led it had little time; who has more tries again
    if isinstance(outcome, WeComError):
        raise renewed(outcome)
    if isinstance(outcome, BaseException):
        raise outcome.with_traceback(flight.traceback)  # a traceback grows on what is raised
    return outcome


def _stop_at(state: State, deadline: float, limit: float) -> None:
    if deadline - waiting() < _TOO_LITTLE:
        facts = {"host": urlsplit(state.credential.base_url).netloc, "n": f"{limit:g}"}
        advice = advice_of("timeout_read", facts=facts)
        text = f"no token within {limit:g} s: the exchange is slow, or hangs | {advice}"
        raise TokenTimeout(text, cause="timeout_read", facts=facts)
