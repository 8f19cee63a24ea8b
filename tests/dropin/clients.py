"""How code asks, over each client."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import requests
import trio

Ask = Callable[..., dict[str, Any]]
"""Takes a URL and perhaps a JSON body; returns the parsed answer."""


def by_requests(url: str, body: Any = None) -> Any:
    return requests.request("GET" if body is None else "POST", url, json=body).json()


def by_urllib(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data) as answer:
        return json.load(answer)


def _by(library: Any) -> Ask:
    """Without the list of CAs, which takes most of the time and no call to loopback needs."""

    def ask(url: str, body: Any = None) -> Any:
        with library.Client(verify=False) as client:
            return client.request("GET" if body is None else "POST", url, json=body).json()

    return ask


def _by_async(library: Any, run: Any) -> Ask:
    def ask(url: str, body: Any = None) -> Any:
        async def main() -> Any:
            async with library.AsyncClient(verify=False) as client:
                method = "GET" if body is None else "POST"
                return (await client.request(method, url, json=body)).json()

        return run(main)

    return ask


def by_aiohttp(url: str, body: Any = None) -> Any:
    async def main() -> Any:
        method = "GET" if body is None else "POST"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body) as answer,
        ):
            return await answer.json()

    return asyncio.run(main())


def _asyncio(main: Any) -> Any:
    return asyncio.run(main())


CLIENTS: dict[str, Ask] = {
    "requests": by_requests,
    "httpx": _by(httpx),
    "httpx async": _by_async(httpx, _asyncio),
    "httpx2": _by(httpx2),
    "httpx2 async": _by_async(httpx2, _asyncio),
    "httpx2 trio": _by_async(httpx2, trio.run),
    "aiohttp": by_aiohttp,
    "urllib": by_urllib,
}
