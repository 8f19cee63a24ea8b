"""`fake.mocked()` and the guard for every HTTP client, each asked as a program asks it."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trio

from wecom_auth.testing import FakeWeCom
from wecom_auth.testing._guard import guard

from .conftest import text

HOST = "https://qyapi.weixin.qq.com"
GETTOKEN = f"{HOST}/cgi-bin/gettoken?corpid=c&corpsecret=s"
Answer = tuple[int, Any]


def by_requests(url: str, body: Any = None, timeout: float = 20) -> Answer:
    answer = requests.request("POST" if body else "GET", url, json=body, timeout=timeout)
    return answer.status_code, answer.content


def by_urllib(url: str, body: Any = None, timeout: float = 20) -> Answer:
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=timeout) as answer:
        return answer.status, answer.read()


def _httpx(library: Any) -> Callable[..., Answer]:
    def ask(url: str, body: Any = None, timeout: float = 20) -> Answer:
        method = "POST" if body else "GET"
        answer = library.request(method, url, json=body, timeout=timeout, verify=False)
        return answer.status_code, answer.content

    return ask


def _async_httpx(library: Any, run: Callable[..., Any]) -> Callable[..., Answer]:
    async def ask(url: str, body: Any, timeout: float) -> Answer:
        async with library.AsyncClient(timeout=timeout, verify=False) as client:
            answer = await client.request("POST" if body else "GET", url, json=body)
            return answer.status_code, answer.content

    return lambda url, body=None, timeout=20: run(ask, url, body, timeout)


def _by_asyncio(work: Any, *args: Any) -> Any:
    return asyncio.run(work(*args))


def by_aiohttp(url: str, body: Any = None, timeout: float = 20) -> Answer:
    async def ask() -> Answer:
        limit = aiohttp.ClientTimeout(timeout)
        method = "POST" if body else "GET"
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request(method, url, json=body) as answer,
        ):
            return answer.status, await answer.read()

    return asyncio.run(ask())


CLIENTS: dict[str, Callable[..., Answer]] = {
    "requests": by_requests,
    "urllib": by_urllib,
    "httpx": _httpx(httpx),
    "httpx2": _httpx(httpx2),
    "httpx async": _async_httpx(httpx, _by_asyncio),
    "httpx2 async": _async_httpx(httpx2, _by_asyncio),
    "httpx trio": _async_httpx(httpx, trio.run),
    "aiohttp": by_aiohttp,
}
BROKEN = (
    requests.ConnectionError,
    urllib.error.URLError,
    ConnectionError,
    httpx.TransportError,
    httpx2.TransportError,
    aiohttp.ClientError,
)
LATE = (TimeoutError, requests.Timeout, httpx.TimeoutException, httpx2.TimeoutException)


@pytest.fixture(params=CLIENTS)
def ask(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    return CLIENTS[request.param]


@pytest.fixture(autouse=True)
def _no_patch_is_left_behind() -> Iterator[None]:
    def patched() -> list[Any]:
        methods = [
            (library, name)
            for library in (httpx, httpx2)
            for name in ("HTTPTransport.handle_request", "AsyncHTTPTransport.handle_async_request")
        ]
        methods += [
            (aiohttp, "TCPConnector._create_connection"),
            (urllib.request, "AbstractHTTPHandler.do_open"),
        ]
        found = []
        for library, name in methods:
            kind, _, method = name.partition(".")
            found.append(getattr(getattr(library, kind), method))
        return [*found, *sys.meta_path]

    before, threads = patched(), set(threading.enumerate())
    yield
    assert patched() == before
    left = [t for t in set(threading.enumerate()) - threads if t.name.startswith("Thread-")]
    assert left == [], "a server of the fake's is still there"


def test_a_client_is_answered_in_this_process(fake: FakeWeCom, ask: Callable[..., Answer]):
    with fake.mocked():
        status, content = ask(GETTOKEN)
        token = json.loads(content)["access_token"]
        url = f"{HOST}/cgi-bin/message/send?access_token={token}"
        assert json.loads(ask(url, text("企业微信"))[1])["errcode"] == 0
    assert status == 200
    fake.assert_delivered("text", times=1, text={"content": "企业微信"})
    assert fake.journal[0].query == "corpid=c&corpsecret=***"
    assert fake.journal[0].url_path == "/cgi-bin/gettoken"


def test_a_broken_connection_is_the_clients_own_error(fake: FakeWeCom, ask: Callable[..., Answer]):
    for fault in ("drop", "reset"):
        with fake.mocked(), fake.fail(fault), pytest.raises(BROKEN):  # type: ignore[arg-type]
            ask(GETTOKEN)


def test_a_timeout_is_the_clients_own_error(fake: FakeWeCom, ask: Callable[..., Answer]):
    with fake.mocked(), fake.fail("hang"), pytest.raises(LATE):
        ask(GETTOKEN, timeout=0.2)


def test_a_gzipped_answer_is_the_clients_to_decode(fake: FakeWeCom, ask: Callable[..., Answer]):
    fake.route("x", (200, {"Content-Encoding": "gzip"}, b'{"errcode": 0}'), check_token=False)
    with fake.mocked():
        content = ask(f"{HOST}/cgi-bin/x")[1]
    decoded = content if content.startswith(b"{") else gzip.decompress(content)
    assert decoded == b'{"errcode": 0}'


def test_other_hosts_are_as_reachable_as_before(fake: FakeWeCom, ask: Callable[..., Answer]):
    fake.route("elsewhere", {"errcode": 5}, check_token=False)
    other = FakeWeCom()
    other.route("elsewhere", {"errcode": 6}, check_token=False)
    with other.serve() as url, fake.mocked():
        assert json.loads(ask(f"{url}/cgi-bin/elsewhere")[1])["errcode"] == 6
    assert fake.journal == []


def test_many_are_held_at_once_and_no_event_loop_stands_still(fake: FakeWeCom):
    many = 60

    async def ask(client: Any) -> int:
        return int((await client.get(GETTOKEN)).json()["errcode"])

    async def all_of_them() -> list[int]:
        async with httpx.AsyncClient(timeout=None, verify=False) as client:
            asked = [asyncio.create_task(ask(client)) for _ in range(many)]
            await asyncio.to_thread(hold.wait_for, many)
            hold.release()
            return await asyncio.gather(*asked)

    with fake.mocked(), fake.hold() as hold:
        assert asyncio.run(all_of_them()) == [0] * many


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_held_call_can_be_cancelled(fake: FakeWeCom, library: Any):
    async def cancel() -> None:
        async with (
            library.AsyncClient(timeout=None, verify=False) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.get, GETTOKEN)
            await trio.to_thread.run_sync(hold.wait_for, 1)
            nursery.cancel_scope.cancel()

    with fake.mocked(), ThreadPoolExecutor(1) as pool, fake.hold() as hold:
        pool.submit(trio.run, cancel).result(5)  # while it is still held


def test_who_hangs_without_a_timeout_is_let_go_at_the_end(
    fake: FakeWeCom, ask: Callable[..., Answer]
):
    fault = fake.fail("hang")
    with ThreadPoolExecutor(1) as pool:
        with fake.mocked():
            hung = pool.submit(ask, GETTOKEN, None, None)
            fault.wait_for(1)
        assert isinstance(hung.exception(10), BROKEN)


def test_an_httpx_body_that_is_a_generator_arrives(fake: FakeWeCom):
    url = f"{HOST}/cgi-bin/message/send?access_token={fake.issue('c', 's')}"
    body = json.dumps(text("in pieces")).encode()
    with fake.mocked():
        httpx.post(url, content=(body[i : i + 9] for i in range(0, len(body), 9)))
        urllib.request.urlopen(urllib.request.Request(url, iter([body[:5], body[5:]]))).close()
    fake.assert_delivered("text", times=2, text={"content": "in pieces"})


def test_a_stream_is_read_as_one(fake: FakeWeCom):
    url = f"{HOST}/cgi-bin/media/get?access_token={fake.issue('c', 's')}"
    url += "&media_id=" + fake.add_media(b"x" * 100_000)
    with fake.mocked(), httpx.stream("GET", url) as answer:
        assert sum(map(len, answer.iter_bytes(1000))) == 100_000


# --- the user's own mocks ---


def test_a_transport_that_the_user_has_replaced_stays_theirs(fake: FakeWeCom):
    def theirs(self: Any, request: Any) -> Any:
        return httpx.Response(200, json={"errcode": 77})

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(httpx.HTTPTransport, "handle_request", theirs)
        with fake.mocked():
            assert httpx.get(GETTOKEN).json()["errcode"] == 77
            assert httpx2.get(GETTOKEN).json()["errcode"] == 0
        assert httpx.HTTPTransport.handle_request is theirs


def test_a_transport_that_the_user_replaces_inside_is_theirs(fake: FakeWeCom):
    with fake.mocked(), pytest.MonkeyPatch.context() as patching:
        answer = {"errcode": 77}
        patching.setattr(
            httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(200, json=answer)
        )
        assert httpx.get(GETTOKEN).json()["errcode"] == 77
    assert fake.journal == []


@pytest.mark.parametrize("outside", [True, False])
def test_routes_of_respx_win_and_the_rest_is_the_fakes(fake: FakeWeCom, outside: bool):
    respx = pytest.importorskip("respx")
    mock = respx.mock(assert_all_called=False)
    blocks = [mock, fake.mocked()] if outside else [fake.mocked(), mock]
    with blocks[0], blocks[1]:
        mock.get(f"{HOST}/cgi-bin/user/get").respond(json={"errcode": 8})
        assert httpx.get(f"{HOST}/cgi-bin/user/get").json()["errcode"] == 8
        assert httpx.get(GETTOKEN).json()["errcode"] == 0
    assert fake.gettoken_calls == 1


def test_a_mock_where_aioresponses_has_its_own_wins(fake: FakeWeCom):
    async def theirs(*args: Any, **more: Any) -> Any:
        raise ZeroDivisionError

    with fake.mocked(), pytest.MonkeyPatch.context() as patching:
        patching.setattr(aiohttp.ClientSession, "_request", theirs)
        with pytest.raises(ZeroDivisionError):
            by_aiohttp(GETTOKEN)
    assert fake.journal == []


# --- what is imported ---


def python(code: str) -> str:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_nothing_is_imported_that_the_program_has_not_imported():
    names = "{'httpx', 'httpx2', 'aiohttp', 'anyio', 'respx'} & set(sys.modules)"
    code = f"""
