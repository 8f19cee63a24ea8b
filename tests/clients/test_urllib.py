"""urllib: a call is authorised, healed once, and its body arrives whole or not a second time."""

from __future__ import annotations

import io
import json
import socket
import threading
import urllib.request
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.error import URLError
from urllib.request import BaseHandler, OpenerDirector, ProxyHandler, Request, build_opener

import pytest
import requests
from loopback import GET, WHOLE, advanced, piped
from ways import CORP, SECRET, Taken, closed_door, platform

from wecom_auth import AppCredential, CredentialError, Retry, SuiteCredential, TokenSource, attach
from wecom_auth._clients.urllib import call as calls
from wecom_auth.errors import TokenConnectionError, TokenTimeout, TokenUnavailable
from wecom_auth.testing import FakeWeCom
from wecom_auth.urllib import WeComHandler


def opener(app: Any, *handlers: Any, **options: Any) -> OpenerDirector:
    return attach(build_opener(ProxyHandler({}), *handlers), app, **options)


def ask(client: OpenerDirector, url: str, data: Any = None, **options: Any) -> Any:
    request = url if isinstance(url, Request) else Request(url, data)
    with client.open(request, timeout=10, **options) as response:
        return json.load(response)


def errcode(client: OpenerDirector, url: str, data: Any = None) -> Any:
    return ask(client, url, data)["errcode"]


def ended(fake: FakeWeCom, client: OpenerDirector, app: AppCredential) -> None:
    """Let the opener hold a token that the platform has ended."""
    assert errcode(client, f"{app.base_url}/{GET}") == 0
    fake.revoke()
    fake.reset_journal()


class Reiterable:
    """What can be iterated again and again, but does not say where it stands."""

    def __iter__(self) -> Iterator[bytes]:
        yield WHOLE


REPLAYED: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda _: WHOLE,
    "bytearray": lambda _: bytearray(WHOLE),
    "memoryview": lambda _: memoryview(WHOLE),
    "array": lambda _: array("B", WHOLE),
    "list": lambda _: [WHOLE[:700], WHOLE[700:]],
    "BytesIO": lambda _: advanced(io.BytesIO()),
    "file": lambda path: advanced((path / "report.bin").open("w+b")),
}
NOT_REPLAYED: dict[str, Callable[[Path], Any]] = {
    "generator": lambda _: (piece for piece in [WHOLE, WHOLE]),
    "iterator": lambda _: iter([WHOLE, WHOLE]),
    "iterable": lambda _: Reiterable(),
    "pipe": lambda _: piped(),
}


@pytest.mark.parametrize("make", REPLAYED.values(), ids=REPLAYED)
def test_the_body_arrives_whole_the_second_time(make: Any, tmp_path: Path) -> None:
    with platform() as (fake, app):
        taken, client, body = Taken(fake), opener(app), make(tmp_path)
        ended(fake, client, app)
        assert errcode(client, f"{app.base_url}/cgi-bin/take", body) == 0
        assert taken.bodies == [WHOLE]
        assert [c.errcode for c in fake.journal if c.path == "take"] == [40014, 0]
        getattr(body, "close", bool)()


def test_the_control_a_file_that_is_not_put_back_arrives_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "put_back", lambda positions: True)
    with platform() as (fake, app):
        taken, client = Taken(fake), opener(app)
        ended(fake, client, app)
        assert errcode(client, f"{app.base_url}/cgi-bin/take", io.BytesIO(WHOLE)) == 0
        assert taken.bodies == [b""]


@pytest.mark.parametrize("make", NOT_REPLAYED.values(), ids=NOT_REPLAYED)
def test_what_goes_out_once_only_is_not_sent_again(make: Any, tmp_path: Path) -> None:
    with platform() as (fake, app):
        taken, client, body = Taken(fake), opener(app), make(tmp_path)
        url = f"{app.base_url}/cgi-bin/take"
        ended(fake, client, app)
        assert errcode(client, url, body) == 40014, "the platform's own answer"
        assert taken.bodies == []
        assert errcode(client, url, WHOLE) == 0, "the next call has a token"
        getattr(body, "close", bool)()


def test_a_file_that_its_caller_closes_meanwhile_is_not_sent_again() -> None:
    with platform() as (fake, app):
        file, client = io.BytesIO(WHOLE), opener(TokenSource(app))
        fake.route("take", lambda request: file.close() or {"errcode": 42001})
        assert errcode(client, f"{app.base_url}/cgi-bin/take", file) == 42001


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
@pytest.mark.parametrize("revoked", [False, True], ids=["cold", "revoked"])
def test_threads_make_one_exchange(mode: Any, revoked: bool) -> None:
    with platform(mode=mode) as (fake, app), ThreadPoolExecutor(8) as threads:
        client, start = opener(app), Barrier(8)
        if revoked:
            ended(fake, client, app)

        def one(number: int) -> Any:
            start.wait(10)
            return errcode(client, f"{app.base_url}/{GET}?n={number}")

        assert set(threads.map(one, range(8))) == {0}
        assert fake.gettoken_calls == 1


