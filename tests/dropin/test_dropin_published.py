"""Clients over httpx, aiohttp and urllib: published ones unmodified, and idioms as people write."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from detour import HOST
from legacy import CORP, SECRET, message

from wecom_auth import install
from wecom_auth.testing import FakeWeCom

pytestmark = pytest.mark.filterwarnings(  # they leave their connections open
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

Send = Callable[[str], object]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWeCom]:
    fake = FakeWeCom()
    with fake.serve() as url:
        detour(url, monkeypatch)
        yield fake


def detour(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring what is sent to the platform to the fake, below everything that clients do."""
    host = httpx.URL(there)

    def moved(library: Any, request: Any) -> Any:
        if request.url.host not in HOST:
            return request
        url = request.url.copy_with(scheme="http", host=host.host, port=host.port)
        headers = {**request.headers, "host": f"{host.host}:{host.port}"}
        return library.Request(
            request.method, url, headers=headers, stream=request.stream,
            extensions=request.extensions,
        )  # fmt: skip

    def patch(library: Any) -> None:
        plain = library.HTTPTransport.handle_request
        plain_async = library.AsyncHTTPTransport.handle_async_request

        async def handle_async_request(self: Any, request: Any) -> Any:
            return await plain_async(self, moved(library, request))

        monkeypatch.setattr(
            library.HTTPTransport,
            "handle_request",
            lambda self, request: plain(self, moved(library, request)),
        )
        monkeypatch.setattr(
            library.AsyncHTTPTransport, "handle_async_request", handle_async_request
        )

    for library in (httpx, httpx2):
        patch(library)
    plain_open, plain_request = urllib.request.OpenerDirector.open, aiohttp.ClientSession._request

    def open(self: Any, fullurl: Any, data: Any = None, timeout: Any = 30) -> Any:
        if isinstance(fullurl, str):
            return plain_open(self, fullurl.replace(HOST, there), data, timeout)
        fullurl.full_url = fullurl.full_url.replace(HOST, there)
        return plain_open(self, fullurl, data, timeout)

    async def _request(self: Any, method: str, url: Any, **options: Any) -> Any:
        return await plain_request(self, method, str(url).replace(HOST, there), **options)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", open)
    monkeypatch.setattr(aiohttp.ClientSession, "_request", _request)


