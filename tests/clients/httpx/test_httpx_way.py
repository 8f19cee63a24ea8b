"""The exchange goes the way that a client's calls go: its proxy, password, headers, cookies."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from httpx_ways import CORP, SECRET, Talk, World, for_all, run

from wecom_auth import AppCredential, attach
from wecom_auth.httpx import AsyncWeComTransport, WeComTransport
from wecom_auth.testing import FakeWeCom, Request

BASE = "http://wecom.example"


class Proxy(ThreadingHTTPServer):
    """A proxy that wants a password, and answers as the platform at `BASE` does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.fake = FakeWeCom()
        self.passed: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://user:pass@127.0.0.1:{self.server_address[1]}"


class _Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        status, body, kind = 407, b"<html>who are you?</html>", "text/html"
        if self.headers.get("Proxy-Authorization") and self.path.startswith(BASE):
            headers, target = dict(self.headers), self.path.removeprefix(BASE)
            self.server.passed.append((target.partition("?")[0], headers))
            reply = self.server.fake.handle(Request("GET", target, headers))
            status, body, kind = reply.status, reply.body, "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as there:
        thread = Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield there
        there.shutdown()
        thread.join()


@for_all(ways=("attach", "transport"))
def test_the_exchange_goes_by_the_clients_proxy_with_what_it_sends(world: World, proxy: Proxy):
    app = AppCredential(CORP, SECRET, base_url=BASE, allow_http=True)
    options = {"headers": {"X-Gate": "open"}, "cookies": {"gate": "open"}, "trust_env": False}

    async def whole() -> None:
        library, kind = world.library, world.library.Client
        inner, ours = library.HTTPTransport, WeComTransport
        if not world.is_sync:
            kind, inner, ours = library.AsyncClient, library.AsyncHTTPTransport, AsyncWeComTransport
        if world.way == "attach":
            client = attach(kind(proxy=proxy.url, **options), app)
        else:
            client = kind(transport=ours(app, inner(proxy=proxy.url)), **options)
        talk = Talk(world, client)
        for _ in range(2):
            answer = await talk.get(f"{BASE}/cgi-bin/user/get?userid=a")
            assert answer.json()["errcode"] == 0
            proxy.fake.revoke()
        await talk.close()

    run(world.mode, whole)
    paths = [path.removeprefix("/cgi-bin/") for path, _ in proxy.passed]
    assert paths == ["gettoken", "user/get", "user/get", "gettoken", "user/get"]
    for _, headers in proxy.passed:
        known = {name.lower(): value for name, value in headers.items()}
        assert (known["x-gate"], known["cookie"]) == ("open", "gate=open")
        assert known["host"] == "wecom.example"


@for_all(ways=("attach",), modes=("sync", "asyncio"))
def test_an_exchange_is_sent_once_though_the_transport_retries(world: World):
    """Where connecting fails, its limit is kept and nobody tries behind its back."""
    kind = "HTTPTransport" if world.is_sync else "AsyncHTTPTransport"
    transport = getattr(world.library, kind)(retries=5)
    client = world.client(transport=transport)
    way = client._transport._way(client.build_request("GET", world.server.url))
    from wecom_auth._clients.httpx import exchange

    own = exchange._apart(way)
    assert own._pool._retries == 0
    assert own._pool._connections is not transport._pool._connections
    assert transport._pool._retries == 5
