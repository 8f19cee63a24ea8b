"""Many processes, real stores, a platform over real HTTP: what users of a store are promised."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from fleet import Fleet, Report, wait_until
from redis import Redis
from redis_server import RedisServer

from wecom_auth.testing import FakeWeCom

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the crews are forked")

PROCESSES, THREADS = 4, 4
of_two_sizes = pytest.mark.parametrize(
    ("processes", "threads"), [(3, 4), pytest.param(8, 8, marks=pytest.mark.storm)]
)


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/tokens"
    url: str = request.getfixturevalue("shared_redis").url
    return url


def assert_each_call_succeeded_once(fake: FakeWeCom, *reports: Report) -> None:
    for report in reports:
        assert report.errors == []
    contents = [message["text"]["content"] for message in fake.messages]
    assert len(contents) == len(set(contents)) == sum(report.ok for report in reports)


# --- cold ---


@of_two_sizes
def test_a_cold_start_costs_one_gettoken(
    fake: FakeWeCom, fleet: Fleet, store: str, processes: int, threads: int
) -> None:
    with fake.fail("slow", path="gettoken", seconds=0.3):
        report = fleet.crew(store, processes, threads, calls=3).go().report()
    assert fake.gettoken_calls == 1
    assert report.ok == processes * threads * 3
    assert_each_call_succeeded_once(fake, report)
    assert report.warnings() == []


def test_control_without_the_lock_each_process_fetches(
    fake: FakeWeCom, fleet: Fleet, store: str
) -> None:
    with fake.fail("slow", path="gettoken", seconds=0.3):
        fleet.crew(store, PROCESSES, THREADS, calls=1, sabotage="no lock").go().report()
    assert fake.gettoken_calls > 1


def test_control_without_a_store_each_process_fetches(fake: FakeWeCom, fleet: Fleet) -> None:
    fleet.crew(None, PROCESSES, THREADS, calls=1).go().report()
    assert fake.gettoken_calls == PROCESSES


def test_later_processes_find_the_token(fake: FakeWeCom, fleet: Fleet, store: str) -> None:
    reports = [fleet.crew(store, 1, calls=1).go().report() for _ in range(2)]
    assert fake.gettoken_calls == 1
    assert_each_call_succeeded_once(fake, *reports)


# --- revoked under load ---


@of_two_sizes
@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_revoked_under_load(
    fake: FakeWeCom, fleet: Fleet, store: str, mode: str, processes: int, threads: int
) -> None:
    fake.mode = mode  # type: ignore[assignment]
    crew = fleet.crew(store, processes, threads).go()
    each_delivers_twice(fake, processes * threads)
    for _ in range(2):
        fake.revoke()
        each_delivers_twice(fake, processes * threads)
    report = crew.stop().report()
    assert_each_call_succeeded_once(fake, report)
    assert fake.gettoken_calls <= 3 + 2
    print(f"revoked twice, {mode}: {report.ok} calls, {fake.gettoken_calls} gettoken")


def test_control_without_a_store_processes_end_each_others_tokens(
    fake: FakeWeCom, fleet: Fleet
) -> None:
    fake.mode = "rotate"
    crew = fleet.crew(None, PROCESSES, THREADS).go()
    wait_until(lambda: fake.gettoken_calls > 20)
    report = crew.stop().report()
    assert report.errors


# --- the holder of the lock ---


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_holder_of_the_lock_does_not_go_on(
    fake: FakeWeCom, fleet: Fleet, store: str, how: signal.Signals
) -> None:
    with fake.hold("gettoken") as hold:
        holder = fleet.crew(store, 1, calls=1).go()
        hold.wait_for(1)
        holder.signal(how)
        wait_until(lambda: holder.state() in "TZ")
    report = fleet.crew(store, 4, 2, calls=2, timeout=3).go().report()
    assert report.errors == []
    assert report.ok == 16
    # The holder's, and one more; with a lock that nobody frees, one for each that gives it up
    # before the first of them has fetched.
    assert 2 <= fake.gettoken_calls <= 1 + 4
    assert report.slowest < 3
    print(f"{how.name}: the others went on after {report.slowest:.2f} s")


def test_control_without_the_lock_the_holder_is_no_matter_but_all_fetch(
    fake: FakeWeCom, fleet: Fleet, store: str
) -> None:
    with fake.hold("gettoken") as hold:
        holder = fleet.crew(store, 1, calls=1).go()
        hold.wait_for(1)
        holder.signal(signal.SIGSTOP)
    with fake.fail("slow", path="gettoken", seconds=0.3):
        fleet.crew(store, 4, 2, calls=2, timeout=3, sabotage="no lock").go().report()
    assert fake.gettoken_calls > 2


# --- Redis goes away ---


@pytest.mark.storm
def test_redis_killed_under_load(fake: FakeWeCom, fleet: Fleet, redis_server: RedisServer) -> None:
    crew = fleet.crew(redis_server.url, 4, 4, breaker_pause=1).go()
    wait_until(lambda: len(fake.messages) > 100)
    redis_server.kill()
    fake.revoke()  # now each process needs a token, and there is no store
    each_delivers_twice(fake, 16)
    redis_server.start()
    wait_until_back(redis_server, fake)
    report = crew.stop().report()
    assert_each_call_succeeded_once(fake, report)
    assert report.slowest < 2
    assert_one_warning_each(report)
    print(f"redis killed: {report.ok} calls, slowest {report.slowest:.2f} s")


@pytest.mark.storm
def test_redis_paused_under_load(fake: FakeWeCom, fleet: Fleet, redis_server: RedisServer) -> None:
    crew = fleet.crew(redis_server.url, 4, 4, breaker_pause=3).go()
    wait_until(lambda: len(fake.messages) > 100)
    redis_server.pause()
    fake.revoke()
    time.sleep(2)
    each_delivers_twice(fake, 16)
    fake.revoke()
    time.sleep(3)
    redis_server.resume()
    wait_until_back(redis_server, fake)
    report = crew.stop().report()
    assert_each_call_succeeded_once(fake, report)
    assert report.slowest < 3
    assert_one_warning_each(report)
    print(f"redis paused: {report.ok} calls, slowest {report.slowest:.2f} s")


def each_delivers_twice(fake: FakeWeCom, threads: int) -> None:
    """So no call that was under way at one revocation is still under way at the next."""
    before = len(fake.messages)

    def all_have() -> bool:
        contents = [message["text"]["content"] for message in fake.messages[before:]]
        counts = Counter(content.rpartition("-")[0] for content in contents)
        return len(counts) == threads and min(counts.values()) >= 2

    wait_until(all_have, 60)


def wait_until_back(redis_server: RedisServer, fake: FakeWeCom) -> None:
    """Revoke now and then: a token that needs replacing is what leads processes to the store."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        for _ in range(8):
            if client.keys("wecom_auth:*"):
                return
            fake.revoke()
            time.sleep(1)
            each_delivers_twice(fake, 16)
    pytest.fail("nobody came back to the store")


