"""The two loops that run a flow: one for code that waits, one for coroutines."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from .._credential.exchange import Send as SendExchange
from .._credential.token import Token
from .._source import aio
from .._source.source import TokenSource
from .flow import Drop, Flow, Get, Replace, Send, Wait
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
        if isinstance(step, Send):
            reply = send(step.token, step.again)
        else:
            reply = do(step, source, timeout, via)


def do(
    step: Get | Replace | Drop | Wait,
    source: TokenSource,
    timeout: float | None = None,
    via: SendExchange | None = None,
) -> Token | None:
    """Do one step of a flow that sends nothing, and return the reply to it."""
    match step:
        case Get():
            return source.get(timeout, via=via)
        case Replace():
            return source.replace(step.rejected, timeout, via=via)
        case Drop():
            source.invalidate(step.rejected)
        case _:
            time.sleep(step.seconds)
    return None


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
        if isinstance(step, Send):
            reply = await send(step.token, step.again)
        else:
            reply = await ado(step, source, timeout, via)


async def ado(
    step: Get | Replace | Drop | Wait,
    source: TokenSource,
    timeout: float | None = None,
    via: SendExchange | None = None,
) -> Token | None:
    """`do` in a coroutine."""
    match step:
        case Get():
            return await source.aget(timeout, via=via)
        case Replace():
            return await source.areplace(step.rejected, timeout, via=via)
        case Drop():
            await source.ainvalidate(step.rejected)
        case _:
            await aio.sleep(step.seconds)
    return None
