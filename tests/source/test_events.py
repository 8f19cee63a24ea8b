"""Events: what was done, told to hooks that can neither break nor slow a call."""

from __future__ import annotations

import logging
import os
import queue
import time
from collections.abc import Callable, Iterator
from threading import Event as Signal
from typing import Any

import pytest
from tokenside import CORP, SECRET, Clock, Texts, call, program, settle, without_sockets

import wecom_auth
from wecom_auth import AppCredential, CredentialError, Event, TokenSource, on_event
from wecom_auth._call import flow
from wecom_auth._call.drive import drive
from wecom_auth._call.retry import Answered
from wecom_auth._source import events as events_module
from wecom_auth._source import process
from wecom_auth._source.events import BOUND, Events
from wecom_auth.testing import FakeWeCom


class Noted:
    """A hook that keeps what it is told."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.end: Callable[[], None] = on_event(self.queue.put)

    def until(self, name: str) -> list[Event]:
        """What was told up to the next event of this name."""
        seen = [self.queue.get(timeout=10)]
        while seen[-1].name != name:
            seen.append(self.queue.get(timeout=10))
        return seen

    def names(self, last: str) -> list[str]:
        return [event.name for event in self.until(last)]


@pytest.fixture
def noted() -> Iterator[Noted]:
    made = Noted()
    process.emit("begun", "")
    made.until("begun")  # what an earlier test has left in the queue comes before
    yield made
    made.end()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeWeCom:
    return FakeWeCom(clock=lambda: clock.date, mode="rotate")


def test_a_life_in_events(noted: Noted, fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    call(fake, source)
    (fetched,) = noted.until("fetched")
    assert fetched.seconds == pytest.approx(7200, abs=1)
    assert fetched.credential == repr(AppCredential(CORP, SECRET))
    fake.revoke()
    call(fake, source)
    assert noted.names("resent") == ["rejected", "fetched", "resent"]
    clock.pass_by(6000)
    with fake.fail(40001, path="gettoken"):
        source.get()
        settle()
        *_, stale, refused, failed = noted.until("refresh_failed")
    assert [stale.name, refused.name, failed.errcode] == ["served_stale", "refused", 40001]
    assert refused.errcode == 40001


def test_why_a_call_was_not_made_again(noted: Noted, fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    token = source.get()
    made = flow.call(source, token, Answered(None, 40014), replayable=False)
    drive(made, source, lambda *_: None)
    last = noted.until("not_resent")[-1]
    assert (last.errcode, last.why) == (40014, "its body cannot be sent again")


def test_a_spent_budget_is_told(noted: Noted, fake: FakeWeCom, clock: Clock):
    fake.fail("reject")
    source = program(fake, clock)
    for _ in range(12):
        call(fake, source)
    assert "served_stale" in noted.names("budget") + noted.names("served_stale")


def test_what_a_store_does_is_told(noted: Noted, fake: FakeWeCom):
    texts: dict[str, str] = {}
    app = AppCredential(CORP, SECRET)
    TokenSource(app, store=Texts(texts), session=without_sockets(fake)).get()
    store = Texts(texts)
    source = TokenSource(app, store=store, session=without_sockets(fake))
    source.get()
    assert noted.names("adopted") == ["fetched", "adopted"]
    store.away = True
    source.refresh()
    assert "store_away" in noted.names("fetched")
    store.away = False
    breaker: Any = source._state.shared._store
    breaker._retry_at = 0.0
    breaker.load("key")
    with breaker.lock("key", 0):
        pass
    noted.until("store_back")


def test_no_event_holds_a_token_or_a_secret(noted: Noted, fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    values = []
    for _ in range(3):
        values.append(source.get().value)
        fake.revoke()
        call(fake, source)
    with fake.fail(40001, path="gettoken"), pytest.raises(CredentialError):
        source.refresh()
    text = repr(noted.until("refused"))
    assert not [value for value in [SECRET, *values] if value in text or value[:12] in text]


def test_a_hook_that_raises_breaks_nothing_and_is_logged_once(
    noted: Noted, fake: FakeWeCom, clock: Clock, caplog: pytest.LogCaptureFixture
):
    def broken(event: Event) -> None:
        raise KeyError("mine")

    end = on_event(broken)
    after = Noted()
    source = program(fake, clock)
    for _ in range(5):
        source.refresh()
    for _ in range(5):
        noted.until("fetched")
        after.until("fetched")
    end()
    after.end()
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert "broken raised KeyError" in warned[0]


def test_a_hook_that_is_slow_slows_no_call_and_misses_are_counted(fake: FakeWeCom, clock: Clock):
    go_on, told = Signal(), []

    def slow(event: Event) -> None:
        go_on.wait(30)
        told.append(event)

    end = on_event(slow)
    try:
        began = time.perf_counter()
        for _ in range(BOUND + 500):
            process.emit("fetched", "app")
        assert time.perf_counter() - began < 2
        go_on.set()
        last = Noted()
        while not told or len(told) < BOUND:
            time.sleep(0.001)
        process.emit("resent", "app")
        last.until("resent")
        last.end()
        # The next event that is queued says how many were missed; that may be one of the first.
        assert 490 <= sum(event.missed for event in told) <= 500
    finally:
        end()


def test_an_ended_hook_is_told_nothing(noted: Noted):
    other = Noted()
    other.end()
    process.emit("fetched", "app")
    noted.until("fetched")
    assert other.queue.empty()


def test_without_hooks_nothing_is_made_and_no_thread_starts():
    started: list[Any] = []
    events = Events(lambda serve: bool(started.append(serve)))
    for _ in range(100):
        events.emit("fetched", "app")
    assert not started
    assert not events._queue


def test_where_no_thread_starts_the_events_wait():
    answers = iter([False, True])
    started: list[Any] = []

    def start(serve: Any) -> bool:
        started.append(serve)
        return next(answers)

    events = Events(start)
    events.add(lambda event: None)
    for _ in range(3):
        events.emit("fetched", "app")
    assert len(started) == 2
    assert len(events._queue) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_tells_its_hooks_too(noted: Noted):
    from test_forks import in_a_child

    process.emit("fetched", "app")
    noted.until("fetched")

    def in_child() -> str:
        process.emit("resent", "app")
        return noted.until("resent")[-1].name

    assert in_a_child(in_child) == "resent"


@pytest.mark.parametrize("bad", [None, "print", 7])
def test_what_cannot_be_called_is_refused(bad: Any):
    with pytest.raises(TypeError, match="hook must be a function"):
        on_event(bad)


def test_they_are_public():
    assert wecom_auth.Event is events_module.Event
    assert wecom_auth.on_event is process.on_event
