"""One token for the processes of one machine: a directory of small files."""

import errno
import json
import os
import random
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from .._log import warn_once
from . import filelocks
from .protocol import LEASE, StoreError
from .waiting import Release, take

WRITE_LIMIT = 2.0
"""Seconds to wait at most for the lock around one write, which is held for a millisecond."""

GLANCE = 0.5
"""Seconds before an old mark of a lock counts: its new holder may not have renewed it yet."""

LARGEST = 65_536
"""Bytes; a larger file is none of ours."""

SWEEP_CHANCE = 1 / 64
SWEEP_AGE = 86_400.0


class FileStore:
    """Tokens in files, shared by the processes of one user on one machine.

    Files are 0600 in a directory 0700; a directory that others may write to, or of another user,
    is refused. Each write goes to a temporary file that then replaces the old one, so a process
    killed at any instruction leaves a whole token or none. Locks are the operating system's own
    (`filelock`) and die with their holder. The constructor does no input or output: what is wrong
    with the directory shows at its first use.

    There is no fsync: after a power cut a file may be empty or damaged, which counts as absent,
    and fetching a token anew costs less than waiting for the disk at every write.

    Args:
        path: a directory, made at first use; the user's cache directory if none is given.
        clock: seconds since the epoch.

    Raises:
        ModuleNotFoundError: filelock or platformdirs is missing: `pip install "wecom-auth[file]"`.

    Example:
        >>> session = attach(requests.Session(), app, store=FileStore("/var/cache/alerts/wecom"))
    """

    named = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        filelocks.require()
        self.path = default_directory() if path is None else _absolute(path)
        self._clock = clock

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
            StoreError: the directory cannot be used; the message names the fix.
            OSError: a read or write failed.
        """
        self._ready(create=True)
        target = self._file(key)
        with self._explained(), self._writing() as number:
            # The temporary file first: between compare and replace there is then next to nothing,
            # should this process be stopped and another take the spare lock meanwhile.
            draft = None
            if new is not None and ttl > 0:
                draft = self._draft(target, number, self._pack(key, new, ttl))
            if self._read(target) != expected:
                return False
            _put(draft, target)
            if random.random() < SWEEP_CHANCE:  # noqa: S311
                self._sweep()
            return True

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        """Wait for the right to fetch for this key.

        Frees itself when its holder dies. When its holder is stopped, one of those who wait goes
        on after half of its own timeout, or once the lock has been held for `LEASE` seconds.

        Args:
            key: for what.
            timeout: seconds to wait at most.

        Returns:
            A context manager that yields True when the lock is held, False when the time was up.

        Raises:
            StoreError: the directory cannot be used; the message names the fix.
        """
        self._ready(create=True)
        first, spare, mark = (self._file(key).with_suffix(x) for x in (".lock", ".lock2", ".held"))

        def stalled(waited: float) -> bool:
            return waited >= min(timeout / 2, max(GLANCE, LEASE - filelocks.held_for(mark)))

        with self._explained():
            release = take(
                lambda: filelocks.attempt(first, mark),
                lambda: filelocks.attempt(spare),
                timeout=timeout,
                stalled=stalled,
            )
        try:
            yield release is not None
        finally:
            if release is not None:
                release()

    def _ready(self, *, create: bool) -> bool:
        """Whether the directory is there; made if asked for, refused unless it is ours alone."""
        if not self.path.is_absolute():
            raise StoreError(
                "no home directory to keep tokens in: set HOME or XDG_CACHE_HOME, "
                "or name a directory, as in WECOM_STORE=file:///var/cache/wecom"
            )
        if create:
            self._make()
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        complaint = _complaint(self.path, found)
        if complaint:
            raise StoreError(complaint)
        return True

    def _make(self) -> None:
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
        except FileExistsError:
            return  # the check that follows says it better
        except OSError as error:
            raise StoreError(
                f"cannot make the directory {self.path} ({error.strerror}): make it writable for "
                "this user, or name another one, as in WECOM_STORE=file:///var/cache/wecom"
            ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what to do about files that may not be read or written."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            what = f"{error.strerror}: {error.filename or self.path}"
        else:
            return
        raise StoreError(
            f"{what}: make it writable for this user, remove files that another user left in "
            f"{self.path}, or name another directory, as in WECOM_STORE=file:///var/cache/wecom"
        )

    def _file(self, key: str) -> Path:
        return self.path / f"{sha256(key.encode()).hexdigest()[:40]}.json"

    def _pack(self, key: str, text: str, ttl: float) -> bytes:
        content = {"key": key, "expires_at": self._clock() + ttl, "ttl": ttl, "text": text}
        return json.dumps(content, ensure_ascii=False).encode()

    def _read(self, file: Path) -> str | None:
        try:
            with open(file, "rb") as stream:
                raw = stream.read(LARGEST + 1)
        except FileNotFoundError:
            return None
        try:
            text, left = _unpack(raw, self._clock())
        except (ValueError, TypeError, KeyError, RecursionError):
            warn_once(f"{file} is damaged and counts as empty; it is replaced by the next token")
            return None
        return text if left > 0 else None

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The lock around one write. Yields 1, or 2 for the spare: two writers never share a file.

        One for the whole directory: lock files are never removed, so one for each key would
        pile up.
        """
        locks = {number: self.path / f"write{number}.lock" for number in (1, 2)}
        held = 0

        def attempt(number: int) -> Release | None:
            nonlocal held
            held = number
            return filelocks.attempt(locks[number])

        release = take(
            lambda: attempt(1),
            lambda: attempt(2),
            timeout=WRITE_LIMIT,
            stalled=lambda waited: waited >= WRITE_LIMIT / 2,
            pause=(0.001, 0.01),
        )
        if release is None:
            raise StoreError(f"{locks[1]} is held by processes that do not go on: end them")
        try:
            yield held
        finally:
            release()

    def _draft(self, target: Path, number: int, content: bytes) -> Path:
        draft = target.with_suffix(f".{number}.tmp")
        with suppress(FileNotFoundError):
            os.unlink(draft)  # left by a writer that was killed: nobody else holds this number
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with open(os.open(draft, flags, 0o600), "wb") as stream:
            stream.write(content)
        return draft

    def _sweep(self) -> None:
        """Remove what has long expired, so that keys that are used once do not pile up."""
        for file in self.path.glob("*.json"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > SWEEP_AGE and self._read(file) is None:
                    file.unlink()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileStore) and self.path == other.path

    def __hash__(self) -> int:
        return hash((FileStore, self.path))

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"


