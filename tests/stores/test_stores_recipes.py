"""The recipes about stores do what they say."""

import importlib.util
import io
import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from redis_server import RedisServer

from wecom_auth.stores import TokenStore
from wecom_auth.testing import FakeWeCom, reset
from wecom_auth.testing._conformance import StoreConformance

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture(autouse=True)
def _platform(fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with fake.serve() as url:
        monkeypatch.setenv("WECOM_BASE_URL", url)
        monkeypatch.setenv("WECOM_CORPID", "corp")
        monkeypatch.setenv("WECOM_CORPSECRET", "secret")
        monkeypatch.setenv("HOME", str(tmp_path))
        yield
        reset()


class TestSqliteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "tokens.sqlite")

    def make_store(self) -> TokenStore:
        store: TokenStore = recipe("sqlite_store").SqliteStore(self.path)
        return store

    def test_two_handles_over_one_place_are_equal(self) -> None:
        kind = recipe("sqlite_store").SqliteStore
        assert kind(self.path) == kind(self.path)


def test_sqlite(fake: FakeWeCom, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = recipe("sqlite_store")
    module.main()
    reset()  # as in another process
    module.main()
    assert fake.gettoken_calls == 1
    assert "errcode" in capsys.readouterr().out
    assert (tmp_path / "wecom.sqlite").exists()


def _post(text: str) -> str:
    statuses: list[str] = []
    environ = {"wsgi.input": io.BytesIO(text.encode()), "CONTENT_LENGTH": str(len(text))}
    answer = recipe("gunicorn_filestore").app(environ, lambda status, _: statuses.append(status))
    return f"{statuses[0]} {b''.join(answer).decode()}"


def test_gunicorn_workers_share_a_token(
    fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WECOM_STORE", f"file://{tmp_path}/tokens")
    with multiprocessing.get_context("spawn").Pool(3) as workers:
        answers = workers.map(_post, [f"alert {number}" for number in range(6)], chunksize=1)
    assert answers == ["200 OK sent\n"] * 6
    assert fake.gettoken_calls == 1
    assert len(fake.messages) == 6


def test_gunicorn_with_a_wrong_secret(fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WECOM_STORE", raising=False)
    fake.app("corp", "another")
    assert "40001" in _post("alert")


def test_gunicorn_with_a_call_that_is_refused(
    fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WECOM_STORE", raising=False)
    with fake.fail(81013, path="message/send"), pytest.raises(RuntimeError):
        _post("alert")


def test_celery_workers_share_a_token(
    fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, shared_redis: RedisServer
) -> None:
    if importlib.util.find_spec("celery") is None:
        # Calling a task runs it in this process; no more of Celery is needed here.
        app = SimpleNamespace(task=lambda **_: lambda function: function)
        monkeypatch.setitem(sys.modules, "celery", SimpleNamespace(Celery=lambda *_, **__: app))  # type: ignore[arg-type]
    monkeypatch.setenv("WECOM_STORE", shared_redis.url)
    assert recipe("celery_redis").send("one")
    reset()  # as in another process
    assert recipe("celery_redis").send("two")
    assert fake.gettoken_calls == 1
    from redis import Redis

    with Redis.from_url(shared_redis.url) as client:
        tokens: Any = [
            json.loads(client.get(key)) for key in client.keys("wecom_auth:*") if client.get(key)
        ]
    assert [sorted(token) for token in tokens] == [
        ["access_token", "expires_at", "obtained_at", "refresh_at"]
    ]
