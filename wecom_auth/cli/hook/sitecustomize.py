"""Runs first in every Python that `wecom-auth run` starts: installs the drop-in with requests.

Nothing is imported for it before the program itself imports requests: a program that never does
pays nothing, and one that must patch the standard library first (gevent) still can.
"""

import atexit
import os
import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Watch:
    """A finder that lets the others find, and installs the drop-in once requests is loaded.

    Where the program imports wecom_auth first, that imports requests and is awaited as well.
    """

    def __init__(self) -> None:
        self.loading: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in ("requests", "wecom_auth"):
            return None
        for finder in sys.meta_path:
            # An old one has find_module only; Python passes it by as well.
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
                return spec
        return None

    def loaded(self) -> None:
        if "requests" in sys.modules and not self.loading and self in sys.meta_path:
            sys.meta_path.remove(self)
            _start()


class _Loader:
    """Stands for a module's loader until it has loaded the module."""

    def __init__(self, watch: _Watch, inner: Any) -> None:
        self._watch, self._inner = watch, inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__loader__ = self._inner
        module.__spec__.loader = self._inner  # type: ignore[union-attr]
        self._watch.loading.add(name)
        try:
            self._inner.exec_module(module)
        finally:
            self._watch.loading.discard(name)
        self._watch.loaded()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _start() -> None:
    try:
        from wecom_auth.cli.run import start

        start()
    except Exception as error:
        missing = str(getattr(error, "name", None)).partition(".")[0]
        if missing != "wecom_auth":  # a Python that does not have it is not ours
            print(f"wecom-auth run: without the drop-in: {error}", file=sys.stderr)


def _report(tally: str, owner: str) -> None:
    """Say on stderr what was done here and in the children; the first process does."""
    if owner != str(os.getpid()):
        return
    with suppress(OSError):  # it is the script's exit, whatever has become of our file
        with open(tally, encoding="ascii") as file:
            done = file.read().splitlines()
        os.unlink(tally)
        saved, healed = done.count("saved"), done.count("healed")
        print(f"wecom-auth: {saved} gettoken calls saved, {healed} calls healed", file=sys.stderr)


def _run_the_users_own() -> None:
    """The sitecustomize that would have run had this one not stood before it."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != here]
    this = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ModuleNotFoundError as error:
        if error.name != __name__:
            raise
    finally:
        sys.modules.setdefault(__name__, this)


sys.meta_path.insert(0, _Watch())
if "WECOM_AUTH_TALLY" in os.environ:
    _owner = os.environ.setdefault("WECOM_AUTH_TALLY_OWNER", str(os.getpid()))
    atexit.register(_report, os.environ["WECOM_AUTH_TALLY"], _owner)
_run_the_users_own()
