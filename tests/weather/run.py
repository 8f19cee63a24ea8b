"""One run from the first call to the reckoning."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .crew import Crew
from .fullredis import FullRedis
from .reckoning import Reckoning, read_logs, reckon
from .schedule import OVER_REDIS, schedule
from .sky import Platform, Sky

LIFE, SHORT_LIFE = 60.0, 7200.0

ASKS_A_LIFE = 4
"""gettoken calls of one process in one token's life, on a platform that repeats it: one when it
gets old, two more that were put off, and one when it has ended."""

TRIES = 3
"""gettoken calls that a fault may cause: the tries of one fetch."""


@dataclass
class Report:
    """What a run came to."""

    seed: int
    seconds: float
    apps: int
    processes: int
    threads: int
    faults: Counter[str]
    quiet: int
    data_drops: int
    kills: int
    reckoning: Reckoning
    gettoken: int
    allowed: int
    proxied: Counter[int]
    redis_refused: int
    left_open: list[dict[str, int]]
    crashes: list[str]

    @property
    def greenlets(self) -> int:
        """Processes that ended in order and were under gevent."""
        return sum(left.get("greenlets", 0) for left in self.left_open)

    @property
    def asked_ahead(self) -> int:
        """Readings of a wall clock while it was ahead, in the processes that ended in order."""
        return sum(left.get("asked_ahead", 0) for left in self.left_open)

    @property
    def problems(self) -> list[str]:
        """What must not have been."""
        found, calls = [], self.reckoning
        for name in ("lost", "doubled", "unknown"):
            if each := getattr(calls, name):
                found.append(f"{len(each)} {name}: {', '.join(each[:10])}")
        if calls.failed > self.data_drops:
            found.append(f"{calls.failed} reported failed, {self.data_drops} connections broken")
        if calls.told["unfinished"] > self.kills * self.threads:
            found.append(f"{calls.told['unfinished']} unfinished in {self.kills} killed processes")
        if self.gettoken > self.allowed:
            found.append(f"{self.gettoken} gettoken where {self.allowed} are allowed")
        if self.proxied[403]:
            found.append(f"{self.proxied[403]} gettoken without the header that the proxy wants")
        if any(left["threads"] or left["sockets"] for left in self.left_open):
            found.append(f"left open: {self.left_open}")
        found += self.crashes
        if len(calls.twice) > self.faults.total():
            found.append(f"{len(calls.twice)} met two dead tokens: {', '.join(calls.twice[:5])}")
        if self.quiet:
            found.append(f"{self.quiet} faults while no call was made")
        return found

    def lines(self) -> list[str]:
        """For people."""
        calls = self.reckoning
        told = ", ".join(f"{word} {n:,}" for word, n in calls.told.most_common(8))
        return [
            f"seed {self.seed}, {self.seconds:.0f} s, {self.processes} processes of"
            f" {self.threads} threads, {self.apps} apps",
            f"calls       {calls.calls:>9,}   {told}",
            f"delivered   {calls.delivered:>9,}   {calls.maybe} of them with a broken connection"
            " or a killed caller",
            f"lost        {len(calls.lost):>9,}",
            f"doubled     {len(calls.doubled):>9,}",
            f"refused     {len(calls.twice):>9,}   not delivered, and told so: two tokens died"
            " under one call",
            f"faults      {self.faults.total():>9,}   "
            + ", ".join(f"{kind} {n}" for kind, n in sorted(self.faults.items())),
            f"greenlets   {self.greenlets:>9,}   process under gevent",
            f"clocks      {self.asked_ahead:>9,}   readings while ahead",
            f"redis       {self.redis_refused:>9,}   connections refused: too many clients",
            f"gettoken    {self.gettoken:>9,}   of {self.allowed:,} allowed,"
            f" {self.proxied[200]} by the proxy, which refused {self.proxied[403]}",
            *[f"PROBLEM: {each}" for each in self.problems],
        ]


def run(
    directory: Path,
    seed: int,
    seconds: float,
    *,
    processes: int = 4,
    threads: int = 3,
    healing: bool = True,
) -> Report:
    """Let it rain for so many seconds, and reckon.

    Args:
        directory: an empty one, for the store and the logs.
        seed: decides which fault comes when.
        seconds: how long, the start of the processes not counted.
        processes: that call at the same time.
        threads: in each of them.
        healing: False for the control.
    """
    plan = schedule(seed, seconds)
    life = SHORT_LIFE if seconds < 60 else LIFE
    platform = Platform(plan.apps, life)
    store = directory / "store"
    before = threading.active_count()
    redis = FullRedis()
    with platform.server, platform.proxy:
        options = {**_apps(platform), "stores": [str(store), redis.url]}
        crew = Crew(directory, {**options, "threads": threads, "healing": healing})
        sky = Sky(platform, crew, store, redis)
        try:
            redis.wait()
            crew.start(processes)
            _wait_for_calls(platform, processes * threads * 3)
            for event in plan.events:
                sky.bring(event, plan.pace)
            sky.clear()
            left_open = crew.stop()
            redis_refused = redis.refused()
        finally:
            sky.clear()
            crew.end()
            redis.end()
    diary = [f"{when:.3f} {what}\n" for when, what in platform.diary]
    (directory / "diary.txt").write_text("".join(diary))
    left_open.append({"threads": threading.active_count() - before, "sockets": 0})
    lives = plan.apps * processes * (1 + seconds / life)
    return Report(
        seed=seed,
        seconds=seconds,
        apps=plan.apps,
        processes=processes,
        threads=threads,
        faults=sky.happened,
        quiet=sky.quiet,
        data_drops=sky.data_drops,
        kills=crew.kills,
        reckoning=reckon(read_logs(directory.glob("*.log")), platform.delivered, platform.deaths),
        gettoken=platform.gettoken.total(),
        allowed=int(lives * ASKS_A_LIFE + len(plan.events) * TRIES),
        proxied=platform.proxied,
        redis_refused=redis_refused,
        left_open=left_open,
        crashes=crew.crashes(),
    )


def _apps(platform: Platform) -> dict[str, object]:
    """For each app its credential, its address, and the place of its store."""
    of = [
        (*app, platform.url_of(number), int(number % 3 == OVER_REDIS))
        for number, app in enumerate(platform.apps)
    ]
    return {"apps": of}


def _wait_for_calls(platform: Platform, count: int) -> None:
    deadline = time.monotonic() + 60
    while platform.calls < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{platform.calls} calls in a minute: the processes do not start")
        time.sleep(0.05)
