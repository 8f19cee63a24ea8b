"""Greenlets (gevent, eventlet): where a real wait for a thread would stop all of them."""

import sys
import time
from typing import Any


def threads_block_greenlets() -> bool:
    """Return whether sockets are cooperative here and threads are not.

    Then a greenlet that waits for a thread stops all others. Asked at each fetch, because
    patching may come late.
    """
    return _sleeper() is not None


def nap(seconds: float) -> None:
    """Sleep so that other greenlets go on, whether or not `time` is patched."""
    (_sleeper() or time).sleep(seconds)


def _sleeper() -> Any:
    """Return the library whose greenlets no thread can be waited for in, else None."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("socket"):
        return None if gevent.is_module_patched("threading") else sys.modules["gevent"]
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("socket"):
        return None if eventlet.is_monkey_patched("thread") else sys.modules["eventlet"]
    return None
