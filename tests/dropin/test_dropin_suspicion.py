"""Who asks gettoken again is believed: simulated on an injected clock, without a network.

Never more exchanges than the code makes by itself; what is seen costs one for each life; unseen,
at most one minute's messages are lost after a revocation.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wecom_auth import _clock
from wecom_auth._credential.exchange import Answer
from wecom_auth._dropin import suspicion
from wecom_auth._dropin.call import Call
from wecom_auth._dropin.flow import make
from wecom_auth._dropin.owner import Owners
from wecom_auth.stores import FileStore
from wecom_auth.testing import reset

BASE = "https://qyapi.weixin.qq.com/cgi-bin/"
GETTOKEN = f"{BASE}gettoken?corpid=ww01&corpsecret=secret"
HOURS = 7200


class MovedClock(_clock.Clock):
    """Both clocks, moved by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[MovedClock]:
    moved = MovedClock()
    monkeypatch.setattr(_clock, "clock", moved)
    reset()
    yield moved
    reset()


@dataclass
class Platform:
    """Tokens that live 7200 s, or until they are revoked."""

    clock: MovedClock
    repeats: bool = True
    token: str = ""
    exchanges: int = 0
    refuses: int = 0
    born: float = 0.0
    delivered: list[float] = field(default_factory=list)

    def gettoken(self) -> dict[str, Any]:
        self.exchanges += 1
        if self.refuses:
            return {"errcode": self.refuses, "errmsg": "no"}
        if not (self.token and self.repeats and self.is_alive(self.token)):
            self.token, self.born = f"T{self.exchanges}", self.clock.now
        return {"errcode": 0, "errmsg": "ok", "access_token": self.token, "expires_in": 7200}

    def is_alive(self, token: str) -> bool:
        return token == self.token and self.clock.now - self.born < 7200

    def revoke(self) -> None:
        self.token = ""

    def call(self, token: str) -> int:
        if not self.is_alive(token):
            return 40014
        self.delivered.append(self.clock.now)
        return 0


class SimulatedCall(Call):
    """A call of a client whose network is the platform."""

    def __init__(self, platform: Platform, url: str) -> None:
        self.url, self.headers, self._platform = url, {}, platform

    def send(self, url: str, again: bool) -> Any:
        if "gettoken" in url:
            return self._platform.gettoken()
        return {"errcode": self._platform.call(url.rpartition("=")[2])}

    def errcode(self, answer: Any, codes: frozenset[int]) -> Any:
        return answer["errcode"] if answer["errcode"] in codes else None

    def exchange(self, seconds: float | None) -> Any:
        return self._platform.gettoken()

    def look(self, answer: Any) -> Any:
        return Answer(200, {}, json.dumps(answer).encode())

    def close(self, answer: Any) -> None: ...

    def unreached(self, error: Exception) -> None: ...

    def way(self, learned: Any) -> Any:
        return lambda *_: self.look(self._platform.gettoken())

    def make(self, headers: Any, body: bytes) -> Any:
        return json.loads(body)


class Code:
    """Existing code: gettoken for each message, then the call, which is seen or not."""

    def __init__(self, platform: Platform, owners: Owners | None, seen: bool) -> None:
        self.platform, self.owners, self.seen = platform, owners, seen
        self.asked = self.lost = 0

    def fetch(self) -> str:
        self.asked += 1
        return str(self._make(GETTOKEN, True)["access_token"])

    def send(self, token: str) -> int:
        return int(self._make(f"{BASE}message/send?access_token={token}", self.seen)["errcode"])

    def message(self, tries: int = 1) -> None:
        for _ in range(tries):
            if self.send(self.fetch()) == 0:
                return
        self.lost += 1

    def _make(self, url: str, seen: bool) -> Any:
        call = SimulatedCall(self.platform, url)
        if self.owners is None or not seen:
            return call.send(url, False)
        return make(call, self.owners)


@pytest.fixture
def platform(clock: MovedClock) -> Platform:
    return Platform(clock)


def every(seconds: int, clock: MovedClock, work: Callable[[], None], until: int = HOURS) -> None:
    while clock.now < until:
        work()
        clock.now += seconds


