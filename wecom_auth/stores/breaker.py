"""A store that never raises and never makes many wait: what the source really talks to."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache

from .._credential.interruption import is_interruption
from .._log import log
from .alive import Alive
from .protocol import METHODS, TokenStore

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 30.0
"""Seconds a store that failed is left alone: 5 at first, twice as long each time, 30 at most."""

_T = TypeVar("_T")


class Breaker:
    """A store behind a circuit breaker: the same three methods, none of which raises.

    One for each store in a process is enough: `guard` sees to that.

    While the store is away, `load` answers None, `compare_and_set` False (nothing was written),
    and `lock` yields True at once, so that the caller goes on as if it had no store. One caller
    at a time tries again, after 5 seconds at first and every 30 in the end. A store of which one
    part works (read-only after a failover, a full disk) keeps that part. The way out and the way
    back are logged once each.

    Args:
        store: what to guard.
        clock: seconds, never going back.

    Example:
        >>> store = Breaker(RedisStore("redis://cache.internal"))
        >>> store.load("key")        # None while it is away, never an exception
    """

    def __init__(self, store: TokenStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._clock = clock
        self._mutex = threading.RLock()  # a signal handler may come back here
        self._failed: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._pause = FIRST_PAUSE
        self.on_change: Callable[[TokenStore, bool], object] | None = None
        _breakers.add(self)

    @property
    def away(self) -> bool:
        """Whether some operation of the store failed last time it was tried."""
        return bool(self._failed)

    def load(self, key: str) -> str | None:
        """The text under this key; None when there is none, or the store is away."""
        return self._call("load", lambda: self.store.load(key), None)

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
            if "load" in self._retry_at:
                self.load(key)  # a lock may wait long for its turn: find out in a quicker way
            yield self._call("lock", lambda: self._enter(stack, key, timeout), True)

    def _enter(self, stack: ExitStack, key: str, timeout: float) -> bool:
        manager = self.store.lock(key, timeout)
        held = manager.__enter__()
        stack.callback(self._leave, manager)
        return held

    def _leave(self, manager: AbstractContextManager[bool]) -> None:
        try:
            # Told of no exception: the body's own passes by, neither swallowed nor replaced.
            manager.__exit__(None, None, None)
        except Exception as error:
            if is_interruption(error):
                raise
            self._fail("lock", error, trial=False)

    def _call(self, operation: str, call: Callable[[], _T], otherwise: _T) -> _T:
        trial = self._admit(operation)
        if trial is None:
            return otherwise
        try:
            result = call()
        except Exception as error:
            if is_interruption(error):
                raise
            self._fail(operation, error, trial=trial)
            return otherwise
        if trial:
            self._succeed(operation)
        return result

    def _admit(self, operation: str) -> bool | None:
        """None: stay away; True: go, on trial; False: go, nothing is wrong."""
        if not self._retry_at:  # the usual case, without the lock
            return False
        with self._mutex:
            due = self._retry_at.get(operation)
            if due is None:
                return False
            now = self._clock()
            if now < due:
                return None
            # This caller is the one that tries; the others stay away meanwhile.
            self._retry_at = dict.fromkeys(self._retry_at, now + self._pause)
            return True

    def _fail(self, operation: str, error: Exception, *, trial: bool) -> None:
        with self._mutex:
            first = not self._failed
            if trial:  # not where many fail at once, each having set out before the first failed
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            # Known to fail on its own, it says nothing about the operations that work.
            affected = self._retry_at if operation in self._failed else METHODS
            self._failed.add(operation)
            self._retry_at = self._retry_at | dict.fromkeys(affected, self._clock() + self._pause)
        if first and self.on_change is not None:
            self.on_change(self.store, True)
        log.log(
            logging.WARNING if first else logging.DEBUG,
            "%r cannot be used (%s: %s); going on with the tokens in memory, trying again",
            self.store,
            operation,
            _describe(error),
        )

    def _succeed(self, operation: str) -> None:
        with self._mutex:
            self._failed.discard(operation)
            back = not self._failed
            # What was only suspected is free again, what failed may be tried next.
            self._retry_at = dict.fromkeys(self._failed, self._clock())
            if back:
                self._pause = FIRST_PAUSE
        if back and self.on_change is not None:
            self.on_change(self.store, False)
        if back:
            log.info("%r is back", self.store)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Breaker) and self.store == other.store

    def __hash__(self) -> int:
        return hash((Breaker, self.store))

    def __repr__(self) -> str:
        return f"Breaker({self.store!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return guard, (self.store,)  # the other process finds out about the store by itself


_breakers: Alive[Breaker] = Alive()
KEPT = 16
"""Breakers kept though nobody holds them: each keeps its store, and so perhaps a connection."""

_guarded: WeakValueDictionary[TokenStore, Breaker] = WeakValueDictionary()
_lately: LRUCache[TokenStore, Breaker] = LRUCache(KEPT)
_guarded_lock = threading.RLock()


def guard(store: TokenStore) -> Breaker:
    """The one breaker of this store in the process; equal handles get the same one.

    Args:
        store: a store, or a breaker, which comes back as it is.

    Example:
        >>> guard(FileStore("/var/cache/wecom")) is guard(FileStore("/var/cache/wecom"))
        True
    """
    if isinstance(store, Breaker):
        return store
    with _guarded_lock:
        breaker = _guarded.get(store)
        if breaker is None:
            breaker = _guarded[store] = Breaker(store)
        _lately[store] = breaker
        return breaker


def _describe(error: Exception) -> str:
    """What may be logged: other exceptions than OSErrors may quote what was to be written."""
    if isinstance(error, OSError):
        return str(error) or type(error).__name__
    return type(error).__name__


def _renew_locks() -> None:  # pragma: no cover, as forked children report nothing
    """In a forked child: a lock that another thread held at the fork would be held for ever."""
    global _guarded_lock
    _guarded_lock = threading.RLock()
    for breaker in _breakers.list():
        breaker._mutex = threading.RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch, Windows has no fork
    os.register_at_fork(after_in_child=_renew_locks)
