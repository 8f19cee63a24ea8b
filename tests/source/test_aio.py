"""The ends of the bridge between threads and event loops: time is up, or the loop has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import pytest
import trio

from wecom_auth._source import aio

RUNS: dict[str, Callable[..., Any]] = {
    "asyncio": lambda main: asyncio.run(main()),
    "trio": trio.run,
}
every_loop = pytest.mark.parametrize("loop", RUNS)


@every_loop
def test_a_wait_ends_when_its_time_is_up(loop: str) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await aio.wait(Future[None](), 0.001)

    RUNS[loop](main)


@every_loop
def test_a_sleep_lets_the_other_tasks_run(loop: str) -> None:
    async def main() -> None:
        await aio.sleep(0)

    RUNS[loop](main)


@every_loop
def test_what_runs_on_a_loop_for_another_thread_has_its_time(loop: str) -> None:
    """And a result, where it keeps to that."""

    async def main() -> None:
        run: Any = aio.runner()
        done = Future[Any]()

        def work() -> None:
            outcomes = [run(lambda: aio.sleep(0), 20)]
            with pytest.raises(TimeoutError):
                run(lambda: aio.sleep(60), 0.001)
            done.set_result(outcomes)

        Thread(target=work).start()
        assert await aio.wait(done, 20) == [None]

    RUNS[loop](main)


@every_loop
def test_a_loop_that_has_ended_is_said_to_have(loop: str) -> None:
    async def main() -> Any:
        return aio.runner()

    run = RUNS[loop](main)
    with pytest.raises(OSError, match="has ended"):
        run(lambda: aio.sleep(0), 20)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_a_loop_that_ends_meanwhile_is_said_to_have(
    begun: bool, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left unawaited, of which Python would warn."""
    monkeypatch.setattr(aio, "_GLANCE", 0.001)
    loop, started, may_look = asyncio.new_event_loop(), Event(), Event()

    async def work() -> None:
        started.set()
        await asyncio.Event().wait()

    async def main() -> Any:
        return aio.runner()

    run = loop.run_until_complete(main())
    given = loop.call_soon_threadsafe

    def call_soon(*args: Any, **options: Any) -> Any:
        handle = given(*args, **options)
        started.set()
        assert may_look.wait(20)
        return handle

    if not begun:
        loop.call_soon_threadsafe = call_soon  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        if begun:
            running = loop.run_until_complete(_started(pool, run, work, started))
        else:
            running = pool.submit(run, work, 20)
            assert started.wait(20)
        if closed:
            loop.close()
        may_look.set()
        with pytest.raises(OSError, match="has ended"):
            running.result()
    if not closed:
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
        assert not asyncio.all_tasks(loop)  # nothing goes on for nobody
        loop.close()


async def _started(pool: ThreadPoolExecutor, run: Any, work: Any, started: Event) -> Any:
    running = pool.submit(run, work, 20)
    while not started.is_set():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)  # a few glances
    return running
