"""Libraries that the program imports while a platform is entered get their front then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from . import LIBRARIES


class LateImports(MetaPathFinder):
    """Calls back when one of the libraries has been imported.

    Args:
        imported: called with its name.
    """

    def __init__(self, imported: Callable[[str], object]) -> None:
        self._imported = imported
        self._looking = False

    def start(self) -> None:
        """Watch imports."""
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Watch no more."""
        sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that others find, with the call added to its loader."""
        if self._looking or fullname not in LIBRARIES:
            return None
        self._looking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._looking = False
        loader: Any = spec.loader if spec else None
        if loader is None:
            return spec
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            self._imported(fullname)

        loader.exec_module = exec_module
        return spec
