"""What a failure of the network is called, whichever client has met it."""

from __future__ import annotations

import errno
import socket
import ssl
from unittest.mock import Mock
from urllib.error import URLError

import aiohttp
import httpx
import pytest
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from wecom_auth._http.trouble import answer_cause, network_cause, network_facts
from wecom_auth.errors import IP_NOT_TRUSTED, advice_of


def of_aiohttp(status: int) -> Exception:
    url = URL("http://proxy.example")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientHttpProxyError(info, (), status=status)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (of_aiohttp(407), "proxy_auth"),
        (of_aiohttp(418), "proxy_down"),
        (httpx.ProxyError("403 Forbidden"), "forbidden"),
        (URLError(OSError("Tunnel connection failed: 502 Bad Gateway")), "bad_gateway"),
        (requests.ConnectionError(ssl.SSLEOFError(8, "EOF occurred")), "reset"),
        (URLError(TimeoutError("timed out")), "timeout_connect"),
        (TimeoutError("timed out"), "timeout_read"),
        (URLError("no such thing"), ""),
        (Exception(Mock()), ""),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_the_cause_is_named(error: Exception, cause: str) -> None:
    if isinstance(error, requests.ConnectionError):
        error.__cause__ = error.args[0]
    assert network_cause(error) == cause


class Wrapper(Exception):
    """One that keeps another in an attribute, as urllib3, aiohttp and anyio do."""

    def __init__(self, **held: object) -> None:
        super().__init__(*held.pop("args", ()))  # type: ignore[misc]
        vars(self).update(held)


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@pytest.mark.parametrize(
    "name", ["reason", "original_error", "os_error", "certificate_error", "args", "exceptions"]
)
def test_a_cause_is_found_wherever_an_error_keeps_it(name: str) -> None:
    held = [REFUSED] if name in ("args", "exceptions") else REFUSED
    assert network_cause(Wrapper(**{name: held})) == "refused"
    assert network_cause(Wrapper(reason=Wrapper(**{name: held}))) == "refused"
    assert network_cause(Wrapper(elsewhere=REFUSED)) == ""


def test_errors_that_hold_each_other_are_looked_at_once() -> None:
    one = Wrapper()
    one.reason = Wrapper(reason=one)  # type: ignore[attr-defined]
    assert network_cause(one) == ""


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ENETUNREACH, "no_route"),
        (errno.EHOSTUNREACH, "no_route"),
        (errno.ENETDOWN, "no_route"),
        (errno.EADDRNOTAVAIL, "no_route"),
        (errno.ETIMEDOUT, "timeout_connect"),
        (errno.ECONNRESET, "reset"),
        (errno.ECONNABORTED, "reset"),
        (errno.EPIPE, "reset"),
        (errno.ENOENT, ""),
    ],
)
def test_numbers_of_the_system(number: int, cause: str) -> None:
    assert network_cause(OSError(number, "said")) == cause
    assert network_cause(OSError(f"Multiple exceptions: [Errno {number}] Connect call")) == cause


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("NameResolutionError", "dns"),
        ("ClientConnectorDNSError", "dns"),
        ("ConnectTimeout", "timeout_connect"),
        ("PoolTimeout", "timeout_connect"),
        ("ConnectTimeoutError", "timeout_connect"),
        ("ConnectionTimeoutError", "timeout_connect"),
        ("ReadTimeout", "timeout_read"),
        ("WriteTimeout", "timeout_read"),
        ("ReadTimeoutError", "timeout_read"),
        ("SocketTimeoutError", "timeout_read"),
        ("ServerTimeoutError", "timeout_read"),
        ("RemoteDisconnected", "reset"),
        ("RemoteProtocolError", "reset"),
        ("ServerDisconnectedError", "reset"),
        ("IncompleteRead", "reset"),
        ("BadStatusLine", "reset"),
        ("ChunkedEncodingError", "reset"),
        ("ReadError", "reset"),
        ("WriteError", "reset"),
        ("ClientPayloadError", "reset"),
        ("ProtocolError", "reset"),
        ("InvalidProxyURL", "proxy_down"),
        ("ProxyError", "proxy_down"),
        ("ClientProxyConnectionError", "proxy_down"),
        ("ClientHttpProxyError", "proxy_down"),
        ("SomethingElse", ""),
    ],
)
def test_classes_are_known_by_name(name: str, cause: str) -> None:
    assert network_cause(type(name, (Exception,), {})("said")) == cause


@pytest.mark.parametrize(
    ("code", "cause"),
    [(9, "tls_clock"), (10, "tls_expired"), (62, "tls_name"), (64, "tls_name"), (18, "tls_ca")],
)
def test_certificates(code: int, cause: str) -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code = code
    assert network_cause(error) == cause


def test_a_name_that_does_not_resolve() -> None:
    assert network_cause(socket.gaierror(socket.EAI_NONAME, "Name or service not known")) == "dns"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((400, "not_wecom"), (401, "forbidden"), (403, "forbidden"), (404, "not_found")),
        *((407, "proxy_auth"), (299, "not_wecom"), (300, "redirect"), (399, "redirect")),
        *((499, "not_wecom"), (500, "bad_gateway"), (502, "bad_gateway")),
    ],
)
def test_statuses(status: int, cause: str) -> None:
    assert answer_cause(status, "application/json", b"{}") == cause


def test_what_the_sentence_may_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url = "https://user:pw@qyapi.weixin.qq.com:443/cgi-bin/gettoken?corpsecret=s"
    facts = network_facts(REFUSED, url, 3.04)
    assert facts.pop("now")[:2] == "20"
    assert facts == {
        "host": "qyapi.weixin.qq.com:443",
        "n": "3",
        "name": "HTTPS_PROXY",
        "value": "",
        "code": "",
    }
    monkeypatch.setenv("https_proxy", "http://user:pw@proxy.example:3128")
    facts = network_facts(httpx.ProxyError("403 Forbidden"), url, 10)
    assert facts["name"] == "https_proxy"
    assert facts["value"] == "http://***@proxy.example:3128"
    assert (facts["host"], facts["code"]) == ("proxy.example:3128", 403)
    for name in ("all_proxy", "ALL_PROXY"):
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.setenv(name, "proxy.example:3128")
        facts = network_facts(httpx.ProxyError("403 Forbidden"), url, 10)
        assert (facts["name"], facts["host"]) == (name, "proxy.example:3128")
        monkeypatch.delenv(name)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert network_facts(REFUSED, url, 10)["value"] == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "qyapi.weixin.qq.com")
    assert network_facts(REFUSED, url, 10)["value"] == ""


def test_an_address_of_ip_v6_has_advice_of_its_own() -> None:
    v4, v6 = (advice_of(IP_NOT_TRUSTED, f"from ip: {ip},") for ip in ("192.0.2.1", "2001:db8::7"))
    assert ("IPv6" in v6, "IPv6" in v4) == (True, False)
