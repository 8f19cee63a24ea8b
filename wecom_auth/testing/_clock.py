"""Time that a test moves: the toolkit's clocks and the fake platform's, together.

The toolkit reads the time of lives, of remembered failures and of budgets from one clock, which
is replaced here. Limits of waiting are not read there, so nobody's timeout comes early.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from .. import _clock as times

_lock = Lock()
_moved = 0.0


class Clock(times.Clock):
    """The clocks of this process, running on, and ahead by the seconds that a test adds."""

    def __init__(self, before: times.Clock) -> None:
        self._before = before
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Move every clock that the toolkit reads, and every fake platform's.

        Args:
            seconds: 0 or more; time does not run back.

        Raises:
            ValueError: it is negative.
        """
        global _moved
        if not seconds >= 0:
            raise ValueError(f"time does not run back: advance({seconds!r})")
        with _lock:
            self._ahead += seconds
            _moved += seconds

    def monotonic(self) -> float:
        """Return the seconds of the clock that never goes back."""
        return self._before.monotonic() + self._ahead

    def wall(self) -> float:
        """Return the seconds since the epoch."""
        return self._before.wall() + self._ahead


def moved() -> float:
    """Return the seconds that tests have added to time; never less than before."""
    return _moved


@contextmanager
def clock() -> Iterator[Clock]:
    """Move time for the toolkit in this process: lives, remembered failures, budgets.

    Time runs on by itself as well. Limits of waiting (`timeout=`) are not moved. At the end of
    the block `reset()` forgets every token and failure: they have lived in another time.

    Example:
        >>> with wecom_auth.testing.clock() as clock:
        ...     notify("hello")
        ...     clock.advance(7200)  # the token's life is over, here and on the fake platform
        ...     notify("again")
    """
    from .._source import process

    before = times.clock
    times.clock = moving = Clock(before)
    try:
        yield moving
    finally:
        times.clock = before
        process.reset()
