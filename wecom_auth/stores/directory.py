"""The directory of a FileStore: which it is, made private, refused where it is not."""

import os
import shlex
import stat
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from .protocol import StoreError

ELSEWHERE = "as in WECOM_STORE=file:///var/cache/wecom"

_IN_KUBERNETES = "in a Kubernetes pod, securityContext.fsGroup makes a volume writable"


def require() -> None:
    """Import the libraries of the extra.

    Raises:
        ModuleNotFoundError: one of them, or a module that it needs, is missing; the message names
            it and the extra.
    """
    try:
        import filelock  # noqa: F401
        import platformdirs  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"FileStore needs filelock and platformdirs, and the module {error.name} is missing: "
            'pip install "wecom-auth[file]"',
            name=error.name,
        ) from None


def default_directory() -> Path:
    """The user's cache directory for tokens; relative where the user has no home."""
    from platformdirs import user_cache_dir

    try:
        return Path(user_cache_dir("wecom_auth", appauthor=False))
    except RuntimeError:  # no home; older versions return a relative path
        return Path("~")


def absolute(path: str | os.PathLike[str]) -> Path:
    """The directory that a caller names.

    Raises:
        ValueError: it is empty, bytes, or a URL.
    """
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"path must name a directory, as in '/var/cache/wecom', not {path!r}")
    if text.startswith("file:"):
        raise ValueError(f"path must name a directory; that is a URL: give it as store={text!r}")
    return Path(os.path.abspath(os.path.expanduser(text)))


def make(path: Path) -> None:
    """Make the directory where it is missing, and those above it, for this user alone.

    Raises:
        StoreError: it cannot be made; the message names the fix.
    """
    try:
        missing = list(takewhile(lambda each: not each.exists(), (path, *path.parents)))
        for each in reversed(missing):
            with suppress(FileExistsError):  # made by a neighbour meanwhile
                each.mkdir(0o700)  # each: os.makedirs leaves those above to the umask
    except OSError as error:
        raise StoreError(
            f"cannot make the directory {path} ({error.strerror}): make it writable for this "
            f"user, or name another one, {ELSEWHERE}; {_IN_KUBERNETES}"
        ) from None


def complaint(path: Path, found: os.stat_result) -> str:
    """Say why this directory is refused, and what to do; empty if it is not."""
    if not stat.S_ISDIR(found.st_mode):
        return f"{path} is not a directory: name one"
    if not hasattr(os, "geteuid"):
        return ""  # Windows: a user's directories are guarded by their access lists
    here, user = shlex.quote(str(path)), os.geteuid()
    if found.st_uid != user:
        return (
            f"{path} belongs to user {found.st_uid}, this process to user {user}: name a directory "
            f"below it, as in WECOM_STORE=file://{path}/tokens-{user}, which is then made for this "
            f"user alone ({_IN_KUBERNETES}), or: chown {user} {here}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write to {path}: chmod 700 {here}, or name a directory of your own"
    return ""
