"""Time that a test moves, and waiting for what other threads do."""

from collections.abc import Callable
from threading import Event


class Clock:
    """Time that a test moves, for the platform and the cache alike."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as this holds; it is looked at every 5 ms, for 20 seconds."""
    pause = Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came")
