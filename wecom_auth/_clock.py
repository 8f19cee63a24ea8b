"""The clock that lives, remembered failures and budgets are read on; tests move it.

Deadlines of waiting are read on `time.monotonic` itself: a test that moves the clock must not end
the waits of other threads.
"""

import time


class Clock:
    """The machine's two clocks: one never goes back, the other may be set."""

    # Looked up at each call: freezegun and time-machine replace them.

    def monotonic(self) -> float:
        """Return the seconds of the clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()


clock: Clock = Clock()


def monotonic() -> float:
    """Return the seconds of the clock that never goes back."""
    return clock.monotonic()


def wall() -> float:
    """Return the seconds since the epoch."""
    return clock.wall()
