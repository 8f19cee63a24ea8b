"""The two loops that run a flow: one for code that waits, one for coroutines."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from .._credential.exchange import Send as SendExchange
from .._credential.token import Token
from .._source import aio
from .._source.source import TokenSource
from .flow import Drop, Flow, Get, Replace, Send
from .retry import Answered

Sender = Callable[[Token, bool], Answered | None]
AsyncSender = Callable[[Token, bool], Awaitable[Answered | None]]


def drive(
    flow: Flow,
    source: TokenSource,
    send: Sender,
    *,
    timeout: float | None = None,
    via: SendExchange | None = None,
) -> Any:
    """Run a flow to its end and return the caller's answer.

    Args:
        flow: from `flow.call`.
        source: hands out the tokens.
        send: sends the call with this token, again or not; None where it cannot be sent again.
        timeout: seconds that getting a token may take.
        via: sends an exchange the way that the call goes.
    """
    reply: Any = None
    while True:
        try:
            step = flow.send(reply)
        except StopIteration as end:
            return end.value
        match step:
            case Send():
                reply = send(step.token, step.again)
            case Get():
                reply = source.get(timeout, via=via)
            case Replace():
                reply = source.replace(step.rejected, timeout, via=via)
            case Drop():
                reply = None
                source.invalidate(step.rejected)
            case _:
                reply = None
                time.sleep(step.seconds)


async def drive_async(
    flow: Flow,
    source: TokenSource,
    send: AsyncSender,
    *,
    timeout: float | None = None,
    via: SendExchange | None = None,
) -> Any:
    """Run a flow to its end in a coroutine, under asyncio or trio; arguments as for `drive`."""
    reply: Any = None
    while True:
        try:
            step = flow.send(reply)
        except StopIteration as end:
            return end.value
        match step:
            case Send():
                reply = await send(step.token, step.again)
            case Get():
                reply = await source.aget(timeout, via=via)
            case Replace():
                reply = await source.areplace(step.rejected, timeout, via=via)
            case Drop():
                reply = None
                await source.ainvalidate(step.rejected)
            case _:
                reply = None
                await aio.sleep(step.seconds)
