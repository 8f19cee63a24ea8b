"""Call a function as soon as a module has been imported. Imports nothing of this package.

`wecom-auth run` loads this file by its path, in Pythons that may have nothing else of ours.
"""

import sys
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Watch:
    """A finder that lets the others find, and calls a function once a module is loaded.

    Args:
        names: of the modules.
        loaded: called with each of them.
    """

    is_watch = True
    """By which one knows another: in a run this file is loaded twice, and so is the class."""

    def __init__(self, names: Iterable[str], loaded: Callable[[ModuleType], object]) -> None:
        self._names = set(names)
        self._loaded = loaded

    def start(self) -> None:
        """Call the function for what is there already, and watch for the rest."""
        for name in sorted(self._names & sys.modules.keys()):
            if sys.modules[name] is not None:  # which forbids its import
                self.done(sys.modules[name])
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec that another finder finds, with a loader that tells."""
        if name not in self._names:
            return None
        for finder in list(sys.meta_path):
            # An old one has find_module only; Python passes it by as well. So may another watch.
            is_watch = getattr(finder, "is_watch", False)
            find = None if is_watch else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
                return spec
        return None

    def done(self, module: ModuleType) -> None:
        """Call the function for this module."""
        self._names.discard(module.__name__)
        self._loaded(module)


class _Loader:
    """Stands for a module's loader until it has loaded the module."""

    def __init__(self, watch: Watch, inner: Any) -> None:
        self._watch, self._inner = watch, inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._inner
        module.__spec__.loader = self._inner  # type: ignore[union-attr]
        self._inner.exec_module(module)
        self._watch.done(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
