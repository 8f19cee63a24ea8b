"""Packages whose names are imported when they are first asked for."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that imports each of its names from its home.

    Args:
        package: the package's `__name__`.
        homes: which module, relative to the package, has which names.

    Example:
        >>> __getattr__ = exports(__name__, {".file": ("FileStore",)})
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home_of[name], package), name)
        setattr(sys.modules[package], name, value)  # so that it is asked for once
        return value

    return get
