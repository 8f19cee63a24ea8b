"""The token goes to the host, the port and the path prefix that it belongs to, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from ways import HIDING_WAYS, SESSION_WAYS, Client, all_ways

from wecom_auth import ExternalToken
from wecom_auth._http import scope as endpoints
from wecom_auth._http.scope import (
    PLATFORM,
    mounts,
    parse_base_url,
)

TOKEN = "tok-1234"


class Recorder(BaseAdapter):
    """Every host there is: notes the URLs that would go out."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self.urls.append(str(request.url))
        response = requests.Response()
        response.status_code, response._content = 200, b'{"errcode":42001}'
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        pass


def sent(way: str, base_url: str, url: str) -> list[str]:
    """What goes out for a call to this URL."""
    session, network = requests.Session(), Recorder()
    session.mount("https://", network)
    session.mount("http://", network)
    app: Any = ExternalToken(lambda: TOKEN, base_url=base_url, allow_http=True)
    Client(way, app, session).get(url)
    return network.urls


OURS = [
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com:443/cgi-bin/user/get"),
    (PLATFORM, "HTTPS://QYAPI.WeiXin.QQ.com/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com//cgi-bin//user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/gettokens"),
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/user/get?to=webhook/send"),
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/user/get?my_access_token=1"),
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/a/../user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com/cgi-bin/user/get?next=/../x"),
    ("https://h/wecom", "https://h/wecom/cgi-bin/user/get"),
    ("https://h/wecom/", "https://h/wecom/cgi-bin/user/get"),
    ("https://h/wecom/cgi-bin", "https://h/wecom/cgi-bin/user/get"),
    ("https://h:8443", "https://h:8443/cgi-bin/user/get"),
    ("http://[::1]:8080", "http://[::1]:8080/cgi-bin/user/get"),
    ("https://[2001:DB8::1]", "https://[2001:db8::1]/cgi-bin/user/get"),
    ("http://127.0.0.1:9", "http://127.0.0.1:9/cgi-bin/user/get"),
    ("https://例え.jp", "https://xn--r8jz45g.jp/cgi-bin/user/get"),
]

