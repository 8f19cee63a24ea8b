"""Serve httpx and httpx2 by one driver: they differ in hardly more than their name."""

import sys
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from wecom_auth._clients.httpx.peek import peeked_class
from wecom_auth._clients.httpx.wire import wire_url_class

NAMES = ("httpx", "httpx2")


class Kit(NamedTuple):
    """Hold one of the libraries, and the classes that are made of its own.

    Attributes:
        library: the module httpx or httpx2.
        peeked: the body of an answer that was looked into.
        wire_url: a URL that does not show its token.
    """

    library: Any
    peeked: Any
    wire_url: Any


def kit_of(thing: Any) -> Kit:
    """Return the kit of the library that this object's class, or a base of it, comes from.

    Raises:
        TypeError: it comes from neither.
    """
    kind: type = type(thing)
    return _kit_of(kind)


@lru_cache(maxsize=64)
def _kit_of(kind: type) -> Kit:
    for each in kind.__mro__:
        name = each.__module__.partition(".")[0]
        if name in NAMES:
            return _kit(name)
    raise TypeError(f"{kind.__name__} is of neither httpx nor httpx2")


@lru_cache(maxsize=len(NAMES))
def _kit(name: str) -> Kit:
    library = sys.modules[name]
    return Kit(library, peeked_class(library), wire_url_class(library))


def installed() -> list[Any]:
    """Import and return whichever of the libraries is installed.

    Raises:
        ImportError: neither is; it names the extra.
    """
    found = []
    for name in NAMES:
        with suppress(ImportError):
            found.append(import_module(name))
    if not found:
        raise ImportError("wecom_auth.httpx needs httpx or httpx2: pip install 'wecom-auth[httpx]'")
    return found


def bases(name: str) -> tuple[type, ...]:
    """Return the class of this name of each library that is installed."""
    return tuple(getattr(library, name) for library in installed())
