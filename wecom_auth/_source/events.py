"""Events: one small record for each thing that is done, told to hooks without a call waiting."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._log import log, warn_once

BOUND = 1000
"""Events that wait for slow hooks at most; those beyond are counted as missed."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a credential's token; holds neither token nor secret.

    Attributes:
        name: `fetched`, `adopted` (from the store), `served_stale` (past its soft deadline, or
            all that a spent budget leaves), `refresh_failed`, `rejected`, `resent`, `not_resent`,
            `refused` (an exchange failed), `budget` (no fetch is allowed now), `store_away`,
            `store_back`.
        credential: its repr; of a store, the store's.
        errcode: the platform's number, where there is one.
        seconds: the life of a token, or the time that a wait takes.
        why: in words.
        missed: events before this one that hooks were too slow for.

    Example:
        >>> Event("fetched", "AppCredential(corpid='ww01')", seconds=7200).name
        'fetched'
    """

    name: str
    credential: str
    errcode: int | None = None
    seconds: float | None = None
    why: str = ""
    missed: int = 0


Hook = Callable[[Event], object]


class Events:
    """The hooks, and a queue in which events wait for them; a daemon thread calls the hooks.

    Args:
        start: starts the thread; False where none starts.
    """

    def __init__(self, start: Callable[..., bool]) -> None:
        self._start = start
        self.after_fork()
        self._hooks: tuple[Hook, ...] = ()

    def after_fork(self) -> None:
        """Begin with an empty queue: the thread that served it lives in the parent."""
        self.lock = threading.RLock()
        self._wake = threading.Event()  # no condition over the lock: eventlet exchanges RLocks
        self._queue: deque[tuple[Any, ...]] = deque()
        self._missed = 0
        self._serves = False

    def add(self, hook: Hook) -> Callable[[], None]:
        """Call this for each event from now on; return a function that ends it."""
        with self.lock:
            self._hooks = (*self._hooks, hook)
        return lambda: self._remove(hook)

    def clear(self) -> None:
        """End every hook."""
        with self.lock:
            self._hooks = ()

    def _remove(self, hook: Hook) -> None:
        with self.lock:
            self._hooks = tuple(each for each in self._hooks if each is not hook)

    def emit(
        self,
        name: str,
        credential: object,
        errcode: int | None = None,
        seconds: float | None = None,
        why: str = "",
    ) -> None:
        """Tell the hooks of this; never wait for them, never raise. The arguments: see `Event`."""
        if self._hooks:
            self._put((name, credential, errcode, seconds, why))

    def _put(self, said: tuple[Any, ...]) -> None:
        with self.lock:
            if len(self._queue) >= BOUND:
                self._missed += 1
                return
            self._queue.append((*said, self._missed))
            self._missed = 0
            starts, self._serves = not self._serves, True
        if not self._wake.is_set():
            self._wake.set()
        if starts and not self._start(self._serve):
            self._serves = False  # the next event tries again

    def _serve(self) -> None:
        queue, wake = self._queue, self._wake  # of this process, not of a child
        while True:
            wake.wait()
            wake.clear()
            while queue:
                name, credential, *said = queue.popleft()
                for hook in self._hooks:
                    _call(hook, name, credential, *said)


def _call(hook: Hook, name: str, credential: object, *said: Any) -> None:
    try:
        hook(Event(name, repr(credential), *said))
    except Exception as error:  # a user's function; its mistake is logged, the others go on
        called = getattr(hook, "__qualname__", type(hook).__name__)
        warn_once(f"the event hook {called} raised {type(error).__name__}; it is called on")
        log.debug("the event hook %s raised", called, exc_info=True)
