"""No fake token and no fake failure leaves a test, wherever the environment points."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from wecom_auth import AppCredential, CredentialError, WeComAuth, WeComError, attach
from wecom_auth._source import process
from wecom_auth.stores import store_of_environment
from wecom_auth.testing import FakeWeCom, reset
from wecom_auth.testing._apart import ALL_NAMES, apart

from .conftest import text

pytest_plugins = ["pytester"]
APP = AppCredential("ww0001", "secret")
SEND = "https://qyapi.weixin.qq.com/cgi-bin/message/send"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment names a store, and a token of production is in it."""
    place = tmp_path / "store"
    monkeypatch.setenv("WECOM_STORE", f"file://{place}")
    production = FakeWeCom()
    with production.serve() as url:
        app = AppCredential(APP.corpid, "secret", base_url=url)
        requests.get(f"{url}/cgi-bin/x", auth=WeComAuth(app), timeout=20)
    reset()
    return place


def contents(place: Path) -> dict[str, str]:
    files = (file for file in place.rglob("*") if file.is_file())
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def send(session: requests.Session) -> int:
    return int(session.post(SEND, json=text("hello"), timeout=20).json()["errcode"])


@pytest.mark.parametrize("made", ["before", "inside"])
def test_a_store_of_the_environment_is_byte_for_byte_what_it_was(
    fake: FakeWeCom, store: Path, made: str
):
    before = contents(store)
    assert before
    session = attach(requests.Session(), APP) if made == "before" else None
    with fake.mocked():
        session = session or attach(requests.Session(), APP)
        assert send(session) == 0
        fake.revoke()
        assert send(session) == 0
        assert fake.gettoken_calls == 2
    assert contents(store) == before


def test_no_failure_reaches_the_store(fake: FakeWeCom, store: Path):
    before, session = contents(store), attach(requests.Session(), APP)
    fake.app(APP.corpid, "another")
    with fake.mocked(), pytest.raises(CredentialError):
        send(session)
    reset()
    with FakeWeCom().mocked():
        assert send(session) == 0
    assert contents(store) == before


def test_a_refresh_that_reset_waits_for_writes_nothing(store: Path):
    opened: Any = store_of_environment()
    before, done = contents(store), []

    def late(*args: float) -> None:
        done.append(opened.compare_and_set("key", None, "fake", 60))

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(process, "reset", late)
        reset()
    assert (done, contents(store)) == ([True], before)


def test_afterwards_the_store_is_used_again(fake: FakeWeCom, store: Path):
    session = attach(requests.Session(), APP)
    with fake.mocked():
        send(session)
    opened: Any = store_of_environment()
    assert opened.compare_and_set("key", None, "text", 60) is True
    assert opened.load("key") == "text"
    with fake.mocked():
        assert opened.load("key") is None
        assert opened.compare_and_set("key", "text", None, 60) is True
    assert opened.load("key") == "text"


@contextmanager
def nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize(("block", "aside"), [(apart, True), (nothing, False)])
def test_settings_are_aside_and_come_back(
    monkeypatch: pytest.MonkeyPatch,
    block: Callable[[], AbstractContextManager[None]],
    aside: bool,
):
    for name in ALL_NAMES:
        monkeypatch.setenv(name, "/nowhere/of-production")
    with block():
        assert all(name in os.environ for name in ALL_NAMES) is not aside
    assert {os.environ[name] for name in ALL_NAMES} == {"/nowhere/of-production"}


def test_a_setting_made_inside_counts_inside(monkeypatch: pytest.MonkeyPatch, fake: FakeWeCom):
    monkeypatch.setenv("WECOM_CORPID", "production")
    with fake.mocked():
        os.environ["WECOM_CORPID"], os.environ["WECOM_CORPSECRET"] = "ww0009", "s"
        assert AppCredential.from_env().corpid == "ww0009"
    assert os.environ["WECOM_CORPID"] == "production"
    assert "WECOM_CORPSECRET" not in os.environ


def test_an_exception_puts_them_back(monkeypatch: pytest.MonkeyPatch, fake: FakeWeCom):
    monkeypatch.setenv("WECOM_CORPID", "production")
    with pytest.raises(ZeroDivisionError), fake.mocked():
        raise ZeroDivisionError
    assert os.environ["WECOM_CORPID"] == "production"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "nonsense", "file://"])
def test_a_store_that_cannot_be_opened_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch, fake: FakeWeCom, url: str
):
    monkeypatch.setenv("WECOM_STORE", url)
    with fake.mocked():
        assert send(attach(requests.Session(), APP)) == 0


SUITE = """
import os
import pytest, requests
from wecom_auth import AppCredential, WeComError, attach

session = attach(requests.Session(), AppCredential("ww0001", "secret"))
BODY = {"touser": "a", "agentid": 1, "msgtype": "text", "text": {"content": "x"}}

def send(base="https://qyapi.weixin.qq.com", session=session):
    session.post(f"{base}/cgi-bin/message/send", json=BODY, timeout=20).json()

def test_cold(fake_wecom):
    send()
    assert (fake_wecom.gettoken_calls, fake_wecom.rejections) == (1, 0)
    assert not [name for name in os.environ if name.startswith("WECOM_")]

def test_a_failure(fake_wecom):
    fake_wecom.fail("rate-limited", path="gettoken")
    with pytest.raises(WeComError):
        send()

def test_over_http(wecom_server):
    app = AppCredential("ww0001", "secret", base_url=wecom_server.url)
    send(wecom_server.url, attach(requests.Session(), app))
    assert wecom_server.fake.gettoken_calls == 1

def test_what_a_test_sets(monkeypatch, fake_wecom):
    monkeypatch.setenv("WECOM_STORE", "file:///nowhere")

def test_between_fixtures_the_environment_is_as_it_was():
    assert os.environ["WECOM_STORE"].endswith("store")
"""


def test_a_suite_run_twice_where_a_store_is_set_is_as_without_it(
    pytester: pytest.Pytester, store: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    before = contents(store)
    pytester.makepyfile(SUITE)
    for _ in range(2):
        result = pytester.runpytest_inprocess("-p", "wecom_auth.testing.plugin")
        result.assert_outcomes(passed=5)
    assert contents(store) == before


def test_the_control_a_store_that_is_not_set_aside_is_written(fake: FakeWeCom, store: Path):
    before = contents(store)
    with fake.serve() as url:
        app = AppCredential("ww0002", "secret", base_url=url)
        try:
            requests.get(f"{url}/cgi-bin/x", auth=WeComAuth(app), timeout=20)
        except WeComError:
            pytest.fail("the fake gave no token")
    assert contents(store) != before
