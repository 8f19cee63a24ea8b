"""Greenlets (gevent, eventlet): where a real wait for a thread would stop all of them."""

import sys
import time


def threads_block_greenlets() -> bool:
    """Return whether sockets are cooperative here and threads are not.

    Then a greenlet that waits for a thread stops all others. Asked at each fetch, because
    patching may come late.
    """
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("socket"):
        return not gevent.is_module_patched("threading")
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("socket"):
        return not eventlet.is_monkey_patched("thread")
    return False


def nap(seconds: float) -> None:
    """Sleep so that other greenlets go on, whether or not `time` is patched."""
    if not threads_block_greenlets():
        time.sleep(seconds)
        return
    for name in ("gevent", "eventlet"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "sleep"):
            module.sleep(seconds)
            return
