"""The three things that differ between asyncio and trio; neither is imported before it is used."""

import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_GLANCE = 0.1
"""Seconds between two looks whether a loop still runs."""


def _trio() -> Any:
    """Return the module trio where it runs this task, else None."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


async def wait(future: "Future[T]", seconds: float) -> T:
    """Wait for a future of another thread; no waiter can cancel it for the others.

    Raises:
        TimeoutError: it was not done within so many seconds.
    """
    trio = _trio()
    if trio is not None:
        return await _wait_in_trio(trio, future, seconds)
    import asyncio

    waiting = asyncio.wrap_future(future)
    async with asyncio.timeout(seconds):  # not wait_for: until 3.12 it may swallow a cancellation
        return await waiting


async def _wait_in_trio(trio: Any, future: "Future[T]", seconds: float) -> T:
    event, token = trio.Event(), trio.lowlevel.current_trio_token()

    def done(_: object) -> None:
        with suppress(trio.RunFinishedError):  # nobody waits any longer
            token.run_sync_soon(event.set)

    future.add_done_callback(done)
    with trio.move_on_after(seconds):
        await event.wait()
        return future.result()
    raise TimeoutError


async def sleep(seconds: float) -> None:
    """Sleep in this task."""
    trio = _trio()
    if trio is not None:
        await trio.sleep(seconds)
        return
    import asyncio

    await asyncio.sleep(seconds)


def runner() -> Callable[[Callable[[], Awaitable[T]], float], T]:
    """Return `run(function, seconds)`: other threads call it to run a coroutine on this loop.

    It raises OSError where the loop has ended, TimeoutError where the time is up.
    """
    trio = _trio()
    return _asyncio_runner() if trio is None else _trio_runner(trio)


def _trio_runner(trio: Any) -> Callable[[Callable[[], Awaitable[T]], float], T]:
    token = trio.lowlevel.current_trio_token()

    def run(function: Callable[[], Awaitable[T]], seconds: float) -> T:
        async def bounded() -> T:
            with trio.fail_after(seconds):
                return await function()

        try:
            result: T = trio.from_thread.run(bounded, trio_token=token)
        except trio.TooSlowError:
            raise TimeoutError from None
        except (trio.RunFinishedError, trio.Cancelled):
            raise OSError("the event loop that led this fetch has ended") from None
        return result

    return run


def _asyncio_runner() -> Callable[[Callable[[], Awaitable[T]], float], T]:
    import asyncio

    loop = asyncio.get_running_loop()

    def run(function: Callable[[], Awaitable[T]], seconds: float) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(seconds):
                return await function()

        coroutine = bounded()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:
            coroutine.close()
            raise OSError("the event loop that led this fetch has ended") from None
        return _result(future, loop, coroutine, seconds + 1)

    return run


def _result(future: "Future[T]", loop: Any, coroutine: Any, seconds: float) -> T:
    """Return what comes of a coroutine on that loop; one that no longer runs never says."""
    until = time.monotonic() + seconds
    while True:
        try:
            return future.result(_GLANCE)
        except TimeoutError:
            if future.done() or time.monotonic() >= until:
                raise
        if not loop.is_running():
            break
    if not loop.is_closed():
        future.cancel()
    elif inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()  # else Python warns that nobody awaited it
    raise OSError("the event loop that led this fetch has ended")
