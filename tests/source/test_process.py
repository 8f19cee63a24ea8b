"""What a process holds: one state and one store for each, threads that are alive, a reset."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tokenside import CORP, SECRET, Clock, at_once, program, settle

from wecom_auth import AppCredential, ExternalToken, TokenSource, TokenUnavailable
from wecom_auth._source import join as flights
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom, reset

# --- threads ---


def test_a_thread_counts_from_its_start_to_its_end():
    go_on, before = Event(), set(process.held.threads)
    assert process.start_thread(go_on.wait, 30)
    while not process.held.threads - before:
        time.sleep(0.001)
    (thread,) = process.held.threads - before
    assert thread.is_alive()
    go_on.set()
    thread.join(30)
    assert thread not in process.held.threads


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("daemon threads are disabled in this (sub)interpreter")


@pytest.mark.parametrize("what", ["__init__", "start"])
def test_where_no_daemon_is_made_a_call_fetches_by_itself(
    what: str, monkeypatch: pytest.MonkeyPatch
):
    """As in an isolated subinterpreter, and as the interpreter ends."""
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)
    monkeypatch.setattr(Thread, what, refuse)
    old = source.get()
    clock.pass_by(6000)
    fake.revoke()
    assert source.get() is old, "the refresh is put off"
    assert source._state.flight is None
    assert not process.held.flights
    clock.pass_by(1200)
    assert source.get().value == fake.token(CORP, SECRET)


class Stopped(BaseException):
    """What a signal handler raises."""


def test_a_start_that_is_interrupted_ends_the_flight(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: Any) -> None:
        raise Stopped

    source = program(FakeWeCom(), Clock())
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", interrupted)
        with pytest.raises(Stopped):
            source.get()
    assert source._state.flight is None
    assert not process.held.flights
    assert source.get()


# --- reset ---


@pytest.mark.parametrize("resets", [3, pytest.param(25, marks=pytest.mark.storm)])
def test_a_reset_beside_refreshes_that_start(resets: int):
    """Nothing is joined before it was started, and nothing reaches the network afterwards."""
    fake, clock = FakeWeCom(), Clock()
    sources = [
        program(fake, clock, credential=AppCredential(CORP, f"secret-{number}"))
        for number in range(4)
    ]
    over = Event()

    def refresh(source: TokenSource) -> None:
        while not over.is_set():
            source.get()
            clock.pass_by(6000)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(refresh, source) for source in sources]
        for _ in range(resets):
            reset()
        over.set()
        for each in running:
            each.result(30)
    settle()
    assert not process.held.threads
    assert not process.held.flights


def test_a_reset_waits_for_what_is_under_way(wecom_server: Any):
    fake, clock = wecom_server.fake, Clock()
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    source = TokenSource(app, store=clock.store())
    source.get()
    clock.pass_by(6000)
    with fake.hold("gettoken") as hold:
        source.get()
        hold.wait_for(1)
        with ThreadPoolExecutor(1) as pool:
            resetting = pool.submit(reset)
            with pytest.raises(TimeoutError):
                resetting.result(0.1)
            hold.release()
            resetting.result(10)
    assert not process.held.threads


def test_a_reset_from_a_thread_of_ours_does_not_wait_for_itself():
    done = Event()
    process.start_thread(lambda: (reset(1), done.set()))
    assert done.wait(10)


# --- who asks itself ---


def copied_context() -> list[Any]:
    """What a thread is given that was started inside a fetch, and joins a later one."""
    joined, slow, outcomes, asked = Event(), Event(), [], []

    def later() -> None:
        joined.wait(30)
        try:
            outcomes.append(source.refresh(5).value)
        except TokenUnavailable as error:
            outcomes.append(error)
        slow.set()

    def get() -> str:
        asked.append(1)
        if len(asked) == 1:
            process.start_thread(later)
        else:
            joined.set()
            slow.wait(0.3)  # so that it is still under way when the other one comes
        return "token"

    source: TokenSource = TokenSource(ExternalToken(get))
    source.get()
    source.refresh(5)
    settle()
    return outcomes


def test_a_neighbour_with_a_copied_context_is_no_re_entry():
    assert copied_context() == ["token"]


def test_control_a_flag_in_the_context_would_be_copied(monkeypatch: pytest.MonkeyPatch):
    class Flag(tuple[Any, ...]):
        def __contains__(self, flight: object) -> bool:
            return len(self) > 0

    class Leading:
        get = staticmethod(lambda: Flag(genuine.get()))
        set, reset = flights._leading.set, flights._leading.reset

    genuine = flights._leading
    monkeypatch.setattr(flights, "_leading", Leading())
    (error,) = copied_context()
    assert isinstance(error, TokenUnavailable)


# --- the registry ---


def test_what_code_makes_for_each_call_is_not_kept_for_ever():
    for number in range(process.FEW + 50):
        TokenSource(ExternalToken(partial(str, number)))
    assert len(process.held.few) == process.FEW


def test_one_store_for_each_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from wecom_auth._source import process as module

    opened: list[str] = []
    genuine = module.open_store
    monkeypatch.setattr(module, "open_store", lambda url: opened.append(url) or genuine(url))
    url = f"file://{tmp_path}"
    sources = [TokenSource(AppCredential(CORP, f"s{n}"), store=url) for n in range(50)]
    assert opened == [url]
    assert len({id(source._state.shared._store) for source in sources}) == 1
    TokenSource(AppCredential(CORP, "s"), store=f"file://{tmp_path}/other")
    assert len(opened) == 2


def cost_of_sources(number: int, store: str) -> tuple[float, float]:
    """Milliseconds and bytes of one source among so many."""
    gc.collect()
    apps = [AppCredential(CORP, f"secret-{n}") for n in range(number)]
    tracemalloc.start()
    began = time.perf_counter()
    sources = [TokenSource(app, store=store) for app in apps]
    seconds = time.perf_counter() - began
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sources) == number
    return seconds / number * 1000, size / number


def test_many_sources_with_a_stores_url_are_cheap(tmp_path: Path):
    _, size = cost_of_sources(2000, f"file://{tmp_path}")
    assert size < 3000


def test_states_are_one_for_each_credential_however_many_threads_ask():
    app = AppCredential(CORP, SECRET)
    states = at_once(16, lambda: TokenSource(app)._state)
    assert len({id(state) for state in states}) == 1


# --- clocks that tests fake ---


@pytest.mark.parametrize("tick", [1, 15, 60])
def test_a_clock_that_ticks_at_each_look_ends_no_wait(wecom_server: Any, tick: int):
    freezegun = pytest.importorskip("freezegun")
    source = TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url))
    with freezegun.freeze_time("2026-01-01", auto_tick_seconds=tick):
        assert source.refresh(timeout=5).value == wecom_server.fake.token(CORP, SECRET)


def test_a_token_ends_on_the_clock_that_a_test_moves(wecom_server: Any):
    freezegun = pytest.importorskip("freezegun")
    source = TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url))
    with freezegun.freeze_time("2026-01-01") as frozen:
        source.get()
        frozen.tick(3 * 3600)
        assert source.peek() is None


def test_a_thread_has_the_context_of_its_caller():
    from contextvars import ContextVar

    name: ContextVar[str] = ContextVar("name")
    name.set("caller")
    seen: list[str] = []
    done = Event()
    process.start_thread(lambda: (seen.append(name.get()), done.set()))
    assert done.wait(10)
    assert seen == ["caller"]
    assert threading.current_thread() not in process.held.threads
