"""The exceptions: what they are, what they carry, what they say."""

from __future__ import annotations

import asyncio
import copy
import errno
import pickle
import urllib.error
import urllib.request
from typing import Any

import httpx
import pytest
import requests
import trouble
from ways import SECRET, Client, all_ways, platform, raw_server

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    TokenConnectionError,
    TokenSource,
    TokenTimeout,
    TokenUnavailable,
    WeComError,
    errors,
)
from wecom_auth._advice import CALLS
from wecom_auth._http.trouble import network_cause
from wecom_auth.errors import (
    describe,
    help_url,
)

KINDS = [
    WeComError,
    APIError,
    CredentialError,
    TokenUnavailable,
    TokenConnectionError,
    TokenTimeout,
]


def again(error: WeComError) -> list[WeComError]:
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(2, 6)]
    return [*pickled, copy.copy(error), copy.deepcopy(error)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_pickles_and_copies(kind: type[WeComError]) -> None:
    response = requests.Response()
    response.status_code, response._content = 200, b"{}"
    response.request = requests.Request("GET", "https://h/p").prepare()
    error = kind("what happened", errcode=60020, errmsg="ip", response=response)
    for twin in again(error):
        assert type(twin) is kind
        assert str(twin) == str(error) == "what happened"
        assert (twin.errcode, twin.errmsg) == (60020, "ip")
        assert (twin.help_url, twin.advice) == (error.help_url, error.advice)
        assert twin.response.content == b"{}"  # type: ignore[union-attr]
        assert twin.request.url == "https://h/p"  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_without_anything(kind: type[WeComError]) -> None:
    for twin in [kind(), *again(kind())]:
        assert (str(twin), twin.errcode, twin.errmsg, twin.help_url, twin.advice) == (
            "",
            None,
            "",
            None,
            "",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_existing_handlers_catch_them(kind: type[WeComError]) -> None:
    assert issubclass(kind, requests.RequestException | OSError)
    assert issubclass(TokenTimeout, requests.Timeout)
    assert issubclass(TokenConnectionError, requests.ConnectionError)
    assert not issubclass(CredentialError, requests.ConnectionError | requests.Timeout)


def test_what_to_do_is_said() -> None:
    assert describe("gettoken", 60020, "not allow") == (
        "gettoken: errcode 60020: not allow | this machine's IP is not a trusted IP of this app"
        " (60020): add it on the app's page under trusted IPs (it takes about a minute) | "
        + help_url(60020)
    )
    assert describe("x", 99999, "") == f"x: errcode 99999: no errmsg | {help_url(99999)}"


def test_each_code_is_of_one_kind() -> None:
    classes = [errors.REJECTED, errors.CREDENTIAL, errors.TRANSIENT, {errors.RATE_LIMITED}]
    assert sum(map(len, classes)) == len(frozenset().union(*classes))
    assert not {42007, 42012, 41001} & frozenset().union(*classes)


@pytest.mark.parametrize("code", CALLS)
def test_every_errcode_of_the_table_has_both_sentences(code: int) -> None:
    error = APIError("x", errcode=code)
    assert error.advice.encode("gbk").decode("ascii") == error.advice
    assert any(char >= "\u4e00" for char in error.advice_zh.encode("gbk").decode("gbk"))
    for text in (error.advice, error.advice_zh):
        assert not set("{}") & set(text)
        assert "()" not in text
        assert "  " not in text
    assert error.advice in describe("x", code, "")


def test_what_was_one_sentence_is_three() -> None:
    sentences = {APIError("x", errcode=code).advice for code in (301002, 48002, 60011)}
    assert len(sentences) == 3


@pytest.mark.parametrize(
    ("errmsg", "advice"),
    [
        ("not allow, from ip: 203.0.113.7, more info", "203.0.113.7 is not a trusted IP"),
        ("not allow, from ip: 2001:db8::7, more info", "goes out by IPv6 (2001:db8::7)"),
        ("not allow", "this machine's IP is not a trusted IP"),
    ],
)
def test_the_ip_in_the_platforms_words_is_named(errmsg: str, advice: str) -> None:
    error = APIError("x", errcode=60020, errmsg=errmsg)
    assert advice in error.advice
    assert advice in describe("x", 60020, errmsg)
    assert "60020" in error.advice_zh


def test_a_cause_says_more_than_an_errcode() -> None:
    facts = {"corpid": "ww01", "n": 3, "advice": "copy it"}
    error = APIError("x", errcode=41001, cause="no_token", facts=facts)
    assert "gettoken for ww01 was refused 3 s ago: copy it" in error.advice
    assert "3 秒前 ww01 的 gettoken 被拒了" in error.advice_zh
    assert APIError("x", errcode=41001).advice.startswith("the call went out without a token: ")
    assert APIError("x", cause="none such").advice == ""


# --- failures of the network, of any client ---


def by_requests(url: str) -> None:
    requests.get(url, timeout=0.3)


def by_httpx(url: str) -> None:
    httpx.get(url, timeout=0.3)


def by_urllib(url: str) -> None:
    urllib.request.urlopen(url, timeout=0.3)


def by_aiohttp(url: str) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def get() -> None:
        timeout = aiohttp.ClientTimeout(sock_connect=0.3, sock_read=0.3)
        async with aiohttp.ClientSession() as session, session.get(url, timeout=timeout):
            pass

    asyncio.run(get())


PLACES: dict[str, Any] = {
    "dns": trouble.no_such_host,
    "refused": trouble.nobody_listens,
    "timeout_read": trouble.silent,
    "reset": trouble.hanging_up,
    "tls_plain": trouble.plain_http_called_by_https,
    "tls_ca": lambda: trouble.tls("good"),
}


@pytest.mark.parametrize("client", [by_requests, by_httpx, by_urllib, by_aiohttp])
@pytest.mark.parametrize("cause", PLACES)
def test_the_cause_of_a_failure_is_found(cause: str, client: Any) -> None:
    with PLACES[cause]() as url, pytest.raises(Exception) as caught:  # noqa: PT011
        client(url)
    assert network_cause(caught.value) == cause


class ConnectTimeout(Exception):
    """As httpx and requests call it."""


class ProxyError(Exception):
    """As httpx calls it."""

    __module__ = "httpx"


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        ("timeout_connect", ConnectTimeout()),
        ("timeout_connect", urllib.error.URLError(TimeoutError())),
        ("timeout_connect", OSError(errno.ETIMEDOUT, "timed out")),
        ("timeout_read", TimeoutError()),
        ("no_route", OSError(errno.EHOSTUNREACH, "no route")),
        ("refused", OSError("Multiple exceptions: [Errno 111] x, [Errno 99] y")),
        ("refused", ExceptionGroup("two addresses", [ConnectionRefusedError(111, "no")])),
        ("proxy_auth", ProxyError("407 Proxy Authentication Required")),
        ("forbidden", ProxyError("403 Forbidden")),
        ("proxy_down", ProxyError("no such host")),
        ("", ValueError("no failure of the network")),
    ],
)
def test_the_cause_by_name_and_number(cause: str, error: Exception) -> None:
    assert network_cause(error) == cause
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    assert network_cause(wrapped) == cause or isinstance(error, urllib.error.URLError)


