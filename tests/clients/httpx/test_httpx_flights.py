"""However many tasks, threads and loops call at once by httpx: one exchange, and no deadlock."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import httpx2
import pytest
import requests
import trio
import trio.testing
from httpx_ways import CORP, SECRET, Talk, World, for_all, run, together

from wecom_auth import AppCredential, attach
from wecom_auth.testing import Server

MANY = 24
THREADS = 8


async def many(talk: Talk) -> set[Any]:
    """Make many calls at once."""

    async def one() -> Any:
        return (await talk.get("user/get?userid=a")).json()["errcode"]

    return set(map(repr, await together([one] * MANY)))


@for_all(modes=("asyncio", "trio"), ways=("attach",))
def test_many_tasks_make_one_exchange(world: World):
    """Cold, revoked, and revoked on a platform where each gettoken ends the last token."""

    async def body(talk: Talk) -> None:
        with world.fake.hold("gettoken") as hold:
            release = threading.Thread(target=lambda: (hold.wait_for(1), hold.release()))
            release.start()
            assert await many(talk) == {"0"}
            release.join()
        assert world.fake.gettoken_calls == 1
        for exchanges in (2, 3):
            world.fake.revoke()
            assert await many(talk) == {"0"}
            assert world.fake.gettoken_calls == exchanges
            world.fake.mode = "rotate"

    world.run(body)


@for_all(modes=("sync",))
def test_threads_make_one_exchange(world: World):
    """Cold, revoked, and revoked on a platform where each gettoken ends the last token."""
    barrier = Barrier(THREADS)
    client = world.client()
    url = f"{world.server.url}/cgi-bin/user/get?userid=a"

    def call() -> int:
        barrier.wait(20)
        return int(client.get(url).json()["errcode"])

    with client, ThreadPoolExecutor(THREADS) as pool:
        for exchanges in (1, 2, 3):
            assert {each.result() for each in [pool.submit(call) for _ in range(THREADS)]} == {0}
            assert world.fake.gettoken_calls == exchanges
            world.fake.revoke()
            world.fake.mode = "repeat" if exchanges == 1 else "rotate"


def test_loops_threads_and_libraries_share_one_exchange(wecom_server: Server):
    """Two loops of asyncio, one of trio, httpx, httpx2 and requests, each in its thread."""
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    url = f"{wecom_server.url}/cgi-bin/user/get?userid=a"
    barrier = Barrier(6)

    async def ten(library: Any) -> set[int]:
        async with attach(library.AsyncClient(timeout=20, trust_env=False), app) as client:

            async def one() -> int:
                return int((await client.get(url)).json()["errcode"])

            return set(await together([one] * 10))

    def sync(client: Any) -> set[int]:
        with attach(client, app):
            return {client.get(url).json()["errcode"] for _ in range(10)}

    def at_once(function: Any, *args: Any) -> Any:
        barrier.wait(20)
        return function(*args)

    with ThreadPoolExecutor(6) as pool:
        for exchanges in (1, 2):
            outcomes = [
                pool.submit(at_once, lambda: asyncio.run(ten(httpx))),
                pool.submit(at_once, lambda: asyncio.run(ten(httpx2))),
                pool.submit(at_once, trio.run, ten, httpx2),
                pool.submit(at_once, sync, httpx.Client(trust_env=False)),
                pool.submit(at_once, sync, httpx2.Client(trust_env=False)),
                pool.submit(at_once, sync, requests.Session()),
            ]
            assert [each.result() for each in outcomes] == [{0}] * 6
            assert wecom_server.fake.gettoken_calls == exchanges
            wecom_server.fake.revoke()


@for_all(modes=("asyncio", "trio"), ways=("auth",))
def test_many_rejected_answers_over_a_pool_that_they_fill(world: World):
    async def body(talk: Talk) -> None:
        await talk.warm()
        with world.fake.hold("user/get") as hold:
            release = threading.Thread(target=lambda: (hold.wait_for(MANY), hold.release()))
            release.start()
            world.fake.revoke()
            assert await many(talk) == {"0"}
            release.join()

    world.run(body, limits=world.library.Limits(max_connections=MANY))
    assert world.fake.gettoken_calls == 2


@for_all(ways=("attach", "transport"))
def test_an_exchange_needs_no_connection_of_a_pool_that_a_download_holds(world: World):
    media = world.fake.add_media(b"x" * 3_000_000)

    async def body(talk: Talk) -> None:
        await talk.warm()
        download = await talk.open(f"media/get?media_id={media}")
        world.fake.revoke()
        exchanges = world.fake.gettoken_calls
        with pytest.raises(world.library.PoolTimeout):  # its own, for the call itself
            await talk.get("user/get?userid=a", timeout=0.2)
        from wecom_auth import TokenSource

        TokenSource(world.app).invalidate(TokenSource(world.app).get().value)
        with pytest.raises(world.library.PoolTimeout):
            await talk.get("user/get?userid=a", timeout=0.3)
        assert world.fake.gettoken_calls == exchanges + 1
        assert len(await talk.read(download)) == 3_000_000
        assert (await talk.get("user/get?userid=a")).json()["errcode"] == 0

    limits = world.library.Limits(max_connections=1)
    if world.way == "attach":
        world.run(body, limits=limits)
    else:
        kind = "HTTPTransport" if world.is_sync else "AsyncHTTPTransport"
        world.run(body, transport=getattr(world.library, kind)(limits=limits))


@for_all()
def test_a_rejected_answer_gives_its_connection_back(world: World):
    """A pool of one connection is enough: the answer is closed before the call goes out again."""

    async def body(talk: Talk) -> None:
        for _ in range(3):
            assert (await talk.get("user/get?userid=a", timeout=2)).json()["errcode"] == 0
            world.fake.revoke()

    world.run(body, limits=world.library.Limits(max_connections=1))
    assert world.fake.gettoken_calls == 3


@for_all(modes=("asyncio", "trio"), ways=("attach", "auth"))
def test_the_first_task_cancelled_leaves_the_others_theirs(world: World):
    """The one that leads the fetch gives up in the middle of it."""
    results: list[Any] = []

    async def body(talk: Talk) -> None:
        async def one() -> None:
            results.append((await talk.get("user/get?userid=a")).json()["errcode"])

        with world.fake.hold("gettoken") as hold:
            if world.mode == "trio":
                await in_trio(one, hold)
            else:
                await in_asyncio(one, hold)

    world.run(body)
    assert results == [0] * 9
    assert world.fake.gettoken_calls == 1


async def in_trio(one: Any, hold: Any) -> None:
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def leader() -> None:
            with first:
                await one()

        nursery.start_soon(leader)
        await trio.to_thread.run_sync(hold.wait_for, 1)
        for _ in range(9):
            nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked(0.05)
        first.cancel()
        await trio.testing.wait_all_tasks_blocked(0.05)
        hold.release()


async def in_asyncio(one: Any, hold: Any) -> None:
    first = asyncio.create_task(one())
    await asyncio.to_thread(hold.wait_for, 1)
    others = [asyncio.create_task(one()) for _ in range(9)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    hold.release()
    await asyncio.gather(*others)


@for_all(modes=("asyncio", "trio"), ways=("attach",))
def test_a_timeout_around_the_call_leaves_nothing(world: World):
    async def body(talk: Talk) -> None:
        with world.fake.hold("gettoken") as hold:
            if world.mode == "trio":
                with trio.move_on_after(0.2) as scope:
                    await talk.get("user/get?userid=a")
                assert scope.cancelled_caught
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await talk.get("user/get?userid=a")
            hold.wait_for(1)
        assert (await talk.get("user/get?userid=a")).json()["errcode"] == 0
        if world.mode == "asyncio":
            assert asyncio.all_tasks() == {asyncio.current_task()}

    world.run(body)
    assert world.fake.gettoken_calls == 1


@for_all(modes=("asyncio", "trio"), ways=("attach",))
@pytest.mark.parametrize("end", ["run", "close"])
def test_a_loop_that_ends_in_the_middle_of_a_fetch(world: World, end: str, recwarn: Any):
    """The one that leads dies with its loop; who waits in another thread fetches for itself."""
    before = set(threading.enumerate())
    with world.fake.hold("gettoken") as hold, ThreadPoolExecutor(1) as pool:
        client = attach(world.library.Client(timeout=20, trust_env=False), world.app)
        url = f"{world.server.url}/cgi-bin/user/get?userid=a"
        waiting: list[Any] = []

        def neighbour() -> None:
            waiting.append(pool.submit(lambda: client.get(url).json()["errcode"]))

        leave(world, end, hold, neighbour)
        hold.wait_for(2)
        hold.release()
        assert waiting[0].result(20) == 0
        client.close()
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("wecom"):
            thread.join(5)
            assert not thread.is_alive()
    assert [str(each.message) for each in recwarn if "never awaited" in str(each.message)] == []


def leave(world: World, end: str, hold: Any, then: Any) -> None:
    """Begin a call whose fetch is held, do `then`, and end the loop."""

    async def body(talk: Talk) -> None:
        async def call() -> None:
            await talk.get("user/get?userid=a")

        if world.mode == "trio":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await trio.to_thread.run_sync(hold.wait_for, 1)
                then()
                nursery.cancel_scope.cancel()
        else:
            task = asyncio.create_task(call())
            await asyncio.to_thread(hold.wait_for, 1)
            then()
            if end == "run":
                task.cancel()

    if world.mode == "asyncio" and end == "close":
        loop = asyncio.new_event_loop()
        client = world.client()
        loop.run_until_complete(body(Talk(world, client)))
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    else:
        world.run(body)


@for_all(modes=("asyncio",), ways=("attach",))
def test_a_limit_is_kept_whatever_gettoken_does(world: World):
    async def body(talk: Talk) -> None:
        with world.fake.hold("gettoken"), pytest.raises(world.library.TimeoutException):
            await talk.get("user/get?userid=a", timeout=0.25)

    world.run(body)


def test_control_a_wait_without_a_look_at_the_loop_never_ends():
    """A loop that has stopped says nothing to the thread that waits for it."""
    loop = asyncio.new_event_loop()
    future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
    with pytest.raises(TimeoutError):
        future.result(0.2)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert run("sync", _nothing) is None


async def _nothing() -> None:
    return None
