"""All that a process holds: the registry, the locks, the threads under way, the fork policy.

`lock` guards every field of every state, and all that stands in this module. Nothing is read or
written without it, but for one read that is marked. Nobody waits, logs, or does input or output
while holding it. A memory store has a lock of its own around its cache; who needs both takes
`lock` first.
"""

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any
from weakref import WeakValueDictionary

import requests
from cachetools import LRUCache

from .. import _log
from .._credential.credential import Credential
from ..errors import WeComError
from ..stores import Breaker, guard, open_store, store_of_environment
from ..stores.memory import SIZE, MemoryStore
from ..stores.protocol import TokenStore

FEW = 1024
"""States kept for external tokens and memory stores, which code may make for each call."""

LIVE = 16
"""Stores kept that no URL or path names: each may hold a connection of its own."""

PATIENCE = 1.0
"""Seconds that a fork waits for each lock: a user's cache may hang."""

_IMPORTED_LATE = (
    "netrc",  # requests imports it at its first call
    "tenacity",
    "redis",
    "filelock",
    "platformdirs",
    "wecom_auth.stores.redis",
    "wecom_auth.stores.file",
)


class _Process:
    """The fields; one instance, replaced in no process."""

    def __init__(self) -> None:
        self.states: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        self.recent: LRUCache[Any, Any] = LRUCache(SIZE)
        self.few: LRUCache[Any, Any] = LRUCache(FEW)
        self.live: LRUCache[TokenStore, LRUCache[Any, Any]] = LRUCache(LIVE)
        self.pauses: LRUCache[Any, tuple[WeComError, float]] = LRUCache(FEW)
        self.memories: WeakValueDictionary[int, MemoryStore] = WeakValueDictionary()
        self.stores: WeakValueDictionary[int, Breaker] = WeakValueDictionary()
        self.flights: set[Any] = set()
        self.threads: set[threading.Thread] = set()
        self.session: requests.Session | None = None
        self.on_reset: list[Callable[[], object]] = []
        self.taken: list[Any] = []


lock = threading.RLock()
memory = MemoryStore()
"""The token cache that every source without a store of its own shares."""

generation = 0
"""The number of forks since the first process; drivers renew their connections when it grows."""

_held = _Process()


# --- the registry ---


def state_of(
    credential: Credential, spec: object, make: Callable[[MemoryStore, Breaker | None], Any]
) -> Any:
    """Return the one state for this credential and store; recently used ones outlive their users.

    Args:
        credential: of the state.
        spec: the store as the user named it.
        make: makes the state where there is none.
    """
    cache, store = _open(credential, spec)
    identity = (credential, store if store is not None else cache)
    with lock:
        state = _held.states.get(identity)
        if state is None:
            guarded = None if store is None else guard(store)
            state = _held.states[identity] = make(cache, guarded)
            _held.memories[id(cache)] = cache
            if guarded is not None:
                _held.stores[id(guarded)] = guarded
        _keeper(credential, cache, store)[identity] = state
    return state


def _keeper(credential: Credential, cache: MemoryStore, store: TokenStore | None) -> Any:
    if store is not None and not getattr(store, "named", False):
        return _held.live.setdefault(store, LRUCache(SIZE))
    return _held.recent if credential.shareable and cache is memory else _held.few


def _open(credential: Credential, spec: object) -> tuple[MemoryStore, TokenStore | None]:
    if isinstance(spec, MemoryStore):
        return spec, None
    if spec is not None:
        store = open_store(spec)
    else:
        store = store_of_environment() if credential.shareable else None
    if store is not None and not credential.shareable:
        raise ValueError(f"store= is not for an {type(credential).__name__}: its owner keeps it")
    return memory, store


def session() -> requests.Session:
    """Return the session that sends exchanges for sources without one of their own."""
    with lock:
        if _held.session is None:
            _held.session = requests.Session()
        return _held.session


# --- failures of this machine ---


def pause(place: object, failure: WeComError, until: float) -> None:
    """Answer every credential's exchange at this place with this failure for a while.

    Args:
        place: base URL and path of the exchange.
        failure: one that is this machine's: its rate, its IP.
        until: on the clock of lives, in seconds.
    """
    with lock:
        _held.pauses[place] = (failure, until)


