"""What the tests of the token side share: clocks, a platform without sockets, many threads."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Condition, Thread
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from wecom_auth import AppCredential, MemoryStore, Token, TokenSource
from wecom_auth._call import flow
from wecom_auth._call.drive import drive
from wecom_auth._call.retry import Answered
from wecom_auth._clock import waiting
from wecom_auth._source import process
from wecom_auth._source.state import State
from wecom_auth.testing import FakeWeCom, Request
from wecom_auth.testing._platform.wire import DroppedError, TimedOutError

CORP, SECRET = "ww0001", "the-apps-secret"
HOST = "https://qyapi.weixin.qq.com"
REJECTED = (40014, 42001)


class Clock:
    """Both clocks of a machine; they stand still until they are moved."""

    def __init__(self) -> None:
        self.now, self.date = 1000.0, 1_700_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.date += seconds

    def sleep_the_machine(self, seconds: float) -> None:
        """Suspended, a machine's monotonic clock may stand still."""
        self.date += seconds

    def set_the_date(self, seconds: float) -> None:
        self.date += seconds

    def store(self, cache: Any = None) -> MemoryStore:
        """A memory of its own: what another program has."""
        return MemoryStore(cache, monotonic=lambda: self.now, wall=lambda: self.date)


class Texts:
    """A handle over texts that several programs share; each program has a handle of its own."""

    def __init__(self, texts: dict[str, str], away: bool = False) -> None:
        self.texts, self.away, self.locks = texts, away, 0

    def load(self, key: str) -> str | None:
        if self.away:
            raise OSError("away")
        return self.texts.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        if self.load(key) != expected:
            return False
        if new is None or ttl <= 0:
            self.texts.pop(key, None)
        else:
            self.texts[key] = new
        return True

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        self.load(key)
        self.locks += 1
        yield True


class NoSockets(HTTPAdapter):
    """Sends to the fake platform by a function call."""

    def __init__(self, fake: FakeWeCom) -> None:
        super().__init__()
        self._fake = fake

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = dict(request.headers)
        arrived = Request(request.method, request.path_url, headers, body or b"", patience=0.5)
        try:
            reply = self._fake.handle(arrived)
        except DroppedError:
            raise requests.ConnectionError("Connection aborted.", request=request) from None
        except TimedOutError:
            raise requests.ReadTimeout("Read timed out.", request=request) from None
        raw = urllib3.HTTPResponse(
            io.BytesIO(reply.body), dict(reply.headers), reply.status, preload_content=False
        )
        return self.build_response(request, raw)


def without_sockets(fake: FakeWeCom) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", NoSockets(fake))
    return session


def program(fake: FakeWeCom, clock: Clock, **options: Any) -> TokenSource:
    """A source as another program on another machine has it: nothing shared, and its own clock."""
    credential = options.pop("credential", None) or AppCredential(CORP, SECRET)
    store = options.pop("store", None) or clock.store()
    return TokenSource(credential, store=store, session=without_sockets(fake), **options)


def call(fake: FakeWeCom, source: TokenSource, path: str = "user/get") -> int | None:
    """One call as every way to attach makes it; the errcode that the caller sees."""
    token = source.get()
    first = Answered(None, ask(fake, token.value, path))
    if first.errcode not in REJECTED:
        return first.errcode
    codes = [first.errcode]

    def send(token: Token, again: bool) -> Answered:
        codes.append(ask(fake, token.value, path))
        return Answered(None, codes[-1])

    drive(flow.call(source, token, first), source, send)
    return codes[-1]


def ask(fake: FakeWeCom, token: str, path: str = "user/get") -> int | None:
    target = f"/cgi-bin/{path}?access_token={token}&userid=alice"
    return fake.handle(Request("GET", target)).errcode


def at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    """What this work returns or raises in so many threads, which set out together."""
    start = Barrier(number)

    def run(_: int) -> Any:
        start.wait(30)
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """The work under way in a thread; it has ended when the block is left."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


class Counted:
    """Waits for what the sources count: so many waiters, so many fetches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._changed, count = Condition(), State.count
        self.counts: Counter[str] = Counter()

        def counting(state: State, name: str) -> None:
            count(state, name)
            with self._changed:
                self.counts[name] += 1
                self._changed.notify_all()

        monkeypatch.setattr(State, "count", counting)

    def wait_for(self, **wanted: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.counts >= Counter(wanted), 30), self.counts


def settle() -> None:
    """Wait until the fetches under way have landed and their threads have ended."""
    for flight in list(process.held.flights):
        flight.wait(flight.patience(waiting() + 30))
    for thread in list(process.held.threads):
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def forgets_unlanded() -> Iterator[None]:
    """For a test whose flights never land: what comes after must not wait for them."""
    yield
    process.held.flights.clear()


def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
