"""A suite's tenants: memory and time of each, Redis commands of a cold one, a cold storm's pace."""

import gc
import time
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from statistics import median
from typing import Any

from wecom_auth import (
    CorpCredential,
    SuiteCredential,
    TicketBox,
    TokenSource,
    TokenUnavailable,
)
from wecom_auth._credential.exchange import Answer
from wecom_auth.testing import clock, reset

from .measure import Effort, Row, Way, microseconds, race, ratio
from .stores import redis_of_our_own

A_MINUTE = 40_000
"""Exchanges that the platform allows one IP in a minute; past them it answers 45009."""

_BATCH = 200


class Platform:
    """Answers every exchange at once, and 45009 past the limit of a minute."""

    def __init__(self, now: Any = None, limit: int = 10**9) -> None:
        self._now, self._limit = now, limit
        self.asked = 0
        self._in_minute: Counter[int] = Counter()

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        self.asked += 1
        minute = 0 if self._now is None else int(self._now() // 60)
        self._in_minute[minute] += 1
        if self._in_minute[minute] > self._limit:
            return Answer(200, {}, b'{"errcode": 45009, "errmsg": "api freq out of limit"}')
        name = b"suite_access_token" if "get_suite_token" in url else b"access_token"
        value = b"%d" % self.asked
        return Answer(200, {}, b'{"%s": "%s", "expires_in": 7200}' % (name, value.ljust(214, b"x")))


def tenants(effort: Effort) -> list[Row]:
    """Through credentials that are kept, over the memory alone and over a real Redis."""
    size = 200 if effort.brief else 100_000
    rows = [*_warm(size, effort), _storm(size)]
    with redis_of_our_own() as url:
        if url is not None:
            rows += _cold(url, min(size, 2_000))
            reset()
            rows.append(_with_store(url, min(size, 20_000)))
    reset()
    return rows


def _sources(size: int, store: str | None = None) -> list[TokenSource]:
    box = TicketBox()
    box.put("suite", "ticket")
    suite = SuiteCredential("suite", "secret", box)
    corps = (CorpCredential(suite, f"wp{number:030}", "permanent_code") for number in range(size))
    return [TokenSource(corp, store=store) for corp in corps]


def _warm(size: int, effort: Effort) -> list[Row]:
    """Return the memory of each tenant and a warm get of one among all, against one alone."""
    platform = Platform()
    sources, each = _memory(size, platform)
    alone = _sources(1)[0]
    alone.get(via=platform)
    ways: dict[str, Way] = {
        "one alone": lambda: [alone.ready() for _ in range(_BATCH)],
        "one of all": lambda: [sources[size // 2].ready() for _ in range(_BATCH)],
    }
    timings = race(ways, Effort(max(2, effort.rounds // 3), 1, effort.brief))
    shown = {
        "bytes each": each,
        "cpu ratio": round(ratio(timings["one of all"], timings["one alone"]), 3),
        "exchanges": platform.asked,
    }
    return [Row(f"{size} tenants of a suite, warm", shown, {"bytes each": 2560, "cpu ratio": 1.2})]


def _with_store(url: str, size: int) -> Row:
    """Return the memory of each tenant whose token a store keeps, too."""
    _, each = _memory(size, Platform(), url)
    return Row(f"{size} tenants through Redis, warm", {"bytes each": each}, {"bytes each": 2560})


def _memory(
    size: int, platform: Platform, store: str | None = None
) -> tuple[list[TokenSource], int]:
    """Return the sources of so many tenants with their tokens, and the bytes of each."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sources = _sources(size, store)
    for source in sources:
        source.get(via=platform)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return sources, (after - before) // size


def _storm(size: int) -> Row:
    """Return how long a cold start of all tenants takes where 40,000 a minute are allowed."""
    reset()
    with clock() as moving:
        platform = Platform(moving.monotonic, limit=min(A_MINUTE, size // 2))
        waiting = _sources(size)
        began, refused = moving.monotonic(), 0
        while waiting:
            waiting = [source for source in waiting if not _fetched(source, platform)]
            refused += len(waiting)
            if waiting:
                moving.advance(61.0)
        took = round(moving.monotonic() - began)
    shown = {"seconds": took, "exchanges": platform.asked, "refused from memory": refused}
    return Row(f"{size} tenants, cold, paced by 45009", shown, {"exchanges": size + 10})


def _fetched(source: TokenSource, platform: Platform) -> bool:
    """Return whether there was a token; the only trouble is the platform's limit."""
    try:
        source.get(via=platform)
    except TokenUnavailable:
        return False
    return True


def _cold(url: str, size: int) -> list[Row]:
    """Return the Redis commands and the time of a cold get through a store."""
    from redis import Redis

    client, platform = Redis.from_url(url), Platform()
    sources = _sources(size, url)
    sources[0].get(via=platform)
    client.config_resetstat()
    timings: list[float] = []

    for source in islice(sources, 1, None):
        began = time.perf_counter()
        source.get(via=platform)
        timings.append(time.perf_counter() - began)
    stats = client.info("commandstats")
    calls = sum(s["calls"] for name, s in stats.items() if not name.startswith(_OURS))
    shown = {"commands": round(calls / (size - 1), 2), "cold us": microseconds(median(timings))}
    return [Row("a cold tenant through Redis", shown, {"commands": 5})]


_OURS = ("cmdstat_config", "cmdstat_info", "cmdstat_client", "cmdstat_hello", "cmdstat_select")
