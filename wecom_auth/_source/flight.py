"""One fetch at a time: who leads it, who waits for it. What a fetch does is in `fetching`.

The leader fetches outside any lock. The others share its result or its failure, each within its
own time limit; a leader that does not come back is taken over.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Thread, get_ident
from weakref import WeakSet

from .._credential.exchange import Send
from .._credential.interruption import is_interruption
from .._credential.token import Token
from .._http.redaction import redact
from ..errors import (
    TokenTimeout,
    TokenUnavailable,
    WeComError,
    anew,
)
from .fetch import fetch
from .state import TIME_LIMIT, Flight, State

GRACE = 1.0
"""Seconds past its limit after which a leader counts as gone."""

threads: "WeakSet[Thread]" = WeakSet()

_TOO_LITTLE = 0.05


def join(state: State, limit: float, send: Send, *, force: bool = False) -> Token:
    """A token within so many seconds: by leading the fetch or waiting for the one under way.

    With `force` the token that is there does not count.
    """
    deadline = time.monotonic() + limit
    while True:
        flight, leads = board(state, deadline - time.monotonic(), force)
        if isinstance(flight, Token):
            return flight
        outcome = lead(state, flight, send) if leads else _wait(state, flight, deadline)
        token = _token_of(flight, outcome, deadline)
        if token is not None:
            return token
        _stop_at(deadline, limit)


async def join_async(state: State, limit: float, send: Send) -> Token:
    """The same for a coroutine: the fetch runs in a thread, and the event loop never waits."""
    import asyncio  # here, because it takes as long to import as the whole of this package

    deadline = time.monotonic() + limit
    while True:
        flight, leads = board(state, TIME_LIMIT, force=False)
        if isinstance(flight, Token):
            return flight
        if leads and not start_thread(lead, state, flight, send, BaseException):
            lead(state, flight, send)
        outcome = None
        try:
            waiting = asyncio.wrap_future(flight.outcome)  # which no waiter can cancel
            async with asyncio.timeout(_patience(flight, deadline)):
                outcome = await waiting  # not wait_for: until 3.12 it may swallow a cancellation
        except TimeoutError:
            _give_up_if_overdue(state, flight)
        token = _token_of(flight, outcome, deadline)
        if token is not None:
            return token
        _stop_at(deadline, limit)


def refresh_behind(state: State, send: Send) -> None:
    """Fetch a new token in a daemon thread, unless that is under way or was put off."""
    flight = _take_off(state, TIME_LIMIT)
    if flight is not None and not start_thread(lead, state, flight, send, BaseException):
        state.put_off(1.0)  # the old token serves on; past hard a caller fetches
        _land(state, flight, None)


def refresh_in_front(state: State, old: Token, limit: float, send: Send) -> None:
    """Fetch a new token in this very call, unless that is done, under way or was put off."""
    with state.memory.lock:
        flight = _take_off(state, limit) if state.current() is old else None
    if flight is not None:
        lead(state, flight, send)


def _take_off(state: State, limit: float) -> Flight | None:
    with state.memory.lock:
        if state.flight is not None or state.memory.monotonic() < state.retry_at:
            return None
        state.flight = Flight(limit)
        return state.flight


def board(state: State, limit: float, force: bool) -> tuple[Flight | Token, bool]:
    """A token that has come meanwhile, or the flight to take and whether to lead it."""
    with state.memory.lock:
        token = None if force else state.current()
        if token is not None:
            return token, False
        if state.flight is not None:
            _refuse_own(state.flight)
            state.count("waits")
            return state.flight, False
        state.flight = Flight(limit)
        return state.flight, True


def _refuse_own(flight: Flight) -> None:
    """Whoever leads a fetch cannot wait for it."""
    if flight.leader == get_ident():
        raise TokenUnavailable(
            "a token was asked for by what is fetching it: a logging handler that calls WeCom,"
            " or the get() of an ExternalToken?"
        )


def lead(
    state: State, flight: Flight, send: Send, caught: type[BaseException] = Exception
) -> Token | WeComError | None:
    """Fetch, and tell everybody who waits; whatever happens, the flight ends.

    Args:
        state: of the credential.
        flight: the fetch that this is.
        send: sends the gettoken.
        caught: what counts as a failure; what is beyond it, as KeyboardInterrupt, is the caller's.
    """
    outcome: Token | WeComError | None = None
    flight.leader = get_ident()
    try:
        outcome = state.publish(flight, fetch(state, flight, send))
    except WeComError as error:
        outcome = error
    except caught as error:
        if is_interruption(error):
            raise  # who waits goes on by itself
        text = redact(f"{type(error).__name__}: {error}")
        outcome = TokenUnavailable(f"no token could be fetched: {text}")
    finally:
        try:
            _put_off_after(state, flight, outcome)
        finally:  # a user's cache may raise
            _land(state, flight, outcome)
    return outcome


def _put_off_after(state: State, flight: Flight, outcome: Token | WeComError | None) -> None:
    """A refresh that fails while the old token serves is tried again later, and told once."""
    if isinstance(outcome, WeComError) and state.current() is not None:
        state.put_off(1.0)
        flight.afterwards(
            state.warn, "refresh", f"the token was not refreshed, the old one serves on: {outcome}"
        )


async def beside(call: Callable[[], object]) -> None:
    """Run this in a thread of its own, not in one of the loop's: all of those may wait for us."""
    from asyncio import wrap_future

    done: Future[object] = Future()
    done.set_running_or_notify_cancel()  # who no longer waits does not stop it

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    if start_thread(run):
        await wrap_future(done)
    else:
        call()


def start_thread(target: Callable[..., object], *args: object) -> bool:
    """Run this in a daemon thread, which delays no exit; False where there are no threads."""
    thread = Thread(target=target, args=args, name="wecom-auth-refresh", daemon=True)
    threads.add(thread)
    try:
        thread.start()
    except RuntimeError:
        threads.discard(thread)
        return False
    return True


def _land(state: State, flight: Flight, outcome: Token | WeComError | None) -> None:
    _leave(state, flight)
    flight.land(outcome)


def _leave(state: State, flight: Flight) -> None:
    with state.memory.lock:
        if state.flight is flight:
            state.flight = None


def _wait(state: State, flight: Flight, deadline: float) -> Token | WeComError | None:
    try:
        return flight.outcome.result(_patience(flight, deadline))
    except FutureTimeout:
        _give_up_if_overdue(state, flight)
        return None


def _patience(flight: Flight, deadline: float) -> float:
    return max(0.0, min(deadline, flight.deadline + GRACE) - time.monotonic())


def _give_up_if_overdue(state: State, flight: Flight) -> None:
    if time.monotonic() >= flight.deadline + GRACE:
        _leave(state, flight)


def _token_of(flight: Flight, outcome: Token | WeComError | None, deadline: float) -> Token | None:
    if isinstance(outcome, TokenTimeout) and deadline - time.monotonic() > flight.limit:
        return None  # whoever led it had little time; who has more tries again
    if isinstance(outcome, WeComError):
        raise anew(outcome)
    return outcome


def _stop_at(deadline: float, limit: float) -> None:
    if deadline - time.monotonic() < _TOO_LITTLE:
        raise TokenTimeout(f"no token within {limit:g} s: gettoken is slow, or hangs")
