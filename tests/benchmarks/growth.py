"""A provider's tenants: how the time to get a token and the memory grow with the credentials."""

import gc
import itertools
import random
import tracemalloc
from collections.abc import Sequence
from functools import partial
from statistics import median

from cachetools import TTLCache

from wecom_auth import AppCredential, MemoryStore, TokenSource
from wecom_auth._credential.exchange import Grant, Send

from .measure import Effort, Row, Way, race, ratio

_BATCH = 200


class Tenant(AppCredential):
    """An app whose gettoken takes no time: what is measured is what comes after it."""

    __slots__ = ()

    def obtain(self, send: Send, limit: float) -> Grant:
        return Grant(f"{self.corpid}".ljust(214, "x"), 7200.0)


def growth(effort: Effort) -> list[Row]:
    """Through sources that are kept: of one tenant among all, and of any of them at random.

    At random a large number is slower wherever the tokens are kept, because they no longer fit
    into the processor's caches: the plain dict shows how much of it that is.
    """
    sizes = (1, 100) if effort.brief else (1, 100, 10_000, 100_000)
    memory = {size: _memory(size) for size in sizes}
    timings = race(_ways(sizes), Effort(max(2, effort.rounds // 3), 1, effort.brief))
    rows = []
    for size in sizes:
        for kind in _KINDS:
            timing, base = timings[f"{size} {kind}"], timings[f"1 {kind}"]
            shown = {
                "cpu ratio": round(ratio(timing, base), 3),
                "min ratio": round(min(timing.cpu) / min(base.cpu), 3),
                "get us": round(median(timing.cpu) / _BATCH * 1e6, 3),
            }
            goals = {}
            if kind == _ONE:
                shown["bytes each"] = memory[size]
                goals = {"cpu ratio": 1.2, "bytes each": 2048} if size == 100_000 else {}
            rows.append(Row(f"{size} credentials, {kind}", shown, goals))
    return rows


_ONE, _ANY, _DICT = "one of them", "any at random", "any at random, a plain dict"
_KINDS = (_ONE, _ANY, _DICT)


def _ways(sizes: Sequence[int]) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for size in sizes:
        sources = _sources(size, seed=size)
        tokens = {source.credential.key: source.get() for source in sources}
        gets = [source.get for source in sources]
        looks = [partial(tokens.__getitem__, key) for key in tokens]
        ways[f"{size} {_ONE}"] = _picker(gets[size // 2 : size // 2 + 1])
        ways[f"{size} {_ANY}"] = _picker(gets)
        ways[f"{size} {_DICT}"] = _picker(looks)
    return ways


def _sources(size: int, seed: int) -> list[TokenSource]:
    store = MemoryStore(TTLCache(2 * size, 7200))
    secret = f"{seed}".rjust(43, "s")
    sources = [TokenSource(Tenant(f"ww{n:016}", secret), store=store) for n in range(size)]
    for source in sources:
        source.get()
    return sources


def _picker(gets: Sequence[Way]) -> Way:
    chance = random.Random(1)
    picks = itertools.cycle([chance.choice(gets) for _ in range(50 * _BATCH)])

    def pick() -> None:
        for get in itertools.islice(picks, _BATCH):
            get()

    return pick


def _memory(size: int) -> int:
    """Bytes for each credential: itself, its source, its state, its token and their cache."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sources = _sources(size, seed=-size)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) // len(sources)
