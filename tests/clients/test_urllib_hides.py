"""urllib: a token is not to be seen, and reaches no other host."""

from __future__ import annotations

import http.client
import json
import logging
import sys
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import BaseHandler, OpenerDirector, ProxyHandler, Request, build_opener

import pytest
from leakhunt import Hunt, LogTrap
from loopback import LOCATIONS
from ways import CORP, closed_door, platform, raw_server

from wecom_auth import AppCredential, attach
from wecom_auth._clients.urllib import wire
from wecom_auth.testing import FakeWeCom
from wecom_auth.testing import Request as Arrived

SECRET = "CANARY/sec+ret=0123456789abcdefghijklmnop"
GET = "cgi-bin/get_api_domain_ip"


class Watches(BaseHandler):
    """What a recorder or an instrumentor sees of requests and answers."""

    handler_order = 900

    def __init__(self, hunt: Hunt) -> None:
        self.hunt = hunt

    def http_request(self, request: Request) -> Request:
        self.hunt.show("a handler's request", request.full_url)
        return request

    def http_response(self, request: Request, response: Any) -> Any:
        self.hunt.show_object("a handler's request", request)
        self.hunt.show("a handler's answer", f"{response.url} {response.headers}")
        return response


@pytest.fixture
def audited() -> Any:
    """What an audit hook is given; one cannot be taken away again, so it is let go."""
    seen: list[str] = []
    sys.addaudithook(lambda event, args: event == "urllib.Request" and seen.append(repr(args)))
    return seen


def hunting(fake: FakeWeCom) -> Hunt:
    tokens: list[str] = []

    def secrets() -> list[str]:
        return [SECRET, *tokens]

    issue = fake._state.tokens.issue

    def noting(*args: Any, **options: Any) -> Any:
        tokens.append(issue(*args, **options))
        return tokens[-1]

    fake._state.tokens.issue = noting  # type: ignore[method-assign]
    return Hunt(secrets)


def app_at(url: str) -> AppCredential:
    return AppCredential(CORP, SECRET, base_url=url)


def opener(app: AppCredential, *handlers: Any) -> OpenerDirector:
    return attach(build_opener(ProxyHandler({}), *handlers), app)


