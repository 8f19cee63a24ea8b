"""The clock that lives, remembered failures and budgets are read on; tests move it.

Deadlines of waiting are read on `waiting`, which nothing moves: a test that moves the clock must
not end the waits of other threads.
"""

import threading
import time
from collections.abc import Callable


class Clock:
    """The machine's two clocks: one never goes back, the other may be set."""

    # freezegun exchanges `time.monotonic` wherever a module holds it, but in threading itself.
    # The function itself, because every call of the platform's reads it twice.
    monotonic: Callable[..., float] = staticmethod(getattr(threading, "_time", time.monotonic))

    def wall(self) -> float:
        """Return the seconds since the epoch; looked up at each call, as freezegun replaces it."""
        return time.time()


clock: Clock = Clock()


def monotonic() -> float:
    """Return the seconds of the clock that never goes back."""
    return clock.monotonic()


def wall() -> float:
    """Return the seconds since the epoch."""
    return clock.wall()


def waiting() -> float:
    """Return the seconds by which waits are bounded: of a clock that no test fakes."""
    return Clock.monotonic()