def published(name: str) -> Any:
    """Return the client's module; where CI runs it has to be there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if os.environ.get("CI"):
            return import_module(name)
        return pytest.importorskip(name, reason="pip install '.[dev]' brings the clients")


def on_a_loop(send: Any) -> Send:
    """Run each message on one event loop, as a service does."""
    runner = asyncio.Runner()
    loops.append(runner)
    return lambda text: runner.run(send(text))


loops: list[asyncio.Runner] = []


@pytest.fixture(autouse=True)
def _close_loops() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # here, not in the middle of another test
        while loops:
            loops.pop().close()
        gc.collect()


# --- published ---


def wecomkit() -> Send:
    """One AsyncClient with a base_url; the token in memory with its end."""
    base, config = published("wecomkit.base"), published("wecomkit.config")

    async def send(text: str) -> None:
        client = clients[0] if clients else None
        if client is None:
            settings = config.WeComConfig(CORP, SECRET)
            clients.append(client := base.AsyncWeComHTTPClient(settings))
        await client.request("POST", "/cgi-bin/message/send", json=message(text))

    clients: list[Any] = []
    return on_a_loop(send)


def wecom_sdk() -> Send:
    """An AsyncClient for each call, `params=`; the token in an attribute until its end."""
    client = published("wecom_sdk.modules.message").WecomMessageClient(CORP, SECRET)

    types = published("wecom_sdk.schemas.message")

    async def send(text: str) -> None:
        await client.send_message(types.MessageParams(**message(text)))

    return on_a_loop(send)


def py_wecom_toolkit() -> Send:
    """A Client; the token in a cache of its own for 6900 s."""
    client, text_message, cache = _toolkit()
    sender = client.Client(CORP, SECRET, agentid=1, cache=cache)
    return lambda text: sender.send(text_message(text))


def py_wecom_toolkit_async() -> Send:
    """The same with an AsyncClient."""
    client, text_message, cache = _toolkit()
    sender = client.AsyncClient(CORP, SECRET, agentid=1, cache=cache)

    async def send(text: str) -> None:
        await sender.send(text_message(text))

    return on_a_loop(send)


def _toolkit() -> Any:
    client = published("py_wecom_toolkit.server.message.client")
    types = published("py_wecom_toolkit.server.message.msgtype")
    cache = published("py_wecom_toolkit.server.cache").AccessTokenMemoryCache()
    return client, lambda text: types.TextMessage(**message(text)), cache


def py_easy_wecom() -> Send:
    """The token in an attribute, put into `params=`; refreshed when it is asked to."""
    server = published("py_easy_wecom.server.message").Message(
        corpid=CORP, corpsecret=SECRET, agentid=1
    )
    server.refresh_access_token()
    return lambda text: server.send(json=message(text))


def wecom_smartsheet() -> Send:
    """An opener of urllib; `Request` objects; the token in an attribute; its own second try."""
    client = published("wecom_smartsheet.client").WeComSmartSheetClient(CORP, SECRET)
    return lambda text: client._post_json("/cgi-bin/message/send", message(text))


# --- idioms ---


def httpx_for_every_message() -> Send:
    def send(text: str) -> None:
        query = {"corpid": CORP, "corpsecret": SECRET}
        token = httpx.get(f"{HOST}/cgi-bin/gettoken", params=query).json()["access_token"]
        httpx.post(f"{HOST}/cgi-bin/message/send?access_token={token}", json=message(text))

    return send


def httpx2_in_the_constructor() -> Send:
    client = httpx2.Client(base_url=HOST, timeout=10)
    query = {"corpid": CORP, "corpsecret": SECRET}
    client.params = {
        "access_token": client.get("/cgi-bin/gettoken", params=query).json()["access_token"]
    }
    return lambda text: client.post("/cgi-bin/message/send", json=message(text))


def aiohttp_bot() -> Send:
    kept: dict[str, Any] = {"until": 0.0}

    async def send(text: str) -> None:
        async with aiohttp.ClientSession() as session:
            if time.time() > kept["until"]:
                query = {"corpid": CORP, "corpsecret": SECRET}
                async with session.get(f"{HOST}/cgi-bin/gettoken", params=query) as answer:
                    data = await answer.json()
                kept.update(token=data["access_token"], until=time.time() + data["expires_in"])
            query = {"access_token": kept["token"]}
            url = f"{HOST}/cgi-bin/message/send"
            async with session.post(url, params=query, json=message(text)) as answer:
                await answer.text()

    return on_a_loop(send)


def urllib_alert() -> Send:
    """Zabbix's alert scripts: two functions, a gettoken for every message."""

    def gettoken() -> str:
        url = f"{HOST}/cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}"
        token: str = json.loads(urllib.request.urlopen(url).read().decode())["access_token"]
        return token

    def send(text: str) -> None:
        url = f"{HOST}/cgi-bin/message/send?access_token={gettoken()}"
        request = urllib.request.Request(url, json.dumps(message(text)).encode())
        urllib.request.urlopen(request).read()

    return send


def urllib_once() -> Send:
    query = urllib.parse.urlencode({"corpid": CORP, "corpsecret": SECRET})
    with urllib.request.urlopen(f"{HOST}/cgi-bin/gettoken?{query}") as answer:
        token = json.load(answer)["access_token"]

    def send(text: str) -> None:
        url = f"{HOST}/cgi-bin/message/send?access_token={token}"
        with urllib.request.urlopen(url, data=json.dumps(message(text)).encode()) as answer:
            answer.read()

    return send


HALF = 3
"""So many messages before the revocation, and so many after it."""

EXPECTED = {
    wecomkit: (HALF, 1),
    wecom_sdk: (HALF, 1),
    py_wecom_toolkit: (HALF, 1),
    py_wecom_toolkit_async: (HALF, 1),
    py_easy_wecom: (HALF, 1),
    wecom_smartsheet: (0, 2),  # heals itself
    httpx_for_every_message: (0, 2 * HALF),
    httpx2_in_the_constructor: (HALF, 1),
    aiohttp_bot: (HALF, 1),
    urllib_alert: (0, 2 * HALF),
    urllib_once: (HALF, 1),
}
"""Each client, and what it loses and fetches by itself."""


def send_all(make: Callable[[], Send], fake: FakeWeCom) -> list[str]:
    send = make()
    for number in range(2 * HALF):
        if number == HALF:
            fake.revoke()
        try:
            send(f"message {number}")
        except Exception as error:
            assert "40014" in str(error)  # noqa: PT017 (lost, and its client says so)
    return [each["text"]["content"] for each in fake.messages]


@pytest.mark.parametrize("client", EXPECTED)
def test_every_message_arrives_with_two_gettoken(
    client: Callable[[], Send], fake: FakeWeCom
) -> None:
    with install():
        delivered = send_all(client, fake)
    assert len(delivered) == len(set(delivered)) == 2 * HALF
    assert fake.gettoken_calls == 2


@pytest.mark.parametrize("client", EXPECTED)
def test_control_without_it_they_lose_messages_or_fetch_too_often(
    client: Callable[[], Send], fake: FakeWeCom
) -> None:
    delivered = send_all(client, fake)
    assert (2 * HALF - len(delivered), fake.gettoken_calls) == EXPECTED[client]
