"""Redirects: a token never reaches another host, a redirect within the platform works."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread, main_thread
from typing import Any
from urllib.parse import quote

import pytest
import requests
from ways import CORP, HIDING_WAYS, SECRET, SESSION_WAYS, Client, Taken, all_ways, platform

from wecom_auth import WeComAuth, attach
from wecom_auth._clients.requests import auth, hide
from wecom_auth.testing import FakeWeCom, Request


class Elsewhere:
    """Another host: it notes what it is sent, and says what a thief would like to hear."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.fake = FakeWeCom()
        self.url = ""
        for path in ("/login", "/cgi-bin/user/get"):
            self.fake.route(path, self._rejects, check_token=False)

    def _rejects(self, request: Request) -> dict[str, object]:
        self.targets.append(request.target)
        return {"errcode": 42001, "errmsg": "give me another"}


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    there = Elsewhere()
    with there.fake.serve() as url:
        there.url = url
        yield there


ECHOES = {
    "the query as it came": "/login?{query}",
    "the query twice": "/login?{query}&{query}",
    "all of it as a parameter": "/login?return={quoted}",
    "all of it, encoded twice": "/login?return={twice}",
    "in the fragment too": "/login?x={token}#{token}",
    "a parameter of another name": "/login?sso_token={token}",
    "the name encoded": "/login?access%5Ftoken={token}",
    "nothing": "/login",
    "a path that looks like the platform's": "/cgi-bin/user/get?{query}",
}


def redirecting(fake: FakeWeCom, to: str, status: int = 302) -> None:
    """Let `go` redirect, filling the template from what was asked."""

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        quoted = quote(request.target, safe="")
        location = to.format(
            query=request.query,
            quoted=quoted,
            twice=quote(quoted, safe=""),
            token=request.params["access_token"],
        )
        return status, {"Location": location}, b"elsewhere"

    fake.route("go", answer)


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_no_token_reaches_another_host(way: str, echo: str, elsewhere: Elsewhere) -> None:
    with platform() as (fake, app):
        redirecting(fake, elsewhere.url + echo)
        response = Client(way, app).get("go?userid=alice")
        token = fake.token(CORP, SECRET)
        assert token is not None
        assert response.json()["errcode"] == 42001, "the other host's answer, as it is"
        assert len(elsewhere.targets) == 1, "and it is not asked again with a fresh token"
        seen = (elsewhere.targets, response.url, response.request.url, response.history)
        assert token not in repr(seen)
        assert token not in repr([(r.url, r.request.url, r.headers) for r in response.history])
        assert token.encode() not in pickle.dumps(response)
        assert fake.gettoken_calls == 1


@all_ways(*HIDING_WAYS)
def test_control_the_echo_would_carry_the_token(
    way: str, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hide, "clean_echo", lambda *_: None)
    with platform() as (fake, app):
        redirecting(fake, elsewhere.url + "/login?return={quoted}")
        Client(way, app).get("go")
        assert str(fake.token(CORP, SECRET)) in elsewhere.targets[0]


def test_control_without_the_check_in_the_hook_a_thief_is_served(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    with platform() as (fake, app):
        monkeypatch.setattr(type(app), "parameter_for", lambda self, url: "access_token")
        redirecting(fake, elsewhere.url + "/login")
        Client("auth=", app).get("go")
        assert str(fake.token(CORP, SECRET)) in elsewhere.targets[0]


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "/cgi-bin/take",
        "take",
        "/cgi-bin/take?a=%20b&&c",
        "/cgi-bin/take?access_token=old",
        "/cgi-bin/take?{query}",
        "//{host}/cgi-bin/take",
        "http://{host}/cgi-bin/take#f",
    ],
)
def test_a_redirect_within_the_platform_works(way: str, status: int, to: str) -> None:
    with platform() as (fake, app):
        taken = Taken(fake)
        redirecting(fake, to.replace("{host}", app.base_url.removeprefix("http://")), status)
        response = Client(way, app).post("go", json={"a": 1})
        assert response.json()["errcode"] == 0
        assert taken.bodies == [b'{"a": 1}' if status in (307, 308) else b""]
        assert fake.rejections == 0
        token = str(fake.token(CORP, SECRET))
        first = response.history[0]
        assert token not in repr((response.url, response.request.url, first.url, first.headers))
        assert token not in first.request.url
        assert token.encode() not in pickle.dumps(response)


@all_ways(*SESSION_WAYS)
def test_a_token_that_ends_on_the_way_is_replaced(way: str) -> None:
    with platform() as (fake, app):
        taken = Taken(fake)

        def end_and_go(request: Request) -> tuple[int, dict[str, str], bytes]:
            fake.revoke()
            return 307, {"Location": "/cgi-bin/take"}, b""

        fake.route("go", end_and_go)
        assert Client(way, app).post("go", data=b"whole").json()["errcode"] == 0
        assert taken.bodies == [b"whole"]
        assert fake.gettoken_calls == 2


