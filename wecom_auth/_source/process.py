"""Which state belongs to which credential and store: one each in the process, also over a fork."""

import itertools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import RLock, get_ident
from typing import Any
from weakref import WeakValueDictionary

import requests
from cachetools import LRUCache

from .. import _log as logs
from .._credential.credentials import Credential
from ..stores import (
    TokenStore,
    guard,
    memory,
    open_store,
    store_of_environment,
)
from ..stores.memory import MemoryStore
from . import flight as flights
from .sharing import Shelf
from .state import TIME_LIMIT, State

FEW = 1024
"""States kept for external tokens and memory stores, which code may make anew for each call."""

LIVE = 16
"""Stores kept that no URL or path names: each may hold a connection of its own."""

IMPORTED_LATE = (
    "tenacity",
    "redis",
    "filelock",
    "platformdirs",
    "wecom_auth.stores.redis",
    "wecom_auth.stores.file",
)
"""What this package imports when it is first needed."""

_registry_lock = RLock()
_states: "WeakValueDictionary[Any, State]" = WeakValueDictionary()
_recent: LRUCache[Any, State] = LRUCache(memory.SIZE)
_few: LRUCache[Any, State] = LRUCache(FEW)
_live: LRUCache[TokenStore, LRUCache[Any, State]] = LRUCache(LIVE)
_numbers = itertools.count(1)
_held: dict[int, list[Any]] = {}
_shared_session: requests.Session | None = None
_forgetters: list[Callable[[], object]] = []


def on_reset(forget: Callable[[], object]) -> None:
    """Call this too at each reset: for what a way to attach keeps for the process."""
    _forgetters.append(forget)


def state_of(credential: Credential, spec: object) -> State:
    """The one state for this credential and store; those used lately outlive their handles."""
    level, store = _open(credential, spec)
    identity = (credential, store if store is not None else level)
    with _registry_lock:
        state = _states.get(identity)
        if state is None:
            state = _states[identity] = _new_state(credential, level, store)
        _keeper(credential, level, store)[identity] = state
    return state


def _keeper(credential: Credential, level: MemoryStore, store: TokenStore | None) -> Any:
    """Where a state of this kind is kept beyond its handles."""
    if store is not None and not getattr(store, "named", False):
        return _live.setdefault(store, LRUCache(memory.SIZE))
    return _recent if credential.shareable and level is memory.process_wide else _few


def _open(credential: Credential, spec: object) -> tuple[MemoryStore, TokenStore | None]:
    if isinstance(spec, MemoryStore):
        return spec, None
    if spec is not None:
        store = open_store(spec)
    else:
        store = store_of_environment() if credential.shareable else None
    if store is not None and not credential.shareable:
        raise ValueError(f"store= is not for an {type(credential).__name__}: its owner keeps it")
    return memory.process_wide, store


def _new_state(credential: Credential, level: MemoryStore, store: TokenStore | None) -> State:
    key = credential.key
    if store is not None or not credential.shareable:
        key = f"{key}#{next(_numbers)}"  # of its own in the process-wide memory
    shelf = Shelf(None if store is None else guard(store), credential.key)
    return State(credential, level, shelf, key)


def process_session() -> requests.Session:
    """The session that sends gettoken for sources without one of their own; a fork gets another."""
    global _shared_session
    with _registry_lock:
        if _shared_session is None:
            _shared_session = requests.Session()
        return _shared_session


def reset(timeout: float = TIME_LIMIT + flights.GRACE) -> None:
    """Forget every token, failure and budget in this process: for tests, between two of them.

    Waits for refreshes behind that are under way, so that none reaches the network later.

    Args:
        timeout: seconds to wait for one of them at most.

    Example:
        >>> reset()
    """
    for thread in list(flights.threads):
        thread.join(timeout)
    with _registry_lock:
        states = list(_states.values())
        _recent.clear()
        _few.clear()
        _live.clear()
    for state in states:
        state.forget()
    memory.process_wide.clear()
    logs.forget()
    for forget in _forgetters:
        forget()


def _alive() -> list[State]:
    return [state for ref in _states.valuerefs() if (state := ref()) is not None]


def _memories() -> list[MemoryStore]:
    return [memory.process_wide, *(state.memory for state in _alive())]


def _finish_imports() -> None:
    """Wait for other threads that are importing: Python renews no lock of a module in a child."""
    names = {name for name in IMPORTED_LATE if name in sys.modules}
    # One that is still being looked for cannot be seen. So what every fetch needs is not left to
    # chance: netrc, which requests imports at its first call, takes a millisecond.
    names.add("netrc")
    if any(state.flight for ref in _states.valuerefs() if (state := ref()) is not None):
        names.add("tenacity")
    for name in names:
        with suppress(Exception):
            import_module(name)


def _before_fork() -> None:
    """Take every lock, so that the child inherits nothing that another thread has half changed.

    A lock that is not free within a second (a user's cache may hang) is not waited for.
    """
    _finish_imports()  # first: the thread that imports may need one of the locks
    locks = [_registry_lock, *{id(each.lock): each.lock for each in _memories()}.values()]
    _held[get_ident()] = [lock for lock in locks if lock.acquire(timeout=1)]


def _after_fork_in_parent() -> None:
    for lock in _held.pop(get_ident(), ()):
        lock.release()


def _after_fork_in_child() -> None:
    """No other thread lives here, so no lock is held and no fetch is under way."""
    global _registry_lock, _shared_session
    _registry_lock = RLock()
    _shared_session = None
    _held.clear()
    for each in _memories():
        each.lock = RLock()
    flights.threads.clear()
    for state in _alive():
        state.flight = None
        if (store := state.shelf._store) is not None:
            store.after_fork()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
