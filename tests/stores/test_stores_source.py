"""A source over a store, in one process: what reaches the store, and what trouble there costs."""

import errno
import gc
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import pytest
import requests
from cachetools import LRUCache
from redis import Redis
from redis_server import RedisServer

from wecom_auth import (
    AppCredential,
    FileStore,
    RedisStore,
    TokenSource,
    attach,
)
from wecom_auth._source import process as registry
from wecom_auth._source.sharing import Shelf
from wecom_auth.errors import TokenTimeout
from wecom_auth.stores import (
    Breaker,
    TokenStore,
    breaker,
    filelocks,
)
from wecom_auth.stores import file as module
from wecom_auth.testing import FakeWeCom, reset


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def url(fake: FakeWeCom) -> Iterator[str]:
    with fake.serve() as url:
        yield url


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WECOM_STORE", raising=False)
    monkeypatch.setattr(breaker, "_guarded", WeakValueDictionary())
    monkeypatch.setattr(breaker, "_lately", LRUCache(breaker.KEPT))
    yield
    reset()


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, shared_redis: RedisServer) -> TokenStore:
    if request.param == "file":
        return FileStore(tmp_path / "tokens")
    return RedisStore(shared_redis.url, prefix=f"{tmp_path}:")


def send(session: requests.Session, url: str) -> int:
    body = {"touser": "@all", "msgtype": "text", "agentid": 1, "text": {"content": "x"}}
    answer = session.post(f"{url}/cgi-bin/message/send", json=body)
    return int(answer.json()["errcode"])


