"""What a failure of the network is called, whichever client has met it."""

from __future__ import annotations

import ssl
from unittest.mock import Mock
from urllib.error import URLError

import aiohttp
import httpx
import pytest
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from wecom_auth._http.trouble import network_cause
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


def test_an_address_of_ip_v6_has_advice_of_its_own() -> None:
    v4, v6 = (advice_of(IP_NOT_TRUSTED, f"from ip: {ip},") for ip in ("192.0.2.1", "2001:db8::7"))
    assert ("IPv6" in v6, "IPv6" in v4) == (True, False)
