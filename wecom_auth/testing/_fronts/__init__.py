"""In-process fronts: each answers for one HTTP client what it would send to the platform.

A front is started for a library that the program has imported, and never imports one. Mocks of
the user's own go first: one that has replaced what a front would replace stays in place.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from .front import Find, Front

LIBRARIES = {
    "requests": "requests",
    "urllib.request": "urllib",
    "httpx": "httpx",
    "httpx2": "httpx",
    "aiohttp": "aiohttp",
}
"""Each library, and the module here that has its front."""


def front_for(library: str, find: Find) -> Front | None:
    """Return a front for this library, None where the program has not imported it."""
    module = sys.modules.get(library)
    if module is None:
        return None
    front: Any = import_module(f"{__name__}.{LIBRARIES[library]}")
    made: Front = front.make(module, find)
    return made
