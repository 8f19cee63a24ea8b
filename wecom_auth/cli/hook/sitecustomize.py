"""Runs first in every Python that `wecom-auth run` starts: installs the drop-in when it is needed.

Nothing is imported for it before the program makes its first WeCom call: a program that makes none
pays nothing, and one that must patch the standard library first (gevent) still can. Until then a
stub stands in the one method of each HTTP client through which every call goes.
"""

import _thread
import atexit
import functools
import os
import sys
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

_METHODS = {
    "requests": (("Session", "get_adapter"),),
    "httpx": (
        ("HTTPTransport", "handle_request"),
        ("AsyncHTTPTransport", "handle_async_request"),
    ),
    "httpx2": (
        ("HTTPTransport", "handle_request"),
        ("AsyncHTTPTransport", "handle_async_request"),
    ),
    "aiohttp": (("ClientSession", "_request"),),
    "urllib.request": (("OpenerDirector", "open"),),
}

_stubs: list[tuple[Any, str, Any, Any]] = []
_started: list[bool] = []
_installed: list[bool] = []
_lock = _thread.RLock()


def _watched(module: ModuleType) -> None:
    """Put the stubs into a client that has been imported."""
    for name, method in _METHODS[module.__name__]:
        owner = getattr(module, name, None)
        if owner is not None and not _installed:
            original = getattr(owner, method)
            stub = _stub(owner, method, original)
            _stubs.append((owner, method, original, stub))
            setattr(owner, method, stub)


def _stub(owner: Any, method: str, original: Any) -> Any:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _installed or not any(map(_leads_to_wecom, (*args[1:], *kwargs.values()))):
            return original(*args, **kwargs)
        _once()
        return getattr(owner, method)(*args, **kwargs)

    return call


def _leads_to_wecom(argument: Any) -> bool:
    """Whether this is the URL of a call, or a request that has one."""
    url = getattr(argument, "full_url", None) or getattr(argument, "url", argument)
    return type(url).__name__ in ("str", "URL") and "/cgi-bin/" in str(url)


def _once() -> None:
    """Start, or wait until another thread has."""
    held = _lock.acquire(timeout=10)  # a child that was forked meanwhile waits no longer
    try:
        if not _started:
            _start()
        _installed.append(True)
    finally:
        if held:
            _lock.release()


def _start() -> None:
    """Take the stubs away and install the drop-in in their place."""
    _started.append(True)
    for owner, method, original, stub in _stubs:
        if getattr(owner, method) is stub:  # another patch may lie over it
            setattr(owner, method, original)
    try:
        from wecom_auth.cli.run import start

        start()
    except Exception as error:
        missing = str(getattr(error, "name", None)).partition(".")[0]
        if missing != "wecom_auth":  # a Python that does not have it is not ours
            print(f"wecom-auth run: without the drop-in: {error}", file=sys.stderr)


def _watch() -> None:
    """Wait for the clients; the file of the watch is loaded without the rest of the package."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, os.pardir, os.pardir, "_dropin", "watch.py")
    spec = spec_from_file_location("_wecom_auth_watch", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Watch(_METHODS, _watched).start()


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
    """Run the sitecustomize that would have run had this one not stood before it."""
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


_watch()
if "WECOM_AUTH_TALLY" in os.environ:
    _owner = os.environ.setdefault("WECOM_AUTH_TALLY_OWNER", str(os.getpid()))
    atexit.register(_report, os.environ["WECOM_AUTH_TALLY"], _owner)
_run_the_users_own()
