"""What the leak hunt goes through: each way to make a call, and all that can go wrong with one."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
import requests
from leakhunt import Hunt
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from wecom_auth import (
    AppCredential,
    RedisStore,
    TokenSource,
    WeComAdapter,
    WeComAuth,
    attach,
    with_access_token,
)
from wecom_auth._credential.exchange import Grant
from wecom_auth._credential.token import issue
from wecom_auth._source import source as source_module
from wecom_auth.testing import FakeWeCom, Server

CORP, SECRET = "ww0001", "CANARY/sec+ret=0123456789abcdefghijklmnop"
MESSAGE = {"touser": "alice", "msgtype": "text", "agentid": 1, "text": {"content": "hi"}}


@dataclass
class World:
    """A platform whose tokens and secret are canaries, and the hunt for them."""

    fake: FakeWeCom
    server: Server
    issued: list[str]
    hunt: Hunt
    path: str = "message/send"
    base_url: str = ""
    store: Any = None
    options: dict[str, Any] = field(default_factory=lambda: {"timeout": 10})
    adapter: HTTPAdapter | None = None
    trust_env: bool = False

    def source(self, *, warm: bool) -> TokenSource:
        credential = AppCredential(CORP, SECRET, base_url=self.base_url)
        source = TokenSource(credential, store=self.store)
        if warm:
            state, value = source._state, self.fake.issue(CORP, SECRET)
            memory = state.memory
            memory.save(state.key, issue(Grant(value, 7200), memory.monotonic(), memory.wall()))
        return source

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = self.trust_env
        if self.adapter is not None:
            session.mount("http://", self.adapter)
        return session

    @property
    def url(self) -> str:
        return f"{self.base_url}/cgi-bin/{self.path}"


# --- the ways to make a call ---


def by_attach(world: World, source: TokenSource) -> Any:
    with attach(world.session(), source) as session:
        return session.post(world.url, json=MESSAGE, **world.options)


def by_adapter(world: World, source: TokenSource) -> Any:
    with world.session() as session:
        session.mount(f"{world.base_url}/", WeComAdapter(source, world.adapter))
        return session.post(world.url, json=MESSAGE, **world.options)


def by_auth(world: World, source: TokenSource) -> Any:
    with world.session() as session:
        return session.post(world.url, json=MESSAGE, auth=WeComAuth(source), **world.options)


def by_session_auth(world: World, source: TokenSource) -> Any:
    with world.session() as session:
        session.auth = WeComAuth(source)
        return session.post(world.url, json=MESSAGE, **world.options)


def by_both(world: World, source: TokenSource) -> Any:
    with attach(world.session(), source) as session:
        return session.post(world.url, json=MESSAGE, auth=WeComAuth(source), **world.options)


def by_decorator(world: World, source: TokenSource) -> Any:
    @with_access_token(source)
    def send(access_token: str = "") -> Any:
        params = {"access_token": access_token}
        with world.session() as session:
            return session.post(world.url, params=params, json=MESSAGE, **world.options).json()

    return send()


def by_async_decorator(world: World, source: TokenSource) -> Any:
    @with_access_token(source)
    async def send(access_token: str = "") -> Any:
        params = {"access_token": access_token}
        with world.session() as session:
            return session.post(world.url, params=params, json=MESSAGE, **world.options).json()

    return asyncio.run(send())


def by_source(world: World, source: TokenSource) -> Any:
    source.refresh(**world.options)
    source.invalidate(source.get())
    return source.get(), source.peek(), asyncio.run(source.aget())


Way = Callable[[World, TokenSource], Any]
HIDING: list[Way] = [by_attach, by_adapter, by_both]
SHOWING: list[Way] = [by_auth, by_session_auth]
DECORATED: list[Way] = [by_decorator, by_async_decorator]


# --- what can go wrong with a call ---


@contextmanager
def nothing(world: World) -> Iterator[None]:
    yield


@contextmanager
def connection_refused(world: World) -> Iterator[None]:
    world.server.stop()
    yield


@contextmanager
def read_timeout(world: World) -> Iterator[None]:
    world.options["timeout"] = 0.2
    with world.fake.fail("hang"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "TIME_LIMIT", 0.5)  # not every way hands the call's timeout on
        yield


@contextmanager
def tls_failure(world: World) -> Iterator[None]:
    world.base_url = world.base_url.replace("http:", "https:")
    yield


@contextmanager
def proxy_failure(world: World) -> Iterator[None]:
    world.options["proxies"] = {"http": f"http://127.0.0.1:{closed_port()}"}
    yield


@contextmanager
def tunnel_failure(world: World) -> Iterator[None]:
    world.base_url = world.base_url.replace("http:", "https:")
    world.options["proxies"] = {"https": f"http://127.0.0.1:{closed_port()}"}
    yield


@contextmanager
def invalid_proxy(world: World) -> Iterator[None]:
    world.options["proxies"] = {"http": "http://"}
    yield


@contextmanager
def too_many_redirects(world: World) -> Iterator[None]:
    _redirect(world, lambda request: request.target)
    yield


@contextmanager
def redirect_that_echoes(world: World) -> Iterator[None]:
    _redirect(world, lambda request: f"/cgi-bin/user/get?userid=a&{request.query}")
    yield


@contextmanager
def redirect_not_followed(world: World) -> Iterator[None]:
    world.options["allow_redirects"] = False
    _redirect(world, lambda request: request.target)
    yield


@contextmanager
def redirect_elsewhere(world: World) -> Iterator[None]:
    with FakeWeCom().serve() as url:
        _redirect(world, lambda request: f"{url}/there?{request.query}")
        yield


@contextmanager
def connection_dropped(world: World) -> Iterator[None]:
    with world.fake.fail("drop", path="message/send"):
        yield


@contextmanager
def retries_exhausted(world: World) -> Iterator[None]:
    world.adapter = HTTPAdapter(max_retries=Retry(2, status_forcelist=[502], allowed_methods=None))
    with world.fake.fail("outage", path="message/send"):
        yield


@contextmanager
def retried_then_answered(world: World) -> Iterator[None]:
    world.adapter = HTTPAdapter(max_retries=Retry(2, status_forcelist=[502], allowed_methods=None))
    with world.fake.fail("outage", path="message/send", times=1):
        yield


@contextmanager
def retries_on_broken_connection(world: World) -> Iterator[None]:
    world.adapter = HTTPAdapter(max_retries=Retry(1, allowed_methods=None))
    with world.fake.fail("drop", path="message/send"):
        yield


@contextmanager
def body_cut_short(world: World) -> Iterator[None]:
    world.fake.route("message/send", (200, {"Content-Length": "100000"}, b"{"))
    yield


@contextmanager
def broken_headers(world: World) -> Iterator[None]:
    world.fake.route("message/send", (200, {"Content-Length": "2", "X": "1\r\nno colon"}, b"{}"))
    yield


@contextmanager
def rejected_for_ever(world: World) -> Iterator[None]:
    with world.fake.fail("reject"):
        yield


@contextmanager
def rejected_once(world: World) -> Iterator[None]:
    with world.fake.fail("reject", times=1):
        yield


@contextmanager
def rejected_while_streaming(world: World) -> Iterator[None]:
    world.options["stream"] = True
    with world.fake.fail("reject", times=1):
        yield


@contextmanager
def proxy_failure_for_all(world: World) -> Iterator[None]:
    """Also for a bare source, which reads the environment like any session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
        patch.setenv("no_proxy", "")
        patch.delenv("NO_PROXY", raising=False)
        if "timeout" in world.options:
            world.options["timeout"] = 5
        world.trust_env = True
        yield


