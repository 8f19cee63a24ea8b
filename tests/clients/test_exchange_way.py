"""gettoken goes the way that the call goes: what the session sends, by its adapter, past spans."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from ways import CORP, SECRET, Client, all_ways, platform

from wecom_auth import AppCredential, TokenSource, WeComAdapter, WeComAuth, attach
from wecom_auth.testing import FakeWeCom, reset

Allows = Callable[[BaseHTTPRequestHandler], object]


@contextmanager
def gate(upstream: str, allows: Allows) -> Iterator[tuple[str, list[str]]]:
    """A reverse and forward proxy; who it does not let in gets a page."""
    passed: list[str] = []

    class Gate(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None: ...

        def do_GET(self) -> None:
            if not allows(self):
                return self._answer(401, b"<html>who are you?</html>", "text/html")
            path = "/" + self.path.split("/", 3)[3] if "://" in self.path else self.path
            passed.append(path.partition("?")[0].rpartition("/")[2])
            connection = http.client.HTTPConnection(upstream.removeprefix("http://"))
            connection.request("GET", path)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read(), "application/json")
            return connection.close()

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", passed
        finally:
            server.shutdown()
            thread.join()


def header(session: requests.Session) -> Allows:
    session.headers["X-Api-Key"] = "k1"
    return lambda request: request.headers.get("X-Api-Key") == "k1"


def basic(session: requests.Session) -> Allows:
    session.auth = ("user", "password")
    return lambda request: request.headers.get("Authorization", "").startswith("Basic ")


def cookie(session: requests.Session) -> Allows:
    session.cookies.set("gate", "open")
    return lambda request: "gate=open" in request.headers.get("Cookie", "")


def query(session: requests.Session) -> Allows:
    session.params = {"key": "k1"}
    return lambda request: "key=k1" in request.path


def agent(session: requests.Session) -> Allows:
    session.headers["User-Agent"] = "Mozilla/5.0"
    return lambda request: request.headers.get("User-Agent", "").startswith("Mozilla")


def get(session: requests.Session, url: str, **options: Any) -> Any:
    return session.get(f"{url}/cgi-bin/user/get?userid=a", timeout=20, **options).json()["errcode"]


ASKS = [header, basic, cookie, query, agent]


@pytest.mark.parametrize("ask", ASKS)
def test_by_attach_the_exchange_has_what_the_session_sends(
    ask: Callable[[requests.Session], Allows],
) -> None:
    session = requests.Session()
    with platform() as (fake, app), gate(app.base_url, ask(session)) as (url, passed):
        attach(session, AppCredential(CORP, SECRET, base_url=url))
        assert get(session, url) == 0
        fake.revoke()
        assert get(session, url) == 0
        assert passed == ["gettoken", "get", "get", "gettoken", "get"]


@pytest.mark.parametrize("ask", [header, basic, cookie, agent])
@pytest.mark.parametrize("way", ["auth=", "mount"])
def test_without_the_session_it_has_what_the_call_sends(
    way: str, ask: Callable[[requests.Session], Allows]
) -> None:
    session = requests.Session()
    with platform() as (fake, app), gate(app.base_url, ask(session)) as (url, passed):
        if way == "auth=" and ask is basic:
            return  # a call has one auth
        client = Client(way, AppCredential(CORP, SECRET, base_url=url), session)
        assert client.get("user/get?userid=a").json()["errcode"] == 0
        fake.revoke()
        assert client.get("user/get?userid=a").json()["errcode"] == 0
        assert passed == ["gettoken", "get", "get", "gettoken", "get"]


def by_auth(app: Any) -> tuple[requests.Session, dict[str, Any]]:
    return requests.Session(), {"auth": WeComAuth(app)}


def by_attach(app: Any) -> tuple[requests.Session, dict[str, Any]]:
    return attach(requests.Session(), app), {}


def by_mount(app: Any) -> tuple[requests.Session, dict[str, Any]]:
    session = requests.Session()
    session.mount(f"{TokenSource(app).credential.base_url}/", WeComAdapter(app))
    return session, {}


@pytest.mark.parametrize("way", [by_auth, by_attach, by_mount])
def test_proxies_of_the_call_reach_the_exchange(way: Any) -> None:
    """With auth= where it heals: nobody knows them when the first token is fetched."""
    nowhere = "http://wecom.invalid"
    with platform() as (fake, app), gate(app.base_url, lambda _: True) as (proxy, passed):
        app = AppCredential(CORP, SECRET, base_url=nowhere, allow_http=True)
        if way is by_auth:
            first = requests.Session()
            first.proxies["http"] = proxy
            assert TokenSource(app, session=first).get()
        session, options = way(app)
        options |= {"proxies": {"http": proxy}}
        assert get(session, nowhere, **options) == 0
        fake.revoke()
        assert get(session, nowhere, **options) == 0
        assert passed == ["gettoken", "get", "get", "gettoken", "get"]


class Sourced(TokenSource):
    """A source in place of a credential."""

    @property
    def base_url(self) -> str:
        return self.credential.base_url


@pytest.mark.parametrize("way", ["auth=", "attach", "mount", "decorator"])
def test_a_sources_own_session_wins(way: str) -> None:
    with platform() as (fake, app):
        own = requests.Session()
        own.headers["X-Way"] = "own"
        session = requests.Session()
        session.headers["X-Way"] = "the call's"
        client = Client(way, Sourced(app, session=own), session)  # type: ignore[arg-type]
        for _ in range(2):
            assert client.get("user/get?userid=a").json()["errcode"] == 0
            fake.revoke()
        said = [(call.path, call.headers["X-Way"]) for call in fake.journal]
        assert said.count(("gettoken", "own")) == 2
        assert ("gettoken", "the call's") not in said
        assert ("user/get", "the call's") in said


@all_ways()
def test_what_instruments_a_session_never_sees_gettoken(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's instrumentation of requests wraps `Session.send`."""
    seen: list[str] = []
    plain = requests.Session.send

    def send(
        self: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        seen.append(str(request.url))
        return plain(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", send)
    with platform() as (fake, app):
        for own in (False, True):
            reset()
            session = requests.Session()
            credential: Any = TokenSource(app, session=session) if own else app
            if own:
                attach(session, credential)
                get(session, app.base_url)
                continue
            client = Client(way, credential, session)
            client.get("user/get?userid=a")
            fake.revoke()
            client.get("user/get?userid=a")
        assert TokenSource(app).refresh()
    assert seen
    assert not [url for url in seen if "gettoken" in url or SECRET in url]


def test_control_a_session_that_sends_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWeCom()
    seen: list[str] = []
    monkeypatch.setattr(requests.Session, "send", lambda self, r, **_: seen.append(str(r.url)))
    with fake.serve() as url:
        requests.get(f"{url}/cgi-bin/gettoken?corpsecret={SECRET}")
    assert SECRET in seen[0]
