"""The state of one credential in the process: its token, what was rejected, what failed."""

import random
from dataclasses import dataclass, field
from typing import Any

from .._credential.credential import Credential
from .._credential.token import Sight, Token
from .._log import log
from ..errors import IP_NOT_TRUSTED, RATE_LIMITED, TOO_MANY_AT_ONCE, WeComError, remembered, renewed
from ..stores.memory import MemoryStore
from . import forks, process
from .budget import Budget
from .counts import Statistics
from .flight import Flight
from .shared import FAILURE_LIFE, Shared

TIME_LIMIT = 10.0
"""Seconds that getting a token may take in all, unless the caller says less."""

MACHINE = {RATE_LIMITED: FAILURE_LIFE, IP_NOT_TRUSTED: FAILURE_LIFE, TOO_MANY_AT_ONCE: 1.0}
"""Errcodes of an exchange that concern this machine, whichever credential asks; for how long."""

_REMEMBERED_REJECTIONS = 8
_LONGEST_PUT_OFF = 900.0

forks.register()


@dataclass(slots=True, eq=False, repr=False, weakref_slot=True)
class State:
    """Shared by every source over one credential and one store; `process.lock` guards it.

    Attributes:
        memory: the cache that holds the token.
        shared: the record in a store that processes share.
        key: of the token in the cache.
        flight: the fetch under way.
        sight: the first sight of the last value.
        rejected: the last values that were rejected, each with its number.
        owed: a rejection took the token away, so it causes the next fetch.
        unreported: a rejected value whose owner has not been told yet.
        charged: the hash of the value that a rejection's fetch brought.
        failure: the last refusal, answered again until `failure_ends`.
        retry_at: no background refresh before then.
        warned: the troubles that were logged and are not over.
    """

    credential: Credential
    memory: MemoryStore
    shared: Shared
    key: str
    store: Any = None
    flight: Flight | None = None
    sight: Sight | None = None
    spare: Token | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    rejections: int = 0
    owed: bool = False
    unreported: str | None = None
    charged: int | None = None
    budget: Budget | None = None
    failure: WeComError | None = None
    failure_ends: float = 0.0
    failure_of: str = ""
    retry_at: float = float("-inf")
    put_offs: int = 0
    warned: frozenset[str] = frozenset()
    counts: list[int] = field(default_factory=lambda: [0] * len(Statistics._fields))

    def current(self) -> Token | None:
        """Return the token in memory, if it has not passed its hard deadline."""
        token = self.memory.load(self.key)
        return None if token is None or self.is_over(token) else token

    def now(self) -> tuple[float, float]:
        """Return the time on the cache's two clocks, monotonic and wall, as a `Token` takes it."""
        return self.memory.monotonic(), self.memory.wall()

    def is_over(self, token: Token) -> bool:
        """Return whether the token has passed its hard deadline."""
        return token.is_over(*self.now())

    def parent(self) -> "State":
        """Return the state of the parent, in the same store."""
        assert self.credential.parent is not None
        return state_of(self.credential.parent, self.store)

    # --- tokens ---

    def publish(self, flight: Flight, token: Token) -> Token:
        """Make this the token, unless the flight that brought it has been given up meanwhile."""
        with process.lock:
            previous = self.current()
            if self.flight is not flight:
                return previous or token
            same = previous is not None and previous.value == token.value
            self.memory.save(self.key, token)
            if same:
                self.put_off(token.leeway / 3)
            if token is self.spare:  # what a spent budget serves
                return token
            self.spare = token
            if not same:
                self.put_offs, self.retry_at = 0, float("-inf")
            self.owed, self.failure = False, None
            self.warned -= {"refresh", "resend"}
        return token

    def put_off(self, first: float) -> None:
        """Make no background refresh for a while that grows from `first` seconds."""
        with process.lock:
            delay = min(first * 2.0 ** min(self.put_offs, 10), _LONGEST_PUT_OFF)
            self.retry_at = self.memory.monotonic() + delay * random.uniform(0.75, 1.25)  # noqa: S311
            self.put_offs += 1

    def is_put_off(self) -> bool:
        """Return whether no refresh is to be made yet."""
        return self.memory.monotonic() < self.retry_at

    def invalidate(self, value: str) -> None:
        """Drop this token in memory and store, if it is still the one that is there."""
        with process.lock:
            known = self.rejected.pop(value, None) is not None
            self.rejections += 1
            self.rejected[value] = self.rejections
            if len(self.rejected) > _REMEMBERED_REJECTIONS:
                del self.rejected[next(iter(self.rejected))]
            absent = self.memory.load(self.key) is None
            dropped = self.memory.discard(self.key, value) or (absent and not known)
            self.owed |= dropped
            if dropped and not known:
                self.unreported = value
        if dropped:
            self.emit("rejected")
            self.count("invalidations")
            self.shared.drop(value)

    def tell_owner(self) -> str | None:
        """Report a rejected token to its owner, in the flight that is about to ask for another.

        Whoever asked before that would be given the rejected one again.

        Returns:
            What went wrong; the next flight reports it again.
        """
        with process.lock:
            value = self.unreported
        if value is None:
            return None
        try:
            self.credential.rejected(value)
        except Exception as error:  # a user's function; the fetch goes on without it
            return f"on_rejected raised {type(error).__name__}"
        with process.lock:
            if self.unreported == value:
                self.unreported = None
        return None

    def rejected_since(self, value: str, rejections: int) -> bool:
        """Return whether this value was rejected after the count of rejections stood there."""
        with process.lock:
            return self.rejected.get(value, 0) > rejections

    def is_rejected(self, value: str) -> bool:
        """Return whether this value is among the last that were rejected."""
        with process.lock:
            return value in self.rejected

    # --- the budget ---

    @property
    def _is_charged(self) -> bool:
        """True if a rejection causes the next fetch: of a token that should still have lived."""
        sight = self.sight
        return self.owed and sight is not None and not sight.is_over(*self.now())

    def may_fetch(self) -> bool:
        """Return whether a fetch is allowed now. Only fetches caused by rejections are limited."""
        with process.lock:
            if not self._is_charged:
                self.warned -= {"budget"}
                return True
            return self.budget is None or self.budget.allows(self.memory.monotonic())

    def spend(self, value: str) -> None:
        """Charge a fetch that has brought this value, if a rejection caused it."""
        with process.lock:
            if self._is_charged:
                self.budget = self.budget or Budget()
                self.budget.spend(self.memory.monotonic())
                self.charged = hash(value)

    def accept(self, value: str, *, always: bool = False) -> None:
        """Refund the fetch that brought this value: a call has succeeded with it.

        `always` where it was a child's own refusal, of which a suite may see many in a second.
        """
        with process.lock:
            if self.budget is not None and self.charged == hash(value):
                self.budget.refund(self.memory.monotonic(), always=always)
                self.charged = None

    # --- failures ---

    @property
    def place(self) -> tuple[str, str]:
        """The address of the exchange: what pauses one credential there pauses all."""
        return self.credential.base_url, self.credential.kind.exchange

    def pause_all(self, failure: WeComError) -> None:
        """Answer every credential's exchange at this address with a failure of this machine."""
        if failure.errcode in MACHINE:
            until = self.memory.monotonic() + MACHINE[failure.errcode]
            process.pause(self.place, renewed(failure), until)

    def remember(self, failure: WeComError, fingerprint: str) -> None:
        """Answer with this failure for a minute, here and in the processes that share the store."""
        now, wall = self.now()
        with process.lock:
            self.failure, self.failure_of = renewed(failure), fingerprint
            self.failure_ends = now + FAILURE_LIFE
        self.shared.leave_failure(failure, now, wall, fingerprint)

    def remembered(self, fingerprint: str) -> WeComError | None:
        """Return the failure that was met less than a minute ago, unless its cause has changed."""
        now = self.memory.monotonic()
        with process.lock:
            own = self.failure, self.failure_ends
            changed = self.failure_of != fingerprint
        for failure, ends in ((None, 0.0) if changed else own, process.paused(self.place)):
            if failure is not None and ends > now:
                return remembered(failure, ends - now)
        return None

    # --- numbers and logs ---

    def count(self, name: str) -> None:
        """Count one more of these."""
        with process.lock:
            self.counts[Statistics._fields.index(name)] += 1

    def emit(
        self, name: str, errcode: int | None = None, seconds: float | None = None, why: str = ""
    ) -> None:
        """Tell the event hooks of this."""
        process.emit(name, self.credential, errcode, seconds, why)

    def warn(self, trouble: str, message: str, mistake: Exception | None = None) -> None:
        """Log this once, until the trouble is over; with the traceback of a mistake."""
        with process.lock:
            said, self.warned = trouble in self.warned, self.warned | {trouble}
        if not said:
            log.warning("%s: %s", self.credential, message, exc_info=mistake)

    def forget(self) -> None:
        """Start over, for tests; what a fetch under way brings no longer counts."""
        fresh = State(self.credential, self.memory, self.shared, self.key, self.store)
        with process.lock:
            self.memory.discard(self.key)
            for name in self.__dataclass_fields__:
                setattr(self, name, getattr(fresh, name))


_number = 0


def state_of(credential: Credential, spec: object) -> State:
    """Return the one state of this credential and store in the process."""

    def make(memory: MemoryStore, store: Any) -> State:
        shared = Shared(store, credential.key, credential.kind)
        key = credential.key
        if store is not None or not credential.shareable:
            key = f"{key}#{_next_number()}"  # of its own in the process-wide cache
        return State(credential, memory, shared, key, spec)

    state: State = process.state_of(credential, spec, make)
    return state


def _next_number() -> int:
    global _number
    _number += 1  # under the lock of the registry
    return _number
