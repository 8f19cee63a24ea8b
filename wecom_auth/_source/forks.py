"""The one fork policy: take every lock before, release after, start over in the child."""

import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

from ..stores.memory import MemoryStore
from . import process
from .process import held

PATIENCE = 1.0
"""Seconds that a fork waits for each lock: a user's cache may hang."""

IMPORTED_LATE = (
    "netrc",  # requests imports it at its first call
    "tenacity",
    "redis",
    "filelock",
    "platformdirs",
    "wecom_auth.stores.redis",
    "wecom_auth.stores.file",
)


_taken: list[Any] = []


def _before_fork() -> None:
    """Take every lock, so that the child inherits nothing that another thread has half changed."""
    _finish_imports()  # first: a thread that imports may need one of the locks
    _take(process.lock)
    for each in (process.events, *_memories(), *held.flights.copy()):
        _take(each.lock)


def _take(lock: Any) -> None:
    if lock.acquire(timeout=PATIENCE):
        _taken.append(lock)


def _memories() -> list[MemoryStore]:
    found = (reference() for reference in held.memories.valuerefs())
    return [process.memory, *(each for each in found if each not in (None, process.memory))]


def _finish_imports() -> None:
    """Wait for other threads that import: Python renews no lock of a module in a child."""
    for name in IMPORTED_LATE:
        # A fetch under way may be about to import tenacity, which cannot be seen.
        if name in sys.modules or name == "netrc" or (name == "tenacity" and held.flights):
            with suppress(ImportError):
                import_module(name)


def _after_fork_in_parent() -> None:
    while _taken:
        _taken.pop().release()


def _after_fork_in_child() -> None:
    """Start over: no other thread lives here, so no fetch is under way.

    Connections are replaced, never closed: another thread may have held their pool's own lock.
    """
    _replace_what_was_not_free()
    landing = [each for each in held.flights if each.lock in _taken]
    _after_fork_in_parent()
    process.generation += 1
    held.session = None
    held.threads.clear()
    held.flights.clear()
    process.events.after_fork()
    for flight in landing:
        flight.land_in_child()  # greenlets of this process may wait for it
    for store in list(held.stores.values()):
        getattr(store, "after_fork", bool)()


def _replace_what_was_not_free() -> None:
    if process.lock not in _taken:
        process.lock = threading.RLock()
    for each in _memories():
        if each.lock not in _taken:
            each.lock = threading.RLock()


def register() -> None:
    """Let this policy be followed at each fork from now on."""
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork_in_parent,
            after_in_child=_after_fork_in_child,
        )
