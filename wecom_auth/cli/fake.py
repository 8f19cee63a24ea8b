"""`wecom-auth fake --port N`: the fake platform as a program, for tests in any language.

Point the client under test at the URL that it prints; steer the platform through the control
endpoints of `wecom_auth.testing._control`:

```
$ wecom-auth fake --port 8080
the fake WeCom platform listens on http://127.0.0.1:8080 (Ctrl+C ends it)
$ curl -X POST http://127.0.0.1:8080/_fake/expire
{"ok": true, "ended": 1}
```
"""

from __future__ import annotations

import signal
import time
from threading import Event
from types import FrameType

from ..testing._control import Controls
from ..testing._fake import FakeWeCom, Server
from .console import say
from .exits import FAILED

REMEMBER = 10_000


def fake_command(port: int, host: str = "127.0.0.1") -> int:
    """Serves until SIGINT or SIGTERM; time passes by itself, and `/_fake/advance` adds to it.

    Args:
        port: the port to listen on; 0 for any free one, which the printed line names.
        host: the address to listen on.

    Returns:
        The exit code: 0, or 1 if the port is taken.
    """
    fake = FakeWeCom(clock=time.monotonic, remember=REMEMBER)
    server = Server(fake, host, port, Controls(fake))
    try:
        url = server.start()
    except OSError as reason:
        say(f"cannot listen on {host}:{port}: {reason.strerror}", error=True)
        return FAILED
    say(f"the fake WeCom platform listens on {url} (Ctrl+C ends it)")
    try:
        _wait_for_the_end()
    finally:
        server.stop()
    return 0


def _wait_for_the_end() -> None:
    ended = Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # With a time limit, or a signal would wait for ever on Windows.
        while not ended.wait(0.5):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
