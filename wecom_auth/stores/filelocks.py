"""Lock files through filelock: one try at a time, never inherited by a forked child."""

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .waiting import Release

if TYPE_CHECKING:
    from filelock import BaseFileLock

_held: "set[BaseFileLock]" = set()


def require() -> None:
    """Import the libraries of the extra.

    Raises:
        ModuleNotFoundError: one of them is missing; the message names the extra.
    """
    try:
        import filelock  # noqa: F401
        import platformdirs  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'FileStore needs {error.name}: pip install "wecom-auth[file]"', name=error.name
        ) from None


def attempt(path: Path, mark: Path | None = None) -> Release | None:
    """Take this lock if it is free.

    Args:
        path: the lock file, made if need be.
        mark: a file whose time tells since when the lock is held, for `held_for`; another one
            than the lock file, whose time some versions of filelock change at every try.

    Returns:
        How to release it, or None when another holds it.
    """
    from filelock import FileLock, Timeout

    # Not thread-local: the hook below closes descriptors of locks that other threads hold.
    lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    _held.add(lock)
    if mark is not None:
        with contextlib.suppress(OSError):
            mark.touch(0o600)
    return partial(_release, lock, os.getpid())


def held_for(mark: Path) -> float:
    """Seconds since the lock was last taken with this mark, by the machine's clock; 0 if never."""
    try:
        return max(time.time() - os.stat(mark).st_mtime, 0.0)
    except OSError:
        return 0.0


def _release(lock: "BaseFileLock", owner: int) -> None:
    # A child forked inside the `with` shares the parent's lock: unlocking would free it for both.
    if os.getpid() == owner:
        _held.discard(lock)
        lock.release()


def _let_go_in_child() -> None:  # pragma: no cover, as forked children report nothing
    """A forked child closes its copies, without unlocking: they would outlive the parent."""
    for lock in _held:
        descriptor = lock._context.lock_file_fd
        lock._context.lock_file_fd = None  # filelock before 4 does not do this by itself
        lock._context.lock_counter = 0
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch, Windows has no fork
    os.register_at_fork(after_in_child=_let_go_in_child)
