"""The numbers of what a source has done."""

from typing import NamedTuple


class Statistics(NamedTuple):
    """Numbers of what a source has done since the process started.

    Attributes:
        fetches: exchanges made (or `ExternalToken` asked).
        waits: callers that waited for a fetch another one was making.
        invalidations: tokens dropped because the platform rejected them.
        resends: calls made again with a fresh token.
        failures: fetches that failed.
    """

    fetches: int = 0
    waits: int = 0
    invalidations: int = 0
    resends: int = 0
    failures: int = 0
