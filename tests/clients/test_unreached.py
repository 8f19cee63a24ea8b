"""A failure of an exchange says why, in two languages, whichever client met it."""

from __future__ import annotations

import asyncio
import gc
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import URLError

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trouble
from ways import CORP, SECRET, head, raw_server

from wecom_auth import (
    AppCredential,
    TokenConnectionError,
    TokenTimeout,
    TokenUnavailable,
    WeComError,
    attach,
)
from wecom_auth._credential.exchange import unreached

# A client whose TLS fails leaves its socket to the collector, which comes in any later test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Call = Callable[[AppCredential, str, float], None]


@pytest.fixture(scope="module", autouse=True)
def _no_socket_is_left_to_the_next_file() -> Iterator[None]:
    yield
    gc.collect()


def by_requests(app: AppCredential, url: str, seconds: float) -> None:
    attach(requests.Session(), app).get(url, timeout=(seconds / 2, seconds / 2))


def by_urllib(app: AppCredential, url: str, seconds: float) -> None:
    attach(urllib.request.build_opener(), app).open(url, timeout=seconds / 2)


def by_sync(library: Any) -> Call:
    def call(app: AppCredential, url: str, seconds: float) -> None:
        with attach(library.Client(timeout=seconds / 2), app) as client:
            client.get(url)

    return call


def by_async(library: Any) -> Call:
    def call(app: AppCredential, url: str, seconds: float) -> None:
        async def get() -> None:
            async with attach(library.AsyncClient(timeout=seconds / 2), app) as client:
                await client.get(url)

        asyncio.run(get())

    return call


def by_aiohttp(app: AppCredential, url: str, seconds: float) -> None:
    async def get() -> None:
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with attach(aiohttp.ClientSession(timeout=timeout), app) as client:
            await client.get(url)

    asyncio.run(get())


CLIENTS: dict[str, tuple[Call, type[Exception]]] = {
    "requests": (by_requests, requests.RequestException),
    "httpx": (by_sync(httpx), httpx.RequestError),
    "httpx, async": (by_async(httpx), httpx.RequestError),
    "httpx2": (by_sync(httpx2), httpx2.RequestError),
    "httpx2, async": (by_async(httpx2), httpx2.RequestError),
    "aiohttp": (by_aiohttp, aiohttp.ClientError),
    "urllib": (by_urllib, URLError),
}
PLACES: dict[str, tuple[str, type[TokenUnavailable], Any]] = {
    "no such host": ("dns", TokenConnectionError, trouble.no_such_host),
    "nobody listens": ("refused", TokenConnectionError, trouble.nobody_listens),
    "hangs up": ("reset", TokenConnectionError, trouble.hanging_up),
    "no TLS there": ("tls_plain", TokenConnectionError, trouble.plain_http_called_by_https),
    "an unknown CA": ("tls_ca", TokenConnectionError, lambda: trouble.tls("good")),
}


def failure(client: str, url: str, seconds: float = 5.0) -> WeComError:
    call, own = CLIENTS[client]
    app = AppCredential(CORP, SECRET, base_url=url, allow_http=True)
    with pytest.raises(WeComError) as caught:
        call(app, f"{url}/cgi-bin/user/get", seconds)
    assert isinstance(caught.value, own)
    return caught.value


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("cause", "kind", "place"), PLACES.values(), ids=PLACES)
def test_a_failure_of_the_network_names_its_cause(
    client: str, cause: str, kind: type[TokenUnavailable], place: Any
) -> None:
    with place() as url:
        error = failure(client, url)
    assert (error.cause, isinstance(error, kind)) == (cause, True)
    assert error.advice in str(error)
    assert error.advice_zh not in ("", error.advice)
    assert SECRET not in repr((str(error), error.args, vars(error)))
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("client", sorted({*CLIENTS} - {"aiohttp"}))  # its own timeout is first
def test_silence_is_a_timeout(client: str) -> None:
    with trouble.silent() as url:
        error = failure(client, url, 0.3)
    assert (error.cause, isinstance(error, TokenTimeout)) == ("timeout_read", True)


@pytest.mark.parametrize("client", sorted({*CLIENTS} - {"urllib"}))  # its `read1` sees no length
def test_an_answer_that_is_cut_off_is_a_reset(client: str) -> None:
    with raw_server(head(500) + b'{"errcode":0,') as url:
        error = failure(client, url)
    assert (error.cause, isinstance(error, TokenConnectionError)) == ("reset", True)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_no_room_in_a_pool_is_a_timeout_too(library: Any) -> None:
    error = unreached(library.PoolTimeout("full"), "https://h/p", 3)
    assert (error.cause, isinstance(error, TokenTimeout)) == ("timeout_connect", True)
