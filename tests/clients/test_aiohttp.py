"""aiohttp: a call is authorised, healed once, and its body arrives whole or not a second time."""

from __future__ import annotations

import asyncio
import gc
import io
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import aiohttp
import pytest
import requests
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from loopback import GET, WHOLE, advanced, piped
from ways import CORP, SECRET, Taken, closed_door, platform, raw_server

from wecom_auth import AppCredential, CredentialError, Retry, SuiteCredential, attach
from wecom_auth._clients.aiohttp import call as calls
from wecom_auth._clients.aiohttp import exchange
from wecom_auth.aiohttp import WeComMiddleware
from wecom_auth.errors import TokenConnectionError, TokenTimeout, TokenUnavailable
from wecom_auth.testing import FakeWeCom

TASKS, THREADS = 24, 8

PATIENT = ClientTimeout(total=20)


@asynccontextmanager
async def session(app: Any, **options: Any) -> AsyncIterator[ClientSession]:
    retry = options.pop("retry", None)
    async with attach(ClientSession(timeout=PATIENT, **options), app, retry=retry) as client:
        yield client


async def errcode(client: ClientSession, url: str, **options: Any) -> Any:
    async with client.request("POST" if "data" in options else "GET", url, **options) as response:
        return (await response.json())["errcode"]


async def ended(fake: FakeWeCom, client: ClientSession, app: AppCredential) -> None:
    """Let the session hold a token that the platform has ended."""
    assert await errcode(client, f"{app.base_url}/{GET}") == 0
    fake.revoke()
    fake.reset_journal()


def form(file: Any) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("media", file, filename="a.bin")
    return data


async def generated() -> AsyncIterator[bytes]:
    yield WHOLE
    await asyncio.sleep(0)
    yield WHOLE


REPLAYED: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda _: WHOLE,
    "str": lambda _: WHOLE.decode(),
    "bytearray": lambda _: bytearray(WHOLE),
    "BytesIO": lambda _: advanced(io.BytesIO()),
    "file": lambda path: advanced((path / "report.bin").open("w+b")),
    "text file": lambda path: io.StringIO(WHOLE.decode()),
    "form with a file": lambda path: form(advanced((path / "report.bin").open("w+b"))),
    "form with BytesIO": lambda path: form(advanced(io.BytesIO())),
    "form with bytes": lambda path: form(WHOLE),
}
NOT_REPLAYED: dict[str, Callable[[Any], Any]] = {
    "async generator": lambda _: generated(),
    "pipe": lambda pipe: pipe,
    "form with an async generator": lambda _: form(generated()),
    "form with a pipe": lambda pipe: form(pipe),
}


