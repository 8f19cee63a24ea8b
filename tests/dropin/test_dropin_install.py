"""install(): what it covers, how it is undone, and what it leaves alone."""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import pytest
import requests
import responses
from legacy import CORP, SECRET, Legacy
from requests.adapters import HTTPAdapter

from wecom_auth import (
    AppCredential,
    ExternalToken,
    MemoryStore,
    TokenSource,
    install,
)
from wecom_auth._dropin import hooks
from wecom_auth._dropin import installation as dropin
from wecom_auth._dropin.ledger import ledger
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom

PLAIN = requests.Session.get_adapter


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Iterator[None]:
    yield
    assert requests.Session.get_adapter is PLAIN
    assert not dropin._active
    assert hooks.owners() is None


class Spy(HTTPAdapter):
    """Notes what it is given to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        self.sent.append((request, options))
        return super().send(request, *args, **options)


def is_on(client: Legacy) -> bool:
    """Whether a dead token is healed now."""
    return (
        requests.post(
            f"{client.url}/cgi-bin/message/send?access_token={client.token}",
            json={"touser": "a", "msgtype": "text", "agentid": 1, "text": {"content": "x"}},
        ).json()["errcode"]
        == 0
    )


@pytest.fixture
def dead(client: Legacy, fake: FakeWeCom) -> Legacy:
    """A client whose token is dead, and known to have been handed out."""
    with install():
        client.fetch()
    fake.revoke()
    assert not is_on(client)
    return client


def test_old_sessions_new_sessions_and_any_adapter(dead: Legacy, fake: FakeWeCom) -> None:
    old, mine = requests.Session(), requests.Session()
    spy = Spy()
    mine.mount("http://", spy)
    url = f"{dead.url}/cgi-bin/user/get?userid=zhangsan&access_token={dead.token}"
    with install():
        for session in (old, mine, requests.Session(), requests):
            assert session.get(url).json()["errcode"] == 0
    assert [requests.utils.urlparse(r.url).path for r, _ in spy.sent] == ["/cgi-bin/user/get"]
    assert old.get(url).json()["errcode"] == 40014


def test_subclasses_of_session_too(dead: Legacy) -> None:
    class Mine(requests.Session):
        def get_adapter(self, url: str) -> Any:
            return super().get_adapter(url)

    with install():
        url = f"{dead.url}/cgi-bin/user/get?userid=zhangsan&access_token={dead.token}"
        assert Mine().get(url).json()["errcode"] == 0


def test_uninstall_once_or_more(dead: Legacy) -> None:
    installed = install()
    assert is_on(dead)
    installed.uninstall()
    installed.uninstall()
    assert not is_on(dead)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_nested_installations_end_in_any_order(dead: Legacy, order: tuple[int, ...]) -> None:
    installed = [install() for _ in range(3)]
    for index in order:
        assert is_on(dead)
        installed[index].uninstall()
    assert not is_on(dead)


def test_as_a_context_manager_also_twice_and_nested(dead: Legacy) -> None:
    with install() as installed:
        assert is_on(dead)
        with installed:
            assert is_on(dead)
        assert is_on(dead)
    assert not is_on(dead)
    with installed:
        assert is_on(dead)
    assert not is_on(dead)


def test_as_a_decorator_it_is_on_only_while_the_function_runs(dead: Legacy) -> None:
    @install()
    def healed(client: Legacy) -> bool:
        return is_on(client)

    @install()
    async def healed_async(client: Legacy) -> bool:
        return await asyncio.to_thread(is_on, client)

    assert not is_on(dead)
    assert healed(dead)
    assert not is_on(dead)
    assert asyncio.run(healed_async(dead))
    assert not is_on(dead)
    assert healed.__name__ == "healed"


def test_a_decorator_of_what_runs_later_is_refused() -> None:
    def later() -> Iterator[int]:
        yield 1

    async def later_async() -> Any:
        yield 1

    class Class:
        pass

    for wrong in (later, later_async, Class, 7):
        with (
            pytest.raises(TypeError, match="functions and coroutine functions only"),
            install() as i,
        ):
            i(wrong)  # type: ignore[type-var]


# --- among other patches ---


def _requests_get() -> Any:
    return mock.patch("requests.get", wraps=requests.get)


def _http_adapter_send() -> Any:
    return mock.patch.object(HTTPAdapter, "send", autospec=True, side_effect=HTTPAdapter.send)


def _get_adapter() -> Any:
    return mock.patch.object(requests.Session, "get_adapter", PLAIN_WRAPPED)


def PLAIN_WRAPPED(self: requests.Session, url: str) -> Any:
    return PLAIN(self, url)


def _responses() -> Any:
    mocked = responses.RequestsMock(assert_all_requests_are_fired=False)
    mocked.add_passthru("http")
    return mocked


OTHERS: list[Callable[[], AbstractContextManager[Any]]] = [
    _requests_get,
    _http_adapter_send,
    _get_adapter,
    _responses,
]


@pytest.mark.parametrize("other", OTHERS)
def test_in_any_order_with_other_patches(
    other: Callable[[], AbstractContextManager[Any]], dead: Legacy
) -> None:
    patch, installed = other(), install()
    patch.__enter__()
    installed.uninstall()  # underneath the other patch
    assert not is_on(dead)
    patch.__exit__(None, None, None)
    assert not is_on(dead)
    again = install()  # what was left behind is used, or replaced
    assert is_on(dead)
    again.uninstall()
    assert not is_on(dead)

    patch = other()
    patch.__enter__()
    with install():
        assert is_on(dead)
    assert not is_on(dead)
    patch.__exit__(None, None, None)
    assert not is_on(dead)


def test_one_that_stays_over_ours_gets_two_layers_and_one_healing(
    dead: Legacy, fake: FakeWeCom
) -> None:
    installed = install()
    ours = requests.Session.get_adapter
    above = mock.patch.object(requests.Session, "get_adapter", lambda self, url: ours(self, url))
    with above, install():
        before = len(fake.journal)
        assert is_on(dead)
        assert [c.path for c in fake.journal[before:]].count("message/send") == 2
    installed.uninstall()


# --- settings ---


def test_credentials_count_together_and_the_last_store_wins(dead: Legacy, fake: FakeWeCom) -> None:
    app, first, last = AppCredential("c", "s", base_url=dead.url), MemoryStore(), MemoryStore()
    foreign = fake.issue("c", "s")
    fake.revoke("c")
    ledger.forget()  # an exchange of another app was seen
    with install(sole_app=app), install(store=first), install(store=last), install():
        assert is_on(Legacy(dead.url, token=foreign))
        assert not first.cache
        assert last.cache


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"credentials": [("c", "s")]}, "a list of credentials"),
        ({"credentials": ["c"]}, "a list of credentials"),
        ({"credentials": "c"}, "a list of credentials"),
        ({"credentials": AppCredential("c", "s")}, r"a list of credentials: credentials=\[app\]"),
        ({"store": 7}, "int is no store"),
    ],
)
def test_wrong_arguments_are_told_at_once(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        install(**wrong)


def test_a_wrong_url_of_a_store_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="store"):
        install(store="s3://bucket")
    monkeypatch.setenv("WECOM_STORE", "s3://bucket")
    with pytest.raises(ValueError, match=r"^WECOM_STORE: not the URL of a store"):
        install()


@pytest.mark.parametrize("build", [install, lambda: TokenSource(AppCredential("c", "s"))])
def test_the_variable_is_named_where_an_extra_is_missing(
    build: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECOM_STORE", "redis://127.0.0.1:9/0")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"^WECOM_STORE: .*wecom-auth\[redis\]"):
        build()


def test_a_token_from_elsewhere_beside_a_store(dead: Legacy, fake: FakeWeCom) -> None:
    owner: list[str] = [fake.issue("x", "y")]
    asked = ExternalToken(
        lambda: owner[-1], lambda dead: owner.append(fake.issue("x", "y")), base_url=dead.url
    )
    token = owner[0]
    fake.revoke("x")
    ledger.forget()
    with install(sole_app=asked, store=MemoryStore()):
        assert is_on(Legacy(dead.url, token=token))
    assert fake.gettoken_calls == 1  # the one of `dead`


# --- what it leaves alone ---

UNTOUCHED = [
    "/robot/send?access_token=T",
    "/cgi-bin/webhook/send?key=K",
    "/cgi-bin/webhook/send?key=K&access_token=T",
    "/cgi-bin/service/get_suite_token",
    "/cgi-bin/service/get_permanent_code?suite_access_token=S",
    "/cgi-bin/service/get_login_info?access_token=P",
    "/cgi-bin/openhw/get_model_token?access_token=T",
    "/cgi-bin/token?grant_type=client_credential&appid=A&secret=S",
    "/cgi-bin/gettoken?appkey=K&appsecret=S",
    "/cgi-bin/gettoken?corpid=C",
    "/cgi-bin/gettoken?corpid=C&corpsecret=",
    "/cgi-bin/gettoken?corpid=C&corpid=D&corpsecret=S",
    "/cgi-bin/corpgroup/corp/gettoken?suite_access_token=T",
    "/cgi-bin/user/get?userid=a&access_token=",
    "/cgi-bin/user/get?userid=a",
]


@pytest.mark.parametrize("path", UNTOUCHED)
def test_what_is_not_an_apps_is_sent_as_it_is(path: str, dead: Legacy, fake: FakeWeCom) -> None:
    """The very same request and options reach the adapter, its very answer comes back."""
    fake.route("webhook/send", {"errcode": 40014}, check_token=False)
    spy, session = Spy(), requests.Session()
    session.mount("http://", spy)
    with install(credentials=[AppCredential(CORP, SECRET, base_url=dead.url)]):
        dead.fetch()
        before = fake.gettoken_calls
        url = dead.url + path.replace("=T", f"={dead.token}")
        fake.revoke()
        response = session.post(url, json={"a": 1}, timeout=(3, 7), stream=True)
        assert response.content
    [(request, options)] = spy.sent
    assert response.request is request
    assert request.url == url
    assert options["timeout"] == (3, 7)
    assert options["stream"] is True
    assert fake.gettoken_calls - before == path.startswith("/cgi-bin/gettoken")


def test_a_gettoken_with_a_password_in_its_url_is_sent_as_it_is(fake: FakeWeCom) -> None:
    with fake.serve() as url, install():
        there = url.replace("://", "://user:pw@")
        for _ in range(2):
            requests.get(f"{there}/cgi-bin/gettoken?corpid=C&corpsecret=S")
    assert fake.gettoken_calls == 2


def test_an_unrelated_host_gets_its_own_adapter_at_the_price_of_one_call(client: Legacy) -> None:
    session, url = requests.Session(), f"{client.url}/some/where"
    adapter = session.get_adapter(url)

    def calls() -> int:
        seen: list[str] = []
        sys.setprofile(lambda frame, event, arg: seen.append(event))
        session.get_adapter(url)
        sys.setprofile(None)
        return seen.count("call")

    before = calls()
    with install():
        assert session.get_adapter(url) is adapter
        assert calls() - before == 1
        seen = session.get_adapter(f"{client.url}/cgi-bin/user/get")
        assert seen is not adapter  # the control: here it does stand in between


def test_everything_else_of_the_adapter_shows_through(client: Legacy) -> None:
    session = requests.Session()
    with install():
        seen: Any = session.get_adapter(f"{client.url}/cgi-bin/user/get")
        plain: Any = session.get_adapter(client.url)
        assert seen.poolmanager is plain.poolmanager
        assert seen.max_retries is plain.max_retries
        assert repr(plain) in repr(seen)
        assert copy.copy(seen).poolmanager is plain.poolmanager
        with pytest.raises(AttributeError):
            _ = seen.no_such_thing
        with mock.patch.object(plain, "close") as close:
            seen.close()
        close.assert_called_once_with()


def test_arguments_by_position_reach_the_adapter(dead: Legacy, fake: FakeWeCom) -> None:
    spy, session = Spy(), requests.Session()
    session.mount("http://", spy)
    with install():
        url = f"{dead.url}/cgi-bin/user/get?userid=a&access_token={dead.token}"
        request = requests.Request("GET", url).prepare()
        response = session.get_adapter(url).send(request, True, 7, False)
        assert response.json()["errcode"] == 0
        *_, (_, options) = [each for each in spy.sent if "user/get" in str(each[0].url)]
        assert options == {"stream": True, "timeout": 7, "verify": False}


def test_sessions_and_responses_are_pickled_as_ever(dead: Legacy) -> None:
    with install():
        session = pickle.loads(pickle.dumps(requests.Session()))
        url = f"{dead.url}/cgi-bin/user/get?userid=a&access_token={dead.token}"
        for response in (session.get(url), dead.ask()):
            again = pickle.loads(pickle.dumps(response))
            assert (again.json(), again.url) == (response.json(), response.url)


def test_our_own_failure_breaks_no_call(
    dead: Legacy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError(f"a bug, at {dead.token}")

    with install():
        for owner, name in (
            ("gettoken", "credential_of"),
            ("owner.Owners", "find"),
            ("owner.Owners", "source"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(f"wecom_auth._dropin.{owner}.{name}", fails)
                assert dead.gettoken()["errcode"] == 0
                assert dead.send("x")["errcode"] in (0, 40014)
    assert "RuntimeError" in caplog.text
    assert "in fails" in caplog.text  # the traceback
    assert dead.token not in caplog.text


# --- threads, forks ---


def test_installed_and_uninstalled_while_others_call(dead: Legacy, fake: FakeWeCom) -> None:
    stop, failures = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            try:
                is_on(dead)
            except Exception as error:  # pragma: no cover
                failures.append(error)

    def switch() -> None:
        for _ in range(200):
            with install(), install():
                pass

    with ThreadPoolExecutor(6) as pool:
        callers = [pool.submit(call) for _ in range(2)]
        for switcher in [pool.submit(switch) for _ in range(4)]:
            switcher.result()
        stop.set()
        for caller in callers:
            caller.result()
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_installs_goes_on(dead: Legacy) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def install_slowly() -> None:
        with process.lock:
            inside.set()
            go_on.wait(30)
            install().uninstall()

    with install(), ThreadPoolExecutor(1) as pool:
        installing = pool.submit(install_slowly)
        inside.wait(30)
        threading.Timer(0.1, go_on.set).start()  # a fork waits for a second at most
        child = os.fork()
        if child == 0:
            install().uninstall()
            os._exit(0 if is_on(dead) else 1)
        installing.result(30)
    assert os.waitpid(child, 0)[1] == 0
