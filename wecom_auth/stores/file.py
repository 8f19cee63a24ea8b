"""One token for the processes of one machine: a directory of small files."""

import errno
import json
import os
import random
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from .._log import warn_once
from .directory import ELSEWHERE, absolute, complaint, default_directory, make, require
from .filelocks import FileLocks
from .protocol import StoreError
from .waiting import wait_for

WRITE_LIMIT = 2.0
"""Seconds to wait at most for the lock around one write, which is held for a millisecond."""

LARGEST = 65_536
"""Bytes; a larger file is not one of this store."""

SWEEP_CHANCE = 1 / 64
SWEEP_AGE = 86_400.0

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# A named pipe would be waited for; another user's file may hide under a symbolic link.
_READ |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class FileStore:
    """Tokens in files, shared by the processes of one user on one machine.

    Files are 0600 in a directory 0700; a directory that others may write to, or of another user,
    is refused. Each write goes to a temporary file that then replaces the old one, so a process
    killed at any instruction leaves a whole token or none. Locks are the operating system's own
    (`filelock`) and die with their holder. The constructor does no input or output: what is wrong
    with the directory shows at its first use.

    There is no fsync: after a power cut a file may be empty or damaged, which counts as absent,
    and fetching a token again costs less than waiting for the disk at every write.

    Args:
        path: a directory, made at first use; the user's cache directory if none is given.
        clock: seconds since the epoch.

    Raises:
        ModuleNotFoundError: filelock or platformdirs is missing: `pip install "wecom-auth[file]"`.
        ValueError: the path is none.

    Example:
        >>> session = attach(requests.Session(), app, store=FileStore("/var/cache/alerts/wecom"))
    """

    named = True
    failures = (StoreError,)

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        require()
        self.path = default_directory() if path is None else absolute(path)
        self._clock = clock
        self._locks = FileLocks()

    def load(self, key: str) -> str | None:
        """The text under this key, or None when it is absent, expired or damaged."""
        if not self._ready(create=False):
            return None
        with self._explained():
            return self._read(self._file(key))

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        """Atomically: if the present text equals `expected`, put `new` in its place.

        Args:
            key: where.
            expected: the text that `load` gave; None means absent.
            new: the text to write; None deletes.
            ttl: seconds after which `new` is absent again; zero or less deletes.

        Returns:
            True if the present text was the expected one, and `new` has taken its place.

        Raises:
            StoreError: the directory or a file cannot be used; the message names the fix.
        """
        self._ready(create=True)
        target = self._file(key)
        with self._explained(), self._writing():
            # The temporary file first: compare and replace then follow each other closely, should
            # the disk be full or slow.
            draft = None
            if new is not None and ttl > 0:
                draft = _draft(target, self._pack(key, new, ttl))
            if self._read(target) != expected:
                return False
            _put(draft, target)
            if random.random() < SWEEP_CHANCE:  # noqa: S311
                self._sweep()
            return True

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        """Wait for the right to fetch for this key.

        Frees itself when its holder dies. Past a holder that is stopped, who waits goes on without
        it when the time is up.

        Args:
            key: for what.
            timeout: seconds to wait at most.

        Returns:
            A context manager that yields True when the lock is held, False when the time was up.

        Raises:
            StoreError: the directory cannot be used; the message names the fix.
        """
        self._ready(create=True)
        file = self._file(key).with_suffix(".lock")
        with self._explained():
            release = wait_for(
                partial(self._locks.attempt, file), timeout, first=0.005, longest=0.1
            )
        try:
            yield release is not None
        finally:
            if release is not None:
                release()

    def after_fork(self) -> None:
        """In a forked child: let go of the locks that the parent's threads hold."""
        self._locks.after_fork()

    def _ready(self, *, create: bool) -> bool:
        """Return whether the directory is there; make it if asked, refuse it unless it is ours."""
        if not self.path.is_absolute():
            raise StoreError(
                "no home directory to keep tokens in: set HOME or XDG_CACHE_HOME, or "
                f"name a directory, {ELSEWHERE}"
            )
        if create:
            make(self.path)
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{error.strerror}: {self.path}: name another, {ELSEWHERE}") from None
        if problem := complaint(self.path, found):
            raise StoreError(problem)
        return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Translate what the disk refuses, and say what to do where files may not be used."""
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            if error.errno is None:
                raise  # not from the disk: a signal handler's TimeoutError, say, is the caller's
            problem, code = f"{error.strerror}: {error.filename or self.path}", error.errno
        else:
            return
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem += (
                ": make it writable for this user, remove files that another user left in "
                f"{self.path}, or name another directory, {ELSEWHERE}"
            )
        elif code in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            problem += ": remove it, this store makes regular files"
        raise StoreError(problem)

    def _file(self, key: str) -> Path:
        return self.path / f"{sha256(key.encode()).hexdigest()[:40]}.json"

    def _pack(self, key: str, text: str, ttl: float) -> bytes:
        content = {"key": key, "expires_at": self._clock() + ttl, "ttl": ttl, "text": text}
        return json.dumps(content, ensure_ascii=False).encode()

    def _read(self, file: Path) -> str | None:
        try:
            text, left = _unpack(_content(file), self._clock())
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, RecursionError):
            warn_once(f"{file} is damaged and counts as empty; it is replaced by the next token")
            return None
        return text if left > 0 else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The lock around one write; one for the whole directory, as it is held so shortly."""
        file = self.path / "write.lock"
        release = wait_for(
            partial(self._locks.attempt, file), WRITE_LIMIT, first=0.001, longest=0.01
        )
        if release is None:
            raise StoreError(f"{file} is held by a process that does not go on: end it")
        try:
            yield
        finally:
            release()

    def _sweep(self) -> None:
        """Remove what has long expired, so that keys that are used once do not pile up."""
        removals: dict[str, Callable[[Path], None]] = {
            ".json": self._remove_expired,
            ".lock": self._locks.sweep,
            ".tmp": os.unlink,
        }
        for file in self.path.iterdir():
            remove = removals.get(file.suffix)
            with suppress(OSError):
                if remove and time.time() - file.lstat().st_mtime > SWEEP_AGE:
                    remove(file)

    def _remove_expired(self, file: Path) -> None:
        if self._read(file) is None:
            file.unlink()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileStore) and self.path == other.path

    def __hash__(self) -> int:
        return hash((FileStore, self.path))

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FileStore, (self.path,)  # locks and clock belong to their process


def _content(file: Path) -> bytes:
    """Return what the file holds; ValueError where it is no regular file, or too large."""
    try:
        descriptor = os.open(file, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
            raise ValueError from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError
        return os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)


def _unpack(raw: bytes, now: float) -> tuple[str, float]:
    content: dict[str, Any] = json.loads(raw)
    text, ttl = content["text"], float(content["ttl"])
    if not isinstance(text, str):
        raise TypeError
    # Not beyond the ttl: it was perhaps written by a clock that ran ahead of this one.
    return text, min(content["expires_at"] - now, ttl)


def _draft(target: Path, content: bytes) -> Path:
    draft = target.with_suffix(".tmp")
    with suppress(FileNotFoundError):
        os.unlink(draft)  # left by a writer that was killed: nobody else writes now
    with open(os.open(draft, _CREATE, 0o600), "wb") as stream:
        stream.write(content)
    return draft


def _put(draft: Path | None, target: Path) -> None:
    if draft is not None:
        os.replace(draft, target)
    else:
        with suppress(FileNotFoundError):
            os.unlink(target)