NOT_OURS = [
    (PLATFORM, "https://qyapi.weixin.qq.com.evil.example/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com@evil.example/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com:443@evil.example/cgi-bin/user/get"),
    (PLATFORM, "https://user:pw@qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com./cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com:444/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com:80/cgi-bin/user/get"),
    (PLATFORM, "http://qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "http://qyapi.weixin.qq.com:443/cgi-bin/user/get"),
    (PLATFORM, "https://evil.example/https://qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://evil.example?https://qyapi.weixin.qq.com/cgi-bin/"),
    (PLATFORM, "https://evil.example#https://qyapi.weixin.qq.com/cgi-bin/"),
    (PLATFORM, "https://evil.example\\@qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://evil.example\\.qyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://qyapi.weixin.qq.com%2eevil.example/cgi-bin/user/get"),
    (PLATFORM, "https://xqyapi.weixin.qq.com/cgi-bin/user/get"),
    (PLATFORM, "https://weixin.qq.com/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/other/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/wecom2/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/wecom"),
    ("https://h/wecom", "https://h/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/wecom/../other/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/wecom/%2e%2e/other/cgi-bin/user/get"),
    ("https://h/wecom", "https://h/Wecom/cgi-bin/user/get"),
    ("https://h", "https://h:8443/cgi-bin/user/get"),
    ("https://h:8443", "https://h/cgi-bin/user/get"),
    ("http://[::1]:8080", "http://[::2]:8080/cgi-bin/user/get"),
    ("http://127.0.0.1:9", "http://127.0.0.1:99/cgi-bin/user/get"),
    ("http://127.0.0.1:9", "http://localhost:9/cgi-bin/user/get"),
]

EXEMPT = [
    "/cgi-bin/gettoken?corpid=a&corpsecret=b",
    "/cgi-bin/gettoken",
    "//cgi-bin/gettoken?corpid=a",
    "/cgi-bin//gettoken/?corpid=a",
    "/cgi-bin/%67ettoken?corpid=a",
    "/cgi-bin/webhook/send?key=k",
    "/cgi-bin/webhook/upload_media?key=k&type=file",
    "/cgi-bin/service/get_suite_token",
    "/cgi-bin/service/get_provider_token",
    "/cgi-bin/service/get_login_info?access_token=theirs",
    "/cgi-bin/service/get_corp_token?suite_access_token=S",
    "/cgi-bin/openhw/get_model_token",
    "/cgi-bin/anything?suite_access_token=S&a=%20b&&c",
    "/cgi-bin/anything?a=1&provider_access_token=P",
]


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize(("base_url", "url"), OURS)
def test_where_the_token_goes(way: str, base_url: str, url: str) -> None:
    # `mount` is at the URL as it is written: `attach` is what knows its other spellings.
    if way == "mount" and (":443" in url or base_url.endswith(("/", "cgi-bin")) or "[2" in url):
        way = "attach"
    urls = sent(way, base_url, url)
    assert len(urls) == 1, "there is no fresh token, so it is not made again"
    assert f"access_token={TOKEN}" in urls[0]


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize(("base_url", "url"), NOT_OURS)
def test_where_it_does_not_go(way: str, base_url: str, url: str) -> None:
    try:
        urls = sent(way, base_url, url)
    except requests.exceptions.InvalidURL:
        return
    assert TOKEN not in repr(urls)
    assert len(urls) == 1, "and a 42001 from there is no reason to make the call again"


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("base_url", [PLATFORM, "https://h/wecom"])
@pytest.mark.parametrize("path", EXEMPT)
def test_what_is_left_byte_for_byte(way: str, base_url: str, path: str) -> None:
    network = Recorder()
    plain = requests.Session()
    plain.mount("https://", network)
    plain.get(base_url + path)
    assert sent(way, base_url, base_url + path) == network.urls


def test_control_a_prefix_alone_is_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_prefix(self: ExternalToken, url: str) -> str | None:
        return "access_token" if url.startswith(self.base_url) else None

    monkeypatch.setattr(ExternalToken, "parameter_for", by_prefix)
    for url in (
        "https://qyapi.weixin.qq.com.evil.example/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com@evil.example/cgi-bin/user/get",
        f"{PLATFORM}/cgi-bin/webhook/send?key=k",
    ):
        assert TOKEN in repr(sent("auth=", PLATFORM, url))


@all_ways(*HIDING_WAYS)
def test_a_url_that_nobody_prepared(way: str) -> None:
    """`requests` resolves dots when it prepares; a request made by hand may still hold them."""
    session, network = requests.Session(), Recorder()
    session.mount("https://", network)
    client = Client(way, ExternalToken(lambda: TOKEN, base_url="https://h/wecom"), session)  # type: ignore[arg-type]
    prepared = session.prepare_request(requests.Request("GET", "https://h/wecom/cgi-bin/x"))
    for url in (
        "https://h/wecom/../other/cgi-bin/x",
        "https://h/wecom/cgi-bin/x/../../../other",
        "https://h/wecom/..",
    ):
        prepared.url = url
        client.session.send(prepared)
    assert TOKEN not in repr(network.urls)


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("", False),
        ("not a url", False),
        ("https://[::1/cgi-bin/x", False),
        ("https://h:port/cgi-bin/x", False),
        ("https://h\t.evil/wecom/cgi-bin/x", False),
        ("HTTPS://H/wecom/cgi-bin/x", True),
        ("HTTPS://H/wecom/cgi-bin/gettoken", False),
        ("https://h:443/wecom/cgi-bin/webhook/send", False),
        ("https://h:443/wecom/cgi-bin/x?suite_access_token=1", False),
    ],
)
def test_urls_that_requests_would_not_send(url: str, covered: bool) -> None:
    assert ExternalToken(lambda: TOKEN, base_url="https://h/wecom").covers(url) is covered


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("https://qyapi.weixin.qq.com", PLATFORM),
        (" https://qyapi.weixin.qq.com/ ", PLATFORM),
        ("HTTPS://QYAPI.weixin.qq.com:443/cgi-bin/", PLATFORM),
        ("https://h/a//", "https://h/a"),
        ("https://h/a/cgi-bin", "https://h/a"),
        ("https://h/a//cgi-bin//", "https://h/a"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://wecom.localhost", "http://wecom.localhost"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_base_urls(given: str, written: str) -> None:
    assert parse_base_url(given) == written
    assert parse_base_url(written) == written


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "needs https://"),
        ("qyapi.weixin.qq.com", "needs https://"),
        ("ftp://h", "needs https://"),
        ("https://", "needs https://"),
        ("https://h:port", "needs https://"),
        ("https://[::1", "needs https://"),
        ("https://user:pw@h", "without user"),
        ("https://h?a=1", "without user, password, query"),
        ("https://h/#f", "without user, password, query and fragment"),
        ("http://h", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("http://localhost.evil.example", "plain http"),
        ("http://127.0.0.1.evil.example", "plain http"),
    ],
)
def test_base_urls_that_are_none(given: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_base_url(given)
    assert "pw" not in str(caught.value)


def test_plain_http_on_request() -> None:
    assert parse_base_url("http://10.0.0.1", allow_http=True) == "http://10.0.0.1"


@pytest.mark.parametrize("wrong", [None, 5, b"https://h", ["https://h"]])
def test_base_urls_that_are_no_text(wrong: Any) -> None:
    with pytest.raises(TypeError, match="base_url must be a str"):
        parse_base_url(wrong)


def test_mounts_end_in_a_slash() -> None:
    assert mounts("https://h/wecom") == ["https://h/wecom/", "https://h:443/wecom/"]
    assert mounts("http://[::1]") == ["http://[::1]/", "http://[::1]:80/"]
    assert mounts("https://h:8443") == ["https://h:8443/"]
    assert all(each.endswith("/") for each in mounts(endpoints.PLATFORM))
