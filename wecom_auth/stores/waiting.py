"""Waiting for a lock that is asked for again and again: what every store has in common."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

Release = Callable[[], None]

_T = TypeVar("_T")


def wait_for(
    attempt: Callable[[], _T | None], timeout: float, *, first: float, longest: float
) -> _T | None:
    """Try until it succeeds or the time is up.

    Many processes wait at once. So the pauses grow and are drawn at random; so is the end of the
    wait, from its last quarter: the first who gives a stopped holder up then leaves a token for
    those who give up later.

    Args:
        attempt: tries once, without waiting; None where that failed.
        timeout: seconds to wait at most; 0 or less tries once.
        first: seconds of the first pause.
        longest: seconds of the longest pause.

    Returns:
        What the attempt gave, or None when the time was up.
    """
    limit = timeout * random.uniform(0.75, 1.0)  # noqa: S311
    began, slept, pause = time.monotonic(), 0.0, first
    while True:
        taken = attempt()
        # The pauses count too: a test may have frozen the clock.
        left = limit - max(time.monotonic() - began, slept)
        if taken is not None or left <= 0:
            return taken
        nap = min(pause * random.uniform(0.5, 1.0), left)  # noqa: S311
        time.sleep(nap)
        slept += nap
        pause = min(pause * 1.5, longest)
