"""One fetch under way, and those who wait for it."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from .._clock import waiting
from .._credential.token import Token
from . import aio, process

GRACE = 1.0
"""Seconds past its limit after which a flight counts as given up by its leader."""

_NAP = 0.01

Outcome = Token | BaseException | None


class Flight:
    """One fetch under way. Its outcome is a token, a failure, or None where its leader left.

    Args:
        limit: seconds that the leader has.
    """

    __slots__ = ("_afterwards", "_outcome", "deadline", "limit", "traceback")

    traceback: TracebackType | None

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadline = waiting() + limit
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
        return max(0.001, self.deadline - waiting())

    @property
    def is_overdue(self) -> bool:
        """True if its leader should have ended it."""
        return waiting() >= self.deadline + GRACE

    @property
    def has_landed(self) -> bool:
        """True if it has ended."""
        return self._outcome.done()

    def patience(self, deadline: float) -> float:
        """Return the seconds to wait for it: until this deadline, or until it is overdue."""
        return max(0.0, min(deadline, self.deadline + GRACE) - waiting())

    def afterwards(self, call: Callable[..., object], *args: object) -> None:
        """Do this when the flight has ended: a log's handler may wait for who waits for it."""
        self._afterwards.append(partial(call, *args))

    def land(self, outcome: Outcome) -> None:
        """Let everybody who waits have the outcome; then do what was put off until now."""
        self.traceback = outcome.__traceback__ if isinstance(outcome, BaseException) else None
        with suppress(InvalidStateError):  # who was stopped while it started a thread landed it
            self._outcome.set_result(outcome)
        for call in self._afterwards:
            call()

    def land_in_child(self) -> None:
        """End it in a forked child, where nobody leads it, and leave its parent's work undone."""
        self._afterwards.clear()
        callbacks: list[Any] = vars(self._outcome)["_done_callbacks"]
        callbacks.clear()  # of event loops, which run in the parent
        self.land(None)

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
        until = waiting() + seconds
        while not self._outcome.done() and waiting() < until:
            process.nap(_NAP)
        return self._outcome.result(0)

    async def wait_async(self, seconds: float) -> Outcome:
        """Wait for the outcome in a coroutine."""
        try:
            return await aio.wait(self._outcome, seconds)
        except TimeoutError:
            return None
