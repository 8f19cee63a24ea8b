"""What the process knows of one credential: its token, what was rejected, what failed."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, ParamSpec

from .._credential.credentials import Credential
from .._credential.token import Token
from .._log import log
from ..errors import WeComError, anew, remembered
from ..stores.memory import MemoryStore
from .budget import Budget
from .sharing import Shelf

TIME_LIMIT = 10.0
"""Seconds that getting a token may take in all, unless the caller says less."""

FAILURE_LIFE = 60.0
"""Seconds for which a refused credential is answered from memory."""

_REMEMBERED_REJECTIONS = 8
_LONGEST_PUT_OFF = 900.0


P = ParamSpec("P")


class Statistics(NamedTuple):
    """What a source has done since the process started; numbers only.

    Attributes:
        fetches: gettoken calls made (or `ExternalToken` asked).
        waits: callers that waited for a fetch another one was making.
        invalidations: tokens dropped because the platform rejected them.
        resends: calls made again with a fresh token.
        failures: fetches that failed.
    """

    fetches: int = 0
    waits: int = 0
    invalidations: int = 0
    resends: int = 0
    failures: int = 0


class Flight:
    """One fetch under way. Its outcome is a token, a failure, or None where its leader left."""

    __slots__ = ("_afterwards", "deadline", "leader", "limit", "outcome")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.deadline = time.monotonic() + limit
        self.leader: int | None = None
        self._afterwards: list[Callable[[], object]] = []
        self.outcome: Future[Token | WeComError | None] = Future()
        self.outcome.set_running_or_notify_cancel()  # no waiter can cancel it for the others

    def afterwards(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do this when the flight has ended: log, which may wait for who waits for the flight."""
        self._afterwards.append(partial(call, *args, **kwargs))

    def land(self, outcome: Token | WeComError | None) -> None:
        """Let everybody who waits have the outcome; then do what was put off until now."""
        self.outcome.set_result(outcome)
        for call in self._afterwards:
            call()

    @property
    def remaining(self) -> float:
        """Seconds left, never quite none: a timeout of 0 is an error to requests."""
        return max(0.001, self.deadline - time.monotonic())


