"""Waiting for a lock with a spare: what FileStore and RedisStore have in common."""

import random
import time
from collections.abc import Callable

Release = Callable[[], None]
Attempt = Callable[[], Release | None]
"""Try once to take a lock, without waiting: how to release it, or None."""


def take(
    first: Attempt,
    spare: Attempt,
    *,
    timeout: float,
    stalled: Callable[[float], bool],
    pause: tuple[float, float] = (0.005, 0.05),
) -> Release | None:
    """Wait for `first`, and once its holder seems to have stalled for `spare` as well.

    A holder that is stopped, not dead, keeps a file lock for ever. The spare lets *one* of those
    who wait go on; the rest wait behind that one.

    Args:
        first: takes the lock proper.
        spare: takes the lock of those who have given the holder up.
        timeout: seconds to wait at most; 0 or less tries once.
        stalled: given the seconds waited so far, tells whether to give the holder up.
        pause: the shortest and the longest pause between two tries, in seconds; drawn at random
            so that many waiters do not try in step.

    Returns:
        How to release what was taken, or None when the time was up.
    """
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        release = first()
        if release is None and timeout > 0 and stalled(waited):
            release = spare()
        if release is not None or waited >= timeout:
            return release
        time.sleep(min(random.uniform(*pause), max(timeout - waited, 0.0)))  # noqa: S311
