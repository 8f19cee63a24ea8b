"""aiohttp: a token is not to be seen, and reaches no other host."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout, TraceConfig
from leakhunt import Hunt, LogTrap
from loopback import LOCATIONS
from ways import CORP, closed_door, platform, raw_server
from yarl import URL

from wecom_auth import AppCredential, attach
from wecom_auth._clients.aiohttp import wire
from wecom_auth.testing import FakeWeCom
from wecom_auth.testing import Request as Arrived

SECRET = "CANARY/sec+ret=0123456789abcdefghijklmnop"
GET = "cgi-bin/get_api_domain_ip"
MOMENTS = [name for name in dir(TraceConfig) if name.startswith("on_")]


def hunting(fake: FakeWeCom) -> Hunt:
    tokens: list[str] = []
    issue = fake._state.tokens.issue

    def noting(*args: Any, **options: Any) -> Any:
        tokens.append(issue(*args, **options))
        return tokens[-1]

    fake._state.tokens.issue = noting  # type: ignore[method-assign]
    return Hunt(lambda: [SECRET, *tokens])


def app_at(url: str) -> AppCredential:
    return AppCredential(CORP, SECRET, base_url=url)


def traced(hunt: Hunt) -> tuple[TraceConfig, set[str]]:
    """A trace of every moment of a request, as instrumentors make it."""
    trace, met = TraceConfig(), set()

    def show(name: str) -> Any:
        async def at(session: Any, context: Any, params: Any) -> None:
            met.add(name)
            hunt.show_object(f"the trace {name}", params)
            hunt.show(f"the trace's URL {name}", str(getattr(params, "url", "")))

        return at

    for name in MOMENTS:
        getattr(trace, name).append(show(name))
    return trace, met


def show_answer(hunt: Hunt, response: Any) -> None:
    hunt.show_object("the answer", response)
    hunt.show("its URLs", f"{response.url} {response.real_url} {response.request_info}")
    for each in response.history:
        hunt.show("its history", f"{each!r} {each.request_info} {each.real_url} {each.headers}")


def show_error(hunt: Hunt, error: Any) -> None:
    if isinstance(error, aiohttp.ClientResponseError):  # its headers cannot be pickled
        hunt.show_object("the error", error)
        hunt.show("its traceback", "".join(traceback.format_exception(error)))
    else:
        hunt.show_error(error)


def test_no_one_sees_a_token_or_a_secret() -> None:
    async def main() -> None:
        trace, met = traced(hunt)
        async with attach(ClientSession(trace_configs=[trace]), app) as client:
            with LogTrap(hunt):
                for _ in range(2):
                    async with client.post(f"{app.base_url}/{GET}?a=1", data=b"x") as response:
                        assert (await response.json())["errcode"] == 0
                        show_answer(hunt, response)
                        with pytest.raises(aiohttp.ClientResponseError) as caught:
                            raise aiohttp.ClientResponseError(
                                response.request_info, response.history, status=500
                            )
                        show_error(hunt, caught.value)
                    fake.revoke()
            hunt.show_object("the session", client)
        assert {"on_request_headers_sent", "on_request_chunk_sent", "on_request_end"} <= met

    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main(), debug=True)
        assert len(hunt._secrets()) == 3
        assert not hunt.leaks()


def test_the_control_the_hunt_finds_what_aiohttp_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(self: Any, connection: Any) -> Any:
        request = self._request
        url = f"{request.url}?{self._parameter}={self._token.escaped}"
        request.url = URL(url, encoded=True)
        return type(request).send(request, connection)

    monkeypatch.setattr(wire.Wire, "__call__", shown)

    async def main() -> None:
        trace, _ = traced(hunt)
        async with attach(ClientSession(trace_configs=[trace]), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()

    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main())
        assert any("on_request_headers_sent" in leak for leak in hunt.leaks())


FAILURES = {
    "HTTP 502": lambda fake: fake.fail("outage"),
    "dropped": lambda fake: fake.fail("drop"),
    "reset": lambda fake: fake.fail("reset"),
    "hangs": lambda fake: fake.fail("hang"),
    "refused": lambda fake: fake.app(CORP, "another"),
}
CASES = [(name, cold) for name in FAILURES for cold in (False, True) if cold or name != "refused"]


@pytest.mark.parametrize(("name", "cold"), CASES)
def test_no_error_shows_one(name: str, cold: bool) -> None:
    async def main() -> None:
        trace, _ = traced(hunt)
        options = {"raise_for_status": True, "trace_configs": [trace]}
        timeout = ClientTimeout(total=0.3)
        async with attach(ClientSession(**options), app) as client:  # type: ignore[arg-type]
            if not cold:
                (await client.get(f"{app.base_url}/{GET}")).release()
            FAILURES[name](fake)
            with LogTrap(hunt), pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
                await client.post(f"{app.base_url}/{GET}", timeout=timeout)
            show_error(hunt, caught.value)

    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main())
        fake.let_go()
        assert not hunt.leaks()


def test_a_connection_that_is_not_made_shows_none() -> None:
    async def main() -> None:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()
            for connect in (refuses, hangs):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(aiohttp.TCPConnector, "connect", connect)
                    with pytest.raises(aiohttp.ClientError) as caught:
                        await client.get(f"{app.base_url}/{GET}")
                show_error(hunt, caught.value)
                texts.append(str(caught.value))

    async def refuses(connector: Any, request: Any, *args: Any, **options: Any) -> Any:
        raise aiohttp.ClientConnectorError(request.connection_key, OSError(111, str(request.url)))

    async def hangs(connector: Any, request: Any, *args: Any, **options: Any) -> Any:
        raise TimeoutError

    texts: list[str] = []
    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main())
        assert not hunt.leaks()
        assert GET in texts[1], "ConnectionTimeoutError has the URL in its text"


def test_a_body_that_cannot_be_written_shows_none() -> None:
    class Breaks(aiohttp.payload.BytesPayload):
        async def write_with_length(self, *args: Any) -> None:
            raise OSError(5, "the disk is gone")

    async def main() -> None:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()
            with pytest.raises(aiohttp.ClientOSError, match="Can not write") as caught:
                await client.post(f"{app.base_url}/{GET}", data=Breaks(b"x"))
            show_error(hunt, caught.value)

    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main())
        assert not hunt.leaks()


def test_an_answer_that_is_no_http_shows_none() -> None:
    async def main(url: str) -> None:
        async with attach(ClientSession(), app_at(url)) as client:
            with pytest.raises(aiohttp.ClientResponseError) as caught:
                await client.get(f"{url}/{GET}")
            show_error(hunt, caught.value)

    hunt = Hunt(lambda: [SECRET, "T0KEN-123456"])
    grant = b'{"errcode": 0, "access_token": "T0KEN-123456"}'
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(grant), grant)
    with raw_server(first, b"what?\r\n\r\n") as url:
        asyncio.run(main(url))
    assert not hunt.leaks()


def test_a_proxy_that_is_not_reached_shows_none() -> None:
    async def main() -> None:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()
            with closed_door() as proxy, pytest.raises(aiohttp.ClientError) as caught:
                await client.get(f"{app.base_url}/{GET}", proxy=proxy)
            show_error(hunt, caught.value)

    with platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        asyncio.run(main())
        assert not hunt.leaks()


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
def test_no_token_reaches_another_host(location: str, status: int) -> None:
    targets: list[str] = []
    elsewhere = FakeWeCom()

    def rejects(request: Arrived) -> dict[str, Any]:
        targets.append(request.target)
        return {"errcode": 42001}

    def go(request: Arrived) -> Any:
        token = request.params["access_token"]
        to = location.format(elsewhere=there, query=request.query, token=token)
        return status, {"Location": to, "Set-Cookie": f"seen={token}"}, b""

    async def main() -> None:
        trace, _ = traced(hunt)
        async with (
            attach(ClientSession(trace_configs=[trace]), app) as client,
            client.get(f"{app.base_url}/cgi-bin/go?x=1") as response,
        ):
            assert (await response.json())["errcode"] == 42001
            show_answer(hunt, response)
            hunt.show("cookies", repr(list(client.cookie_jar)))

    for path in ("/login", "/cgi-bin/user/get"):
        elsewhere.route(path, rejects, check_token=False)
    with elsewhere.serve() as there, platform() as (fake, plain):
        hunt, app = hunting(fake), app_at(plain.base_url)
        fake.route("go", go)
        asyncio.run(main())
        assert len(targets) == 1
        hunt.show("the other host", targets[0])
        assert not hunt.leaks()
        assert fake.gettoken_calls == 1, "the other host's word revokes nothing"


def test_a_redirect_on_the_same_host_carries_the_token_again() -> None:
    async def main() -> None:
        async with (
            attach(ClientSession(), app) as client,
            client.get(f"{app.base_url}/cgi-bin/go") as response,
        ):
            assert (await response.json())["errcode"] == 0
            assert str(response.url) == f"{app.base_url}/{GET}?x=1"
            assert len(response.history) == 1

    with platform() as (fake, app):
        fake.route("go", (302, {"Location": f"/{GET}?x=1"}, b""))
        asyncio.run(main())


def test_a_redirect_out_of_the_prefix_carries_none() -> None:
    async def main() -> None:
        async with (
            attach(ClientSession(), app) as client,
            client.get(f"{app.base_url}/cgi-bin/go") as response,
        ):
            assert json.loads(await response.read())["errcode"] == 41001

    with platform() as (fake, plain):
        app = AppCredential(CORP, SECRET, base_url=f"{plain.base_url}/wecom")
        grant = {"errcode": 0, "access_token": "T" * 30}
        fake.route("/wecom/cgi-bin/gettoken", grant, check_token=False)
        away = (302, {"Location": "/other/cgi-bin/user/get"}, b"")
        fake.route("/wecom/cgi-bin/go", away, check_token=False)
        fake.route("/other/cgi-bin/user/get", {"errcode": 41001}, check_token=False)
        asyncio.run(main())
        assert "access_token" in fake.journal[1].query
        assert "access_token" not in fake.journal[2].query


def test_logs_stay_silent_but_for_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with attach(ClientSession(), app) as client:
            (await client.get(f"{app.base_url}/{GET}")).release()

    caplog.set_level(logging.DEBUG)
    with platform() as (_, app):
        asyncio.run(main())
    assert {record.name for record in caplog.records} <= {"wecom_auth", "asyncio"}