def assert_one_warning_each(report: Report) -> None:
    for member in report.members:
        away = [note for note in member["notes"] if "cannot be used" in note]
        assert len(away) <= 1, away


@pytest.mark.storm
@pytest.mark.parametrize("how", ["kill", "pause"])
def test_control_without_the_breaker_calls_fail(
    fake: FakeWeCom, fleet: Fleet, redis_server: RedisServer, how: str
) -> None:
    crew = fleet.crew(redis_server.url, 2, 2, sabotage="no breaker").go()
    wait_until(lambda: len(fake.messages) > 20)
    getattr(redis_server, how)()
    fake.revoke()
    wait_until(lambda: fake.rejections > 0)
    time.sleep(1.5)
    report = crew.stop().report()
    redis_server.resume()
    assert report.errors


@pytest.mark.storm
def test_redis_flushed_and_spoilt_under_load(
    fake: FakeWeCom, fleet: Fleet, redis_server: RedisServer
) -> None:
    crew = fleet.crew(redis_server.url, 4, 4).go()
    wait_until(lambda: len(fake.messages) > 100)
    with Redis.from_url(redis_server.url) as client:
        (key,) = client.keys("*")
        for spoil in (
            client.flushall,
            lambda: (client.delete(key), client.lpush(key, "x")),
            lambda: client.set(key, b"\xff\xfe"),
            lambda: client.set(key, "no json"),
            lambda: client.set(key, '{"access_token": 5}'),
        ):
            spoil()
            fake.revoke()
            each_delivers_twice(fake, 16)
        assert b'"access_token": "' in client.get(key)
    report = crew.stop().report()
    assert_each_call_succeeded_once(fake, report)
    assert fake.gettoken_calls <= 6 + 2
    for member in report.members:
        assert len([n for n in member["notes"] if "holds no text" in n]) <= 1


# --- clocks, wrong secrets ---


def test_clocks_five_minutes_apart(fake: FakeWeCom, fleet: Fleet, store: str) -> None:
    fake.mode = "rotate"
    skew = [0, 300, -300, 0]
    reports = [fleet.crew(store, 4, 2, calls=5, skew=skew).go().report()]
    assert fake.gettoken_calls == 1
    fake.revoke()
    reports.append(fleet.crew(store, 4, 2, calls=5, skew=skew[::-1]).go().report())
    assert fake.gettoken_calls == 2
    assert_each_call_succeeded_once(fake, *reports)


@pytest.mark.storm
def test_fifty_processes_with_a_wrong_secret(fake: FakeWeCom, fleet: Fleet, store: str) -> None:
    fake.app("corp", "right")
    for _ in range(2):  # at once, and then again
        report = fleet.crew(store, 50, calls=1, secret="wrong").go().report()
        assert len(report.errors) == 50
        assert {error.partition(":")[0] for error in report.errors} == {"CredentialError"}
        assert all("40001" in error for error in report.errors)
    assert fake.gettoken_calls <= 2
    print(f"100 processes, wrong secret: {fake.gettoken_calls} gettoken")
    report = fleet.crew(store, 1, calls=1, secret="right").go().report()
    assert report.errors == []


def test_control_without_the_failure_memory_each_process_asks(
    fake: FakeWeCom, fleet: Fleet, store: str
) -> None:
    fake.app("corp", "right")
    fleet.crew(store, 10, calls=1, secret="wrong", sabotage="no failure memory").go().report()
    assert fake.gettoken_calls >= 10


def test_a_home_that_cannot_be_used(fake: FakeWeCom, fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir(0o777)
    (tmp_path / "tokens").chmod(0o777)
    report = fleet.crew(f"file://{tmp_path}/tokens", 2, 4, calls=5).go().report()
    assert_each_call_succeeded_once(fake, report)
    for member in report.members:
        (warning,) = [note for note in member["notes"] if note.startswith("WARNING")]
        assert "chmod 700" in warning
