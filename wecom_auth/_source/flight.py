"""Single flight: one fetch at a time; who leads it, who waits for it, who gives it up.

The leader fetches outside any lock. An exchange runs in a thread of its own and everybody, the
leader too, waits for it with a bound: a limit is a point in time, whatever the network does. It
runs in the caller's own thread where that owns what it needs (`inline`), where no thread starts,
and where greenlets could not wait for one.
"""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, TypeVar

from .._credential.exchange import Abandoned, Send
from .._credential.token import Token
from ..errors import TokenTimeout, TokenUnavailable, WeComError, renewed
from . import aio, process
from .fetch import fetch
from .state import TIME_LIMIT, State

GRACE = 1.0
"""Seconds past its limit after which a flight counts as given up by its leader."""

FOREVER = 86_400.0

T = TypeVar("T")

_TOO_LITTLE = 0.05
_NAP = 0.01

Outcome = Token | BaseException | None

_leading: "ContextVar[Flight | None]" = ContextVar("wecom_auth_flight", default=None)
"""The flight that this context leads. Not a flag: a context that is copied outlives it."""


class Flight:
    """One fetch under way. Its outcome is a token, a failure, or None where its leader left.

    Args:
        limit: seconds that the leader has.
    """

    __slots__ = ("_afterwards", "_outcome", "deadline", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadline = time.monotonic() + limit
        self._afterwards: list[Callable[[], object]] = []
        self._outcome: Future[Outcome] = Future()
        self._outcome.set_running_or_notify_cancel()  # no waiter can cancel it for the others

    @property
    def lock(self) -> Any:
        """The lock of the outcome, which a fork must find free."""
        return self._outcome._condition

    @property
    def remaining(self) -> float:
        """Seconds left, never quite none: a timeout of 0 is an error to requests."""
        return max(0.001, self.deadline - time.monotonic())

    @property
    def is_overdue(self) -> bool:
        """Whether its leader should have ended it."""
        return time.monotonic() >= self.deadline + GRACE

    def patience(self, deadline: float) -> float:
        """Return the seconds to wait for it: until this deadline, or until it is overdue."""
        return max(0.0, min(deadline, self.deadline + GRACE) - time.monotonic())

    def afterwards(self, call: Callable[..., object], *args: object) -> None:
        """Do this when the flight has ended: a log's handler may wait for who waits for it."""
        self._afterwards.append(partial(call, *args))

    def land(self, outcome: Outcome) -> None:
        """Let everybody who waits have the outcome; then do what was put off until now."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)
        for call in self._afterwards:
            call()

    def wait(self, seconds: float) -> Outcome:
        """Wait for the outcome; None where it has not come within so many seconds."""
        try:
            if process.threads_block_greenlets():
                return self._poll(seconds)
            return self._outcome.result(seconds)
        except FutureTimeout:
            return None

    def _poll(self, seconds: float) -> Outcome:
        """Wait by short sleeps: a real wait would stop every greenlet of this thread."""
        until = time.monotonic() + seconds
        while not self._outcome.done() and time.monotonic() < until:
            process.nap(_NAP)
        return self._outcome.result(0)

    async def wait_async(self, seconds: float) -> Outcome:
        """Wait for the outcome in a coroutine."""
        try:
            return await aio.wait(self._outcome, seconds)
        except TimeoutError:
            return None


class Wait(NamedTuple):
    """Wait for this flight, so many seconds; reply with its outcome."""

    flight: Flight
    seconds: float


class Call(NamedTuple):
    """Call this function, which may wait for a store; reply with nothing."""

    function: Callable[[], object]


Steps = Generator[Wait | Call, Any, T]
"""What takes a token from here is written once, without waiting; two loops run it."""


def run(steps: Steps[T]) -> T:
    """Run these steps in code that waits."""
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        reply = step.flight.wait(step.seconds) if isinstance(step, Wait) else step.function()


async def run_async(steps: Steps[T]) -> T:
    """Run these steps in a coroutine; whatever waits for a store runs in a thread."""
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(step, Wait):
            reply = await step.flight.wait_async(step.seconds)
        else:
            await _call_in_thread(step.function)
            reply = None


async def _call_in_thread(function: Callable[[], object]) -> None:
    """Run in a dedicated thread; the loop's executor may be full of threads that wait for this."""
    done: Future[object] = Future()
    done.set_running_or_notify_cancel()  # who no longer waits does not stop it

    def work() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    if process.start_thread(work):
        await aio.wait(done, FOREVER)
    else:
        function()


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
    deadline = time.monotonic() + limit
    while True:
        flight, leads = board(state, deadline - time.monotonic(), force)
        if isinstance(flight, Token):
            return flight
        if leads and (inline or not _start(state, flight, send)):
            lead(state, flight, send)
        left = max(0.0, deadline - time.monotonic())
        outcome = yield Wait(flight, left if leads else flight.patience(deadline))
        token = _token_of(state, flight, outcome, deadline)
        if token is not None:
            return token
        _stop_at(deadline, limit)


def refresh_in_background(state: State, send: Send) -> None:
    """Fetch a new token in a daemon thread, unless that is under way or was put off."""
    flight = take_off(state, TIME_LIMIT)
    if flight is None:
        return
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
        if state.flight is not None or state.memory.monotonic() < state.retry_at:
            return None
        return _begin(state, limit)


def board(state: State, limit: float, force: bool | Token) -> tuple[Flight | Token, bool]:
    """Return a token that has come meanwhile, or the flight to take and whether to lead it."""
    with process.lock:
        token = None if force is True else state.current()
        if token is not None and token is not force:
            return token, False
        if state.flight is None:
            return _begin(state, limit), True
        flight = state.flight
        if flight is _leading.get():
            raise TokenUnavailable(
                "a token was asked for by what is fetching it: a logging handler that calls WeCom,"
                " or the get() of an ExternalToken?"
            )
        state.count("waits")
        return flight, False


def _begin(state: State, limit: float) -> Flight:
    state.flight = Flight(min(limit, TIME_LIMIT))  # who waits takes over then
    process.under_way(state.flight)
    return state.flight


def _start(state: State, flight: Flight, send: Send) -> bool:
    """Start the fetch in a thread; False where none starts, or greenlets could not wait for it."""
    if process.threads_block_greenlets():
        return False
    return process.start_thread(lead, state, flight, send)


def lead(state: State, flight: Flight, send: Send) -> None:
    """Fetch, and hand the outcome to everybody who waits; whatever happens, the flight ends."""
    outcome: Outcome = None
    mark = _leading.set(flight)
    try:
        token = fetch(state, flight, send, partial(_parent_token, state, flight, send))
        outcome = state.publish(flight, token)
    except Abandoned:
        pass  # who waits fetches by itself
    except Exception as error:
        outcome = error  # a mistake in a credential too: it reaches the caller as it is
    finally:
        _leading.reset(mark)
        _put_off_after(state, flight, outcome)
        _land(state, flight, outcome)


def _parent_token(state: State, flight: Flight, send: Send) -> tuple[State, Token]:
    """Return the parent's token, out of the child's store, by the child's way, within its time."""
    parent = state.parent()
    return parent, parent.current() or run(joining(parent, flight.remaining, send))


def _put_off_after(state: State, flight: Flight, outcome: Outcome) -> None:
    """Try a refresh that fails while the old token serves again later, and log it once."""
    if isinstance(outcome, Exception) and state.current() is not None:
        state.put_off(1.0)
        text = f"the token was not refreshed, the old one serves on: {outcome}"
        flight.afterwards(state.warn, "refresh", text)


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
    if isinstance(outcome, TokenTimeout) and deadline - time.monotonic() > flight.limit:
        return None  # whoever led it had little time; who has more tries again
    if isinstance(outcome, WeComError):
        raise renewed(outcome)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _stop_at(deadline: float, limit: float) -> None:
    if deadline - time.monotonic() < _TOO_LITTLE:
        raise TokenTimeout(f"no token within {limit:g} s: the exchange is slow, or hangs")
