"""Lock files through filelock: one try at a time, not inherited by a forked child."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .waiting import Release

if TYPE_CHECKING:
    from filelock import BaseFileLock


class FileLocks:
    """The lock files that one store holds at this moment.

    Example:
        >>> release = FileLocks().attempt(Path("/var/cache/wecom/x.lock"))
        >>> release()
    """

    def __init__(self) -> None:
        self._held: set[BaseFileLock] = set()

    def attempt(self, path: Path) -> Release | None:
        """Take this lock if it is free.

        Args:
            path: the lock file, made if need be.

        Returns:
            How to release it, or None when another holds it.

        Raises:
            OSError: the file cannot be opened, or is no regular file.
        """
        from filelock import FileLock, Timeout

        # Not thread-local: after a fork another thread closes what this one holds.
        lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        if _is_swept(lock):
            lock.release()
            return None
        self._held.add(lock)
        return partial(self._release, lock, os.getpid())

    def sweep(self, path: Path) -> None:
        """Remove this lock file, unless somebody holds it."""
        if (release := self.attempt(path)) is not None:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
            release()

    def after_fork(self) -> None:
        """In a forked child: close the copies, without unlocking; they would outlive the parent."""
        for lock in self._held:
            descriptor = lock._context.lock_file_fd
            lock._context.lock_file_fd = None  # filelock before 4 does not do this by itself
            lock._context.lock_counter = 0
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)
        self._held.clear()

    def _release(self, lock: "BaseFileLock", owner: int) -> None:
        # A child forked inside the `with` shares the parent's lock: unlocking would free it for
        # both.
        if os.getpid() == owner:
            self._held.discard(lock)
            lock.release()


def _is_swept(lock: "BaseFileLock") -> bool:
    """Return whether the file was removed before it was locked: then it keeps nobody out."""
    descriptor = lock._context.lock_file_fd
    return descriptor is not None and os.fstat(descriptor).st_nlink == 0
