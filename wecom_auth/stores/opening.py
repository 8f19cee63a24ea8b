"""Opens the store that a user names, by an object or by a URL, here or in the environment."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .._credential.environment import read_secret_file
from .protocol import METHODS, TokenStore

WINDOWS = os.name == "nt"

_FORMS = "file:///directory, file: (the user's cache directory), redis://, rediss:// or unix://"


def open_store(spec: object) -> TokenStore | None:
    """The store that an object or a URL names.

    Args:
        spec: None or a blank text for none; an object with the methods of `TokenStore`, which
            comes back as it is; or a URL: `file:///directory`, `file:` for the user's cache
            directory, `redis://…`, `rediss://…`, `unix://…`. The same URL gives the same store,
            however often it is read; the 64 used last are kept.

    Raises:
        TypeError: an object that lacks one of the methods, or that cannot be hashed.
        ValueError: a text that is no such URL; it is not quoted, as it may hold a password.
        ModuleNotFoundError: the extra for this kind of store is not installed.

    Example:
        >>> open_store("file:///var/cache/wecom")
        FileStore('/var/cache/wecom')
    """
    if spec is None:
        return None
    if isinstance(spec, str):
        return _from_url(spec.strip())
    if isinstance(spec, os.PathLike):
        raise TypeError("a store, not a path: FileStore(path)")
    if isinstance(spec, type):
        raise TypeError(f"a store, not its class: {spec.__name__}(…)")
    missing = [name for name in METHODS if not callable(getattr(spec, name, None))]
    if missing:
        raise TypeError(
            f"{type(spec).__name__} is no store, it lacks {', '.join(missing)}: "
            f"give a FileStore, a RedisStore, an object like them, or a URL: {_FORMS}"
        )
    if type(spec).__hash__ is None:
        raise TypeError(
            f"{type(spec).__name__} defines __eq__ without __hash__: define both, so that two "
            "handles over the same place share one state in the process"
        )
    store: Any = spec
    return store  # type: ignore[no-any-return]


def store_of_environment(environ: Mapping[str, str] = os.environ) -> TokenStore | None:
    """The store that the environment names, for code that names none.

    Its URL stands in WECOM_STORE, or in the file that WECOM_STORE_FILE names: the environment of a
    process is seen by its children and on debug pages, and the URL may hold a password.

    Raises:
        ValueError, ModuleNotFoundError: as `open_store`, naming the variable; also where both
            variables are set, or the file does not hold one line.
    """
    name, url = _url_of(environ)
    try:
        return _from_url(url)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{name}: {error}", name=error.name) from None


def _url_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names the store, and the URL."""
    url, file = (environ.get(name, "").strip() for name in ("WECOM_STORE", "WECOM_STORE_FILE"))
    if not file:
        return "WECOM_STORE", url
    if url:
        raise ValueError("WECOM_STORE and WECOM_STORE_FILE are both set: unset one of them")
    return "WECOM_STORE_FILE", _only_line(Path(file))


def _only_line(file: Path) -> str:
    try:
        lines = read_secret_file(file).split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ValueError(f"WECOM_STORE_FILE: cannot read {file}: {reason}") from None
    if lines == [""]:
        raise ValueError(f"WECOM_STORE_FILE: {file} is empty: it holds the URL of a store")
    if len(lines) > 1:
        raise ValueError(
            f"WECOM_STORE_FILE: {file} has {len(lines)} lines: it holds the URL of a store alone"
        )
    return lines[0]


def _from_url(url: str) -> TokenStore | None:
    if not url:
        return None
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower() if colon else ""
    if scheme == "file":
        return _file(rest)
    from .redisclient import SCHEMES

    if scheme in SCHEMES:
        return _redis(url)
    raise ValueError(_advice(url, scheme))


def _advice(url: str, scheme: str) -> str:
    """Say what to write in place of this text; it is not quoted, as it may hold a password."""
    if url[0] in "\"'":
        return "the value has quotation marks in it, which docker's --env-file keeps: remove them"
    if url.startswith(("/", "~", ".")):
        return f"a store is named by a URL: file://{os.path.abspath(os.path.expanduser(url))}"
    if "sentinel" in scheme or "cluster" in scheme:
        return (
            "a URL names one server. Make the client yourself and give it as store=: "
            "RedisStore(redis.Sentinel([(host, 26379)]).master_for(name)), or "
            "RedisStore(redis.RedisCluster.from_url('redis://…'))"
        )
    if scheme.startswith("valkey"):
        return "Valkey speaks the protocol of Redis: write redis:// (or rediss:// for TLS)"
    return f"not the URL of a store; it can be {_FORMS}"


def _file(rest: str) -> TokenStore:
    parts = urlsplit(f"file:{rest}")
    path = unquote(parts.netloc + parts.path if parts.netloc == "~" else parts.path)
    if path.lstrip("/").startswith("~"):
        home = os.path.expanduser(path.lstrip("/"))
        raise ValueError(f"~ means nothing in a URL: write the whole path, as in file://{home}")
    if parts.netloc not in ("", "localhost"):
        raise ValueError(
            "file://host names a machine: an absolute path takes three slashes, "
            "as in file:///var/cache/wecom"
        )
    if path and not path.startswith("/"):
        raise ValueError(f"a file: URL takes an absolute path, as in file:///var/cache/{path}")
    from .directory import default_directory, require

    require()
    if not path:
        return _directory(str(default_directory()), usual=True)
    return _directory(path[1:] if WINDOWS else path, usual=False)


@lru_cache(64)  # which needs no lock that a fork could leave held
def _directory(path: str, *, usual: bool) -> TokenStore:
    from .file import FileStore

    return FileStore() if usual else FileStore(path)


@lru_cache(64)
def _redis(url: str) -> TokenStore:
    from .redis import RedisStore

    return RedisStore(url)
