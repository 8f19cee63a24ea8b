"""A provider's tenants: how the time to get a token and the memory grow with the credentials."""

import gc
import random
import tracemalloc
from collections.abc import Callable
from statistics import median

from cachetools import TTLCache

from wecom_auth import AppCredential, MemoryStore, TokenSource
from wecom_auth.exchange import Grant, Send

from .measure import Effort, Row, microseconds, race, ratio

_BATCH = 200


class Tenant(AppCredential):
    """An app whose gettoken takes no time: what is measured is what comes after it."""

    __slots__ = ()

    def obtain(self, send: Send, limit: float) -> Grant:
        return Grant(f"{self.corpid}".ljust(214, "x"), 7200.0)


def growth(effort: Effort) -> list[Row]:
    """Tokens of tenants picked at random, each through a source that is kept."""
    sizes = (1, 100) if effort.brief else (1, 100, 10_000, 100_000)
    memory = {size: _memory(size) for size in sizes}
    ways = {str(size): _picker(_sources(size, seed=size)) for size in sizes}
    timings = race(ways, Effort(max(2, effort.rounds // 3), 1, effort.brief))
    return [
        Row(
            f"{size} credentials",
            {
                "cpu ratio": round(ratio(timings[str(size)], timings["1"]), 3),
                "get us": microseconds(median(timings[str(size)].cpu) / _BATCH),
                "bytes each": memory[size],
            },
            {"cpu ratio": 1.2, "bytes each": 2048} if size == 100_000 else {},
        )
        for size in sizes
    ]


def _sources(size: int, seed: int) -> list[TokenSource]:
    store = MemoryStore(TTLCache(2 * size, 7200))
    secret = f"{seed}".rjust(43, "s")
    sources = [TokenSource(Tenant(f"ww{n:016}", secret), store=store) for n in range(size)]
    for source in sources:
        source.get()
    return sources


def _picker(sources: list[TokenSource]) -> Callable[[], None]:
    chance = random.Random(1)

    def pick() -> None:
        for source in [chance.choice(sources) for _ in range(_BATCH)]:
            source.get()

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
