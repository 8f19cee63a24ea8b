"""`WeComAuth`: what it does to a request, and how it goes with what else is around."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import requests_cache
from requests.adapters import BaseAdapter
from requests.auth import HTTPBasicAuth
from ways import CORP, SECRET, Client, Taken, all_ways, platform

from wecom_auth import (
    AppCredential,
    Credential,
    ExternalToken,
    TokenSource,
    WeComAuth,
    attach,
)
from wecom_auth._clients import auth
from wecom_auth._clients.auth import is_authorised
from wecom_auth._credential.exchange import Grant

URL = "https://qyapi.weixin.qq.com/cgi-bin/user/get?a=%20b"


@pytest.fixture
def ours() -> ExternalToken:
    return ExternalToken(lambda: "tok")


def prepare(url: str, given: Any, **options: Any) -> requests.PreparedRequest:
    return requests.Session().prepare_request(requests.Request("GET", url, auth=given, **options))


def test_the_token_is_put_in_as_the_request_is_prepared(ours: ExternalToken) -> None:
    request = prepare(URL, WeComAuth(ours))
    assert request.url == f"{URL}&access_token=tok"
    assert is_authorised(request)
    assert "Authorization" not in request.headers


def test_what_is_not_ours_is_not_touched(ours: ExternalToken) -> None:
    request = prepare("https://h/x", WeComAuth(ours))
    assert request.url == "https://h/x"
    assert not is_authorised(request)
    assert request.hooks["response"] == []


def test_a_request_without_hooks_is_nobodys(ours: ExternalToken) -> None:
    request = prepare(URL, None)
    for hooks in ({}, None, {"response": []}, {"response": [print]}):
        request.hooks = hooks  # type: ignore[assignment]
        assert not is_authorised(request)


def test_the_calls_timeout_bounds_a_second_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is fetched before requests tells anybody the timeout; a second one is not."""
    with platform() as (fake, app):
        url = f"{app.base_url}/cgi-bin/user/get?userid=a"
        assert requests.get(url, auth=WeComAuth(app)).json()["errcode"] == 0
        fake.revoke()
        limits: list[float] = []
        replace = TokenSource.replace

        def noted(self: TokenSource, rejected: str, limit: float, **more: Any) -> Any:
            limits.append(limit)
            return replace(self, rejected, limit, **more)

        monkeypatch.setattr(TokenSource, "replace", noted)
        assert requests.get(url, auth=WeComAuth(app), timeout=(3, 4)).json()["errcode"] == 0
        assert limits == [7.0]


