"""Coroutines: the fetch runs in a thread, the event loop never waits for it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
import requests
from tokenside import CORP, SECRET, Clock, Counted, no_threads, program, settle

from wecom_auth import (
    AppCredential,
    CredentialError,
    ExternalToken,
    Token,
    TokenSource,
    TokenUnavailable,
    with_access_token,
)
from wecom_auth._source import fetch as fetching
from wecom_auth._source import join as flights
from wecom_auth._source.steps import run_async
from wecom_auth.testing import FakeWeCom, Hold, Server

MANY = 100


@pytest.fixture
def source(wecom_server: Server) -> TokenSource:
    return TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url))


async def arrived(hold: Hold) -> None:
    await asyncio.to_thread(hold.wait_for, 1)


async def hundred(source: TokenSource, hold: Hold) -> list[Any]:
    """A hundred coroutines of one loop; the first is cancelled while gettoken is under way."""
    tasks = [asyncio.create_task(source.aget()) for _ in range(MANY)]
    await arrived(hold)
    for _ in range(1000):  # the loop turns while gettoken is held
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    hold.release()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_hundred_coroutines_and_the_first_cancelled(wecom_server: Server, source: TokenSource):
    with wecom_server.fake.hold("gettoken") as hold:
        first, *others = asyncio.run(hundred(source, hold))
    assert isinstance(first, asyncio.CancelledError)
    assert {type(each) for each in others} == {Token}
    assert {each.value for each in others} == {wecom_server.fake.token(CORP, SECRET)}
    assert wecom_server.fake.gettoken_calls == 1
    assert source.statistics.waits == MANY - 1


def test_control_fetched_on_the_loop_it_stands_still(
    wecom_server: Server, source: TokenSource, monkeypatch: pytest.MonkeyPatch
):
    async def aget(source: TokenSource, timeout: float | None = None) -> Token:
        return source.get(timeout)

    monkeypatch.setattr(TokenSource, "aget", aget)
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main(hold: Hold) -> int:
        spinning = asyncio.create_task(turning())
        await asyncio.sleep(0)
        before = turns
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: (hold.wait_for(1), hold.release()))
            await source.aget()
            spinning.cancel()
            return turns - before

    with wecom_server.fake.hold("gettoken") as hold:
        assert asyncio.run(main(hold)) == 0


@pytest.mark.parametrize("fault", [40001, "busy"])
def test_coroutines_share_a_failure(wecom_server: Server, source: TokenSource, fault: Any):
    async def main(hold: Hold) -> list[Any]:
        tasks = [asyncio.create_task(source.aget()) for _ in range(MANY)]
        await arrived(hold)
        hold.release()
        return await asyncio.gather(*tasks, return_exceptions=True)

    wecom_server.fake.fail(fault, path="gettoken")
    with wecom_server.fake.hold("gettoken") as hold:
        errors = asyncio.run(main(hold))
    kind = CredentialError if fault == 40001 else TokenUnavailable
    assert {type(error) for error in errors} == {kind}
    assert len({id(error) for error in errors}) == MANY
    assert wecom_server.fake.gettoken_calls <= 3


def test_threads_and_coroutines_share_one_fetch(
    wecom_server: Server, source: TokenSource, monkeypatch: pytest.MonkeyPatch
):
    counted = Counted(monkeypatch)

    async def main(hold: Hold) -> list[Any]:
        work = [asyncio.to_thread(source.get), source.aget(), asyncio.to_thread(source.get)]
        tasks = [asyncio.ensure_future(each) for each in work]
        await asyncio.to_thread(counted.wait_for, waits=2)
        hold.release()
        return await asyncio.gather(*tasks)

    with wecom_server.fake.hold("gettoken") as hold:
        assert len(set(asyncio.run(main(hold)))) == 1
    assert wecom_server.fake.gettoken_calls == 1


def test_each_coroutine_keeps_its_own_time_limit(wecom_server: Server, source: TokenSource):
    async def main(hold: Hold) -> tuple[BaseException, Token]:
        patient = asyncio.create_task(source.aget())
        await arrived(hold)
        with pytest.raises(requests.Timeout) as caught:
            await source.aget(timeout=0.1)
        hold.release()
        return caught.value, await patient

    with wecom_server.fake.hold("gettoken") as hold:
        error, token = asyncio.run(main(hold))
    assert isinstance(error, TokenUnavailable)
    assert token.value == wecom_server.fake.token(CORP, SECRET)
    assert wecom_server.fake.gettoken_calls == 1


def test_a_limit_of_the_callers_own_by_wait_for(wecom_server: Server, source: TokenSource):
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.aget(), 0.1)

    with wecom_server.fake.hold("gettoken") as hold:
        asyncio.run(main())
        hold.release()
        settle()
    assert source.peek() is not None  # whoever gives up does not cancel the fetch


def test_a_loop_that_closes_while_its_fetch_is_under_way(
    wecom_server: Server, source: TokenSource, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)

    async def main(hold: Hold) -> None:
        left = asyncio.create_task(source.aget())
        await arrived(hold)
        assert not left.done()  # asyncio.run cancels it

    with wecom_server.fake.hold("gettoken") as hold:
        asyncio.run(main(hold))
        hold.release()
        settle()
    assert not caplog.records
    assert asyncio.run(source.aget()).value == wecom_server.fake.token(CORP, SECRET)
    assert wecom_server.fake.gettoken_calls == 1


def test_a_second_loop_joins_the_fetch_of_the_first(
    wecom_server: Server, source: TokenSource, monkeypatch: pytest.MonkeyPatch
):
    counted, got = Counted(monkeypatch), []
    threads = [Thread(target=lambda: got.append(asyncio.run(source.aget()))) for _ in range(2)]
    with wecom_server.fake.hold("gettoken") as hold:
        for thread in threads:
            thread.start()
        counted.wait_for(waits=1)
        hold.release()
        for thread in threads:
            thread.join(30)
    assert len(got) == 2
    assert len(set(got)) == 1
    assert wecom_server.fake.gettoken_calls == 1


def test_a_warm_token_and_one_in_its_soft_window_come_at_once(wecom_server: Server):
    clock = Clock()
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    source = TokenSource(app, store=clock.store())
    wecom_server.fake.mode = "rotate"
    old = asyncio.run(source.aget())
    assert asyncio.run(source.aget()) is old
    clock.pass_by(6000)
    with wecom_server.fake.hold("gettoken") as hold:
        assert asyncio.run(source.aget()) is old
        hold.release()
        settle()
    assert asyncio.run(source.aget()) is not old


def test_where_no_thread_can_start_it_fetches_all_the_same(monkeypatch: pytest.MonkeyPatch):
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)

    async def main() -> tuple[Token, Token | None]:
        with monkeypatch.context() as without:  # asyncio.run itself starts one at its end
            no_threads(without)
            old = await source.aget()
            fake.revoke()
            return old, await source.areplace(old)

    old, new = asyncio.run(main())
    assert new is not None
    assert (old.value, new.value) != (new.value, old.value)
    assert new.value == fake.token(CORP, SECRET)


@pytest.mark.parametrize("retry_is_possible", [True, False])
def test_where_no_thread_can_start_a_rejected_coroutine_gives_what_was_said(
    monkeypatch: pytest.MonkeyPatch, retry_is_possible: bool
):
    source = program(FakeWeCom(mode="rotate"), Clock())
    dead = {"errcode": 42001}

    @with_access_token(source)
    async def call(lines: Any, access_token: str = "") -> Any:
        return dead

    async def main() -> Any:
        with monkeypatch.context() as without:
            no_threads(without)
            return await call([] if retry_is_possible else iter([]))

    assert asyncio.run(main()) is dead
    assert source.peek() is None


def test_a_token_that_has_come_meanwhile_is_taken():
    source = program(FakeWeCom(), Clock())
    token = source.get()
    steps = flights.joining(source._state, 1, source._way(None))
    assert asyncio.run(run_async(steps)) is token
    assert source.statistics.fetches == 1


def test_areplace(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)

    async def main() -> None:
        old = await source.aget()
        assert await source.areplace(old) is None  # the platform repeats it
        fake.revoke()
        new = await source.areplace(old.value)
        assert new is not None
        assert new.value != old.value
        with fake.fail("outage", path="gettoken"):
            assert await source.areplace(new) is None
            assert await source.areplace(new) is None
        with pytest.raises(TypeError, match="rejected must be a Token"):
            await source.areplace(b"bytes")  # type: ignore[arg-type]

    asyncio.run(main())
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "could not be replaced" in said[0]
    assert source.statistics.resends == 1


def test_an_overdue_leader_is_taken_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wecom_auth._source.flight.GRACE", 0.1)
    loop_asked: list[int] = []

    async def main() -> Token:
        never = asyncio.Event()
        loop = asyncio.get_running_loop()

        def get() -> str:
            loop_asked.append(1)
            if len(loop_asked) == 1:
                asyncio.run_coroutine_threadsafe(never.wait(), loop).result(30)
            return "token"

        source = TokenSource(ExternalToken(get))
        with pytest.raises(TokenUnavailable, match="no token within"):
            await source.aget(timeout=0.1)
        token = await source.aget(timeout=5)
        never.set()
        return token

    assert asyncio.run(main()).value == "token"
    assert len(loop_asked) == 2


@pytest.mark.parametrize("bad", [0, "3", float("nan")])
def test_a_bad_limit_is_refused_at_once(bad: Any):
    source = program(FakeWeCom(), Clock())
    source.get()
    with pytest.raises((TypeError, ValueError)):
        asyncio.run(source.aget(bad))