def default_directory() -> Path:
    """The user's cache directory for tokens; relative where the user has no home."""
    from platformdirs import user_cache_dir

    try:
        return Path(user_cache_dir("wecom_auth", appauthor=False))
    except RuntimeError:  # no home; older versions return a relative path
        return Path("~")


def _absolute(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"path must name a directory, as in '/var/cache/wecom', not {path!r}")
    if text.startswith("file:"):
        raise ValueError(f"path must name a directory; that is a URL: give it as store={text!r}")
    return Path(os.path.abspath(os.path.expanduser(text)))


def _complaint(path: Path, found: os.stat_result) -> str:
    """Why this directory is refused, and what to do; empty if it is not."""
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is not a directory: name one"
    if not hasattr(os, "geteuid"):
        return ""  # Windows: a user's directories are guarded by their access lists
    here = shlex.quote(str(path))
    if found.st_uid != os.geteuid():
        return (
            f"{path} belongs to user {found.st_uid}, this process to user {os.geteuid()}: "
            f"chown {os.geteuid()} {here}, or name a directory of your own"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to {path}: chmod 700 {here}, or name a directory of your own"
    return ""


def _unpack(raw: bytes, now: float) -> tuple[str, float]:
    content: dict[str, Any] = json.loads(raw)
    text, ttl = content["text"], float(content["ttl"])
    if not isinstance(text, str):
        raise TypeError
    # Not beyond the ttl: it was perhaps written by a clock that ran ahead of this one.
    return text, min(content["expires_at"] - now, ttl)


def _put(draft: Path | None, target: Path) -> None:
    if draft is not None:
        os.replace(draft, target)
    else:
        with suppress(FileNotFoundError):
            os.unlink(target)