def test_requests_and_urllib_share_one_exchange() -> None:
    with platform() as (fake, app), attach(requests.Session(), app) as session:
        assert errcode(opener(app), f"{app.base_url}/{GET}") == 0
        assert session.get(f"{app.base_url}/{GET}", timeout=10).json()["errcode"] == 0
        assert fake.gettoken_calls == 1


def test_a_rejected_answer_is_closed_before_a_token_is_asked_for(monkeypatch: Any) -> None:
    with platform() as (fake, app):
        client, sockets, closed = opener(app), [], []
        ended(fake, client, app)
        connect = socket.create_connection

        def noting(*args: Any, **options: Any) -> Any:
            closed.append([each.fileno() == -1 for each in sockets])
            sockets.append(connect(*args, **options))
            return sockets[-1]

        monkeypatch.setattr(socket, "create_connection", noting)
        assert errcode(client, f"{app.base_url}/{GET}") == 0
        assert closed == [[], [True], [True, True]], "the call, gettoken, the call again"


def test_attach_gives_the_opener_back_and_twice_is_once() -> None:
    with platform() as (fake, app):
        client = build_opener(ProxyHandler({}))
        assert attach(client, app) is client
        count = len(client.handlers)  # type: ignore[attr-defined]
        assert attach(client, AppCredential(CORP, SECRET, base_url=app.base_url)) is client
        assert len(client.handlers) == count  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="another credential"):
            attach(client, AppCredential(CORP, "another-secret", base_url=app.base_url))
        with build_opener(WeComHandler(app), ProxyHandler({})).open(
            f"{app.base_url}/{GET}", timeout=10
        ) as response:
            assert json.load(response)["errcode"] == 0
        assert fake.gettoken_calls == 1


def test_two_credentials_whose_scopes_differ_share_an_opener() -> None:
    with platform() as (_, app):
        suite = SuiteCredential("suite", "s-secret", lambda: "t", base_url=app.base_url)
        client = attach(opener(app), suite)
        assert errcode(client, f"{app.base_url}/{GET}") == 0
        answer = ask(client, f"{app.base_url}/cgi-bin/service/get_pre_auth_code")
        assert answer["errcode"] == 0


def test_a_function_chooses_for_each_request() -> None:
    with platform() as (fake, app):
        other = AppCredential(CORP, "other-secret", base_url=app.base_url)

        def choose(request: Request) -> AppCredential | None:
            return {"a": app, "b": other}.get(request.full_url[-1])

        client = attach(build_opener(ProxyHandler({})), choose, base_url=app.base_url)
        found = [errcode(client, f"{app.base_url}/{GET}?who={who}") for who in "abc"]
        assert found == [0, 0, 41001]
        assert fake.gettoken_calls == 2


def test_a_handler_of_one_opener_is_refused_to_another() -> None:
    handler = WeComHandler(AppCredential(CORP, SECRET))
    build_opener(handler)
    with pytest.raises(ValueError, match="one for each"):
        build_opener(handler)


@pytest.mark.parametrize("thing", [object(), urllib.request, "opener"])
def test_what_is_no_client_gets_the_list_of_those(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"aiohttp\.ClientSession.*urllib\.OpenerDirector"):
        attach(thing, AppCredential(CORP, SECRET))
    with pytest.raises(TypeError, match="AppCredential"):
        WeComHandler(thing)


def test_busy_answers_are_retried_where_that_is_asked_for() -> None:
    with platform() as (fake, app):
        client = opener(app, retry=Retry({-1}, attempts=1))
        errcode(client, f"{app.base_url}/{GET}")
        fake.fail("busy", times=1)
        assert errcode(client, f"{app.base_url}/{GET}") == 0
        fake.fail("busy", times=1)
        assert errcode(client, f"{app.base_url}/{GET}", b"{}") == -1, "a POST is not"


def test_a_token_of_the_callers_own_is_replaced_and_the_rest_of_the_query_is_kept() -> None:
    with platform() as (fake, app):
        url = f"{app.base_url}/{GET}?a=%20b&access_token=OLD&c=&d"
        assert errcode(opener(app), url) == 0
        (call,) = [each for each in fake.journal if each.path == "get_api_domain_ip"]
        assert call.query == "a=%20b&c=&d&access_token=***"


def test_calls_that_carry_no_token_pass_untouched() -> None:
    with platform() as (fake, app):
        client = opener(app)
        answer = ask(client, f"{app.base_url}/cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}")
        assert answer["access_token"]
        fake.route("webhook/send", {"errcode": 0}, check_token=False)
        assert errcode(client, f"{app.base_url}/cgi-bin/webhook/send?key=1", b"{}") == 0
        assert not any("access_token" in call.query for call in fake.journal)


