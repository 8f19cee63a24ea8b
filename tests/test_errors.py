"""The exceptions: what they are, what they carry, what they say."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import requests
from ways import SECRET, Client, all_ways, platform, raw_server

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    TokenSource,
    TokenUnavailable,
    WeComError,
    errors,
)
from wecom_auth.errors import (
    TokenConnectionError,
    TokenTimeout,
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
        "gettoken: errcode 60020: not allow | add this machine's public IP to the app's trusted"
        " IPs, or go by a proxy that has one | " + help_url(60020)
    )
    assert describe("x", 99999, "") == f"x: errcode 99999: no errmsg | {help_url(99999)}"


def test_each_code_is_of_one_kind() -> None:
    classes = [errors.REJECTED, errors.CREDENTIAL, errors.TRANSIENT, {errors.RATE_LIMITED}]
    assert sum(map(len, classes)) == len(frozenset().union(*classes))
    assert not {42007, 42012, 41001} & frozenset().union(*classes)


def test_the_texts_are_readable_on_any_console() -> None:
    for text in errors._ADVICE.values():
        assert text.encode("gbk").decode("ascii") == text


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
