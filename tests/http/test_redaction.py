"""No token and no secret in what a person or a log can see."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
from ways import CORP, SECRET, Client, all_ways, platform

from wecom_auth import AppCredential, TokenSource, mask_urllib3_logs
from wecom_auth._clients.requests.hide import (
    at_url,
    clean_error,
    hide_token,
    visible_request,
)
from wecom_auth._credential import checks
from wecom_auth._http import redaction
from wecom_auth._http.redaction import redact, shorten

MASKED = {
    "GET /cgi-bin/x?access_token=abc&userid=a": "GET /cgi-bin/x?access_token=***&userid=a",
    "?corpid=ww1&corpsecret=s-e_c": "?corpid=ww1&corpsecret=***",
    "?suite_access_token=abc#f": "?suite_access_token=***#f",
    "?provider_access_token=abc)": "?provider_access_token=***)",
    "ACCESS_TOKEN=abc": "ACCESS_TOKEN=***",
    "return%3Faccess_token%3Dabc": "return%3Faccess_token%3D***",
    '{"access_token":"abc","expires_in":7200}': '{"access_token":"***","expires_in":7200}',
    "{'corpsecret': 'abc'}": "{'corpsecret': '***'}",
    '{"suite_secret" : "abc"}': '{"suite_secret" : "***"}',
    "Max retries exceeded with url: /x?access_token=a-b_c (Caused by": (
        "Max retries exceeded with url: /x?access_token=*** (Caused by"
    ),
    "<a href='?access_token=abc'>": "<a href='?access_token=***'>",
    "access_token=": "access_token=",
    "access_token missing": "access_token missing",
    "nothing": "nothing",
}


@pytest.mark.parametrize(("text", "masked"), MASKED.items())
def test_what_is_masked(text: str, masked: str) -> None:
    assert redact(text) == masked
    assert redact(masked) == masked


def test_a_secret_is_masked_wherever_it_stands() -> None:
    secret = "s+/= &é"
    assert redact(f"a {secret} b {quote(secret, safe='')}", secret, "") == "a *** b ***"


def test_a_placeholder_of_a_secret_leaves_the_words_whole() -> None:
    text = "Max retries exceeded: host='qyapi.weixin.qq.com', url: /gettoken?corpsecret=x"
    assert redact(text, "x") == text[:-1] + "***"


def test_what_was_masked_can_be_printed() -> None:
    assert redact("half a pair \ud83d").encode() == b"half a pair ?"


def test_a_token_shortened() -> None:
    assert shorten("kGk3ZqbIdUeT1Xx") == "kGk3... (15 characters)"


# --- logs ---


@pytest.fixture
def masking() -> Iterator[None]:
    """However the test leaves it."""
    yield
    mask_urllib3_logs()


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize("enabled", [True, False])
@all_ways()
def test_urllib3_logs(way: str, enabled: bool, caplog: pytest.LogCaptureFixture) -> None:
    mask_urllib3_logs(enabled)
    caplog.set_level(logging.DEBUG)
    with platform() as (fake, app):
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0)))
        client = Client(way, app, session)
        client.get("user/get?userid=alice")
        token = str(fake.token(CORP, SECRET))
        fake.fail("drop", path="user/get", times=1)
        client.get("user/get?userid=alice")
    text = caplog.text
    assert "Retrying" in text
    assert "userid=alice" in text
    assert (token in text, SECRET in text) == (not enabled, not enabled)


@pytest.mark.usefixtures("masking")
def test_a_source_by_itself_masks_too() -> None:
    for name in redaction._LEAKING:
        logging.getLogger(name).removeFilter(redaction._mask)
    TokenSource(AppCredential(CORP, SECRET))
    assert redaction._mask in logging.getLogger("urllib3.connectionpool").filters


@pytest.mark.usefixtures("masking")
def test_attaching_masks_unless_it_was_refused() -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    with platform() as (_fake, app):
        mask_urllib3_logs(False)
        Client("attach", app)
        assert redaction._mask not in logger.filters
        mask_urllib3_logs()
        for name in redaction._LEAKING:
            logging.getLogger(name).removeFilter(redaction._mask)
        Client("attach", app)
        Client("attach", app)
        assert logger.filters.count(redaction._mask) == 1


def test_an_exception_in_a_log_is_masked() -> None:
    try:
        raise ValueError("GET /x?access_token=abc")
    except ValueError as error:
        record = logging.LogRecord(
            "urllib3", 10, "f", 1, "%s failed", ("?access_token=abc",), (type(error), error, None)
        )
    assert redaction._mask.filter(record)
    shown = logging.Formatter().format(record)
    assert "abc" not in shown
    assert shown.startswith("?access_token=*** failed")
    harmless = logging.LogRecord("urllib3", 10, "f", 1, "%s", ("x",), (None, None, None))
    assert redaction._mask.filter(harmless)
    assert harmless.args == ("x",)


# --- requests, responses, errors ---


def prepared(url: str) -> requests.PreparedRequest:
    return requests.Request("POST", url, headers={"X": "1"}, data=b"x").prepare()


class Special(requests.PreparedRequest):
    """A user's own kind."""


