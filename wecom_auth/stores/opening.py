"""Opens the store that a user names, by an object or by a URL."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from .protocol import METHODS, TokenStore

WINDOWS = os.name == "nt"

_FORMS = "file:///directory, file: (the user's cache directory), redis://, rediss:// or unix://"


def open_store(spec: object) -> TokenStore | None:
    """The store that an object or a URL names.

    Args:
        spec: None or a blank text for none; an object with the methods of `TokenStore`, which
            comes back as it is; or a URL: `file:///directory`, `file:` for the user's cache
            directory, `redis://…`, `rediss://…`, `unix://…`.

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
    """The store that the environment variable WECOM_STORE names, for code that names none.

    Raises:
        ValueError, ModuleNotFoundError: as `open_store`, naming the variable.
    """
    try:
        return open_store(environ.get("WECOM_STORE"))
    except ValueError as error:
        raise ValueError(f"WECOM_STORE: {error}") from None
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"WECOM_STORE: {error}", name=error.name) from None


def _from_url(url: str) -> TokenStore | None:
    if not url:
        return None
    if re.match(r"(file:/*)?~", url):
        raise ValueError("~ is expanded by a shell only: write the whole path after file://")
    scheme, colon, rest = url.partition(":")
    if colon and scheme.lower() == "file":
        return _file(rest)
    from .redis import SCHEMES, RedisStore

    if colon and scheme.lower() in SCHEMES:
        return RedisStore(url)
    if url.startswith(("/", "~", ".")):
        raise ValueError(f"a store is named by a URL: file://{os.path.abspath(url)}")
    raise ValueError(f"not the URL of a store; it can be {_FORMS}")


def _file(rest: str) -> TokenStore:
    from .file import FileStore

    parts = urlsplit(f"file:{rest}")
    if parts.netloc not in ("", "localhost"):
        raise ValueError(
            "file://host names a machine: an absolute path takes three slashes, "
            "as in file:///var/cache/wecom"
        )
    if not parts.path:
        return FileStore()
    path = unquote(parts.path)
    if not path.startswith("/"):
        raise ValueError(f"a file: URL takes an absolute path, as in file:///var/cache/{path}")
    return FileStore(path[1:] if WINDOWS else path)