@contextmanager
def gettoken_redirects(world: World) -> Iterator[None]:
    world.fake.route("gettoken", lambda r: (302, {"Location": f"/x?{r.query}"}, b""))
    yield


@contextmanager
def gettoken_without_token(world: World) -> Iterator[None]:
    world.fake.route("gettoken", lambda r: {"errcode": 0, "errmsg": r.query})
    yield


def gettoken_fails(fault: str | int) -> Any:
    @contextmanager
    def failing(world: World) -> Iterator[None]:
        with world.fake.fail(fault, path="gettoken"):
            yield

    failing.__name__ = f"gettoken_{fault}"
    return failing


@contextmanager
def streaming(world: World) -> Iterator[None]:
    world.options["stream"] = True
    yield


@contextmanager
def rejected_and_then_refused(world: World) -> Iterator[None]:
    with world.fake.fail("reject"), world.fake.fail("drop", path="gettoken"):
        yield


@contextmanager
def bad_gateway(world: World) -> Iterator[None]:
    with world.fake.fail("outage", path="message/send"):
        yield


@contextmanager
def store_down(world: World) -> Iterator[None]:
    world.store = BrokenStore()
    with world.fake.fail("reject", times=1):
        yield


@contextmanager
def redis_down(world: World) -> Iterator[None]:
    """The password of its URL is a secret too."""
    password = quote(SECRET, safe="")
    world.store = RedisStore(f"redis://:{password}@127.0.0.1:{closed_port()}/0")
    with world.fake.fail("reject", times=1):
        yield


