"""Which fault comes when, and to which app: the same for the same seed."""

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

HITS_PER_APP = 9
PACE = 2.5
SHORT_PACE = 0.9

WEIGHTS = {
    "revoke": 5,
    "expire": 5,
    "gettoken busy": 3,
    "gettoken drops": 3,
    "gettoken slow": 2,
    "no header": 2,
    "data slow": 2,
    "data dropped before": 2,
    "data dropped after": 2,
    "lock holder killed": 2,
    "process killed": 2,
    "redis full": 3,
    "clock ahead": 3,
}
FIRST_HALF = {"rotate": 3, "gettoken out": 4}
SECOND_HALF = {"store away": 2}

OVER_FILES, OVER_REDIS, BEHIND_PROXY = range(3)
"""An app's kind is its number modulo three; the proxy's apps are over files too."""

ONLY = {
    "lock holder killed": OVER_FILES,
    "store away": OVER_FILES,
    "redis full": OVER_REDIS,
}
"""The kind of app that a fault of its store is for."""


class Event(NamedTuple):
    """One fault."""

    kind: str
    app: int


class Schedule(NamedTuple):
    """A run's faults, one after the other, evenly over its time."""

    events: list[Event]
    apps: int
    pace: float


def schedule(seed: int, seconds: float) -> Schedule:
    """The faults of so many seconds; every kind at least once."""
    pace = SHORT_PACE if seconds < 60 else PACE
    count = max(2 * len(WEIGHTS), int(seconds / pace))
    chance = random.Random(seed)
    sure = chance.sample(list(WEIGHTS), len(WEIGHTS))
    events = [
        *_half(chance, count // 2, [*FIRST_HALF, *sure[::2]], {**WEIGHTS, **FIRST_HALF}),
        *_half(chance, count // 2, [*SECOND_HALF, *sure[1::2]], {**WEIGHTS, **SECOND_HALF}),
    ]
    apps = 3 * max(2, math.ceil(len(events) / (HITS_PER_APP - 3) / 3))
    return Schedule(list(_met(events, apps)), apps, seconds / len(events))


def _met(kinds: list[str], apps: int) -> Iterator[Event]:
    """Give each fault the app that has been left in peace the longest, of its kind."""
    waiting = list(range(apps))
    for kind in kinds:
        app = next(app for app in waiting if app % 3 == ONLY.get(kind, app % 3))
        waiting.remove(app)
        waiting.append(app)
        yield Event(kind, app)


def _half(chance: random.Random, count: int, sure: list[str], weights: dict[str, int]) -> list[str]:
    more = chance.choices(list(weights), list(weights.values()), k=max(0, count - len(sure)))
    return chance.sample([*sure, *more], len(sure) + len(more))
