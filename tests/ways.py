"""The ways to attach, side by side: one test body runs through each of them.

A `Client` is what a user would have written for that way. All of them end in `requests`, over a
real loopback server, because `responses` consumes no body and opens no connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from wecom_auth import (
    AppCredential,
    WeComAdapter,
    WeComAuth,
    attach,
    with_access_token,
)
from wecom_auth.testing import FakeWeCom

SESSION_WAYS = ("auth=", "session.auth", "attach", "mount")
WAYS = (*SESSION_WAYS, "decorator")
HIDING_WAYS = ("attach", "mount")

CORP, SECRET = "ww0001", "app-secret"


@dataclass
class Client:
    """Calls the platform by one way."""

    way: str
    app: AppCredential
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        if self.way == "session.auth":
            self.session.auth = WeComAuth(self.app)
        elif self.way == "attach":
            attach(self.session, self.app)
        elif self.way == "mount":
            inner = self.session.get_adapter(self.app.base_url)
            self.session.mount(f"{self.app.base_url}/", WeComAdapter(self.app, inner))

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call; the path may bring a query."""
        options.setdefault("timeout", 20)
        url = path if "://" in path else f"{self.app.base_url}/cgi-bin/{path}"
        if self.way == "decorator":
            return self._decorated(method, url, **options)
        if self.way == "auth=":
            options.setdefault("auth", WeComAuth(self.app))
        return self.session.request(method, url, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.request("POST", path, **options)

    def upload(self, **options: Any) -> requests.Response:
        """A body in whatever form; the route `take` notes what arrived of it."""
        return self.post("take", **options)

    @property
    def _decorated(self) -> Any:
        @with_access_token(self.app)
        def call(
            method: str, url: str, access_token: str = "", **options: Any
        ) -> requests.Response:
            mark = "&" if "?" in url else "?"
            return self.session.request(
                method, f"{url}{mark}access_token={access_token}", **options
            )

        return call

    def connections(self) -> int:
        """How many TCP connections this session has opened to the platform."""
        adapter: Any = self.session.get_adapter("http://elsewhere.example/")
        assert isinstance(adapter, HTTPAdapter)
        pools = adapter.poolmanager.pools
        return sum(pools[key].num_connections for key in pools.keys())  # noqa: SIM118


@contextmanager
def platform(**options: Any) -> Iterator[tuple[FakeWeCom, AppCredential]]:
    """A fake platform on a loopback port, and an app of it."""
    fake = FakeWeCom(**options)
    with fake.serve() as url:
        yield fake, AppCredential(CORP, SECRET, base_url=url)


class Taken:
    """The route `take`: what arrived with a valid token, byte for byte."""

    def __init__(self, fake: FakeWeCom) -> None:
        self.bodies: list[bytes] = []
        fake.route("take", self._take)

    def _take(self, request: Any) -> dict[str, Any]:
        self.bodies.append(request.body)
        return {"errcode": 0, "errmsg": "ok"}


def warm(client: Client) -> None:
    """Let the client hold a token that is valid, so that the test can end it."""
    assert client.get("get_api_domain_ip").json()["errcode"] == 0


def all_ways(*ways: str) -> pytest.MarkDecorator:
    """Run this test once for each way."""
    return pytest.mark.parametrize("way", ways or WAYS)


@contextmanager
def raw_server(*answers: bytes, hold: Event | None = None) -> Iterator[str]:
    """A server that says these bytes, one answer a request and the last for good.

    Args:
        answers: each with its head. One that ends before the length it promised is cut off there.
        hold: keeps the connection open after each answer until it is set.
    """
    left = list(answers)

    class Talk(BaseRequestHandler):
        def handle(self) -> None:
            while self._request():
                self.request.sendall(left.pop(0) if len(left) > 1 else left[0])
                if hold is None or hold.wait(30):
                    return

        def _request(self) -> bytes:
            text = b""
            while b"\r\n\r\n" not in text and (more := self.request.recv(65536)):
                text += more
            return text

    with ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            if hold is not None:
                hold.set()
            server.shutdown()
            thread.join()


@contextmanager
def closed_door() -> Iterator[str]:
    """An address at which nobody listens, and nobody else can as long as we are here."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def head(length: int | None, *lines: str, status: str = "200 OK") -> bytes:
    """The head of a JSON answer of so many bytes, or of one that ends with its connection."""
    promised = [] if length is None else [f"Content-Length: {length}"]
    fields = [f"HTTP/1.1 {status}", "Content-Type: application/json", *promised, *lines]
    return "\r\n".join([*fields, "Connection: close", "", ""]).encode()


def chunked(*pieces: bytes, end: bytes = b"0\r\nX-Trailer: 1\r\n\r\n") -> bytes:
    """An answer in these chunks, with a trailer unless it ends otherwise."""
    start = head(None, "Transfer-Encoding: chunked")
    return start + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + end
