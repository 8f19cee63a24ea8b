"""Trouble by any client: a call ends as it would without us, and shows no token but its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import httpx
import pytest
import requests
import trio
from legacy import CORP, SECRET
from timing import Clock, until

from wecom_auth import AppCredential, MemoryStore, install
from wecom_auth._dropin.inline import InlineSource
from wecom_auth.stores import FileStore
from wecom_auth.testing import FakeWeCom, Request

TLS = ssl.create_default_context()
"""To make one takes longer than a call."""

Answer = tuple[int, str, Any]
"""The status, the URL, and the parsed body."""


def _by_requests(url: str, seconds: float) -> Answer:
    answer = requests.get(url, timeout=seconds)
    return answer.status_code, answer.url, answer.json()


def _by_httpx(url: str, seconds: float) -> Answer:
    answer = httpx.get(url, timeout=seconds, verify=TLS, follow_redirects=True)
    return answer.status_code, str(answer.url), answer.json()


async def _by_async_httpx(url: str, seconds: float) -> Answer:
    async with httpx.AsyncClient(timeout=seconds, verify=TLS, follow_redirects=True) as client:
        answer = await client.get(url)
    return answer.status_code, str(answer.url), answer.json()


async def _by_aiohttp(url: str, seconds: float) -> Answer:
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status, str(answer.url), await answer.json()


def _by_urllib(url: str, seconds: float) -> Answer:
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return answer.status, answer.url, json.load(answer)


ASKS: dict[str, Callable[[str, float], Answer]] = {
    "requests": _by_requests,
    "httpx": _by_httpx,
    "httpx async": lambda *args: asyncio.run(_by_async_httpx(*args)),
    "httpx trio": lambda *args: trio.run(_by_async_httpx, *args),
    "aiohttp": lambda *args: asyncio.run(_by_aiohttp(*args)),
    "urllib": _by_urllib,
}
every_client = pytest.mark.parametrize("client", ASKS)


@pytest.fixture
def fake(clock: Clock) -> FakeWeCom:
    return FakeWeCom(clock=clock)


@pytest.fixture
def base(fake: FakeWeCom, store: MemoryStore) -> Iterator[str]:
    with fake.serve() as url, install(store=store):
        yield f"{url}/cgi-bin"


def gettoken(client: str, base: str, seconds: float = 20) -> Any:
    return ASKS[client](f"{base}/gettoken?corpid={CORP}&corpsecret={SECRET}", seconds)[2]


def get(client: str, base: str, token: str, path: str = "user/get") -> Answer:
    return ASKS[client](f"{base}/{path}?userid=a&access_token={token}", 20)


# --- gettoken ---


@every_client
def test_a_busy_platform_is_asked_again(client: str, base: str, fake: FakeWeCom) -> None:
    fake.fail("busy", path="gettoken", times=1)
    assert gettoken(client, base)["errcode"] == 0
    assert fake.gettoken_calls == 2


@every_client
def test_a_renewal_that_fails_is_answered_with_the_old_token(
    client: str, base: str, fake: FakeWeCom, clock: Clock
) -> None:
    old = gettoken(client, base)["access_token"]
    clock.now += 6000
    fake.fail(45009, path="gettoken")
    assert gettoken(client, base)["access_token"] == old
    assert fake.gettoken_calls == 2


ERRORS: dict[str, tuple[Any, Any]] = {
    "requests": (requests.ConnectionError, requests.Timeout),
    "httpx": (httpx.TransportError, httpx.ReadTimeout),
    "httpx async": (httpx.TransportError, httpx.ReadTimeout),
    "httpx trio": (httpx.TransportError, httpx.ReadTimeout),
    "aiohttp": (aiohttp.ClientConnectionError, asyncio.TimeoutError),
    "urllib": (OSError, OSError),
}


@every_client
def test_who_waits_for_anothers_exchange_gets_its_failure_as_the_clients_own_error(
    client: str, base: str, fake: FakeWeCom, waits: Callable[[], int]
) -> None:
    fake.fail("drop", path="gettoken")
    with ThreadPoolExecutor(2) as pool, fake.hold("gettoken") as hold:
        first = pool.submit(gettoken, "requests", base)
        hold.wait_for(1)
        second = pool.submit(gettoken, client, base)
        until(lambda: waits() == 1)
        hold.release()
        failures = [each.exception() for each in (first, second)]
    assert isinstance(failures[1], ERRORS[client][0])
    assert SECRET not in f"{failures[1]}"


@every_client
def test_who_waits_for_anothers_exchange_has_its_own_limit(
    client: str, base: str, fake: FakeWeCom
) -> None:
    with ThreadPoolExecutor(1) as pool, fake.hold("gettoken") as hold:
        first = pool.submit(gettoken, "requests", base)
        hold.wait_for(1)
        with pytest.raises(ERRORS[client][1]) as caught:
            gettoken(client, base, 0.05)
        hold.release()
        assert first.result()["errcode"] == 0
    assert "imed out" in str(caught.value) or "within" in str(caught.value)


@pytest.fixture
def waits(base: str, store: MemoryStore) -> Callable[[], int]:
    """How many callers have waited for an exchange."""
    source = InlineSource(AppCredential(CORP, SECRET, base_url=base[:-8]), store=store)
    return lambda: source.statistics.waits


def test_an_error_page_in_place_of_a_token_is_urllibs_own_error(base: str, fake: FakeWeCom) -> None:
    fake.fail("outage", path="gettoken")
    with pytest.raises(urllib.error.HTTPError) as caught:
        gettoken("urllib", base)
    with caught.value as page:
        assert (page.code, page.read()[:1]) == (502, b"<")


# --- calls ---


@pytest.mark.parametrize("fault", ["drop", "outage", 45009])
@every_client
def test_while_no_token_can_be_had_the_platforms_own_answer_goes_back(
    client: str, fault: str | int, base: str, fake: FakeWeCom
) -> None:
    token = gettoken(client, base)["access_token"]
    fake.revoke()
    with fake.fail(fault, path="gettoken"):
        for _ in ("rejected", "known to be dead"):
            assert get(client, base, token)[2]["errcode"] == 40014


@every_client
def test_a_redirect_leads_where_it_leads_with_the_own_token(
    client: str, base: str, fake: FakeWeCom
) -> None:
    def moved(request: Request) -> tuple[int, dict[str, str], bytes]:
        return 302, {"Location": f"/cgi-bin/user/get?{request.query}"}, b""

    fake.route("old/get", moved)
    token = gettoken(client, base)["access_token"]
    fake.revoke()
    for _ in ("replaced", "translated"):
        status, url, said = get(client, base, token, "old/get")
        assert (status, said["errcode"]) == (200, 0)
        assert url == f"{base}/user/get?userid=a&access_token={token}"


def test_an_error_of_urllib_shows_the_own_url(base: str, fake: FakeWeCom) -> None:
    fake.route("some/thing", (500, {}, b"oops"))
    token = gettoken("urllib", base)["access_token"]
    fake.revoke()
    assert get("urllib", base, token)[2]["errcode"] == 0
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("urllib", base, token, "some/thing")
    with caught.value as error:
        shown = (error.filename, error.url, error.geturl())
    assert set(shown) == {f"{base}/some/thing?userid=a&access_token={token}"}


@every_client
def test_other_calls_are_let_alone(client: str, base: str, fake: FakeWeCom) -> None:
    fake.route("/elsewhere", {"n": 1}, check_token=False)
    url = f"{base.removesuffix('/cgi-bin')}/elsewhere"
    assert ASKS[client](url, 20) == (200, url, {"n": 1})


def test_what_aiohttp_refuses_it_refuses_itself(base: str) -> None:
    async def main(**options: Any) -> None:
        async with aiohttp.ClientSession() as session:
            await session.get(f"{base}/user/get", **options)

    with pytest.raises(TypeError, match="query"):
        asyncio.run(main(params=object()))


@every_client
def test_over_a_store_that_is_shared(client: str, fake: FakeWeCom, tmp_path: Path) -> None:
    with fake.serve() as url, install(store=FileStore(tmp_path / "store")):
        base = f"{url}/cgi-bin"
        token = gettoken(client, base)["access_token"]
        assert [get(client, base, token)[2]["errcode"] for _ in "12"] == [0, 0]
        assert gettoken(client, base)["access_token"] == token
        fake.revoke()
        assert [get(client, base, token)[2]["errcode"] for _ in "12"] == [0, 0]
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)


# --- patches ---

POINTS = {
    "httpx": (httpx.HTTPTransport, "handle_request"),
    "httpx async": (httpx.AsyncHTTPTransport, "handle_async_request"),
    "aiohttp": (aiohttp.ClientSession, "_request"),
    "urllib": (urllib.request.OpenerDirector, "open"),
}


@pytest.mark.parametrize("client", POINTS)
def test_a_patch_between_two_layers_of_ours_is_called_once(
    client: str, base: str, fake: FakeWeCom
) -> None:
    owner, name = POINTS[client]
    ours, calls = getattr(owner, name), []

    def above(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return ours(*args, **options)

    token = gettoken(client, base)["access_token"]
    fake.revoke()
    with mock.patch.object(owner, name, above), install():
        assert get(client, base, token)[2]["errcode"] == 0
    sent = [each.path for each in fake.journal if each.path == "user/get"]
    assert len(sent) == 2
    assert len(calls) >= 2
