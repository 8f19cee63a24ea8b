"""A token turns over under steady load: what do the calls see that are made meanwhile?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from threading import Event, Thread
from typing import Any

import requests
from cachetools import TTLCache

from wecom_auth import (
    AppCredential,
    MemoryStore,
    TokenSource,
    attach,
)
from wecom_auth.testing import FakeWeCom

from .measure import Effort, Row
from .null import USER, FakeTransport

URL = "https://qyapi.weixin.qq.com/cgi-bin/user/get"
TRAVEL, GETTOKEN, WINDOW = 0.002, 0.1, 0.15
THREADS = 4

# Seconds by which the clocks move on: past the soft deadline, and so on to a dead token.
_STEPS = {
    "the new token comes early": [6000.0],
    "the same token until it ends": [5800.0, 1000.0, 350.0, 60.0],
}


class Load:
    """Threads that make one call after the other, and when each began and how long it took."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self._over = Event()
        self.calls: list[tuple[float, float]] = []
        self.lost = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs."""
        threads = [Thread(target=self._work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        yield
        self._over.set()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            began = time.perf_counter()
            answer: Any = self._session.get(URL, params={"userid": "zhangsan"}).json()
            self.calls.append((began, time.perf_counter() - began))
            self.lost += answer["errcode"] != 0


class Clock:
    """The time for the source and for the platform, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def turnover(effort: Effort) -> list[Row]:
    """Calls of 2 ms on the way in four threads, gettoken takes 100 ms, many turn-overs."""
    turns = 2 if effort.brief else 40
    rows = []
    for what, steps in _STEPS.items():
        rows += _turn_over(what, steps, turns)
    return rows


def _turn_over(what: str, steps: list[float], turns: int) -> list[Row]:
    clock, fake = Clock(), _platform(early="early" in what)
    session, source = _session(clock, fake)
    load, windows = Load(session), []
    session.get(URL)
    before = source.statistics
    with load.running():
        for _ in range(turns):
            for step in steps:
                time.sleep(WINDOW)
                began = time.perf_counter()
                clock.now += step
                fake.advance(step)
                time.sleep(WINDOW)
                windows.append((began, time.perf_counter()))
    during = [s for b, s in load.calls if any(x <= b < y for x, y in windows)]
    rest = [s for b, s in load.calls if not any(x <= b < y for x, y in windows)]
    spent = source.statistics
    counts = {
        "gettoken": spent.fetches - before.fetches,
        "calls that waited": spent.waits - before.waits,
        "lost calls": load.lost,
    }
    early = "early" in what
    goals = (
        {"p99 ratio": 1.1, "calls that waited": 0, "lost calls": 0} if early else {"lost calls": 0}
    )
    ratio = round(_percentile(during, 99) / _percentile(rest, 99), 3)
    return [
        Row(f"{what}: at rest", _latencies(rest)),
        Row(f"{what}: meanwhile", {**_latencies(during), "p99 ratio": ratio, **counts}, goals),
    ]


def _platform(early: bool) -> FakeWeCom:
    fake = FakeWeCom(remember=0)
    if early:  # a new one each time, and the old one goes on
        numbers = iter(range(1_000_000))
        fake.route("gettoken", lambda _: _grant(next(numbers)), check_token=False)
        fake.route("user/get", USER, check_token=False)
    return fake


def _grant(number: int) -> dict[str, Any]:
    token = f"token{number}".ljust(214, "x")
    return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200}


def _session(clock: Clock, fake: FakeWeCom) -> tuple[requests.Session, TokenSource]:
    store = MemoryStore(TTLCache(16, 7200, timer=clock), monotonic=clock, wall=clock)
    source = TokenSource(AppCredential("corp", "secret"), store=store)
    session = requests.Session()
    session.mount("https://", FakeTransport(fake, TRAVEL, GETTOKEN))
    return attach(session, source), source


def _latencies(seconds: list[float]) -> dict[str, float]:
    return {
        "p50 ms": round(_percentile(seconds, 50) * 1000, 2),
        "p99 ms": round(_percentile(seconds, 99) * 1000, 2),
        "max ms": round(max(seconds) * 1000, 2),
    }


def _percentile(seconds: list[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1]
