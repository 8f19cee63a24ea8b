"""What is around a call is as with plain requests: hooks, elapsed, history, cookies, pickles."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPDigestAuth
from ways import CORP, HIDING_WAYS, SECRET, SESSION_WAYS, Client, Taken, all_ways, platform, warm

from wecom_auth import (
    AppCredential,
    ExternalToken,
    MemoryStore,
    WeComAdapter,
    WeComAuth,
    attach,
)
from wecom_auth.testing import FakeWeCom, Request

REJECTED = b'{"errcode":42001,"errmsg":"expired"}'


class Gateway:
    """The route `gate`: it rejects the first token and sets a cookie as it does so."""

    def __init__(self, fake: FakeWeCom, set_cookie: str = "gw=1; Path=/") -> None:
        self.cookies: list[str] = []
        self._fake, self._set_cookie = fake, set_cookie
        fake.route("gate", self._answer)

    def _answer(self, request: Request) -> Any:
        self.cookies.append(request.header("Cookie"))
        if len(self.cookies) > 1:
            return {"errcode": 0, "errmsg": "ok"}
        self._fake.revoke()
        headers = {"Content-Type": "application/json", "Set-Cookie": self._set_cookie}
        return 200, headers, REJECTED


# --- hooks, elapsed, history ---


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_users_hook_sees_the_final_answer_once(way: str, stream: bool) -> None:
    seen: list[Any] = []
    with platform() as (fake, app):
        client = Client(way, app)
        client.session.hooks["response"].append(lambda r, **_: seen.append((r.json(), r.url)))
        warm(client)
        fake.revoke()
        seen.clear()
        response = client.get("user/get?userid=a", stream=stream)
        ((answer, url),) = seen
        assert answer["errcode"] == 0
        assert url == response.url == f"{app.base_url}/cgi-bin/user/get?userid=a"


@all_ways(*SESSION_WAYS)
def test_what_a_hook_returns_is_the_answer(way: str) -> None:
    other = requests.Response()
    other.status_code, other._content, other.raw = 299, b"mine", None
    with platform() as (_fake, app):
        response = Client(way, app).get("user/get", hooks={"response": lambda r, **_: other})
        assert response.content == b"mine"


@all_ways(*SESSION_WAYS)
def test_elapsed_counts_both_requests(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.revoke()
        slow = 0.05
        fake.fail("slow", seconds=slow, times=2, path="user/get")
        response = client.get("user/get?userid=a")
        assert response.elapsed > timedelta(seconds=2 * slow)
        assert client.get("user/get?userid=a").elapsed > timedelta(0)


@all_ways(*SESSION_WAYS)
def test_history_holds_redirects_only(way: str) -> None:
    with platform() as (fake, app):
        fake.route("go", (302, {"Location": "get_api_domain_ip"}, b""))
        client = Client(way, app)
        warm(client)
        fake.revoke()
        assert client.get("user/get?userid=a").history == []
        assert [r.status_code for r in client.get("go").history] == [302]


@all_ways(*HIDING_WAYS)
def test_a_hook_that_sends_again_goes_through_us(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)

        def again(response: requests.Response, **options: Any) -> requests.Response:
            options.pop("allow_redirects", None)
            assert "access_token" not in str(response.request.url)
            return response.connection.send(response.request, **options)  # type: ignore[no-any-return,attr-defined]

        response = client.get("user/get?userid=a", hooks={"response": again})
        assert response.json()["errcode"] == 0
        assert fake.rejections == 0
        assert isinstance(response.connection, WeComAdapter)  # type: ignore[attr-defined]


@all_ways(*SESSION_WAYS)
def test_the_answers_request_can_be_sent_again(way: str) -> None:
    """With `attach` it has a token again; an auth is asked when a request is prepared only."""
    with platform() as (_fake, app):
        client = Client(way, app)
        response = client.get("user/get?userid=a")
        code = client.session.send(response.request).json()["errcode"]
        assert code == (0 if way in HIDING_WAYS else 41001)


def test_digest_auth_beside_attach() -> None:
    with platform() as (fake, app):
        taken: list[str] = []

        def guarded(request: Request) -> Any:
            taken.append(request.header("Authorization"))
            if not taken[-1]:
                challenge = 'Digest realm="gate", nonce="n", qop="auth", algorithm=MD5'
                return 401, {"WWW-Authenticate": challenge}, b"who are you?"
            return {"errcode": 0, "body": request.body.decode()}

        fake.route("guarded", guarded)
        session = attach(requests.Session(), app)
        session.auth = HTTPDigestAuth("user", "password")
        url = f"{app.base_url}/cgi-bin/guarded?a=%20b"
        assert session.post(url, data="whole").json() == {"errcode": 0, "body": "whole"}
        assert [bool(header) for header in taken] == [False, True]
        assert fake.rejections == 0
        fake.revoke()
        assert session.post(url, data="whole").json()["errcode"] == 0


# --- cookies ---


@all_ways(*SESSION_WAYS)
def test_a_cookie_header_of_the_callers_own_stays(way: str) -> None:
    with platform() as (fake, app):
        gateway, client = Gateway(fake), Client(way, app)
        client.get("gate", headers={"Cookie": "pass=gate"})
        assert gateway.cookies == ["pass=gate", "pass=gate"]


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("cookie", ["mine=; Max-Age=0; Path=/", "gw=1; Path=/other", "x=1; Secure"])
def test_cookies_that_do_not_apply_are_not_sent(way: str, cookie: str) -> None:
    with platform() as (fake, app):
        gateway, client = Gateway(fake, cookie), Client(way, app)
        client.session.cookies.set("mine", "0")
        client.get("gate")
        assert gateway.cookies[1] in ("mine=0", "")


# --- pickles and copies ---


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize(
    "again",
    [lambda s: pickle.loads(pickle.dumps(s)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_session_pickled_and_copied(way: str, again: Any) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        client.session = again(client.session)
        assert client.get("user/get?userid=a").json()["errcode"] == 0
        fake.revoke()
        assert client.get("user/get?userid=a").json()["errcode"] == 0
        assert fake.gettoken_calls == 2, "and it shares the token of the first"


@all_ways(*SESSION_WAYS)
def test_a_pickled_session_holds_no_token(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        token = fake.token(CORP, SECRET)
        assert token is not None
        assert token.encode() not in pickle.dumps(client.session)


def test_a_session_with_a_memory_of_its_own_copies() -> None:
    with platform() as (_fake, app):
        session = attach(requests.Session(), app, store=MemoryStore())
        url = f"{app.base_url}/cgi-bin/user/get?userid=a"
        session.get(url)
        assert copy.copy(session).get(url).json()["errcode"] == 0
        assert copy.deepcopy(session).get(url).json()["errcode"] == 0


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("healed", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_pickled_and_copied(way: str, healed: bool, stream: bool) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        if healed:
            fake.revoke()
        response = client.get("user/get?userid=a", stream=stream)
        text = pickle.dumps(response)
        for twin in (pickle.loads(text), copy.copy(response), copy.deepcopy(response)):
            assert twin.json() == response.json()
            assert (twin.url, twin.request.url) == (response.url, response.request.url)
        for hidden in (str(fake.token(CORP, SECRET)), SECRET, "WeCom", "_Answered"):
            assert hidden.encode() not in text


@all_ways(*SESSION_WAYS)
def test_a_response_pickles_with_the_users_hooks(way: str) -> None:
    with platform() as (_fake, app):
        client = Client(way, app)
        client.session.hooks["response"].append(note)
        response = pickle.loads(pickle.dumps(client.get("user/get?userid=a")))
        assert response.request.hooks["response"] == [note]


def note(response: requests.Response, **_: Any) -> None:
    """A user's hook."""


