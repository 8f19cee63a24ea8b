"""Where a token belongs: a base URL as people write it, and which calls under it carry one."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import requests

from wecom_auth import AppCredential
from wecom_auth._http import query
from wecom_auth._http.scope import (
    PLATFORM,
    mounts,
    parse_base_url,
    path_below,
)

GATEWAY = "https://h.example/wecom"


def carries_token(url: str, base_url: str) -> bool:
    return AppCredential("c", "s", base_url=base_url).covers(url)


@pytest.mark.parametrize(
    ("written", "base_url"),
    [
        (PLATFORM, PLATFORM),
        (f"{PLATFORM}/", PLATFORM),
        (f"{PLATFORM}//", PLATFORM),
        (f"{PLATFORM}/cgi-bin", PLATFORM),
        (f"{PLATFORM}/cgi-bin/", PLATFORM),
        (f" {PLATFORM}\n", PLATFORM),
        ("HTTPS://QYAPI.weixin.QQ.com:443", PLATFORM),
        ("https://h.example/wecom/cgi-bin/", GATEWAY),
        ("https://h.example:8443/a/b/", "https://h.example:8443/a/b"),
        ("https://h.example/Wecom", "https://h.example/Wecom"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.8.0.1:1", "http://127.8.0.1:1"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("http://fake.localhost:9", "http://fake.localhost:9"),
        ("https://例子.example", "https://xn--fsqu00a.example"),
        ("https://h.example/网关", "https://h.example/%E7%BD%91%E5%85%B3"),
    ],
)
def test_as_people_write_it(written: str, base_url: str):
    assert parse_base_url(written) == base_url
    assert parse_base_url(base_url) == base_url
    assert AppCredential("c", "s", base_url=written).base_url == base_url


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ("", "base_url must be like"),
        ("qyapi.weixin.qq.com", "base_url must be like"),
        ("//qyapi.weixin.qq.com", "base_url must be like"),
        ("https://", "base_url must be like"),
        ("https:///cgi-bin", "base_url must be like"),
        ("ftp://h.example", "base_url must be like"),
        ("file:///etc/passwd", "base_url must be like"),
        ("https://h.example:port", "base_url must be like"),
        ("https://h.example:99999", "base_url must be like"),
        ("https://[::1", "base_url must be like"),
        ("https://user:pw@h.example", "without user, password"),
        ("https://user@h.example", "without user, password"),
        ("https://h.example?x=1", "without user, password, query"),
        ("https://h.example/#x", "without user, password, query and fragment"),
        ("http://h.example", "use https, or pass allow_http=True"),
        ("http://localhost.example", "use https"),
        ("http://127.0.0.1.example", "use https"),
    ],
)
def test_what_is_none(bad: str, text: str):
    with pytest.raises(ValueError, match=text) as caught:
        AppCredential("c", "s", base_url=bad)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("bad", [None, b"https://h", 7, ["https://h"]])
def test_what_is_no_text(bad: Any):
    with pytest.raises(TypeError, match="base_url must be a str"):
        AppCredential("c", "s", base_url=bad)


@pytest.mark.parametrize("bad", ["0", "false", 1, None])
def test_plain_http_is_not_wanted_by_what_only_looks_true(bad: Any):
    with pytest.raises(TypeError, match="allow_http must be True or False"):
        AppCredential("c", "s", base_url="http://10.0.0.1", allow_http=bad)


def test_plain_http_where_it_is_wanted():
    assert parse_base_url("http://h.example/", allow_http=True) == "http://h.example"


@pytest.mark.parametrize(
    ("base_url", "prefixes"),
    [
        (PLATFORM, [f"{PLATFORM}/", f"{PLATFORM}:443/"]),
        (GATEWAY, [f"{GATEWAY}/", "https://h.example:443/wecom/"]),
        ("http://127.0.0.1:8080", ["http://127.0.0.1:8080/"]),
        ("http://localhost", ["http://localhost/", "http://localhost:80/"]),
    ],
)
def test_where_a_session_finds_the_adapter(base_url: str, prefixes: list[str]):
    assert mounts(base_url) == prefixes
    session = requests.Session()
    for prefix in prefixes:
        session.mount(prefix, mine := requests.adapters.HTTPAdapter())
        assert session.get_adapter(f"{prefix}cgi-bin/user/get") is mine
    for other in ("https://qyapi.weixin.qq.com.evil.example/", "https://other.example/"):
        assert session.get_adapter(other) is not mine


@pytest.mark.parametrize(
    "url",
    [
        f"{PLATFORM}/cgi-bin/user/get",
        f"{PLATFORM}/cgi-bin/user/get?userid=a",
        f"{PLATFORM}//cgi-bin/user/get",
        f"{PLATFORM}:443/cgi-bin/user/get",
        "https://QYAPI.weixin.qq.com/cgi-bin/user/get",
        "HTTPS://qyapi.weixin.qq.com/cgi-bin/user/get",
        f"{PLATFORM}/cgi-bin/gettokens",
        f"{PLATFORM}/cgi-bin/gettoken_of/mine",
        f"{PLATFORM}/cgi-bin/services/get",
        f"{PLATFORM}/cgi-bin/webhooks",
        f"{PLATFORM}/cgi-bin/user/webhook/send",
        f"{PLATFORM}/cgi-bin/user/get?next=/cgi-bin/gettoken",
        f"{PLATFORM}/cgi-bin/user/get?path=/../x",
        f"{PLATFORM}/cgi-bin/user/get?my_suite_access_token=1",
        f"{PLATFORM}/cgi-bin/user/get?x=suite_access_token=1",
        f"{PLATFORM}/cgi-bin/user/get?access_token=old",
        f"{PLATFORM}/",
    ],
)
def test_calls_that_carry_the_token(url: str):
    assert carries_token(url, PLATFORM)


@pytest.mark.parametrize(
    "url",
    [
        "https://qyapi.weixin.qq.com.evil.example/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com@evil.example/cgi-bin/user/get",
        "https://user:pw@qyapi.weixin.qq.com/cgi-bin/user/get",
        "https://@qyapi.weixin.qq.com/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com./cgi-bin/user/get",
        "https://qyapi.weixin.qq.com:444/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com:443443/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com:x/cgi-bin/user/get",
        "https://api.weixin.qq.com/cgi-bin/user/get",
        "http://qyapi.weixin.qq.com/cgi-bin/user/get",
        "https://evil.example/https://qyapi.weixin.qq.com/cgi-bin/user/get",
        "https://evil.example/?u=https://qyapi.weixin.qq.com/cgi-bin/user/get",
        "https://qyapi.weixin.qq.com\\@evil.example/cgi-bin/user/get",
        "https://[::1/cgi-bin/user/get",
        "",
        "/cgi-bin/user/get",
        f"{PLATFORM}/cgi-bin/gettoken",
        f"{PLATFORM}/cgi-bin/gettoken?corpid=c&corpsecret=s",
        f"{PLATFORM}//cgi-bin//gettoken",
        f"{PLATFORM}:443/cgi-bin/gettoken",
        f"{PLATFORM}/cgi-bin/openhw/get_model_token",
        f"{PLATFORM}/cgi-bin/openhw/get_device_token",
        f"{PLATFORM}/cgi-bin/license/list_actived_account",
        f"{PLATFORM}/cgi-bin/aibot/cli/get_cli_config",
        f"{PLATFORM}/cgi-bin/service/get_suite_token",
        f"{PLATFORM}/cgi-bin/service/get_provider_token",
        f"{PLATFORM}/cgi-bin/webhook/send?key=k",
        f"{PLATFORM}/cgi-bin/webhook/upload_media?key=k",
        f"{PLATFORM}/cgi-bin/user/get?suite_access_token=s",
        f"{PLATFORM}/cgi-bin/user/get?a=1&provider_access_token=s",
        f"{PLATFORM}/cgi-bin/../gateway/user/get",
    ],
)
def test_calls_that_do_not(url: str):
    assert not carries_token(url, PLATFORM)


@pytest.mark.parametrize(
    ("url", "carries"),
    [
        (f"{GATEWAY}/cgi-bin/user/get", True),
        ("https://h.example:443/wecom/cgi-bin/user/get", True),
        ("https://H.example/wecom/cgi-bin/user/get", True),
        ("https://h.example/wecom", False),
        ("https://h.example/wecom2/cgi-bin/user/get", False),
        ("https://h.example/other/cgi-bin/user/get", False),
        ("https://h.example/Wecom/cgi-bin/user/get", False),
        ("https://h.example/wecom/../other/cgi-bin/user/get", False),
        ("https://h.example/wecom/%2e%2e/other", False),
        ("https://h.example/wecom/a%2f..%2f..%2fother", False),
        ("https://h.example/wecom/a%2F..%2F..%2Fother", False),
        ("https://h.example/wecom/a%5c..%5cother", False),
        ("https://h.example/wecom/.%2e/other", False),
        ("https://h.example/wecom/cgi-bin/gettoken", False),
        ("https://H.example/wecom/cgi-bin/gettoken", False),
    ],
)
def test_a_path_prefix(url: str, carries: bool):
    prepared = requests.Request("GET", url).prepare().url or ""
    assert carries_token(prepared, GATEWAY) is carries


@pytest.mark.parametrize(
    ("url", "carries"),
    [
        ("http://[::1]:9/cgi-bin/user/get", True),
        ("http://[0:0:0:0:0:0:0:1]:9/cgi-bin/user/get", False),
        ("http://[::1]:91/cgi-bin/user/get", False),
        ("http://[::1]/cgi-bin/user/get", False),
    ],
)
def test_ipv6(url: str, carries: bool):
    assert carries_token(url, "http://[::1]:9") is carries


def test_a_call_is_no_base_url():
    with pytest.raises(ValueError, match="must end before /cgi-bin"):
        parse_base_url("https://qyapi.weixin.qq.com/cgi-bin/gettoken")


@pytest.mark.parametrize("many", ["?", "/", "%", "&", "=", "%20?", "?%", "//..", "/%"])
def test_a_url_of_many_marks_takes_time_in_proportion(many: str):
    """A pattern that starts at each of them and runs to the end takes seconds for 40,000."""
    app = AppCredential("c", "s", base_url=GATEWAY)
    for tail in ("", "%", "?access_token=x"):
        url = f"{GATEWAY}/cgi-bin/%20x?{many * 40_000}{tail}"
        began = time.thread_time()
        app.covers(url)
        query.take(query.put(url, "access_token", "T"), "access_token")
        assert time.thread_time() - began < 1


def test_control_the_old_pattern_takes_the_square_of_it():
    old = re.compile(r"[?&][^=&#]*%")
    times = []
    for size in (1_000, 4_000):
        began = time.thread_time()
        old.search("%20" + "?" * size)
        times.append(time.thread_time() - began)
    assert times[1] > 8 * times[0]


@pytest.mark.parametrize("piece", ["/../", "/%2e%2e/", "%2f..%2f", "%5c..%5c", "\\..\\"])
def test_a_path_that_climbs_is_nobodys(piece: str):
    assert path_below(f"{GATEWAY}/a{piece}other", GATEWAY) is None
    assert path_below(f"{GATEWAY}/a/other", GATEWAY) == "a/other"