@dataclass(slots=True, eq=False, repr=False, weakref_slot=True)
class State:
    """Shared by every handle over one credential and one store; the memory's lock guards it."""

    credential: Credential
    memory: MemoryStore
    shelf: Shelf
    key: str
    flight: Flight | None = None
    last: Token | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    rejections: int = 0
    owed: bool = False
    untold: str | None = None
    budget: Budget | None = None
    failure: WeComError | None = None
    failure_ends: float = 0.0
    retry_at: float = float("-inf")
    put_offs: int = 0
    told: frozenset[str] = frozenset()
    counts: list[int] = field(default_factory=lambda: [0] * len(Statistics._fields))

    def current(self) -> Token | None:
        """The token in memory, if it has not passed its hard deadline."""
        token = self.memory.load(self.key)
        return None if token is None or self.is_over(token) else token

    def now(self) -> tuple[float, float]:
        """The time on the memory's two clocks, monotonic and wall, as a `Token` takes it."""
        return self.memory.monotonic(), self.memory.wall()

    def is_over(self, token: Token) -> bool:
        """Whether the token has passed its hard deadline."""
        return token.is_over(*self.now())

    def publish(self, flight: Flight, token: Token) -> Token:
        """Make this the token, unless the flight that brought it has been given up meanwhile."""
        with self.memory.lock:
            previous = self.current()
            if self.flight is not flight:
                return previous or token
            if previous is not None and previous.value == token.value:
                self.put_off(1.0 if token is self.last else token.leeway / 4)
                self.told -= {"refresh"}
                return previous
            self.memory.save(self.key, token)
            if token is not self.last:
                if self.owed or self.last is None or self.last.value != token.value:
                    self.last = token
                self.owed, self.failure, self.put_offs = False, None, 0
                self.told -= {"refresh", "resend"}
        return token

    def put_off(self, first: float) -> None:
        """No refresh behind for a while that grows from `first` seconds."""
        with self.memory.lock:
            delay = min(first * 2.0 ** min(self.put_offs, 10), _LONGEST_PUT_OFF)
            self.retry_at = self.memory.monotonic() + delay * random.uniform(0.75, 1.25)  # noqa: S311
            self.put_offs += 1

    def invalidate(self, value: str) -> None:
        """Drop this token in memory and store, if it is still the one that is there."""
        with self.memory.lock:
            known = self.rejected.pop(value, None) is not None
            self.rejections += 1
            self.rejected[value] = self.rejections
            if len(self.rejected) > _REMEMBERED_REJECTIONS:
                del self.rejected[next(iter(self.rejected))]
            absent = self.memory.load(self.key) is None
            dropped = self.memory.discard(self.key, value) or (absent and not known)
            self.owed |= dropped
            if dropped and not known:
                self.untold = value
        if dropped:
            self.count("invalidations")
            self.shelf.drop(value)

    def tell_owner(self) -> str | None:
        """Tell the owner of a rejected token, in the flight that is about to ask for another.

        Whoever asked before that would be given the rejected one again.

        Returns:
            What went wrong; the next flight tells again.
        """
        value = self.untold
        if value is None:
            return None
        try:
            self.credential.rejected(value)
        except Exception as error:
            return f"on_rejected raised {type(error).__name__}"
        with self.memory.lock:
            if self.untold == value:
                self.untold = None
        return None

    def rejected_since(self, value: str, rejections: int) -> bool:
        """Whether this value was rejected after the count of rejections stood there."""
        with self.memory.lock:
            return self.rejected.get(value, 0) > rejections

    @property
    def _is_charged(self) -> bool:
        """Whether a rejection causes the next fetch: of a token that should still have lived.

        `last` is the token as it was first handed out; a platform that repeats it until it ends
        says 7200 each time.
        """
        return self.owed and self.last is not None and not self.is_over(self.last)

    def may_fetch(self) -> bool:
        """Whether a fetch is allowed now; only one that a rejection caused is ever not."""
        with self.memory.lock:
            if not self._is_charged:
                self.told -= {"budget"}
                return True
            return self.budget is None or self.budget.allows(self.memory.monotonic())

    def spend(self) -> None:
        """A fetch has brought a token: charge it if a rejection caused it."""
        with self.memory.lock:
            if self._is_charged:
                self.budget = self.budget or Budget()
                self.budget.spend(self.memory.monotonic())

    def remember(self, failure: WeComError) -> None:
        """Answer with this failure for a while, here and in the processes that share the store."""
        with self.memory.lock:
            self.failure = anew(failure)
            self.failure_ends = self.memory.monotonic() + FAILURE_LIFE
        self.shelf.leave_failure(failure, self.memory.wall(), FAILURE_LIFE)

    def raise_remembered(self) -> None:
        """Raise the failure that was met less than a minute ago, if there was one."""
        left = self.failure_ends - self.memory.monotonic()
        if self.failure is not None and left > 0:
            raise remembered(self.failure, left)

    def count(self, name: str) -> None:
        """One more of these."""
        with self.memory.lock:
            self.counts[Statistics._fields.index(name)] += 1

    def warn(self, trouble: str, message: str) -> None:
        """Say this once, until the trouble is over."""
        with self.memory.lock:
            said, self.told = trouble in self.told, self.told | {trouble}
        if not said:
            log.warning("%s: %s", self.credential, message)

    def forget(self) -> None:
        """Start over, for tests; what a fetch under way brings no longer counts."""
        fresh = State(self.credential, self.memory, self.shelf, self.key)
        with self.memory.lock:
            self.memory.discard(self.key)
            for name in self.__dataclass_fields__:
                setattr(self, name, getattr(fresh, name))