@contextmanager
def foreign_token(world: World) -> Iterator[None]:
    world.issued.append("CANARY-of-the-caller/0123456789")
    world.options["params"] = {"access_token": world.issued[-1]}
    yield


class BrokenStore:
    """Its errors quote what it was asked to do, as those of many clients do."""

    def load(self, key: str) -> str | None:
        raise ConnectionError(f"GET {key}")

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        raise RuntimeError(f"SET {key} {expected} {new}")

    def lock(self, key: str, timeout: float) -> Any:
        raise ConnectionError(f"LOCK {key}")


def _redirect(world: World, target: Callable[[Any], str]) -> None:
    world.fake.route("message/send", lambda request: (302, {"Location": target(request)}, b""))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


Trouble = Callable[[World], Any]
ANSWERED: dict[Trouble, Any] = {
    nothing: requests.Response,
    streaming: requests.Response,
    too_many_redirects: requests.TooManyRedirects,
    redirect_that_echoes: requests.Response,
    redirect_not_followed: requests.Response,
    redirect_elsewhere: requests.Response,
    retried_then_answered: requests.Response,
    body_cut_short: requests.exceptions.ChunkedEncodingError,
    broken_headers: requests.Response,
    rejected_for_ever: requests.Response,
    rejected_once: requests.Response,
    rejected_while_streaming: requests.Response,
    rejected_and_then_refused: requests.Response,
    bad_gateway: requests.Response,
    store_down: requests.Response,
    redis_down: requests.Response,
    foreign_token: requests.Response,
}
UNANSWERED: dict[Trouble, Any] = {
    connection_refused: requests.ConnectionError,
    read_timeout: requests.ReadTimeout,
    tls_failure: requests.exceptions.SSLError,
    proxy_failure: requests.exceptions.ProxyError,
    tunnel_failure: requests.exceptions.ProxyError,
    invalid_proxy: requests.exceptions.InvalidProxyURL,
    connection_dropped: requests.ConnectionError,
    retries_exhausted: requests.exceptions.RetryError,
    retries_on_broken_connection: requests.ConnectionError,
}


UNASKED: list[Trouble] = [
    connection_refused,
    read_timeout,
    tls_failure,
    proxy_failure_for_all,
    gettoken_redirects,
    *(gettoken_fails(fault) for fault in (40001, 45009, "outage", "garbage", "drop", "busy")),
    gettoken_without_token,
]