def paused(place: object) -> tuple[WeComError | None, float]:
    """Return the failure that pauses this place, and until when; None where nothing does."""
    with lock:
        found: tuple[WeComError | None, float] = _held.pauses.get(place, (None, 0.0))
    return found


# --- threads ---


def under_way(flight: Any) -> None:
    """Count this fetch as under way."""
    with lock:
        _held.flights.add(flight)


def landed(flight: Any) -> None:
    """Count this fetch no longer."""
    with lock:
        _held.flights.discard(flight)


def start_thread(target: Callable[..., object], *args: object) -> bool:
    """Run this in a daemon thread with the caller's context; False where no thread starts.

    A daemon delays no exit. A thread counts as under way from its start to its end.
    """
    context = contextvars.copy_context()

    def run() -> None:
        try:
            context.run(target, *args)
        finally:
            with lock:
                _held.threads.discard(threading.current_thread())

    thread = threading.Thread(target=_counted, args=(run,), name="wecom-auth", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends, or this one may not start daemons
        return False
    return True


def _counted(run: Callable[[], None]) -> None:
    with lock:
        _held.threads.add(threading.current_thread())
    run()


def threads_block_greenlets() -> bool:
    """Return whether sockets are cooperative here (gevent, eventlet) and threads are not.

    Then a greenlet that waits for a thread stops all others. Asked at each fetch, because
    patching may come late.
    """
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("socket"):
        return not gevent.is_module_patched("threading")
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("socket"):
        return not eventlet.is_monkey_patched("thread")
    return False


def nap(seconds: float) -> None:
    """Sleep so that other greenlets go on, whether or not `time` is patched."""
    for name in ("gevent", "eventlet"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "sleep"):
            module.sleep(seconds)
            return
    time.sleep(seconds)


# --- reset and fork ---


def on_reset(forget: Callable[[], object]) -> None:
    """Call this at each reset too."""
    with lock:
        _held.on_reset.append(forget)


def reset(timeout: float = 11.0) -> None:
    """Forget every token, failure and budget in this process: for tests, between two of them.

    Waits for refreshes under way, so that none reaches the network later.

    Args:
        timeout: seconds to wait for each of them at most.

    Example:
        >>> reset()
    """
    with lock:
        flights, threads = list(_held.flights), list(_held.threads)
    for flight in flights:
        flight.wait(timeout)
    for thread in threads:
        thread.join(timeout)
    with lock:
        states = list(_held.states.values())
        for kept in (_held.recent, _held.few, _held.live, _held.pauses):
            kept.clear()
        hooks = list(_held.on_reset)
    for state in states:
        state.forget()
    memory.clear()
    _log.forget()
    for hook in hooks:
        hook()


def _before_fork() -> None:
    """Take every lock, so that the child inherits nothing that another thread has half changed."""
    _finish_imports()  # first: a thread that imports may need one of the locks
    locks = [lock, *(each.lock for each in _memories())]
    _held.taken = [each for each in locks if each.acquire(timeout=PATIENCE)]
    locks = [flight.lock for flight in _held.flights]
    _held.taken += [each for each in locks if each.acquire(timeout=PATIENCE)]


def _memories() -> list[MemoryStore]:
    return [memory, *_held.memories.values()]


def _finish_imports() -> None:
    """Wait for other threads that import: Python renews no lock of a module in a child."""
    for name in _IMPORTED_LATE:
        if name in sys.modules or name == "netrc":
            with suppress(ImportError):
                import_module(name)


def _after_fork_in_parent() -> None:
    for each in reversed(_held.taken):
        each.release()


def _after_fork_in_child() -> None:
    """Start over: no other thread lives here, so no fetch is under way.

    Connections are replaced, never closed: another thread may have held their pool's own lock.
    """
    global generation
    _replace_what_was_not_free()
    _after_fork_in_parent()
    generation += 1
    _held.session = None
    _held.threads.clear()
    for flight in list(_held.flights):
        flight.land(None)  # greenlets of this process may wait for it
    _held.flights.clear()
    for store in list(_held.stores.values()):
        getattr(store, "after_fork", bool)()


def _replace_what_was_not_free() -> None:
    global lock
    if lock not in _held.taken:
        lock = threading.RLock()
    for each in _memories():
        if each.lock not in _held.taken:
            each.lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
