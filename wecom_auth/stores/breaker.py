"""A store that never raises and never makes many wait: what the source really talks to."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from .._log import log
from .protocol import TokenStore

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 30.0
"""Seconds a store that failed is left alone: 5 at first, twice as long each time, 30 at most."""

_T = TypeVar("_T")


class Breaker:
    """A circuit breaker before a store: the same methods, none of which raises.

    While the store is away, `load` answers None, `compare_and_set` False (nothing was written),
    and `lock` yields True at once, so that the caller goes on as if it had no store. One caller
    at a time tries the operation that failed again: after 5 seconds at first, every 30 in the
    end. Its success ends the absence. Reading goes on while it was not reading that failed: a
    store is often read-only after a failover, or its disk is full. The way out and the way back
    are logged once each.

    `guard` gives the one breaker of a store in a process.

    Args:
        store: what to guard.
        clock: seconds, never going back.

    Example:
        >>> store = Breaker(RedisStore("redis://cache.internal"))
        >>> store.load("key")        # None while it is away, never an exception
    """

    def __init__(self, store: TokenStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        # A store may name the exceptions by which it says that it is away; the one of a user's
        # own need not, and its database may raise any: a call must not fail for that.
        self._expected = getattr(store, "failures", Exception)
        self._clock = clock
        self._mutex = threading.RLock()  # a signal handler may come back here
        self._failed: str | None = None
        self._retry_at = 0.0
        self._pause = FIRST_PAUSE
        self.on_change: Callable[[TokenStore, bool], object] | None = None

    @property
    def away(self) -> bool:
        """True if the store failed, and has not been seen to work since."""
        return self._failed is not None

    def load(self, key: str) -> str | None:
        """The text under this key; None when there is none, or the store is away."""
        return self._call("load", lambda: self.store.load(key), None)

    def load_many(self, keys: Sequence[str]) -> list[str | None]:
        """The texts under these keys, by one question where the store can answer it."""
        many = getattr(self.store, "load_many", None) or self._one_by_one
        return self._call("load", lambda: many(keys), [None] * len(keys))

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        """As the store's own; False when the store is away: nothing was written."""
        return self._call(
            "compare_and_set", lambda: self.store.compare_and_set(key, expected, new, ttl), False
        )

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        """As the store's own; yields True at once when the store is away.

        What the body raises goes through; what the release raises does not.
        """
        with ExitStack() as stack:
            yield self._call("lock", lambda: self._enter(stack, key, timeout), True)

    def after_fork(self) -> None:
        """In a forked child: replace the lock, which another thread of the parent may hold."""
        self._mutex = threading.RLock()
        if (forked := getattr(self.store, "after_fork", None)) is not None:
            forked()

    def _one_by_one(self, keys: Sequence[str]) -> list[str | None]:
        return [self.store.load(key) for key in keys]

    def _enter(self, stack: ExitStack, key: str, timeout: float) -> bool:
        manager = self.store.lock(key, timeout)
        held = manager.__enter__()
        stack.callback(self._leave, manager)
        return held

    def _leave(self, manager: AbstractContextManager[bool]) -> None:
        try:
            # It gets no exception: the body's own passes by, neither swallowed nor replaced.
            manager.__exit__(None, None, None)
        except self._expected as error:
            self._fail("lock", error, trial=False)

    def _call(self, operation: str, call: Callable[[], _T], otherwise: _T) -> _T:
        trial = self._admit(operation)
        if trial is None:
            return otherwise
        try:
            result = call()
        except self._expected as error:
            self._fail(operation, error, trial=trial)
            return otherwise
        if trial:
            self._succeed()
        return result

    def _admit(self, operation: str) -> bool | None:
        """None: stay away; True: go, on trial; False: go, nothing is known against it."""
        if self._failed is None:  # the usual case, without the lock
            return False
        with self._mutex:
            if self._failed is None or (operation == "load" and self._failed != "load"):
                return False
            now = self._clock()
            if operation != self._failed or now < self._retry_at:
                return None
            self._retry_at = now + self._pause  # the others stay away while this caller tries
            return True

    def _fail(self, operation: str, error: Exception, *, trial: bool) -> None:
        with self._mutex:
            first = self._failed is None
            if trial:  # not where many fail at once, each having set out before the first failed
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            if self._failed != "load":  # where reading fails, nothing works
                self._failed = operation
            self._retry_at = self._clock() + self._pause
        if first and self.on_change is not None:
            self.on_change(self.store, True)
        log.log(
            logging.WARNING if first else logging.DEBUG,
            "%r cannot be used (%s: %s); going on with the tokens in memory, trying again",
            self.store,
            operation,
            _describe(error),
        )

    def _succeed(self) -> None:
        with self._mutex:
            self._failed, self._pause = None, FIRST_PAUSE
        if self.on_change is not None:
            self.on_change(self.store, False)
        log.info("%r is back", self.store)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Breaker) and self.store == other.store

    def __hash__(self) -> int:
        return hash((Breaker, self.store))

    def __repr__(self) -> str:
        return f"Breaker({self.store!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return guard, (self.store,)  # the other process finds out about the store by itself


_guarded: WeakValueDictionary[TokenStore, Breaker] = WeakValueDictionary()


def guard(store: TokenStore) -> Breaker:
    """The one breaker of this store in the process; equal handles get the same one.

    It takes no lock, which a fork could leave held: should two threads meet here, each makes a
    breaker, and all that costs is one more look at a store that is away.

    Args:
        store: a store, or a breaker, which comes back as it is.

    Example:
        >>> guard(FileStore("/var/cache/wecom")) is guard(FileStore("/var/cache/wecom"))
        True
    """
    if isinstance(store, Breaker):
        return store
    return _guarded.get(store) or _guarded.setdefault(store, Breaker(store))


def _describe(error: Exception) -> str:
    """Other exceptions than OSErrors may quote what was to be written: those are only named."""
    if isinstance(error, OSError):
        return str(error) or type(error).__name__
    return type(error).__name__