def test_an_auth_and_an_adapter_pickle() -> None:
    app = AppCredential("ww1", "s", base_url="http://127.0.0.1:1")
    auth = pickle.loads(pickle.dumps(WeComAuth(app)))
    assert (auth.source, repr(auth)) == (WeComAuth(app).source, repr(WeComAuth(app)))
    adapter = WeComAdapter(app, HTTPAdapter(max_retries=3))
    there = pickle.loads(pickle.dumps(adapter))
    assert (there.route.sources, repr(there)) == (adapter.route.sources, repr(adapter))
    assert there._inner.max_retries.total == 3
    assert WeComAuth(app) == WeComAuth(app) != WeComAuth(AppCredential("ww2", "s"))
    assert WeComAuth(app) != "auth"
    assert hash(WeComAuth(app)) == hash(WeComAuth(app))


# --- connections ---


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_a_healed_call_takes_no_second_connection(way: str, stream: bool, header: bool) -> None:
    """Another would wait for ever where the pool has one place and blocks."""
    with platform() as (fake, app):
        if not header:
            fake.fail("no-error-code-header")
        session = requests.Session()
        session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        client = Client(way, app, session)
        warm(client)
        for _ in range(3):
            fake.revoke()
            assert client.get("user/get?userid=a", stream=stream).json()["errcode"] == 0
        # attach and mount send gettoken over the same one, an auth has a session for that.
        assert client.connections() == 1


def test_control_an_answer_that_is_not_drained_takes_a_second_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from wecom_auth._clients.requests import answer as answers

    monkeypatch.setattr(answers, "_release", lambda response: None)
    with platform() as (fake, app):
        client = Client("attach", app)
        warm(client)
        fake.revoke()
        client.get("user/get?userid=a", stream=True).close()
        assert client.connections() > 1


@all_ways(*HIDING_WAYS)
def test_gettoken_goes_by_the_adapter_of_the_call(way: str) -> None:
    with platform() as (fake, app):
        Taken(fake)
        client = Client(way, app)
        client.upload(data=b"x")
        assert fake.gettoken_calls == 1
        assert client.connections() == 1


class Canned(BaseAdapter):
    """An adapter of somebody's own: nothing of urllib3 is behind its answers."""

    def __init__(self, *bodies: bytes) -> None:
        super().__init__()
        self.bodies = list(bodies)

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        response = requests.Response()
        response.status_code, response._content = 200, self.bodies.pop(0)
        response.request, response.url = request, str(request.url)
        response.cookies.set("gw", "1")
        response.connection = self  # type: ignore[attr-defined]
        return response

    def close(self) -> None:
        pass


@all_ways(*SESSION_WAYS)
def test_an_adapter_without_urllib3_heals_too(way: str) -> None:
    tokens = iter(["t1", "t2"])
    session = requests.Session()
    session.mount("http://", Canned(REJECTED, b'{"errcode":0}'))
    app: Any = ExternalToken(lambda: next(tokens), base_url="http://127.0.0.1:1")
    response = Client(way, app, session).get("user/get")
    assert response.json() == {"errcode": 0}
    assert response.request.headers.get("Cookie") is None, "the caller's request, as it was"
