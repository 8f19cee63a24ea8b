"""Steps that take a token, written once and without waiting; two loops run them."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from . import aio, process
from .flight import Flight

FOREVER = 86_400.0

T = TypeVar("T")


class Wait(NamedTuple):
    """Wait for this flight, so many seconds; reply with its outcome."""

    flight: Flight
    seconds: float


class Call(NamedTuple):
    """Call this function, which may wait for a store; reply with nothing."""

    function: Callable[[], object]


Steps = Generator[Wait | Call, Any, T]


def run(steps: Steps[T]) -> T:
    """Run these steps in code that waits."""
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        reply = step.flight.wait(step.seconds) if isinstance(step, Wait) else step.function()


async def run_async(steps: Steps[T]) -> T:
    """Run these steps in a coroutine; whatever waits for a store runs in a thread."""
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(step, Wait):
            reply = await step.flight.wait_async(step.seconds)
        else:
            await call_in_thread(step.function)
            reply = None


async def call_in_thread(function: Callable[[], object]) -> None:
    """Run in a dedicated thread; the loop's executor may be full of threads that wait for this."""
    done: Future[object] = Future()
    done.set_running_or_notify_cancel()  # who no longer waits does not stop it

    def work() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    if process.start_thread(work):
        await aio.wait(done, FOREVER)
    else:
        function()
