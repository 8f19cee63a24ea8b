"""`ExternalToken`: its owner is told of a rejection before anybody asks again, and errors keep."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import requests
from tokenside import Clock, at_once, meanwhile

from wecom_auth import (
    ExternalToken,
    TokenSource,
    TokenUnavailable,
    WeComError,
    with_access_token,
)
from wecom_auth._source import process, steps
from wecom_auth._source.state import State

MANY = 32
DEAD = {"errcode": 40014}


class Service:
    """A central service that fetches another token when it is told, and takes its time."""

    def __init__(self) -> None:
        self.token = "t1"
        self.told: list[str] = []
        self.telling, self.may_end = Event(), Event()
        self.app = ExternalToken(lambda: self.token, self.rejected)

    def rejected(self, value: str) -> None:
        self.told.append(value)
        self.telling.set()
        assert self.may_end.wait(20)
        self.token = "t2"

    def call(self) -> bool:
        """One call as every way to attach makes it: with the token of before, as it turns out."""
        source = TokenSource(self.app)
        fresh = source.replace("t1")
        return fresh is not None and fresh.value == "t2"


def test_rejected_under_many_threads_nobody_is_given_the_old_token_again() -> None:
    service = Service()
    TokenSource(service.app).get()
    with meanwhile(lambda: at_once(MANY, service.call)) as calls:
        assert service.telling.wait(20)
        service.may_end.set()
        assert calls.result(20) == [True] * MANY
    assert service.told == ["t1"]


def test_control_told_by_whoever_was_rejected_the_others_get_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell, invalidate = State.tell_owner, State.invalidate

    def tell_at_once(state: State, value: str) -> None:
        invalidate(state, value)
        tell(state)

    monkeypatch.setattr(State, "invalidate", tell_at_once)
    monkeypatch.setattr(State, "tell_owner", lambda state: None)
    service = Service()
    TokenSource(service.app).get()
    with meanwhile(service.call):
        assert service.telling.wait(20)
        assert TokenSource(service.app).get().value != "t2"
        service.may_end.set()


def test_an_owner_who_could_not_be_told_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def rejected(value: str) -> None:
        told.append(value)
        if len(told) == 1:
            raise requests.ConnectionError("busy")

    clock = Clock()
    source = TokenSource(ExternalToken(lambda: f"t{len(told)}", rejected), store=clock.store())
    source.get()
    assert source.replace("t0") is not None
    assert "on_rejected raised ConnectionError" in caplog.text
    clock.pass_by(400)
    source.get()
    assert told == ["t0", "t0"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ConnectTimeout("slow"), requests.Timeout),
        (requests.ConnectionError("down"), requests.ConnectionError),
        (requests.exceptions.ChunkedEncodingError("cut"), requests.ConnectionError),
    ],
)
def test_a_failure_of_the_network_is_found_by_its_own_name(error: Exception, kind: Any) -> None:
    def get() -> str:
        raise error

    with pytest.raises(kind) as caught:
        TokenSource(ExternalToken(get), store=Clock().store()).get()
    assert isinstance(caught.value, TokenUnavailable)


class Mine(WeComError):
    """What an owner of tokens raises."""

    def __init__(self, table: str, row: int) -> None:
        super().__init__(f"{table} has no row {row}")
        self.row = row


def test_an_error_of_the_owners_own_is_raised_as_it_is() -> None:
    def get() -> str:
        raise Mine("tokens", 12)

    with pytest.raises(Mine, match="tokens has no row 12") as caught:
        TokenSource(ExternalToken(get)).get()
    assert caught.value.row == 12


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError()])
def test_what_ends_a_thread_of_ours_is_a_failure_and_not_asked_for_again(
    error: BaseException,
) -> None:
    asked: list[int] = []

    def get() -> str:
        asked.append(1)
        raise error

    with pytest.raises(TokenUnavailable, match=type(error).__name__):
        asyncio.run(TokenSource(ExternalToken(get)).aget())
    assert asked == [1]


def test_healing_does_not_wait_for_the_loops_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them may be waiting for the very coroutine that is being healed."""
    answers = iter([DEAD, {"errcode": 0}])
    numbers = iter(range(9))
    app = ExternalToken(lambda: f"t{next(numbers)}")
    # As with a store that processes share: there is something to be said outside of the memory.
    monkeypatch.setattr("wecom_auth._source.shared.Shared.__bool__", lambda shelf: True)

    @with_access_token(app)
    async def call(access_token: str = "") -> Any:
        return next(answers)

    async def story() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        job = lambda: asyncio.run_coroutine_threadsafe(call(), loop).result(20)  # noqa: E731
        return await asyncio.to_thread(job)

    assert asyncio.run(story()) == {"errcode": 0}


class OutOfTime(Exception):
    """As Celery's soft time limit raises it."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer here")
def test_what_a_signal_handler_raises_reaches_its_caller() -> None:
    def out_of_time(*_: object) -> None:
        raise OutOfTime

    def get() -> str:
        signal.raise_signal(signal.SIGALRM)
        return "t"

    before = signal.signal(signal.SIGALRM, out_of_time)
    try:
        with pytest.raises(OutOfTime):
            TokenSource(ExternalToken(get)).get()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_another_token_that_is_rejected_meanwhile_is_told_of_too() -> None:
    told: list[str] = []

    def rejected(value: str) -> None:
        told.append(value)
        if value == "t0":
            source.invalidate("of-another-program")

    source = TokenSource(ExternalToken(lambda: f"t{len(told)}", rejected), store=Clock().store())
    source.invalidate(source.get())
    source.get()
    source.refresh()
    assert told == ["t0", "of-another-program"]


def test_beside_the_loop_an_error_is_the_callers_and_a_thread_is_no_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(KeyError, match="row"):
        asyncio.run(steps.call_in_thread(lambda: {}["row"]))
    done: list[int] = []
    monkeypatch.setattr(process, "start_thread", lambda *_: False)
    asyncio.run(steps.call_in_thread(lambda: done.append(1)))
    assert done == [1]
