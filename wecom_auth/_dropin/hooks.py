"""Patch the clients while an installation is in force, and take the patches back afterwards.

A library that is not imported is not imported for this: its hook is set when the program imports
it. `process.lock` guards what stands here.
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from .._source import process
from . import aiohttp, httpx, requests, urllib
from .call import Point
from .owner import Owners
from .watch import Watch

HOOKS = {
    "requests": requests.points,
    "niquests": requests.points,
    "httpx": httpx.points,
    "httpx2": httpx.points,
    "aiohttp": aiohttp.points,
    "urllib.request": urllib.points,
}
"""What to patch of each library, by the module that has to be imported."""

_patches: WeakKeyDictionary[Callable[..., Any], Callable[..., Any]] = WeakKeyDictionary()
_points: list[Point] = []
_watch: Watch | None = None
_owners: Owners | None = None


def owners() -> Owners | None:
    """Return the owners of tokens while an installation is in force, else None."""
    return _owners


def set_owners(new: Owners | None) -> None:
    """Let calls be made by these owners from now on; None takes the patches back."""
    global _owners, _watch
    _owners = new
    if new is None:
        _remove()
    elif _watch is None:
        _watch = Watch(HOOKS, _set)
        _watch.start()
    else:
        _renew()


def _set(module: ModuleType) -> None:
    """Patch this library."""
    with process.lock:
        if _owners is not None:
            with suppress(AttributeError):  # it is another library of this name, or a stub of one
                _points.extend(HOOKS[module.__name__](module, owners))
            _renew()


def _renew() -> None:
    """Patch what is not patched; another patch may have been taken away with ours below it."""
    for owner, name, wrap in _points:
        original = getattr(owner, name)
        if original not in _patches:
            ours = functools.wraps(original)(wrap(original))
            _patches[ours] = original
            setattr(owner, name, ours)


def _remove() -> None:
    """Put back what was there; where another patch lies over ours, ours stays and does nothing."""
    global _watch
    for owner, name, _ in _points:
        while (ours := getattr(owner, name)) in _patches:
            setattr(owner, name, _patches.pop(ours))
    _points.clear()
    assert _watch is not None
    _watch.stop()
    _watch = None