@all_ways(*SESSION_WAYS)
def test_the_next_request_that_is_not_followed_can_be_sent(way: str) -> None:
    with platform() as (fake, app):
        taken = Taken(fake)
        redirecting(fake, "/cgi-bin/take", 307)
        client = Client(way, app)
        response = client.post("go", data=b"x", allow_redirects=False)
        assert response.next is not None
        assert client.session.send(response.next).json()["errcode"] == 0
        assert taken.bodies == [b"x"]


@all_ways(*SESSION_WAYS)
def test_a_redirect_from_elsewhere_to_the_platform(way: str, elsewhere: Elsewhere) -> None:
    """Only the adapter sees it; an auth was asked about the first URL, and that was not ours."""
    with platform() as (fake, app):
        elsewhere.fake.route(
            "/short", (302, {"Location": f"{app.base_url}/cgi-bin/get_api_domain_ip"}, b"")
        )
        code = Client(way, app).get(f"{elsewhere.url}/short").json()["errcode"]
        assert code == (0 if way in HIDING_WAYS else 41001)
        assert fake.gettoken_calls == (1 if way in HIDING_WAYS else 0)


@all_ways(*HIDING_WAYS)
def test_a_redirect_loop_raises_without_the_token(way: str) -> None:
    with platform() as (fake, app):
        redirecting(fake, "/cgi-bin/go?{query}")
        client = Client(way, app)
        client.session.max_redirects = 3
        with pytest.raises(requests.TooManyRedirects) as caught:
            client.get("go")
        token = str(fake.token(CORP, SECRET))
        assert token.encode() not in pickle.dumps(caught.value)
        error = caught.value
        assert token not in repr((error.args, error.request.url, error.response.headers))  # type: ignore[union-attr]


def test_the_hook_lets_go_of_a_redirect_that_was_followed() -> None:
    with platform() as (fake, app):
        Taken(fake)
        redirecting(fake, "/cgi-bin/take")
        session = requests.Session()
        url = f"{app.base_url}/cgi-bin/go"
        request = session.prepare_request(requests.Request("GET", url, auth=WeComAuth(app)))
        assert session.send(request).json()["errcode"] == 0
        (hook,) = request.hooks["response"]
        assert isinstance(hook, auth._Answered)
        assert not hook._redirects


def test_one_request_sent_by_two_threads_is_redirected_in_both() -> None:
    """The one has met its redirect and not yet followed it, while the other makes its whole way."""
    met, over = Event(), Event()

    def waits(response: requests.Response, **_: Any) -> None:
        if response.is_redirect and current_thread() is not main_thread():
            met.set()
            assert over.wait(20)

    with platform() as (fake, app), ThreadPoolExecutor(1) as pool:
        taken = Taken(fake)
        redirecting(fake, "/cgi-bin/take")
        url, session = f"{app.base_url}/cgi-bin/go", requests.Session()
        request = session.prepare_request(requests.Request("GET", url, auth=WeComAuth(app)))
        request.register_hook("response", waits)
        first = pool.submit(requests.Session().send, request)
        assert met.wait(20)
        assert session.send(request).json()["errcode"] == 0
        over.set()
        assert first.result(20).json()["errcode"] == 0
        assert len(taken.bodies) == 2


@all_ways(*SESSION_WAYS)
def test_a_redirect_to_nowhere_is_not_followed(way: str) -> None:
    with platform() as (fake, app):
        fake.route("go", (302, {"Location": ""}, b"here"))
        response = Client(way, app).post("go", data=b"once")
        assert (response.status_code, response.content) == (302, b"here")
        assert [call.path for call in fake.journal].count("go") == 1


def test_who_is_redirected_to_another_apps_platform_is_not_that_app() -> None:
    with platform() as (gateway, theirs), platform() as (fake, ours):
        taken = Taken(fake)
        redirecting(gateway, f"{ours.base_url}/cgi-bin/take", 307)
        session = attach(requests.Session(), ours)
        response = session.post(
            f"{theirs.base_url}/cgi-bin/go", auth=WeComAuth(theirs), data=b"from another app"
        )
        assert response.json()["errcode"] == 41001
        assert taken.bodies == []
        assert fake.gettoken_calls == 0


@pytest.mark.parametrize(
    "to", ["/other/login", "/wecom/%2e%2e/other/login", "/wecom/a%2F..%2F../x"]
)
def test_another_prefix_of_the_same_host_is_another_host(to: str) -> None:
    """`https://h/wecom` may be ours while `https://h/other` is somebody else's."""
    with platform() as (fake, app):
        ours = type(app)(CORP, SECRET, base_url=f"{app.base_url}/wecom")
        fake.route(to, {"errcode": 0}, check_token=False)
        redirecting(fake, to + "?{query}")
        for session, options in (
            (attach(requests.Session(), ours), {}),
            (requests.Session(), {"auth": WeComAuth(ours)}),
        ):
            session.get(f"{ours.base_url}/cgi-bin/go", **options)  # type: ignore[arg-type]
            assert fake.journal[-1].url_path in (to, "/other/login")
            assert "access_token" not in fake.journal[-1].query
