"""A limit is a point in time: the caller is back within it, whatever the network does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from tokenside import at_once
from urllib3 import Retry as Urllib3Retry

from wecom_auth import AppCredential, TokenSource, TokenUnavailable, attach
from wecom_auth.testing import Server

LIMIT, GRACE = 0.3, 0.8
TOKEN = b'{"errcode": 0, "access_token": "t", "expires_in": 7200}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n"


class Raw(ThreadingTCPServer):
    """A server that answers each request with these pieces, slowly; none: it hangs up."""

    daemon_threads = block_on_close = True

    def __init__(self, first: bytes, drip: bytes = b"", end: bytes = b"", hangs: bool = False):
        self.pieces, self.hangs = [first, *[drip] * 400, end], hangs
        self.asked, self.over = 0, Event()
        super().__init__(("127.0.0.1", 0), _Talk)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Talk(BaseRequestHandler):
    server: Raw

    def handle(self) -> None:
        with suppress(OSError):
            while self.request.recv(65536):
                self.server.asked += 1
                if self.server.hangs:
                    self.server.over.wait(30)
                if not self.server.pieces[0]:
                    return
                self._answer()

    def _answer(self) -> None:
        for piece in filter(None, self.server.pieces):
            self.request.sendall(piece)
            if self.server.pieces[1] and self.server.over.wait(0.05):
                return


@contextmanager
def raw(**how: Any) -> Iterator[Raw]:
    with Raw(**how) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


SLOW: dict[str, dict[str, Any]] = {
    "dripped headers": {"first": OK + b"X-A: ", "drip": b"x"},
    "dripped body": {"first": OK + b"Content-Length: 500\r\n\r\n", "drip": b" "},
    "dripped chunk line": {"first": CHUNKED + b"4;", "drip": b"x"},
    "dripped trailers": {"first": CHUNKED + b"2\r\n{}\r\n0\r\n", "drip": b"X-T: 1\r\n"},
    "endless 100": {"first": b"HTTP/1.1 100 Continue\r\n\r\n", "drip": b"HTTP/1.1 100 C\r\n\r\n"},
    "hangs": {"first": b"", "hangs": True},
    "drops": {"first": b""},
    "503": {"first": UNAVAILABLE + b"\r\n"},
    "503, Retry-After": {"first": UNAVAILABLE + b"Retry-After: 25\r\n\r\n"},
}
QUICK = ("hangs", "drops", "503")
"""With these the source is asked for its token alone, too; with the others in the storm."""
RETRIES = Urllib3Retry(5, backoff_factor=1, status_forcelist=[502, 503, 504])


def by_source(app: AppCredential, session: requests.Session) -> Any:
    return TokenSource(app, session=session).get(LIMIT)


def by_attach(app: AppCredential, session: requests.Session) -> Any:
    return attach(session, app).get(f"{app.base_url}/cgi-bin/user/get", timeout=LIMIT)


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    with pytest.raises(TokenUnavailable):
        call()
    return time.perf_counter() - began


@pytest.mark.parametrize(
    ("way", "how"),
    [
        pytest.param(way, how, marks=[] if way is by_attach or name in QUICK else pytest.mark.storm)
        for way in (by_attach, by_source)
        for name, how in SLOW.items()
    ],
)
def test_back_within_the_limit_and_at_most_three_exchanges(way: Any, how: dict[str, Any]):
    with raw(**how) as server, requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRIES))
        app = AppCredential("ww01", "secret", base_url=server.url)
        assert seconds_of(lambda: way(app, session)) < LIMIT + GRACE
        assert 1 <= server.asked <= 3


@pytest.mark.parametrize("how", ["dripped headers", "endless 100"])
def test_control_fetched_in_ones_own_thread_it_is_late(how: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(AppCredential, "runs_inline", True)
    with raw(**SLOW[how]) as server, requests.Session() as session:
        Thread(target=lambda: server.over.wait(LIMIT + GRACE + 0.3) or server.over.set()).start()
        app = AppCredential("ww01", "secret", base_url=server.url)
        assert seconds_of(lambda: by_source(app, session)) > LIMIT + GRACE


def test_a_name_that_is_looked_up_for_long(monkeypatch: pytest.MonkeyPatch):
    over = Event()

    def slow(*_: Any, **__: Any) -> Any:
        over.wait(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    app = AppCredential("ww01", "secret", base_url="https://slow.invalid")
    with requests.Session() as session:
        assert seconds_of(lambda: by_source(app, session)) < LIMIT + GRACE
        over.set()


@contextmanager
def black_holes(number: int) -> Iterator[list[Any]]:
    """Addresses that swallow each SYN: listeners whose backlog is full."""
    with ExitStack() as stack:
        addresses = []
        for last in range(number):
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{last + 2}", 0))
            listener.listen(0)
            addresses.append(listener.getsockname())
            for _ in range(4):
                caller = stack.enter_context(socket.socket())
                caller.setblocking(False)
                with suppress(BlockingIOError):
                    caller.connect(listener.getsockname())
        yield addresses


def test_six_addresses_that_answer_nothing(monkeypatch: pytest.MonkeyPatch):
    with black_holes(6) as addresses, requests.Session() as session:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        app = AppCredential("ww01", "secret", base_url="http://127.0.0.1:1")
        assert seconds_of(lambda: by_source(app, session)) < LIMIT + GRACE


class Forgotten(HTTPAdapter):
    """An adapter whose pooled connections a NAT has forgotten: what goes by one is swallowed."""

    swallowed = 0

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        if pool.num_connections:
            Forgotten.swallowed += 1
            raise requests.ReadTimeout("swallowed")
        return pool


def test_a_pooled_connection_that_is_forgotten_costs_nothing(wecom_server: Server):
    app = AppCredential("ww01", "secret", base_url=wecom_server.url)
    with requests.Session() as session:
        session.mount("http://", Forgotten())
        session.get(f"{wecom_server.url}/cgi-bin/gettoken", timeout=5)
        with pytest.raises(requests.ReadTimeout):  # a control: the session's own way is dead
            session.get(f"{wecom_server.url}/cgi-bin/gettoken", timeout=5)
        source = TokenSource(app, session=session)
        for _ in range(3):
            assert source.refresh(timeout=LIMIT)
    assert Forgotten.swallowed == 1


@pytest.mark.parametrize("timeout", [(0.2, None), (None, 5), (None, None), None])
def test_no_limit_in_a_pair_is_none(wecom_server: Server, timeout: Any):
    app = AppCredential("ww01", "secret", base_url=wecom_server.url)
    url = f"{wecom_server.url}/cgi-bin/user/get?userid=alice"
    with (
        wecom_server.fake.fail("slow", path="gettoken", seconds=0.3),
        attach(requests.Session(), app) as session,
    ):
        assert session.get(url, timeout=timeout).json()["errcode"] == 0


def test_many_that_wait_are_all_back_in_time():
    with raw(**SLOW["dripped headers"]) as server:
        source = TokenSource(AppCredential("ww01", "secret", base_url=server.url))
        began = time.perf_counter()
        errors = at_once(16, lambda: source.get(LIMIT))
        assert time.perf_counter() - began < LIMIT + 2 * GRACE
        assert all(isinstance(error, TokenUnavailable) for error in errors)
        assert server.asked == 1