def test_no_one_sees_a_token_or_a_secret(
    audited: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with platform() as (fake, plain):
        hunt = hunting(fake)
        client = opener(app_at(plain.base_url), Watches(hunt))
        there = OpenerDirector.open

        def instrumented(self: Any, request: Any, *args: Any, **options: Any) -> Any:
            hunt.show("an instrumentor", request if isinstance(request, str) else request.full_url)
            return there(self, request, *args, **options)

        monkeypatch.setattr(OpenerDirector, "open", instrumented)
        request = Request(f"{plain.base_url}/{GET}?a=1")
        with LogTrap(hunt):
            for _ in range(2):
                with client.open(request, timeout=10) as response:
                    hunt.show_object("the answer", response)
                    hunt.show("its URL", response.geturl())
                    hunt.show_object("the request", request)
                    assert json.load(response)["errcode"] == 0
                fake.revoke()
        hunt.show("audit", repr(audited))
        hunt.show_object("the opener", client)
        assert len(hunt._secrets()) == 3
        assert not hunt.leaks()
        assert response.url == request.full_url == f"{plain.base_url}/{GET}?a=1"
        assert any("corpsecret=***" in each for each in audited)


def test_the_control_the_hunt_finds_a_token_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with platform() as (fake, plain):
        hunt = hunting(fake)
        without = "wecom_auth._clients.urllib.handler.without_token"
        monkeypatch.setattr(without, lambda request, name: request)
        token = fake.issue(CORP, SECRET)
        url = f"{plain.base_url}/{GET}?access_token={token}"
        with opener(app_at(plain.base_url)).open(url, timeout=10) as response:
            hunt.show("its URL", response.url)
        assert hunt.leaks()


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
    with platform() as (fake, plain):
        hunt = hunting(fake)
        client = opener(app_at(plain.base_url))
        request = Request(f"{plain.base_url}/{GET}")
        if not cold:
            client.open(request, timeout=10).close()
        FAILURES[name](fake)
        with LogTrap(hunt), pytest.raises((OSError, http.client.HTTPException)) as caught:
            client.open(request, timeout=0.3)
        error = caught.value
        hunt.show_object("the error", error)
        hunt.show("its text", f"{error} {error!r} {getattr(error, 'filename', '')}")
        if not isinstance(error, HTTPError):
            hunt.show_pickle("the error", error)
        hunt.show_object("the request", request)
        hunt.show_error(error) if not isinstance(error, HTTPError) else error.close()
        fake.let_go()
        assert not hunt.leaks()
        assert request.full_url == f"{plain.base_url}/{GET}"


def test_a_connection_that_is_refused_shows_none() -> None:
    with platform() as (fake, plain):
        hunt = hunting(fake)
        app = app_at(plain.base_url)
        client = opener(app)
        client.open(f"{plain.base_url}/{GET}", timeout=10).close()
    with pytest.raises(URLError) as caught:
        client.open(f"{plain.base_url}/{GET}", timeout=1)
    hunt.show_error(caught.value)
    assert not hunt.leaks()
    with closed_door() as url, pytest.raises(URLError) as caught:
        opener(app_at(url)).open(f"{url}/{GET}", timeout=1)
    hunt.show_error(caught.value)
    assert not hunt.leaks()


@pytest.mark.parametrize("query", ["name=张三", "name=a b", "name=\x00"])
def test_a_url_that_http_client_refuses_is_refused_without_a_token(query: str) -> None:
    with platform() as (fake, plain):
        hunt = hunting(fake)
        client = opener(app_at(plain.base_url))
        client.open(f"{plain.base_url}/{GET}", timeout=10).close()
        with pytest.raises((http.client.InvalidURL, UnicodeEncodeError)) as caught:
            client.open(f"{plain.base_url}/{GET}?{query}", timeout=10)
        hunt.show_error(caught.value)
        assert not hunt.leaks()


def test_the_control_http_client_shows_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wecom_auth._clients.urllib.handler.is_sendable", lambda url: True)
    with platform() as (fake, plain):
        hunt = hunting(fake)
        client = opener(app_at(plain.base_url))
        client.open(f"{plain.base_url}/{GET}", timeout=10).close()
        with pytest.raises(UnicodeEncodeError) as caught:
            client.open(f"{plain.base_url}/{GET}?name=张三", timeout=10)
        hunt.show("its repr", repr(caught.value))
        assert hunt.leaks()


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
def test_no_token_reaches_another_host(location: str, status: int) -> None:
    targets: list[str] = []
    elsewhere = FakeWeCom()

    def rejects(request: Arrived) -> dict[str, Any]:
        targets.append(request.target)
        return {"errcode": 42001}

    for path in ("/login", "/cgi-bin/user/get"):
        elsewhere.route(path, rejects, check_token=False)
    with elsewhere.serve() as there, platform() as (fake, app):

        def go(request: Arrived) -> Any:
            token = request.params["access_token"]
            to = location.format(elsewhere=there, query=request.query, token=token)
            return status, {"Location": to}, b""

        fake.route("go", go)
        with opener(app).open(f"{app.base_url}/cgi-bin/go?x=1", timeout=10) as response:
            assert json.load(response)["errcode"] == 42001
        assert len(targets) == 1
        token = fake.token(CORP, "app-secret")
        assert token
        assert token not in targets[0] + response.url
        assert fake.gettoken_calls == 1, "the other host's word revokes nothing"


def test_a_redirect_on_the_same_host_carries_the_token_again() -> None:
    with platform() as (fake, app):
        fake.route("go", (302, {"Location": f"/{GET}?x=1"}, b""))
        client = opener(app)
        with client.open(f"{app.base_url}/cgi-bin/go", timeout=10) as response:
            assert json.load(response)["errcode"] == 0
            assert response.url == f"{app.base_url}/{GET}?x=1"


def test_a_redirect_out_of_the_prefix_carries_none() -> None:
    with platform() as (fake, plain):
        app = AppCredential(CORP, SECRET, base_url=f"{plain.base_url}/wecom")
        answers = {"/wecom/cgi-bin/gettoken": {"errcode": 0, "access_token": "T" * 30}}
        fake.route("/wecom/cgi-bin/gettoken", answers["/wecom/cgi-bin/gettoken"], check_token=False)
        away = (302, {"Location": "/other/cgi-bin/user/get"}, b"")
        fake.route("/wecom/cgi-bin/go", away, check_token=False)
        fake.route("/other/cgi-bin/user/get", {"errcode": 41001}, check_token=False)
        with opener(app).open(f"{app.base_url}/cgi-bin/go", timeout=10) as response:
            assert json.load(response)["errcode"] == 41001
        assert "access_token" in fake.journal[1].query
        assert "access_token" not in fake.journal[2].query


def test_an_http_error_shows_the_visible_url() -> None:
    with platform() as (fake, app):
        fake.route("go", (403, {"Location": "/x"}, b"no"))
        with pytest.raises(HTTPError) as caught:
            opener(app).open(f"{app.base_url}/cgi-bin/go", timeout=10)
        with caught.value as error:
            assert error.url == error.filename == f"{app.base_url}/cgi-bin/go"
            assert error.read() == b"no"


def test_headers_that_come_more_than_once_stay_so() -> None:
    answer = (
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=T0KEN-x\r\n\r\n"
    )
    grant = b'{"errcode": 0, "access_token": "T0KEN-x"}'
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(grant), grant)
    with raw_server(first, answer) as url, pytest.raises(HTTPError) as caught:
        opener(app_at(url)).open(f"{url}/{GET}", timeout=10)
    with caught.value as error:
        assert error.headers.get_all("Set-Cookie") == ["a=1", "b=***"]


def test_logs_stay_silent_but_for_ours(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with platform() as (_, app):
        opener(app).open(f"{app.base_url}/{GET}", timeout=10).close()
    assert {record.name for record in caplog.records} == {"wecom_auth"}


def test_an_exchange_shows_its_url_without_the_secret() -> None:
    request = wire.Exchange(f"https://h/cgi-bin/gettoken?corpsecret={'s' * 9}", None, {}, "GET")
    assert request.full_url == "https://h/cgi-bin/gettoken?corpsecret=***"
    assert request.outgoing().selector == f"/cgi-bin/gettoken?corpsecret={'s' * 9}"