@pytest.mark.parametrize("make", REPLAYED.values(), ids=REPLAYED)
def test_the_body_arrives_whole_the_second_time(make: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with session(app) as client:
            await ended(fake, client, app)
            assert await errcode(client, f"{app.base_url}/cgi-bin/take", data=make(tmp_path)) == 0

    with platform() as (fake, app):
        taken = Taken(fake)
        asyncio.run(main())
        (body,) = taken.bodies
        assert WHOLE in body
        assert b"header" not in body
        assert [c.errcode for c in fake.journal if c.path == "take"] == [40014, 0]


def test_json_arrives_whole_the_second_time() -> None:
    async def main() -> None:
        async with session(app) as client:
            await ended(fake, client, app)
            url = f"{app.base_url}/cgi-bin/take"
            async with client.post(url, json={"a": 1}) as response:
                assert (await response.json())["errcode"] == 0

    with platform() as (fake, app):
        taken = Taken(fake)
        asyncio.run(main())
        assert taken.bodies == [b'{"a": 1}']


@pytest.mark.parametrize("make", NOT_REPLAYED.values(), ids=NOT_REPLAYED)
def test_what_goes_out_once_only_is_not_sent_again(make: Any) -> None:
    async def main() -> None:
        async with session(app) as client:
            await ended(fake, client, app)
            url = f"{app.base_url}/cgi-bin/take"
            assert await errcode(client, url, data=make(pipe)) == 40014, "the platform's own"
            assert await errcode(client, url, data=WHOLE) == 0, "the next call has a token"

    with platform() as (fake, app), piped() as pipe:
        taken = Taken(fake)
        asyncio.run(main())
        assert taken.bodies == [WHOLE]


def test_a_file_that_its_caller_closes_meanwhile_is_not_sent_again() -> None:
    async def main() -> None:
        async with session(app) as client:
            url = f"{app.base_url}/cgi-bin/take"
            assert await errcode(client, url, data=file) == 42001

    with platform() as (fake, app):
        file = io.BytesIO(WHOLE)
        fake.route("take", lambda request: file.close() or {"errcode": 42001})
        asyncio.run(main())


def test_the_control_a_generator_that_is_sent_again_arrives_empty(monkeypatch: Any) -> None:
    monkeypatch.setattr(calls.Call, "_is_whole", lambda self: True)

    async def main() -> None:
        async with session(app) as client:
            await ended(fake, client, app)
            url = f"{app.base_url}/cgi-bin/take"
            assert await errcode(client, url, data=generated()) == 0

    with platform() as (fake, app):
        taken = Taken(fake)
        asyncio.run(main())
        assert taken.bodies == [b""]


def test_a_sync_generator_fails_as_without_us() -> None:
    async def main(attached: bool) -> str:
        async with ClientSession() as client:
            if attached:
                attach(client, app)
            with pytest.raises(Exception) as caught:  # noqa: PT011
                await client.post(f"{app.base_url}/cgi-bin/take", data=(b for b in [WHOLE]))
            return repr(caught.value).partition("<generator")[0]

    with platform() as (_, app):
        assert asyncio.run(main(True)) == asyncio.run(main(False))


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
@pytest.mark.parametrize("revoked", [False, True], ids=["cold", "revoked"])
def test_tasks_make_one_exchange(mode: Any, revoked: bool) -> None:
    async def main() -> None:
        async with session(app) as client:
            if revoked:
                await ended(fake, client, app)
            calls = [errcode(client, f"{app.base_url}/{GET}?n={n}") for n in range(TASKS)]
            assert set(await asyncio.gather(*calls)) == {0}

    with platform(mode=mode) as (fake, app):
        asyncio.run(main())
        assert fake.gettoken_calls == 1


@pytest.mark.parametrize("revoked", [False, True], ids=["cold", "revoked"])
def test_loops_in_threads_make_one_exchange(revoked: bool) -> None:
    start = Barrier(THREADS)

    async def one(number: int) -> Any:
        async with session(app) as client:
            start.wait(20)
            return await errcode(client, f"{app.base_url}/{GET}?n={number}")

    with platform() as (fake, app), ThreadPoolExecutor(THREADS) as threads:
        if revoked:
            asyncio.run(_ended(fake, app))
        assert set(threads.map(lambda n: asyncio.run(one(n)), range(THREADS))) == {0}
        assert fake.gettoken_calls == 1


async def _ended(fake: FakeWeCom, app: AppCredential) -> None:
    async with session(app) as client:
        await ended(fake, client, app)


@pytest.mark.parametrize("limit", [TASKS, 1], ids=["a full pool", "a pool of one"])
def test_rejected_answers_at_once_are_no_deadlock(limit: int) -> None:
    async def main() -> None:
        async with session(app, connector=TCPConnector(limit=limit)) as client:
            await ended(fake, client, app)
            calls = [errcode(client, f"{app.base_url}/{GET}?n={n}") for n in range(TASKS)]
            assert set(await asyncio.gather(*calls)) == {0}

    with platform() as (fake, app):
        asyncio.run(main())
        assert fake.gettoken_calls == 1


def test_a_pool_of_one_that_a_download_holds_is_no_deadlock() -> None:
    async def main() -> None:
        connector = TCPConnector(limit=1)
        async with session(app, connector=connector) as client, ClientSession() as other:
            attach(other, app)
            url = f"{app.base_url}/cgi-bin/media/get?media_id={media}"
            async with client.get(url) as download:
                fake.revoke()
                source = calls.TokenSource(app)
                source.invalidate(source.get())
                # The download holds the only connection: this is what an exchange finds.
                request = aiohttp.ClientRequest(
                    "GET", download.url, session=client, loop=asyncio.get_running_loop()
                )
                token = await source.aget(5, via=exchange.by_session(request))
                assert token.value == fake.token(CORP, SECRET)
                assert len(await download.read()) == 5_000_000

    with platform() as (fake, app):
        media = fake.add_media(b"x" * 5_000_000)
        asyncio.run(main())


def test_a_rejected_answer_frees_its_connection_before_a_token_is_asked_for() -> None:
    free: list[int] = []

    async def main() -> None:
        connector = TCPConnector(limit=1)
        async with session(app, connector=connector) as client:
            await ended(fake, client, app)
            fake.route("gettoken", noting(connector), check_token=False)
            assert await errcode(client, f"{app.base_url}/{GET}", data=WHOLE) == 0

    def noting(connector: TCPConnector) -> Any:
        def answer(request: Any) -> Any:
            free.append(len(connector._acquired))
            return {"errcode": 0, "access_token": fake.issue(CORP, SECRET), "expires_in": 7200}

        return answer

    with platform() as (fake, app):
        asyncio.run(main())
    assert free == [0]


# --- tasks and loops that end ---


def test_a_first_task_that_is_cancelled_leaves_the_others_their_token() -> None:
    async def main() -> None:
        async with session(app) as client:
            url = f"{app.base_url}/{GET}"
            first = asyncio.create_task(errcode(client, url))
            await asyncio.to_thread(hold.wait_for, 1)
            others = [asyncio.create_task(errcode(client, url)) for _ in range(10)]
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            hold.release()
            assert set(await asyncio.gather(*others)) == {0}

    with platform() as (fake, app):
        hold = fake.hold("gettoken")
        asyncio.run(main())
        assert fake.gettoken_calls == 1


@pytest.mark.parametrize("how", ["around", "of the call", "of the session"])
def test_a_timeout_ends_the_call_and_no_other(how: str) -> None:
    async def main() -> None:
        total = ClientTimeout(total=0.2)
        options = {"timeout": total} if how == "of the session" else {"timeout": PATIENT}
        async with attach(ClientSession(**options), app) as client, session(app) as other:  # type: ignore[arg-type]
            url, call = f"{app.base_url}/{GET}", {"timeout": total} if how == "of the call" else {}
            waiting = asyncio.create_task(errcode(other, url))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2 if how == "around" else 10):
                    await errcode(client, url, **call)
            hold.release()
            assert await waiting == 0

    with platform() as (fake, app):
        hold = fake.hold("gettoken")
        asyncio.run(main())
        assert fake.gettoken_calls == 1


