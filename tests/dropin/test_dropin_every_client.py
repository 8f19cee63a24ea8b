"""Code that fetches its token by any client and calls by any other, cached and healed."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import subprocess
import sys
import types
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
from clients import CLIENTS
from legacy import CORP, SECRET, message

from wecom_auth import AppCredential, install
from wecom_auth._dropin import hooks
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom, Request

GETTOKEN = f"cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}"


@pytest.fixture
def url(fake: FakeWeCom) -> Iterator[str]:
    with fake.serve() as url:
        yield url


def send(client: str, url: str, token: str, text: str = "x") -> int:
    there = f"{url}/cgi-bin/message/send?access_token={token}"
    code: int = CLIENTS[client](there, message(text))["errcode"]
    return code


def gettoken(client: str, url: str) -> str:
    answer = CLIENTS[client](f"{url}/{GETTOKEN}")
    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    token: str = answer["access_token"]
    return token


@pytest.mark.parametrize("client", CLIENTS)
def test_a_revocation_goes_unnoticed(client: str, url: str, fake: FakeWeCom) -> None:
    with install() as installed:
        token = gettoken(client, url)
        assert gettoken(client, url) == token
        assert send(client, url, token, "1") == 0
        fake.revoke()
        assert [send(client, url, token, text) for text in "234"] == [0, 0, 0]
        assert installed.statistics.healed >= 3
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)
    assert sorted(each["text"]["content"] for each in fake.messages) == list("1234")


@pytest.mark.parametrize("client", CLIENTS)
def test_control_without_it_each_call_is_lost(client: str, url: str, fake: FakeWeCom) -> None:
    token = gettoken(client, url)
    gettoken(client, url)
    fake.revoke()
    assert send(client, url, token) == 40014
    assert fake.gettoken_calls == 2


RING = list(zip(CLIENTS, [*CLIENTS][1:] + [*CLIENTS][:1], strict=True))
"""Each client fetches once, and each calls once; all pairs are for `-m storm`."""


@pytest.mark.parametrize(
    ("fetches", "calls"),
    [
        pair if pair in RING else pytest.param(*pair, marks=pytest.mark.storm)
        for pair in itertools.permutations(CLIENTS, 2)
    ],
)
def test_fetched_by_one_client_and_used_by_another(
    fetches: str, calls: str, url: str, fake: FakeWeCom
) -> None:
    with install():
        token = gettoken(fetches, url)
        fake.revoke()
        assert send(calls, url, token) == 0
        assert gettoken(fetches, url) != token
    assert fake.gettoken_calls == 2


def test_a_cold_start_by_all_clients_at_once_is_one_exchange(url: str, fake: FakeWeCom) -> None:
    with install(), ThreadPoolExecutor(16) as pool, fake.hold("gettoken") as hold:
        asking = [pool.submit(gettoken, client, url) for client in [*CLIENTS, *CLIENTS]]
        hold.wait_for(1)
        hold.release()
        assert len({each.result(30) for each in asking}) == 1
    assert fake.gettoken_calls == 1


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_many_tasks_cold_and_revoked(library: Any, url: str, fake: FakeWeCom) -> None:
    async def work() -> None:
        async with library.AsyncClient() as client:

            async def one(number: int) -> None:
                answer = (await client.get(f"{url}/{GETTOKEN}")).json()
                there = f"{url}/cgi-bin/message/send?access_token={answer['access_token']}"
                done = await client.post(there, json=message(f"{number}"))
                assert done.json()["errcode"] == 0

            for life in (1, 2):
                await asyncio.gather(*(one(number) for number in range(30)))
                assert fake.gettoken_calls == life
                fake.revoke()

    with install():
        asyncio.run(work())
    assert len(fake.messages) == 60


def test_a_first_task_that_is_cancelled_leaves_the_exchange_to_the_others(
    url: str, fake: FakeWeCom
) -> None:
    async def work() -> None:
        async with httpx.AsyncClient() as client:
            with fake.hold("gettoken") as hold:
                first = asyncio.create_task(client.get(f"{url}/{GETTOKEN}"))
                await asyncio.to_thread(hold.wait_for, 1)
                second = asyncio.create_task(client.get(f"{url}/{GETTOKEN}"))
                await asyncio.sleep(0)
                first.cancel()
                hold.release()
            assert (await second).json()["errcode"] == 0

    with install():
        asyncio.run(work())
    assert fake.gettoken_calls == 1


# --- errors ---

NETWORK = {
    "requests": requests.ConnectionError,
    "httpx": httpx.TransportError,
    "httpx async": httpx.TransportError,
    "httpx2": httpx2.TransportError,
    "httpx2 trio": httpx2.TransportError,
    "aiohttp": aiohttp.ClientError,
    "urllib": (urllib.error.URLError, ConnectionError),
}


@pytest.mark.parametrize("client", NETWORK)
def test_the_networks_own_error_reaches_the_caller(client: str, url: str, fake: FakeWeCom) -> None:
    fake.fail("drop", path="gettoken")
    with install(), pytest.raises(NETWORK[client]):
        gettoken(client, url)
    with install(), pytest.raises(NETWORK[client]):
        send(client, "http://127.0.0.1:9", "T")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_is_the_platforms_own_and_then_one_like_it(
    client: str, url: str, fake: FakeWeCom
) -> None:
    fake.app(CORP, "another")
    with install():
        codes = [CLIENTS[client](f"{url}/{GETTOKEN}")["errcode"] for _ in range(3)]
    assert codes == [40001] * 3
    assert fake.gettoken_calls == 1


# --- bodies ---


def bodies(text: str) -> dict[str, Any]:
    content = json.dumps(message(text)).encode()
    return {
        "bytes": lambda: content,
        "file": lambda: io.BytesIO(content),
        "a file that stands further on": lambda: _further_on(content),
        "generator": lambda: iter([content[:10], content[10:]]),
    }


def _further_on(content: bytes) -> io.BytesIO:
    file = io.BytesIO(b"skip" + content)
    file.seek(4)
    return file


SENDS: dict[str, Any] = {
    "httpx": lambda url, body: httpx.post(url, content=body).json(),
    "httpx2": lambda url, body: httpx2.post(url, content=body).json(),
    "urllib": lambda url, body: json.load(
        urllib.request.urlopen(
            urllib.request.Request(url, body, {"Content-Type": "application/json"})
        )
    ),
    "aiohttp": lambda url, body: asyncio.run(_by_aiohttp(url, body)),
}


async def _by_aiohttp(url: str, body: Any) -> Any:
    async def pieces() -> Any:
        for piece in body:
            yield piece

    data = pieces() if not isinstance(body, bytes | io.BytesIO) else body
    async with aiohttp.ClientSession() as session, session.post(url, data=data) as answer:
        return await answer.json()


PAIRS = [
    (client, body)
    for client in SENDS
    for body in bodies("")
    if (client, body) != ("httpx", "a file that stands further on")  # it states the whole length
]


@pytest.mark.parametrize(("client", "body"), PAIRS)
def test_a_body_arrives_whole_or_is_not_sent_again(
    client: str, body: str, url: str, fake: FakeWeCom
) -> None:
    with install():
        token = gettoken("requests", url)
        fake.revoke()
        there = f"{url}/cgi-bin/message/send?access_token={token}"
        code = SENDS[client](there, bodies("whole")[body]())["errcode"]
    assert code == 40014 if body == "generator" else code in (0, 40014)
    assert fake.messages == ([message("whole")] if code == 0 else [])
    assert code == 0 or body == "generator" or client == "aiohttp"


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_multipart_of_a_file(library: Any, url: str, fake: FakeWeCom) -> None:
    with install():
        token = gettoken("requests", url)
        fake.revoke()
        there = f"{url}/cgi-bin/media/upload?type=file&access_token={token}"
        files = {"media": ("a.txt", io.BytesIO(b"content" * 999))}
        assert library.post(there, files=files).json()["errcode"] == 0
    assert [each.content for each in fake.uploads] == [b"content" * 999]


# --- answers come back as they are ---

LONG = json.dumps({"errcode": 0, "text": "42001 " * 20_000}).encode()
ANSWERS = {
    "short": ({"Content-Type": "application/json"}, b'{"errcode": 0, "n": 42001}'),
    "long": ({"Content-Type": "application/json"}, LONG),
    "file": ({"Content-Disposition": "attachment"}, b'{"errcode":42001}'),
    "gzip": (
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        gzip.compress(b'{"errcode": 0, "n": 42001}'),
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_given_back_whole(answer: str, url: str, fake: FakeWeCom) -> None:
    headers, content = ANSWERS[answer]

    def reply(_: Request) -> tuple[int, dict[str, str], bytes]:
        return 200, headers, content

    fake.route("some/thing", reply)
    plain = gzip.decompress(content) if answer == "gzip" else content
    with install():
        there = f"{url}/cgi-bin/some/thing?access_token={gettoken('requests', url)}"
        for library in (httpx, httpx2):
            with library.stream("GET", there) as response:
                assert b"".join(response.iter_raw()) == content
            assert library.get(there).content == plain
        with urllib.request.urlopen(there) as response:
            assert response.read(3) + response.read() == content
        assert asyncio.run(_streamed(there)) == plain
    assert fake.gettoken_calls == 1


async def _streamed(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return b"".join([piece async for piece in response.content.iter_any()])


@pytest.mark.parametrize("client", ["httpx", "urllib", "aiohttp"])
def test_the_caller_sees_its_own_token(client: str, url: str, fake: FakeWeCom) -> None:
    with install():
        token = gettoken("requests", url)
        fake.revoke()
        there = f"{url}/cgi-bin/user/get?userid=a&access_token={token}"
        for _ in ("replaced", "translated"):
            if client == "httpx":
                assert str(httpx.get(there).url) == there
            elif client == "urllib":
                with urllib.request.urlopen(there) as response:
                    assert response.url == there
            else:
                assert asyncio.run(_url_of(there)) == (there, there)


async def _url_of(url: str) -> tuple[str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return str(response.url), str(response.request_info.url)


# --- patches ---


def test_everything_is_put_back(url: str) -> None:
    points = [
        (requests.Session, "get_adapter"),
        (httpx.HTTPTransport, "handle_request"),
        (httpx2.AsyncHTTPTransport, "handle_async_request"),
        (aiohttp.ClientSession, "_request"),
        (urllib.request.OpenerDirector, "open"),
    ]
    plain = [getattr(*point) for point in points]
    with install():
        assert not any(getattr(*point) is was for point, was in zip(points, plain, strict=True))
    assert all(getattr(*point) is was for point, was in zip(points, plain, strict=True))
    assert hooks.owners() is None


def test_an_installation_for_one_app_heals_every_client(url: str, fake: FakeWeCom) -> None:
    app = AppCredential(CORP, SECRET, base_url=url)
    token = fake.issue(CORP, SECRET)
    fake.revoke()
    with install(sole_app=app):
        assert {send(client, url, token) for client in CLIENTS} == {0}
    assert fake.gettoken_calls == 1


def test_nothing_is_left_running(url: str, fake: FakeWeCom) -> None:
    with install():
        for client in CLIENTS:
            gettoken(client, url)
    assert not process.held.flights


# --- libraries that come later ---

LATER = """
import sys
import wecom_auth
installed = wecom_auth.install()
late = ("httpx", "httpx2", "aiohttp")
assert not any(name in sys.modules for name in late)
import httpx, httpx2, aiohttp
assert all("_dropin" in each.__code__.co_filename for each in (
    httpx.HTTPTransport.handle_request,
    httpx2.AsyncHTTPTransport.handle_async_request,
    aiohttp.ClientSession._request,
))
assert httpx.__spec__.loader is httpx.__loader__
assert type(httpx.__loader__).__name__ == "SourceFileLoader"
installed.uninstall()
assert "_dropin" not in httpx.HTTPTransport.handle_request.__code__.co_filename
assert not any(type(each).__name__ == "Watch" for each in sys.meta_path)
"""


def test_a_library_that_is_imported_later_is_covered_from_then_on() -> None:
    """And none is imported for us."""
    subprocess.run([sys.executable, "-W", "error", "-c", LATER], check=True, timeout=60)


def test_a_stub_of_a_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", types.ModuleType("aiohttp"))
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with install():
        assert httpx.HTTPTransport.handle_request.__code__.co_filename.endswith("httpx.py")


def fails(*_: Any) -> Any:
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("client", "call"),
    [
        ("requests", "requests.RequestsCall"),
        ("httpx", "httpx.SyncCall"),
        ("httpx async", "httpx.AsyncCall"),
        ("aiohttp", "aiohttp.AiohttpCall"),
        ("urllib", "urllib.UrllibCall"),
    ],
)
def test_a_mistake_in_a_look_leaves_the_answer_as_it_is(
    client: str,
    call: str,
    url: str,
    fake: FakeWeCom,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with install():
        token = gettoken(client, url)
        monkeypatch.setattr(f"wecom_auth._dropin.{call}.errcode", fails)
        assert send(client, url, token) == 0
    assert "in fails" in caplog.text
    assert len(fake.messages) == 1


@pytest.mark.parametrize("client", ["httpx", "aiohttp", "urllib", "httpx async"])
def test_a_mistake_of_ours_lets_the_call_go_its_own_way(
    client: str,
    url: str,
    fake: FakeWeCom,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("wecom_auth._dropin.gettoken.credential_of", fails)
    monkeypatch.setattr("wecom_auth._dropin.owner.Owners.find", fails)
    with install():
        token = gettoken(client, url)
        assert send(client, url, token) == 0
    assert "in fails" in caplog.text
    assert len(fake.messages) == 1