@pytest.mark.parametrize("seconds", [pytest.param(1, marks=pytest.mark.storm), 60])
def test_seen_two_hours_with_a_revocation_are_two_exchanges(
    seconds: int, platform: Platform, clock: MovedClock
) -> None:
    code = Code(platform, Owners(), seen=True)
    every(seconds, clock, code.message, 3600)
    platform.revoke()
    every(seconds, clock, code.message)
    assert (code.lost, platform.exchanges) == (0, 2)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize(
    ("seconds", "tries", "most"),
    [
        (60, 1, 1),
        pytest.param(1, 1, 1, marks=pytest.mark.storm),
        pytest.param(1, 2, 0, marks=pytest.mark.storm),
        (60, 2, 0),
    ],
)
def test_unseen_no_more_is_lost_than_by_hand(
    seconds: int, tries: int, most: int, repeats: bool, platform: Platform, clock: MovedClock
) -> None:
    platform.repeats = repeats
    code = Code(platform, Owners(), seen=False)
    until = HOURS if seconds == 60 or (tries == 2 and repeats) else 900
    every(seconds, clock, lambda: code.message(tries), until // 2)
    platform.revoke()
    every(seconds, clock, lambda: code.message(tries), until)
    assert code.lost <= most
    assert platform.exchanges <= code.asked


def test_control_without_suspicion_all_is_lost_until_the_end(
    platform: Platform, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspicion, "is_suspicious", lambda *_: False)
    code = Code(platform, Owners(), seen=False)
    every(60, clock, code.message, 1200)
    platform.revoke()
    every(60, clock, code.message)
    assert code.lost > 60


def askers(number: int) -> list[contextvars.Context]:
    return [contextvars.Context() for _ in range(number)]


@pytest.mark.parametrize("number", [8, pytest.param(32, marks=pytest.mark.storm)])
@pytest.mark.parametrize("seen", [True, False])
def test_threads_each_once_a_second(
    seen: bool, number: int, platform: Platform, clock: MovedClock
) -> None:
    """Contexts stand for threads: each has its own."""
    code, threads = Code(platform, Owners(), seen), askers(number)

    def second() -> None:
        for thread in threads:
            thread.run(code.message)

    every(1, clock, second, 120)
    platform.revoke()
    every(1, clock, second, 240)
    if seen:
        assert (code.lost, platform.exchanges) == (0, 2)
    else:
        assert code.lost == 0
        assert platform.exchanges <= 240 + 1  # by hand: one a second of each


def test_a_fan_out_that_is_seen_costs_nothing(platform: Platform, clock: MovedClock) -> None:
    """One gettoken, then a hundred calls by others; each minute."""
    platform.repeats = False
    code = Code(platform, Owners(), seen=True)

    def minute() -> None:
        token = code.fetch()
        for worker in askers(100):
            assert worker.run(code.send, token) == 0

    every(60, clock, minute)
    assert platform.exchanges <= 2


def test_many_that_ask_at_once_and_call_within_seconds(
    platform: Platform, clock: MovedClock
) -> None:
    platform.repeats = False
    code = Code(platform, Owners(), seen=True)

    def minute() -> None:
        tokens = [worker.run(code.fetch) for worker in askers(32)]
        clock.now += 4
        assert {code.send(token) for token in tokens} == {0}

    every(56, clock, minute)
    assert platform.exchanges <= 2


@pytest.mark.parametrize("seen", [True, False])
def test_a_cron_job_over_a_store(
    seen: bool, platform: Platform, clock: MovedClock, tmp_path: Path
) -> None:
    """Every other minute a process that knows nothing but the store."""
    runs: list[Code] = []

    def minute() -> None:
        reset()
        code = Code(platform, Owners(store=FileStore(tmp_path / "store")), seen)
        runs.append(code)
        contextvars.Context().run(code.message)

    every(120, clock, minute, 1800)
    platform.revoke()
    every(120, clock, minute, 3600)
    lost = sum(code.lost for code in runs)
    if seen:
        assert (lost, platform.exchanges) == (0, 2)
    else:
        assert lost <= 1
        assert platform.exchanges <= len(runs)


def test_control_without_the_marks_a_seen_cron_job_fetches_each_minute(
    platform: Platform, clock: MovedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspicion, "mark_carried", lambda *_: None)

    def minute() -> None:
        reset()
        store = FileStore(tmp_path / "store")
        contextvars.Context().run(Code(platform, Owners(store=store), seen=True).message)

    every(60, clock, minute, 600)
    assert platform.exchanges == 10


def test_a_mark_of_a_clock_that_is_ahead_is_not_believed(
    platform: Platform, clock: MovedClock, tmp_path: Path
) -> None:
    def run_once() -> None:
        reset()
        store = FileStore(tmp_path / "store")
        contextvars.Context().run(Code(platform, Owners(store=store), seen=False).message)

    clock.now = 8 * 3600
    run_once()
    clock.now = 60
    run_once()  # brings the mark back to its own time
    before = platform.exchanges
    clock.now += 60
    run_once()
    assert platform.exchanges == before + 1


def test_an_exchange_on_suspicion_that_fails_is_answered_with_the_cached_token(
    platform: Platform, clock: MovedClock
) -> None:
    code = Code(platform, Owners(), seen=False)
    token = code.fetch()
    clock.now += 10
    platform.refuses = 45009
    for second in range(60):
        clock.now = 10 + second
        assert code.fetch() == token
    assert platform.exchanges == 2
    clock.now = 80
    platform.refuses = 40001  # asked again after a minute, and again answered from the cache
    assert code.fetch() == token
    assert platform.exchanges == 3