def test_a_loop_that_ends_in_mid_fetch_leaves_the_others_theirs() -> None:
    async def leads() -> None:
        async with session(app) as client:
            task = asyncio.create_task(errcode(client, f"{app.base_url}/{GET}"))
            await asyncio.to_thread(hold.wait_for, 1)
            others.append(threads.submit(asyncio.run, follows()))
            await asyncio.to_thread(joined.wait, 10)
            task.cancel()

    async def follows() -> Any:
        async with session(app) as client:
            asyncio.get_running_loop().call_later(0.05, joined.set)
            return await errcode(client, f"{app.base_url}/{GET}")

    joined, others = threading.Event(), []
    with platform() as (fake, app), ThreadPoolExecutor(2) as threads:
        hold = fake.hold("gettoken")
        asyncio.run(leads())
        hold.release()
        assert others[0].result(15) == 0
        assert fake.gettoken_calls == 2


def test_nothing_is_left_behind() -> None:
    async def main() -> None:
        async with session(app) as client:
            await ended(fake, client, app)
            await errcode(client, f"{app.base_url}/{GET}")
            assert len(asyncio.all_tasks()) == 1

    with platform() as (fake, app):
        before = threading.active_count()
        asyncio.run(main(), debug=True)
        gc.collect()
        assert threading.active_count() <= before + 1, "the connection of the fake's own"


# --- attach ---


def test_attach_gives_the_session_back_and_twice_is_once() -> None:
    async def main() -> None:
        async with ClientSession() as client:
            assert attach(client, app) is client
            middlewares = client._middlewares
            assert attach(client, AppCredential(CORP, SECRET, base_url=app.base_url)) is client
            assert client._middlewares is middlewares
            with pytest.raises(ValueError, match="another credential"):
                attach(client, AppCredential(CORP, "another-secret", base_url=app.base_url))
            assert await errcode(client, f"{app.base_url}/{GET}") == 0

    with platform() as (_, app):
        asyncio.run(main())


def test_a_session_goes_when_nobody_holds_it() -> None:
    async def main() -> bool:
        gc.disable()
        client = attach(ClientSession(), AppCredential(CORP, SECRET))
        await client.close()
        gone = weakref.ref(client)
        del client
        gc.enable()
        return gone() is None

    assert asyncio.run(main())


Middleware = Callable[[Any, Any], Awaitable[Any]]


def marking(name: str, seen: list[str]) -> Middleware:
    async def middleware(request: Any, handler: Any) -> Any:
        seen.append(f"{name} {request.url.query_string}")
        return await handler(request)

    return middleware


def test_a_call_with_middlewares_of_its_own_is_authorised_and_ours_is_innermost() -> None:
    seen: list[str] = []

    async def main() -> None:
        own = marking("the session's", seen)
        async with session(app, middlewares=(own,)) as client:
            url = f"{app.base_url}/{GET}?a=1"
            assert await errcode(client, url) == 0
            assert await errcode(client, url, middlewares=(marking("the call's", seen),)) == 0
            assert await errcode(client, url, middlewares=()) == 0
            assert await errcode(client, url, middlewares=(WeComMiddleware(app),)) == 0

    with platform() as (fake, app):
        asyncio.run(main())
        assert seen == ["the session's a=1", "the call's a=1"]
        assert fake.gettoken_calls == 1


