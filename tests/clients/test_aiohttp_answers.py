"""aiohttp: an answer that was looked into is given back as if nobody had looked."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from threading import Event
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout
from loopback import ANSWERS, GET, LONG, SHORT, with_token
from ways import head, platform, raw_server

from wecom_auth import attach
from wecom_auth._clients.aiohttp import middleware
from wecom_auth._http.verdict import BODY_LIMIT


async def pieces(response: Any) -> bytes:
    return b"".join([piece async for piece in response.content.iter_chunked(700)])


async def http_chunks(response: Any) -> int:
    return sum([ends async for _, ends in response.content.iter_chunks()])


async def lines(response: Any) -> list[bytes]:
    return [line async for line in response.content]


async def exactly(response: Any) -> Any:
    return await response.content.readexactly(100), await response.content.read()


READERS = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text(),
    "json": lambda response: response.json(),
    "by pieces": pieces,
    "by lines": lines,
    "by chunks": http_chunks,
    "exactly": exactly,
}


async def found(client: ClientSession, url: str, reader: Any) -> Any:
    """What a call gives, or how it fails."""
    seen = None
    try:
        async with client.get(url) as response:
            seen = response.status, response.reason, response.url, response.raw_headers
            return seen, await reader(response)
    except (
        aiohttp.ClientError,
        aiohttp.http_exceptions.HttpProcessingError,
        asyncio.IncompleteReadError,
        ValueError,
    ) as error:
        return seen, type(error), str(error)


SMALL = 512  # aiohttp itself hangs there where a chunk has no length
CASES = [
    pytest.param(answer, reader, size, id=f"{name}, {how}, {size}")
    for size in (2**18, SMALL)
    for name, answer in ANSWERS.items()
    for how, reader in READERS.items()
    if not (size == SMALL and name == "no chunk's length")
]


@pytest.mark.parametrize(("answer", "reader", "size"), CASES)
def test_it_reads_as_without_us(answer: bytes, reader: Any, size: int) -> None:
    async def main(url: str) -> None:
        async with ClientSession(read_bufsize=size, timeout=ClientTimeout(total=5)) as client:
            bare = await found(client, f"{url}/cgi-bin/user/get", reader)
            attach(client, with_token(url))
            assert await found(client, f"{url}/cgi-bin/user/get", reader) == bare

    with raw_server(answer) as url:
        asyncio.run(main(url))


@pytest.mark.parametrize("code", [40014, 42001])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("unzips", [True, False], ids=["", "by hand"])
def test_a_rejection_is_seen_however_it_comes(code: int, zipped: bool, unzips: bool) -> None:
    body = json.dumps({"errcode": code}).encode()
    encoded = ["Content-Encoding: gzip"] if zipped else []
    body = gzip.compress(body) if zipped else body
    grant = json.dumps({"errcode": 0, "access_token": "N" * 30, "expires_in": 7200}).encode()
    answers = head(len(body), *encoded) + body, head(len(grant)) + grant, head(2) + b"{}"

    async def main(url: str) -> bytes:
        async with (
            attach(ClientSession(auto_decompress=unzips), with_token(url)) as client,
            client.get(f"{url}/cgi-bin/user/get") as response,
        ):
            return await response.read()

    with raw_server(*answers) as url:
        assert asyncio.run(main(url)) == b"{}"


def test_a_download_is_not_read_into_memory() -> None:
    async def main() -> None:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()
            tracemalloc.start()
            async with client.get(f"{app.base_url}/cgi-bin/media/get?media_id={media}") as response:
                opened = tracemalloc.get_traced_memory()[1]
                size = sum([len(piece) async for piece in response.content.iter_chunked(65536)])
            tracemalloc.stop()
            assert size == 20_000_000
            assert opened < 3_000_000

    with platform() as (fake, app):
        media = fake.add_media(b"x" * 20_000_000)
        asyncio.run(main())


def test_a_long_answer_is_waited_for_no_longer_than_a_rejection_is_long() -> None:
    part = LONG[: BODY_LIMIT + 2000]

    async def main(url: str) -> None:
        async with (
            attach(ClientSession(timeout=ClientTimeout(total=10)), with_token(url)) as client,
            client.get(f"{url}/cgi-bin/user/get") as response,
        ):
            assert await response.content.readexactly(len(part)) == part

    with raw_server(head(None) + part, hold=Event()) as url:
        asyncio.run(main(url))


@pytest.mark.parametrize("timeout", [ClientTimeout(total=0.2), ClientTimeout(sock_read=0.2)])
def test_an_answer_that_stalls_is_the_callers_timeout(timeout: ClientTimeout) -> None:
    async def main(url: str) -> None:
        async with attach(ClientSession(timeout=timeout), with_token(url)) as client:
            with pytest.raises(TimeoutError):
                async with client.get(f"{url}/cgi-bin/user/get") as response:
                    await response.read()
            assert not client.connector._acquired  # type: ignore[union-attr]

    with raw_server(head(len(SHORT)) + SHORT[:50], hold=Event()) as url:
        asyncio.run(main(url))


def test_the_control_without_a_look_nothing_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(response: Any, codes: frozenset[int]) -> None:
        return None

    monkeypatch.setattr(middleware, "look", blind)

    async def main() -> Any:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()
            fake.revoke()
            async with client.get(f"{app.base_url}/{GET}") as response:
                return (await response.json())["errcode"]

    with platform() as (fake, app):
        assert asyncio.run(main()) == 40014