class Answering(BaseAdapter):
    """A home-made double: its answer knows of no request."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        response = requests.Response()
        response.status_code, response._content = 200, b'{"errcode":0}'
        return response

    def close(self) -> None: ...


def test_an_answer_that_knows_of_no_request(ours: ExternalToken) -> None:
    session = requests.Session()
    session.mount("https://", Answering())
    assert session.get(URL, auth=WeComAuth(ours)).json() == {"errcode": 0}


class Ticket(Credential):
    """Another kind of token, in a parameter of its own."""

    parameter = "ticket"
    shareable = False
    __slots__ = ()

    def __init__(self, base_url: str) -> None:
        self._name(base_url, "ticket")

    def obtain(self, send: Any, limit: float) -> Grant:
        return Grant("a ticket", 7200)


def test_another_kind_of_token_wins_over_the_sessions() -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app)
        url = f"{app.base_url}/cgi-bin/user/get?userid=a"
        session.get(url, auth=WeComAuth(Ticket(app.base_url)))
        assert [call.query for call in fake.journal] == ["userid=a&ticket=***"]


def test_a_url_that_is_changed_after_it_was_authorised_is_healed() -> None:
    with platform() as (fake, app):
        request = prepare(f"{app.base_url}/cgi-bin/user/get?userid=a", WeComAuth(app))
        request.url = f"{request.url}&lang=zh"
        fake.revoke()
        response = requests.Session().send(request)
        assert response.json()["errcode"] == 0
        assert response.url.endswith("/cgi-bin/user/get?userid=a&lang=zh")
        assert fake.rejections == 1


def test_preparing_twice_makes_one_resend() -> None:
    with platform(mode="rotate") as (fake, app):
        session = requests.Session()
        request = prepare(f"{app.base_url}/cgi-bin/user/get", WeComAuth(app))
        request.prepare_auth(WeComAuth(app))
        fake.fail("reject")
        fake.reset_journal()
        assert session.send(request).json()["errcode"] == 40014
        assert [call.path for call in fake.journal].count("user/get") == 2


def test_the_last_of_two_apps_wins() -> None:
    with platform() as (fake, app):
        other = AppCredential("ww0002", "another", base_url=app.base_url)
        request = prepare(f"{app.base_url}/cgi-bin/user/get?userid=a", WeComAuth(app))
        request.prepare_auth(WeComAuth(other))
        fake.revoke("ww0002")
        assert requests.Session().send(request).json()["errcode"] == 0
        assert [c.corpid for c in fake.journal if c.path == "user/get"] == ["ww0002", "ww0002"]


def test_auths_of_a_request_and_of_the_session(ours: ExternalToken) -> None:
    session = requests.Session()
    session.auth = WeComAuth(ours)
    request = requests.Request("GET", URL, auth=HTTPBasicAuth("user", "password"))
    assert session.prepare_request(request).url == URL, "the request's own wins, as ever"
    assert str(session.prepare_request(requests.Request("GET", URL)).url).endswith("=tok")


def test_it_is_truthy_so_that_netrc_stays_out(ours: ExternalToken) -> None:
    assert WeComAuth(ours)


def test_prepared_in_one_thread_and_sent_from_another() -> None:
    with platform() as (fake, app):
        taken = Taken(fake)
        shared = WeComAuth(app)
        url = f"{app.base_url}/cgi-bin/take"
        made = [
            requests.Request("POST", url, data=str(n), auth=shared).prepare() for n in range(16)
        ]
        fake.revoke()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda r: requests.Session().send(r).json(), made))
        assert {answer["errcode"] for answer in answers} == {0}
        assert sorted(taken.bodies, key=int) == [b"%d" % n for n in range(16)]
        assert fake.gettoken_calls == 2


def test_an_answer_out_of_a_cache_is_left_alone(ours: ExternalToken) -> None:
    """It has no connection to send anything by, and was looked at when it was stored."""
    request = prepare(URL, WeComAuth(ours))
    (hook,) = request.hooks["response"]
    response = requests.Response()
    response.status_code, response._content = 200, b'{"errcode":42001}'
    response.request, response.url = request, str(request.url)
    for _ in range(2):
        response = hook(response, stream=False, allow_redirects=True, expire_after=5)
    assert response.json() == {"errcode": 42001}
    assert response.url == response.request.url == URL


def test_it_keeps_its_source(ours: ExternalToken) -> None:
    source = TokenSource(ours)
    assert WeComAuth(source).source is source
    assert "tok" not in repr(WeComAuth(AppCredential("ww1", "hidden-tok")))
    assert WeComAuth(source) == WeComAuth(ours)


@pytest.mark.parametrize("wrong", [None, "corpid", ("corpid", "secret"), AppCredential, requests])
def test_what_is_no_source(wrong: Any) -> None:
    with pytest.raises(TypeError, match="credential must be an AppCredential or an ExternalToken"):
        WeComAuth(wrong)


def test_control_without_the_hook_a_dead_token_is_the_callers_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth._Answered, "__call__", lambda self, response, **_: response)
    with platform() as (fake, app):
        url = f"{app.base_url}/cgi-bin/user/get?userid=a"
        requests.get(url, auth=WeComAuth(app))
        fake.revoke()
        response = requests.get(url, auth=WeComAuth(app))
        assert response.json()["errcode"] == 40014
        assert "access_token" in response.url
        assert fake.token(CORP, SECRET) is None


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_prepared_request_copied(again: Any) -> None:
    with platform() as (fake, app):
        taken = Taken(fake)
        request = requests.Request("POST", f"{app.base_url}/cgi-bin/take", data=b"x")
        request.auth = WeComAuth(app)
        twin = again(request.prepare())
        fake.revoke()
        assert requests.Session().send(twin).json()["errcode"] == 0
        assert taken.bodies == [b"x"]


def test_a_prepared_request_pickled_holds_no_secret() -> None:
    """What comes out is an ordinary request with the token that it had; nobody looks after it."""
    with platform() as (fake, app):
        request = requests.Request("GET", f"{app.base_url}/cgi-bin/user/get?userid=a")
        request.auth = WeComAuth(app)
        text = pickle.dumps(request.prepare())
        assert SECRET.encode() not in text
        assert requests.Session().send(pickle.loads(text)).json()["errcode"] == 0
        fake.revoke()
        assert requests.Session().send(pickle.loads(text)).json()["errcode"] == 40014


@all_ways("session.auth", "attach", "mount")
def test_a_session_with_a_cache(way: str) -> None:
    """The hook runs twice on a miss, with arguments of the cache's own, and once on a hit."""
    with platform() as (fake, app):
        client = Client(way, app, requests_cache.CachedSession(backend="memory"))
        requests.get(f"{app.base_url}/cgi-bin/user/get", auth=WeComAuth(app))
        fake.revoke()
        fake.reset_journal()
        for _ in range(3):
            response = client.get("user/get?userid=a")
            assert (response.json()["errcode"], response.url[-8:]) == (0, "userid=a")
        assert [c.errcode for c in fake.journal if c.path == "user/get"] == [40014, 0]


def test_a_request_out_of_a_cache_has_no_hooks(ours: ExternalToken) -> None:
    (hook,) = prepare(URL, WeComAuth(ours)).hooks["response"]
    response = requests.Response()
    response.status_code, response._content = 200, b'{"errcode":0}'
    response.request, response.url = prepare(URL, None), URL
    del response.request.hooks
    assert hook(response, from_cache=True).json() == {"errcode": 0}
    assert not is_authorised(response.request)