def test_a_middleware_that_makes_calls_again_meets_ours_each_time() -> None:
    async def thrice(request: Any, handler: Any) -> Any:
        for _ in range(2):
            (await handler(request)).release()
            fake.revoke()
        return await handler(request)

    async def main() -> None:
        async with session(app, middlewares=(thrice,)) as client:
            assert await errcode(client, f"{app.base_url}/{GET}") == 0

    with platform() as (fake, app):
        asyncio.run(main())


@pytest.mark.parametrize("attached", [False, True])
def test_a_middleware_in_the_constructor_serves_several_sessions(attached: bool) -> None:
    async def main() -> None:
        ours = WeComMiddleware(app)
        for _ in range(2):
            async with ClientSession(middlewares=(ours,)) as client:
                if attached:
                    attach(client, app)
                await ended(fake, client, app)
                assert await errcode(client, f"{app.base_url}/{GET}") == 0
                assert len(fake.journal) == 3, "the call, gettoken, the call again"

    with platform() as (fake, app):
        asyncio.run(main())


def test_a_middleware_that_sends_a_call_elsewhere_takes_no_token_there() -> None:
    elsewhere = FakeWeCom()

    async def detour(request: Any, handler: Any) -> Any:
        request.url = aiohttp.client.URL(f"{there}/{GET}")
        return await handler(request)

    async def main() -> None:
        ours = WeComMiddleware(app)
        async with ClientSession(middlewares=(ours, detour)) as client:
            assert await errcode(client, f"{app.base_url}/{GET}") == 41001

    with platform() as (_, app), elsewhere.serve() as there:
        asyncio.run(main())
        assert {call.query for call in elsewhere.journal} == {""}


def test_two_credentials_whose_scopes_differ_share_a_session() -> None:
    async def main() -> None:
        suite = SuiteCredential("suite", "s-secret", lambda: "t", base_url=app.base_url)
        async with session(app) as client:
            attach(client, suite)
            assert await errcode(client, f"{app.base_url}/{GET}") == 0
            url = f"{app.base_url}/cgi-bin/service/get_pre_auth_code"
            assert await errcode(client, url) == 0

    with platform() as (_, app):
        asyncio.run(main())


def test_a_function_chooses_for_each_request() -> None:
    async def main() -> None:
        other = AppCredential(CORP, "other-secret", base_url=app.base_url)

        def choose(request: Any) -> AppCredential | None:
            return {"a": app, "b": other}.get(request.url.query["who"])

        async with attach(ClientSession(), choose, base_url=app.base_url) as client:
            found = [await errcode(client, f"{app.base_url}/{GET}?who={who}") for who in "abc"]
            assert found == [0, 0, 41001]

    with platform() as (fake, app):
        asyncio.run(main())
        assert fake.gettoken_calls == 2


def test_the_query_is_kept_byte_for_byte_and_a_token_in_it_replaced() -> None:
    async def main() -> None:
        async with session(app) as client:
            url = aiohttp.client.URL(
                f"{app.base_url}/{GET}?a=%20b&access_token=OLD&c=&d", encoded=True
            )
            async with client.get(url) as response:
                assert (await response.json())["errcode"] == 0
                assert response.url.raw_query_string == "a=%20b&c=&d"

    with platform() as (fake, app):
        asyncio.run(main())
        assert fake.journal[-1].query == "a=%20b&c=&d&access_token=***"


def test_busy_answers_are_retried_where_that_is_asked_for() -> None:
    async def main() -> None:
        async with session(app, retry=Retry({-1}, attempts=1)) as client:
            assert await errcode(client, f"{app.base_url}/{GET}") == 0
            fake.fail("busy", times=1)
            assert await errcode(client, f"{app.base_url}/{GET}") == 0
            fake.fail("busy", times=1)
            assert await errcode(client, f"{app.base_url}/{GET}", data=b"{}") == -1

    with platform() as (fake, app):
        asyncio.run(main())


def test_an_older_aiohttp_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from wecom_auth._clients import aiohttp as package

    monkeypatch.delattr(aiohttp, "ClientMiddlewareType")
    with pytest.raises(ImportError, match=r"3\.12 or later.*pip install -U aiohttp"):
        importlib.reload(package)


# --- errors ---