# --- errors ---


def test_a_refused_credential_is_an_url_error_as_well() -> None:
    with platform() as (fake, app):
        fake.app(CORP, "another-secret")
        with pytest.raises(CredentialError) as caught:
            errcode(opener(app), f"{app.base_url}/{GET}")
        error = caught.value
        assert isinstance(error, URLError)
        assert (error.errcode, error.reason) == (40001, str(error))
        assert "40001" in str(error)
        assert error.__cause__ is error.__context__ is None


def test_a_platform_that_is_not_reached_is_an_url_error_as_well() -> None:
    with closed_door() as url:
        app = AppCredential(CORP, SECRET, base_url=url)
        with pytest.raises(TokenConnectionError) as caught:
            opener(app).open(f"{url}/{GET}", timeout=1)
    assert isinstance(caught.value, URLError)
    assert isinstance(caught.value, requests.ConnectionError)


def test_the_limit_of_a_call_is_kept_and_the_reason_is_a_timeout() -> None:
    with platform() as (fake, app), fake.hold("gettoken"):
        with pytest.raises(TokenTimeout) as caught:
            opener(app).open(f"{app.base_url}/{GET}", timeout=0.2)
        assert isinstance(caught.value, URLError)
        assert isinstance(caught.value.reason, TimeoutError)


def test_a_limit_is_the_calls_own_or_that_of_all_sockets(monkeypatch: Any) -> None:
    request = Request("https://qyapi.weixin.qq.com/")
    build_opener()
    limits = []
    for timeout in (3, None, socket._GLOBAL_DEFAULT_TIMEOUT):  # type: ignore[attr-defined]
        request.timeout = timeout
        limits.append(calls.call_limit(request))
    monkeypatch.setattr(socket, "getdefaulttimeout", lambda: 2.0)
    limits.append(calls.call_limit(request))
    assert limits == [6, None, None, 4]


# --- the way of the exchange ---


def test_the_exchange_goes_by_the_openers_handlers() -> None:
    with platform() as (fake, app):
        seen: list[tuple[str, str | None]] = []

        class Gateway(BaseHandler):
            def http_request(self, request: Request) -> Request:
                request.add_unredirected_header("X-Handler", "yes")
                return request

            def http_open(self, request: Request) -> None:
                seen.append((request.selector, request.get_header("X-handler")))

        Gateway.handler_order = 400
        client = opener(app, Gateway(), urllib.request.HTTPCookieProcessor())
        client.addheaders = [("User-agent", "our-agent")]
        request = Request(f"{app.base_url}/{GET}", headers={"X-Gateway": "open", "If-Match": "1"})
        assert ask(client, request)["errcode"] == 0
        exchange = fake.journal[0]
        assert exchange.path == "gettoken"
        names = ("User-Agent", "X-Handler", "X-Gateway", "If-Match")
        assert [exchange.headers.get(name) for name in names] == ["our-agent", "yes", "open", None]
        assert [name for _, name in seen] == ["yes", "yes"]
        assert f"corpsecret={SECRET}" in seen[0][0], "what sends it needs the secret"


def test_both_go_by_the_openers_proxy() -> None:
    with platform() as (fake, app):
        client = attach(
            build_opener(ProxyHandler({"http": app.base_url})),
            AppCredential(CORP, SECRET, base_url="http://wecom.example", allow_http=True),
        )
        assert errcode(client, f"http://wecom.example/{GET}") == 0
        fake.revoke()
        assert errcode(client, f"http://wecom.example/{GET}") == 0
        assert {call.headers["Host"] for call in fake.journal} == {"wecom.example"}
        assert fake.gettoken_calls == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_exchange_follows_no_redirect(status: int) -> None:
    elsewhere = FakeWeCom()
    with elsewhere.serve() as there, platform() as (fake, app):
        answer = (status, {"Location": f"{there}/cgi-bin/gettoken"}, b"")
        fake.route("gettoken", answer, check_token=False)
        with pytest.raises(TokenUnavailable, match=f"HTTP {status}"):
            errcode(opener(app), f"{app.base_url}/{GET}")
        assert not elsewhere.journal


def test_an_exchange_that_fails_by_its_status_says_so() -> None:
    with platform() as (fake, app):
        fake.fail("outage", path="gettoken")
        with pytest.raises(TokenUnavailable, match="HTTP 502"):
            errcode(opener(app), f"{app.base_url}/{GET}")


def test_nothing_is_left_running() -> None:
    with platform() as (_, app):
        assert errcode(opener(app), f"{app.base_url}/{GET}") == 0
        left = [each for each in threading.enumerate() if each.name == "wecom-auth"]
        for thread in left:  # that of the exchange may be about to end
            thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]