import sys
from wecom_auth.testing import FakeWeCom
with FakeWeCom().mocked():
    print({names})
"""
    assert python(code) == "set()"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_library_imported_inside_is_answered_too(library: str):
    code = f"""
from wecom_auth.testing import FakeWeCom
with FakeWeCom().mocked():
    import {library} as library
    answer = library.get("{GETTOKEN}")
    print(answer.json()["errcode"], library.HTTPTransport.handle_request.__module__)
print(library.HTTPTransport.handle_request.__module__)
"""
    assert python(code).split() == [
        "0",
        "wecom_auth.testing._fronts.httpx",
        f"{library}._transports.default",
    ]


# --- the guard ---


@pytest.mark.parametrize("proxy", [False, True])
def test_the_guard_refuses_every_client_also_by_a_proxy(
    ask: Callable[..., Answer], proxy: bool, monkeypatch: pytest.MonkeyPatch
):
    with FakeWeCom().serve() as url:
        if proxy:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.setenv("https_proxy", url)
        asking = _aiohttp_by_environment if ask is by_aiohttp else ask
        with guard() as attempts, pytest.raises((*BROKEN, OSError)):
            asking(GETTOKEN, None, 5)
        assert set(attempts) == {"qyapi.weixin.qq.com"}


def _aiohttp_by_environment(url: str, body: Any, timeout: float) -> Answer:
    async def ask() -> Answer:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as answer:
            return answer.status, await answer.read()

    return asyncio.run(ask())


def test_the_guard_lets_the_fake_answer(fake: FakeWeCom, ask: Callable[..., Answer]):
    with fake.mocked(), guard() as attempts:
        assert json.loads(ask(GETTOKEN)[1])["errcode"] == 0
    assert attempts == []