def test_the_visible_request_differs_in_its_url_only() -> None:
    request = prepared("https://h/p?access_token=T&a=%20")
    other = visible_request(request, "access_token")
    assert other is not request
    assert (request.url, other.url) == ("https://h/p?access_token=T&a=%20", "https://h/p?a=%20")
    assert {**vars(other), "url": 0} == {**vars(request), "url": 0}
    assert visible_request(other, "access_token") is other
    special = Special()
    special.prepare("GET", "https://h/p")
    assert type(at_url(special, "https://h/q")) is Special


def test_hiding_survives_what_is_hardly_a_response() -> None:
    request = prepared("https://h/p?access_token=T")
    visible = visible_request(request, "access_token")
    for raw in (None, object()):
        response = requests.Response()
        response.raw, response.status_code = raw, 302
        response.headers["Location"] = "https://h/q?access_token=T"
        hide_token(response, visible, "access_token")
        assert response.headers["Location"] == "https://h/q"
        assert response.url == "https://h/p"


@all_ways("auth=", "attach", "mount")
@pytest.mark.parametrize("healed", [False, True])
def test_raw_tells_no_token(way: str, healed: bool) -> None:
    with platform(mode="rotate") as (fake, app):
        client = Client(way, app)
        client.get("user/get?userid=a")
        if healed:
            fake.revoke()
        client.session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0)))
        if way == "mount":
            client = Client(way, app, client.session)
        fake.fail("drop", path="user/get", times=1)
        with client.get("user/get?userid=a", stream=True) as response:
            raw: Any = response.raw
        told = repr((raw.url, raw.geturl(), raw.retries, vars(raw.retries or object)))
        assert str(fake.token(CORP, SECRET)) not in told


class Odd(requests.ConnectionError):
    """An error that takes more than a text."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")
        self.two = two


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("url: /x?access_token=abcdef", request=prepared("https://h/x")),
        requests.ReadTimeout(OSError("x?access_token=abcdef")),
        requests.TooManyRedirects("x", response=requests.Response()),
        Odd("GET /x?access_token=abcdef", "abcdef"),
    ],
)
def test_a_clean_error_is_of_the_same_kind(error: requests.RequestException) -> None:
    visible = prepared("https://h/x")
    clean = clean_error(error, visible, "abcdef")
    assert type(clean) is type(error)
    assert (clean.request, clean.response) == (visible, None)
    assert "abcdef" not in repr((clean, clean.args, str(clean), vars(clean)))
    assert clean.__cause__ is clean.__context__ is None
    if type(error) is Odd:
        assert vars(clean)["two"] == "***"  # what its own str() may ask for is there
    if type(error) is not Odd:  # which does not pickle by itself either
        assert str(pickle.loads(pickle.dumps(clean))) == str(clean)


# --- tokens that are none ---


@pytest.mark.parametrize("odd", ["a\nb", "a\x00b", "tökén", "a\u200bb", "\ud83d", "a\x7f"])
def test_a_token_that_is_not_printable_ascii_is_refused(odd: str) -> None:
    """The decorator puts it into somebody's f-string."""
    assert checks.token(odd) == ""
    assert checks.token(f" {'t-1'} \n") == "t-1"


CORE = ["connection", "http11", "http2", "proxy", "socks"]


@pytest.mark.parametrize(
    "name",
    [
        *("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry", "httpx", "httpx2"),
        *(f"{library}.{part}" for library in ("httpcore", "httpcore2") for part in CORE),
    ],
)
def test_every_logger_that_prints_urls_is_masked(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    mask_urllib3_logs()
    logging.getLogger(name).warning("GET %s", "/cgi-bin/user/get?access_token=a-whole-token")
    assert "access_token=***" in caplog.text
    assert "a-whole-token" not in caplog.text