def count(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    for name in ("load", "compare_and_set", "lock"):
        real = getattr(store, name)

        def counted(*args: Any, _name: str = name, _real: Any = real) -> Any:
            calls.append(_name)
            return _real(*args)

        monkeypatch.setattr(store, name, counted)
    return calls


def test_a_warm_call_touches_no_store(
    fake: FakeWeCom, url: str, store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count(store, monkeypatch)
    session = attach(requests.Session(), AppCredential("corp", "secret", base_url=url), store=store)
    assert send(session, url) == 0
    assert "lock" in calls, "the control: a cold call does"
    calls.clear()
    assert [send(session, url) for _ in range(50)] == [0] * 50
    assert calls == []
    fake.revoke()
    assert send(session, url) == 0
    assert "compare_and_set" in calls, "the control: so does a rejected one"


def test_what_is_in_the_store(url: str, fake: FakeWeCom, store: TokenStore) -> None:
    app = AppCredential("corp", "s3cret", base_url=url)
    value = TokenSource(app, store=store).get().value
    text = store.load(app.key)
    assert text is not None
    assert f'"access_token": "{value}"' in text
    assert "s3cret" not in app.key


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=["full", "read-only", "forbidden"]
)
def test_trouble_with_the_disk_is_said_once_and_calls_go_on(
    fake: FakeWeCom,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(code, "the disk says no")

    monkeypatch.setattr(FileStore, "_draft", refuse)
    if code != errno.ENOSPC:
        monkeypatch.setattr(filelocks, "attempt", refuse)
    app = AppCredential("corp", "secret", base_url=url)
    session = attach(requests.Session(), app, store=FileStore(tmp_path / "tokens"))
    for _ in range(5):
        assert [send(session, url) for _ in range(5)] == [0] * 5
        fake.revoke()
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the disk says no" in warnings[0]


def test_control_without_the_breaker_trouble_with_the_disk_fails_calls(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "the disk says no")

    monkeypatch.setattr(FileStore, "_draft", refuse)
    monkeypatch.setattr("wecom_auth._source.process.guard", lambda store: store)
    app = AppCredential("corp", "secret", base_url=url)
    session = attach(requests.Session(), app, store=FileStore(tmp_path / "tokens"))
    with pytest.raises(requests.RequestException):
        send(session, url)


class Interrupted:
    """A neighbour replaces the text between the reading of the old one and the writing."""

    def __init__(self, store: TokenStore, *, compare: bool = True) -> None:
        self.store = store
        self.compare = compare

    def load(self, key: str) -> str | None:
        text = self.store.load(key)
        self.store.compare_and_set(key, text, '{"access_token": "new"}', 60)
        return text

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        if not self.compare:
            expected = self.store.load(key)
        return self.store.compare_and_set(key, expected, new, ttl)

    def lock(self, key: str, timeout: float) -> Any:
        return self.store.lock(key, timeout)


@pytest.mark.parametrize("compare", [True, False], ids=["compare", "control"])
def test_dropping_a_rejected_token_spares_a_newer_one(store: TokenStore, compare: bool) -> None:
    store.compare_and_set("key", None, '{"access_token": "old"}', 60)
    Shelf(Breaker(Interrupted(store, compare=compare)), "key").drop("old")
    there = store.load("key")
    assert (there == '{"access_token": "new"}') is compare


def test_one_breaker_for_all_handles(url: str, tmp_path: Path) -> None:
    app = AppCredential("corp", "secret", base_url=url)
    for _ in range(3):
        TokenSource(app, store=FileStore(tmp_path / "tokens")).get()
        TokenSource(app, store=f"file://{tmp_path}/tokens").get()
    assert len(breaker._guarded) == 1
    assert module.FileStore is FileStore


@pytest.mark.parametrize("timeout", ["", "?socket_timeout=1"], ids=["as it is", "control"])
def test_a_call_of_a_second_survives_a_redis_that_hangs(
    url: str, redis_server: RedisServer, timeout: str
) -> None:
    """Control: a store that waits as long as the call leaves no time to ask the platform."""
    app = AppCredential("corp", "secret", base_url=url)
    source = TokenSource(app, store=f"{redis_server.url}{timeout}")
    redis_server.pause()
    if timeout:
        with pytest.raises(TokenTimeout):
            source.get(timeout=1)
    else:
        assert source.get(timeout=1)


def kept_after(make: Callable[[int], TokenStore]) -> int:
    """How many of 50 stores live on, each made for one task that is over."""
    stores: WeakSet[Any] = WeakSet()
    for number in range(50):
        store = make(number)
        TokenSource(AppCredential("corp", "secret"), store=store)
        stores.add(store)
    del store
    gc.collect()
    return len(stores)


def test_few_stores_over_a_live_client_outlive_their_handles() -> None:
    """Each keeps its connection open: a Celery task that makes one must not run out of files."""
    assert kept_after(lambda number: RedisStore(Redis())) == registry.LIVE


def test_few_stores_of_an_unknown_kind_outlive_their_handles(tmp_path: Path) -> None:
    assert kept_after(lambda number: Breaker(FileStore(tmp_path / str(number)))) == registry.LIVE


def test_stores_that_a_name_opens_again_are_kept(tmp_path: Path) -> None:
    assert kept_after(lambda number: FileStore(tmp_path / str(number))) == 50
    assert kept_after(lambda number: RedisStore(f"redis://127.0.0.1/{number}")) == 50


def test_one_live_store_serves_many_credentials() -> None:
    """It is stores that are few: what is known of each of their credentials is kept."""
    store = RedisStore(Redis())
    apps = [AppCredential("corp", f"secret{number}") for number in range(50)]
    states = {id(registry.state_of(app, store)) for app in apps}
    assert {id(registry.state_of(app, store)) for app in apps} == states
    assert len(states) == 50


def test_there_is_one_breaker_for_a_store_in_use(tmp_path: Path) -> None:
    used = breaker.guard(FileStore(tmp_path / "used"))
    for number in range(breaker.KEPT + 1):
        breaker.guard(FileStore(tmp_path / str(number)))
    assert breaker.guard(FileStore(tmp_path / "used")) is used


def test_a_breaker_that_nobody_holds_outlives_its_handle(tmp_path: Path) -> None:
    breaker.guard(FileStore(tmp_path))._failed.add("load")
    assert breaker.guard(FileStore(tmp_path)).away
