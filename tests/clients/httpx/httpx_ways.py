"""One test body runs over httpx and httpx2, sync, asyncio and trio: `for_all` and `run`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
import pytest
import trio

from wecom_auth import AppCredential, attach
from wecom_auth.httpx import AsyncWeComTransport, WeComAuth, WeComTransport
from wecom_auth.testing import FakeWeCom, Server

LIBRARIES = (httpx, httpx2)
MODES = ("sync", "asyncio", "trio")
WAYS = ("attach", "auth")
"""And `transport`, which is what `attach` puts in, where the two may differ."""
CORP, SECRET = "ww0001", "the-apps-secret"


def for_all(*, modes: tuple[str, ...] = MODES, ways: tuple[str, ...] = WAYS) -> Any:
    """Run a test that takes `world` once for each library, mode and way."""
    worlds = [
        pytest.param((library, mode, way), id=f"{library.__name__}-{mode}-{way}")
        for library in LIBRARIES
        for mode in modes
        for way in ways
    ]
    return pytest.mark.parametrize("world", worlds, indirect=True)


@dataclass
class World:
    """A library, a way to use it, and a platform on a loopback port."""

    library: Any
    mode: str
    way: str
    server: Server
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def fake(self) -> FakeWeCom:
        return self.server.fake

    @property
    def app(self) -> AppCredential:
        return AppCredential(CORP, SECRET, base_url=self.server.url)

    @property
    def is_sync(self) -> bool:
        return self.mode == "sync"

    def client(self, **options: Any) -> Any:
        """A client that is authorised by this way."""
        options = {"timeout": 20, "trust_env": False, "verify": False, **options}
        kind = self.library.Client if self.is_sync else self.library.AsyncClient
        if self.way == "auth":
            return kind(auth=WeComAuth(self.app), **options)
        if self.way == "transport":
            ours = WeComTransport if self.is_sync else AsyncWeComTransport
            options["transport"] = ours(self.app, options.pop("transport", None))
            return kind(**options)
        return attach(kind(**options), self.app)

    def run(self, body: Callable[[Talk], Awaitable[Any]], **options: Any) -> Any:
        """Run a coroutine function that talks over one client, by whichever loop there is."""

        async def whole() -> Any:
            client = self.client(**options)
            talk = Talk(self, client)
            try:
                return await body(talk)
            finally:
                await talk.close()

        return run(self.mode, whole)


@dataclass
class Talk:
    """One client, sync or async, with one face."""

    world: World
    client: Any

    async def request(self, method: str, path: str, **options: Any) -> Any:
        url = path if "://" in path else f"{self.world.server.url}/cgi-bin/{path}"
        answer = self.client.request(method, url, **options)
        return answer if self.world.is_sync else await answer

    async def get(self, path: str, **options: Any) -> Any:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Any:
        return await self.request("POST", path, **options)

    async def warm(self) -> None:
        """Let the client hold a token that is valid."""
        assert (await self.get("get_api_domain_ip")).json()["errcode"] == 0

    async def open(self, path: str) -> Any:
        """Begin a download; the body is unread."""
        request = self.client.build_request("GET", f"{self.world.server.url}/cgi-bin/{path}")
        answer = self.client.send(request, stream=True)
        return answer if self.world.is_sync else await answer

    async def read(self, answer: Any, *, raw: bool = False) -> bytes:
        """The body of a download."""
        if self.world.is_sync:
            return b"".join(answer.iter_raw() if raw else answer.iter_bytes())
        pieces = answer.aiter_raw() if raw else answer.aiter_bytes()
        return b"".join([piece async for piece in pieces])

    async def end(self, answer: Any) -> None:
        if self.world.is_sync:
            answer.close()
        else:
            await answer.aclose()

    async def close(self) -> None:
        if self.world.is_sync:
            self.client.close()
        else:
            await self.client.aclose()


def run(mode: str, function: Callable[[], Any]) -> Any:
    """Run a coroutine function; one that never waits is simply run through."""
    if mode == "trio":
        return trio.run(function)
    if mode == "asyncio":
        return asyncio.run(function())
    coroutine = function()
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a sync client waited")


async def together(functions: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Run coroutine functions at once, under asyncio or trio."""
    results: list[Any] = [None] * len(functions)

    async def one(number: int) -> None:
        try:
            results[number] = await functions[number]()
        except Exception as error:
            results[number] = error

    if trio.lowlevel.in_trio_run():
        async with trio.open_nursery() as nursery:
            for number in range(len(functions)):
                nursery.start_soon(one, number)
    else:
        await asyncio.gather(*(one(number) for number in range(len(functions))))
    return results


@contextmanager
def taken(fake: FakeWeCom) -> Iterator[list[bytes]]:
    """The route `take` notes what arrives with a valid token, byte for byte."""
    bodies: list[bytes] = []

    def take(request: Any) -> dict[str, Any]:
        bodies.append(request.body)
        return {"errcode": 0, "errmsg": "ok"}

    fake.route("take", take)
    yield bodies