def test_errors_are_aiohttps_own_as_well() -> None:
    async def main(url: str, **options: Any) -> BaseException:
        app = AppCredential(CORP, SECRET, base_url=url)
        async with session(app, **options) as client:
            with pytest.raises(aiohttp.ClientError) as caught:
                await errcode(client, f"{url}/{GET}")
        return caught.value

    with platform() as (fake, app):
        fake.app(CORP, "another")
        refused = asyncio.run(main(app.base_url))
    with closed_door() as url:
        unreached = asyncio.run(main(url))
    assert isinstance(refused, CredentialError)
    assert refused.errcode == 40001
    assert isinstance(unreached, TokenConnectionError | aiohttp.ClientConnectionError)
    assert isinstance(unreached, requests.ConnectionError)
    for error in (refused, unreached):
        assert error.__cause__ is error.__context__ is None
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_a_platform_that_hangs_is_a_timeout_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wecom_auth._source.source.TIME_LIMIT", 0.2)

    async def main() -> None:
        async with session(app) as client:
            with pytest.raises(aiohttp.ServerTimeoutError) as caught:
                await errcode(client, f"{app.base_url}/{GET}")
        assert isinstance(caught.value, TokenTimeout)
        assert isinstance(caught.value, TimeoutError | requests.Timeout)

    with platform() as (fake, app), fake.hold("gettoken"):
        asyncio.run(main())


# --- the way of the exchange ---


def test_the_exchange_goes_as_the_call_goes() -> None:
    async def main() -> None:
        options = {"headers": {"User-Agent": "our-agent"}, "cookies": {"gate": "open"}}
        jar = aiohttp.CookieJar(unsafe=True)
        async with session(app, cookie_jar=jar, **options) as client:
            headers = {"X-Gateway": "open", "If-Match": "1", "Authorization": "Basic x"}
            assert await errcode(client, f"{app.base_url}/{GET}", headers=headers) == 0

    with platform() as (fake, app):
        asyncio.run(main())
        exchange, _ = fake.journal
    assert exchange.path == "gettoken"
    names = ("User-Agent", "Cookie", "X-Gateway", "Authorization", "If-Match")
    found = [exchange.headers.get(name) for name in names]
    assert found == ["our-agent", "***", "open", "***", None]
    assert exchange.headers["Connection"] == "close"


@pytest.mark.parametrize("where", ["the session's", "the call's"])
def test_both_go_by_the_proxy(where: str) -> None:
    async def main() -> None:
        at_session = {"proxy": server.base_url} if where == "the session's" else {}
        at_call = {"proxy": server.base_url} if where == "the call's" else {}
        app = AppCredential(CORP, SECRET, base_url="http://wecom.example", allow_http=True)
        async with session(app, **at_session) as client:
            for _ in range(2):
                assert await errcode(client, f"http://wecom.example/{GET}", **at_call) == 0
                fake.revoke()

    with platform() as (fake, server):
        asyncio.run(main())
        assert {call.headers["Host"] for call in fake.journal} == {"wecom.example"}
        assert fake.gettoken_calls == 2


def test_an_exchange_follows_no_redirect() -> None:
    elsewhere = FakeWeCom()

    async def main() -> None:
        async with session(app) as client:
            with pytest.raises(TokenUnavailable, match="HTTP 302"):
                await errcode(client, f"{app.base_url}/{GET}")

    with elsewhere.serve() as there, platform() as (fake, app):
        answer = (302, {"Location": f"{there}/cgi-bin/gettoken"}, b"")
        fake.route("gettoken", answer, check_token=False)
        asyncio.run(main())
        assert not elsewhere.journal


def test_an_exchange_is_not_tried_again_by_aiohttp() -> None:
    asked: list[str] = []

    async def main(url: str) -> None:
        app = AppCredential(CORP, SECRET, base_url=url)
        async with session(app) as client:
            with pytest.raises(TokenConnectionError):
                await exchange_once(client, url)

    async def exchange_once(client: ClientSession, url: str) -> None:
        loop = asyncio.get_running_loop()
        request = aiohttp.ClientRequest("GET", aiohttp.client.URL(url), session=client, loop=loop)
        outcome = await exchange._exchange(request, ("GET", f"{url}/x", {}, None), 5)
        if isinstance(outcome, TokenUnavailable):
            raise outcome

    with raw_server(b"") as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TCPConnector, "connect", _counting(aiohttp.BaseConnector.connect, asked))
        asyncio.run(main(url))
    assert len(asked) == 1


def _counting(connect: Any, asked: list[str]) -> Any:
    async def counted(self: Any, *args: Any, **options: Any) -> Any:
        asked.append("connect")
        return await connect(self, *args, **options)

    return counted
