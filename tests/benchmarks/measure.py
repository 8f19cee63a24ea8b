"""Ways of doing the same thing take turns; what each costs is told per call."""

import gc
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from random import Random
from statistics import median
from typing import Any

Way = Callable[[], object]


@dataclass(frozen=True)
class Within:
    """A way that needs something to be in force, in its own turns only."""

    scope: Callable[[], AbstractContextManager[object]]
    way: Way

    def __call__(self) -> object:
        with self.scope():
            return self.way()


@dataclass(frozen=True)
class Awaited:
    """A way in a coroutine: the calls of one turn are made in one run of the loop."""

    loop: AbstractEventLoop
    way: Callable[[], Coroutine[Any, Any, object]]

    def __call__(self) -> object:
        return self.loop.run_until_complete(self.way())

    def repeat(self, calls: int) -> None:
        """Make so many calls."""
        self.loop.run_until_complete(self._repeat(calls))

    async def _repeat(self, calls: int) -> None:
        for _ in range(calls):
            await self.way()


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, calls in a round, and whether this is CI's brief form."""

    rounds: int
    calls: int
    brief: bool = False


LAYOUTS = 10
"""How often the ways are made anew, for other places in memory."""

FULL = Effort(rounds=300, calls=20)  # short turns: a noisy moment then hits all ways alike
BRIEF = Effort(rounds=2, calls=4, brief=True)


@dataclass
class Timing:
    """Seconds per call, one figure a round: of CPU in this thread, and on the wall."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One line of a table; a goal is the most that the figure of that name may be."""

    what: str
    figures: Mapping[str, Any]
    goals: Mapping[str, float] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """The figures that are over their goal."""
        return [name for name, goal in self.goals.items() if self.figures[name] > goal]


def races(make: Callable[[], Mapping[str, Way]], effort: Effort) -> dict[str, Timing]:
    """`race` between ways that are made anew a few times, with the memory before them in disorder.

    Where their objects happen to lie makes two identical ways differ by one or two hundredths.
    """
    layouts = min(LAYOUTS, effort.rounds)
    part = Effort(-(-effort.rounds // layouts), effort.calls, effort.brief)
    total: dict[str, Timing] = {}
    for number in range(layouts):
        sizes = Random(number)
        ballast = [bytes(sizes.randrange(2048)) for _ in range(500)]
        for name, timing in race(make(), part, seed=number).items():
            sum_up = total.setdefault(name, Timing())
            sum_up.cpu += timing.cpu
            sum_up.wall += timing.wall
        del ballast
    return total


def race(ways: Mapping[str, Way], effort: Effort, seed: int = 0) -> dict[str, Timing]:
    """Run every way in turn, round after round, without the garbage collector in between."""
    timings = {name: Timing() for name in ways}
    for way in ways.values():
        for _ in range(3):
            way()
    order = Random(seed)
    with _no_collector():
        for _ in range(effort.rounds):
            gc.collect()  # of next to nothing: all that was there before is frozen
            # Each time in another order: what ran just before leaves its traces in the caches.
            for name in order.sample(list(ways), len(ways)):
                _time(ways[name], effort.calls, timings[name])
    return timings


def ratio(timing: Timing, base: Timing) -> float:
    """The median, over the rounds, of CPU against the base in the same round."""
    return median(mine / theirs for mine, theirs in zip(timing.cpu, base.cpu, strict=True))


def microseconds(seconds: float) -> float:
    """For people."""
    return round(seconds * 1e6, 2)


def figures(timing: Timing, base: Timing) -> dict[str, float]:
    """What the tables show of one way against the base."""
    return {
        "cpu ratio": round(ratio(timing, base), 3),
        "min ratio": round(min(timing.cpu) / min(base.cpu), 3),
        "cpu us": microseconds(median(timing.cpu)),
        "wall us": microseconds(median(timing.wall)),
    }


def _time(way: Way, calls: int, timing: Timing) -> None:
    scope, call = (way.scope, way.way) if isinstance(way, Within) else (nullcontext, way)
    repeat = call.repeat if isinstance(call, Awaited) else partial(_repeat, call)
    with scope():
        call()  # what the scope has to build, it builds once for all of its calls
        wall, cpu = time.perf_counter(), time.thread_time()
        repeat(calls)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    timing.cpu.append(cpu / calls)
    timing.wall.append(wall / calls)


def _repeat(call: Way, calls: int) -> None:
    for _ in range(calls):
        call()


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