def test_a_circle_of_errors_ends() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__context__ = other, one
    assert network_cause(one) == ""


@pytest.mark.parametrize(
    ("place", "kind", "named"),
    [
        (trouble.nobody_listens, TokenConnectionError, "refuses the connection"),
        (trouble.silent, TokenTimeout, "gave no answer within 0.3 s"),
        (lambda: trouble.tls("good"), TokenConnectionError, "REQUESTS_CA_BUNDLE"),
    ],
)
def test_a_source_says_why_the_platform_was_not_reached(place: Any, kind: Any, named: str) -> None:
    with place() as url, pytest.raises(kind) as caught:
        TokenSource(AppCredential("ww1", SECRET, base_url=url)).get(timeout=0.3)
    for error in again(caught.value):
        assert named in error.advice
        assert "127.0.0.1:" in error.advice_zh
        assert named in str(error)


def test_a_page_in_place_of_gettoken_says_so() -> None:
    with platform() as (fake, app):
        fake.fail("garbage", path="gettoken")
        with pytest.raises(TokenUnavailable) as caught:
            TokenSource(app).get(timeout=5)
    assert caught.value.cause == "portal"
    assert "a web page (HTML)" in str(caught.value)


def test_a_secret_in_the_corpids_place_is_shown_nowhere() -> None:
    with trouble.nobody_listens() as url:
        app = AppCredential(SECRET, "ww0123456789abcdef", base_url=url)
        with pytest.raises(TokenConnectionError) as caught:
            TokenSource(app).get(timeout=5)
    assert SECRET not in repr((app, caught.value, str(caught.value), vars(caught.value)))
    assert repr(app).startswith(f"AppCredential(corpid='({len(SECRET)} characters)'")


def down(fake: Any, app: Any) -> None:
    fake.fail("drop", path="gettoken")


def wrong(fake: Any, app: Any) -> None:
    fake.app("another", "app")


def busy(fake: Any, app: Any) -> None:
    fake.fail("busy", path="gettoken")


def page(fake: Any, app: Any) -> None:
    fake.fail("outage", path="gettoken")


@all_ways("auth=", "attach", "decorator")
@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (down, TokenConnectionError),
        (wrong, CredentialError),
        (busy, TokenUnavailable),
        (page, TokenUnavailable),
    ],
)
def test_an_error_of_gettoken_tells_no_secret(way: str, trouble: Any, kind: type[Any]) -> None:
    with platform() as (fake, app):
        trouble(fake, app)
        with pytest.raises(kind) as caught:
            Client(way, app).get("user/get")
        assert type(caught.value) is kind
        assert_no_secret(caught.value)


def test_an_error_of_a_late_gettoken_tells_no_secret() -> None:
    with platform() as (fake, app):
        with fake.hold("gettoken"), pytest.raises(TokenTimeout) as caught:
            Client("attach", app).get("user/get", timeout=0.3)
        assert_no_secret(caught.value)


def assert_no_secret(raised: WeComError) -> None:
    for error in again(raised):
        assert type(error) is type(raised)
        assert SECRET not in repr((error, error.args, vars(error), str(error)))
        assert SECRET.encode() not in pickle.dumps(error)
    link: BaseException | None = raised
    while link is not None:
        assert SECRET not in repr((link, link.args, vars(link)))
        link = link.__cause__ or link.__context__


def test_an_answer_that_repeats_the_secret() -> None:
    body = b'{"errcode":40001,"errmsg":"bad corpsecret app-secret"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    with raw_server(answer + body) as url:
        with pytest.raises(CredentialError) as caught:
            TokenSource(AppCredential("ww1", SECRET, base_url=url)).get()
        assert SECRET not in repr((caught.value, caught.value.errmsg))
