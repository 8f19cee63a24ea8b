"""Both loops run the same table: code that waits, and coroutines under asyncio and trio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from tokenside import Clock, program

from wecom_auth import Retry, Token, TokenSource
from wecom_auth._call import drive as driving
from wecom_auth._call import flow
from wecom_auth._call.drive import drive, drive_async
from wecom_auth._call.retry import Answered
from wecom_auth._source import aio
from wecom_auth.testing import FakeWeCom

Attempt = Callable[[Token, bool], Answered | None]
Run = Callable[..., Any]


def sync(made: Any, source: TokenSource, send: Attempt, **more: Any) -> Any:
    return drive(made, source, send, **more)


def in_asyncio(made: Any, source: TokenSource, send: Attempt, **more: Any) -> Any:
    return asyncio.run(_in_coroutine(made, source, send, **more))


def in_trio(made: Any, source: TokenSource, send: Attempt, **more: Any) -> Any:
    return trio.run(lambda: _in_coroutine(made, source, send, **more))


async def _in_coroutine(made: Any, source: TokenSource, send: Attempt, **more: Any) -> Any:
    async def attempt(token: Token, again: bool) -> Answered | None:
        return send(token, again)

    return await drive_async(made, source, attempt, **more)


all_loops = pytest.mark.parametrize("run", [sync, in_asyncio, in_trio])


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, without waiting."""
    noted: list[float] = []

    async def sleep(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(driving.time, "sleep", noted.append)
    monkeypatch.setattr(aio, "sleep", sleep)
    return noted


class Endpoint:
    """Answers with these errcodes, one each, and notes the tokens that arrived."""

    def __init__(self, *codes: int, replayable: bool = True) -> None:
        self.codes, self.replayable = list(codes), replayable
        self.tokens: list[str] = []

    def send(self, token: Token, again: bool) -> Answered | None:
        if again and not self.replayable:
            return None
        self.tokens.append(token.value)
        code = self.codes.pop(0)
        return Answered(code, code)


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom(mode="rotate")


# Codes of the endpoint; options; sends; gettoken calls; waits; what the caller gets.
TABLE: dict[str, tuple[list[int], dict[str, Any], int, int, list[float], int]] = {
    "good": ([0], {}, 1, 1, [], 0),
    "healed": ([40014, 0], {}, 2, 2, [], 0),
    "rejected twice": ([40014, 42001], {}, 2, 2, [], 42001),
    "busy": ([-1, 0], {"retry": Retry({-1})}, 2, 1, [0.5], 0),
    "busy, then rejected": ([-1, 40014, 0], {"retry": Retry({-1})}, 3, 2, [0.5], 0),
    "not to be sent again": ([40014], {"replayable": False}, 1, 1, [], 40014),
}


@all_loops
@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_the_table(run: Run, row: Any, fake: FakeWeCom, waits: list[float]):
    codes, options, sends, fetches, waited, end = row
    source, endpoint = program(fake, Clock()), Endpoint(*codes)
    assert run(flow.call(source, **options), source, endpoint.send) == end
    assert len(endpoint.tokens) == sends
    assert fake.gettoken_calls == fetches
    assert waits == waited


@all_loops
def test_a_body_that_turns_out_not_to_be_replayable(run: Run, fake: FakeWeCom):
    source, endpoint = program(fake, Clock()), Endpoint(40014, replayable=False)
    assert run(flow.call(source), source, endpoint.send) == 40014
    assert len(endpoint.tokens) == 1


@all_loops
def test_each_send_has_the_token_of_its_turn(run: Run, fake: FakeWeCom):
    source, endpoint = program(fake, Clock()), Endpoint(40014, 0)
    run(flow.call(source), source, endpoint.send)
    first, second = endpoint.tokens
    assert first != second == fake.token("ww0001", "the-apps-secret")


@all_loops
def test_what_a_send_raises_reaches_the_caller(run: Run, fake: FakeWeCom):
    source = program(fake, Clock())

    def send(token: Token, again: bool) -> Answered:
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"):
        run(flow.call(source), source, send)


@all_loops
def test_the_limit_of_the_call_is_that_of_its_token(run: Run, fake: FakeWeCom):
    source = program(fake, Clock())
    with pytest.raises(ValueError, match="more than 0 seconds"):
        run(flow.call(source), source, Endpoint().send, timeout=0)


def test_an_async_send_is_awaited(fake: FakeWeCom):
    source = program(fake, Clock())

    async def send(token: Token, again: bool) -> Answered:
        await asyncio.sleep(0)
        return Answered("fine", 0)

    made: Awaitable[Any] = drive_async(flow.call(source), source, send)
    assert asyncio.run(_of(made)) == "fine"


async def _of(made: Awaitable[Any]) -> Any:
    return await made
