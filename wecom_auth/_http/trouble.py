"""Naming the cause of a call that got no answer, or got one that is not the platform's.

The causes are ids of the table in `_advice`. Exceptions are recognised by their names, attributes
and numbers, so that no client library is imported: requests, urllib3, httpx, aiohttp, urllib.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from . import redaction

_TLS = {9: "tls_clock", 10: "tls_expired", 62: "tls_name", 64: "tls_name"}
"""OpenSSL's X509_V_ERR_*: not yet valid, expired, host name or IP address mismatch."""

_NUMBERS = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.ENETDOWN: "no_route",
    errno.EADDRNOTAVAIL: "no_route",
    errno.ETIMEDOUT: "timeout_connect",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
}
_NAMES = (
    ("dns", r"NameResolutionError|ClientConnectorDNSError"),
    ("timeout_connect", r"(Connect|Pool)Timeout|ConnectTimeoutError|ConnectionTimeoutError"),
    ("timeout_read", r"(Read|Write)Timeout|ReadTimeoutError|SocketTimeoutError|TokenTimeout"),
    ("reset", r"RemoteDisconnected|RemoteProtocolError|ServerDisconnectedError|IncompleteRead"),
    ("reset", r"BadStatusLine|ChunkedEncodingError|(Read|Write|ClientPayload|Protocol)Error"),
    ("timeout_read", r"TimeoutError|ServerTimeoutError"),
    ("proxy_down", r"InvalidProxyURL"),
)
_PLAIN = re.compile(r"WRONG_VERSION|wrong version|HTTP_REQUEST|record layer failure|UNKNOWN_PROTO")
_LINKS = ("__cause__", "__context__", "reason", "original_error", "os_error", "certificate_error")
_MANY = 50


def network_cause(error: BaseException) -> str:
    """Return which failure of the network this is; empty where nobody knows.

    Args:
        error: what a client raised; the errors that it wraps are looked at too.

    Example:
        >>> network_cause(ConnectionRefusedError(111, "Connection refused"))
        'refused'
    """
    chain = list(_chain(error))
    for look in (_by_proxy, _by_tls, _by_resolver, _by_number, _by_name):
        if cause := look(chain):
            return cause
    return ""


def network_facts(error: BaseException, url: str, seconds: float) -> dict[str, Any]:
    """Return what the sentence about this failure may name.

    Args:
        error: what the client raised.
        url: the URL of the call; only its host is kept.
        seconds: the time limit of the call.
    """
    status = _proxy_status(list(_chain(error)))
    proxy = proxy_of(url) or ("HTTPS_PROXY", "")
    return {
        "host": _host(proxy[1] if status and proxy[1] else url),
        "n": f"{round(seconds, 1):g}",
        "now": f"{datetime.now():%Y-%m-%d %H:%M}",
        "name": proxy[0],
        "value": proxy[1],
        "code": status or "",
    }


def answer_cause(status: int, content_type: str, body: bytes) -> str:
    """Return why this is no answer of the platform.

    Args:
        status: of HTTP.
        content_type: the header, as it came.
        body: its beginning.

    Example:
        >>> answer_cause(200, "text/html; charset=utf-8", b"<!doctype html>")
        'portal'
    """
    if cause := status_cause(status):
        return cause
    return "portal" if is_html(content_type, body) else "not_wecom"


def status_cause(status: int) -> str:
    """Return the cause that the HTTP status alone tells; empty where it tells none."""
    if status >= 500:
        return "bad_gateway"
    told = {401: "forbidden", 403: "forbidden", 404: "not_found", 407: "proxy_auth"}
    return told.get(status, "redirect" if 300 <= status < 400 else "")


def is_html(content_type: str, body: bytes) -> bool:
    """Return whether this is a web page."""
    return "text/html" in content_type.lower() or body.lstrip()[:1] == b"<"


def proxy_of(url: str) -> tuple[str, str] | None:
    """Return the variable that names the proxy for this URL, and its value without password."""
    from requests.utils import get_environ_proxies

    scheme = urlsplit(url).scheme
    if not get_environ_proxies(url).keys() & {scheme, "all"}:
        return None  # none is set, or NO_PROXY excepts this host
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    name = next((name for name in names if os.environ.get(name)), "")
    return (name, redaction.without_password(os.environ[name])) if name else None


def _host(url: str) -> str:
    """Return the host and port that a URL names; of a proxy's, the scheme may be missing."""
    return urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it wraps, the outermost first."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MANY:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = [getattr(link, name, None) for name in _LINKS]
        inner += [*link.args, *getattr(link, "exceptions", ())]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _names(error: BaseException) -> list[str]:
    return [each.__name__ for each in type(error).__mro__]


def _by_proxy(chain: list[BaseException]) -> str:
    if status := _proxy_status(chain):
        return status_cause(status) or "proxy_down"
    proxies = {"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"}
    return "proxy_down" if any(proxies & {*_names(each)} for each in chain) else ""


def _proxy_status(chain: list[BaseException]) -> int | None:
    """Return the HTTP status with which a proxy refused to open a tunnel."""
    for error in chain:
        if "ClientHttpProxyError" in _names(error):
            return int(getattr(error, "status", 0)) or None
        refusal = r"Tunnel connection failed: (\d{3})"
        if "ProxyError" in _names(error) and type(error).__module__.startswith("http"):
            refusal = r"^(\d{3}) "
        if found := re.search(refusal, str(error)):
            return int(found[1])
    return None


def _by_tls(chain: list[BaseException]) -> str:
    for error in chain:
        if number := getattr(error, "verify_code", 0):
            return _TLS.get(number, "tls_ca")
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return "reset"
        if isinstance(error, ssl.SSLError) and _PLAIN.search(str(error)):
            return "tls_plain"
    return ""


def _by_resolver(chain: list[BaseException]) -> str:
    return "dns" if any(isinstance(each, socket.gaierror) for each in chain) else ""


def _by_number(chain: list[BaseException]) -> str:
    for error in chain:
        if isinstance(error, OSError):
            # asyncio puts the errors of several addresses into one text.
            text = re.search(r"\[Errno (\d+)\]", str(error))
            number = error.errno or (int(text[1]) if text else 0)
            if cause := _NUMBERS.get(number):
                return cause
    return ""


def _by_name(chain: list[BaseException]) -> str:
    # urllib wraps the timeout of a connect, and not that of a read.
    if "URLError" in _names(chain[0]) and any(isinstance(each, TimeoutError) for each in chain):
        return "timeout_connect"
    for cause, names in _NAMES:
        if any(re.fullmatch(names, name) for each in chain for name in _names(each)):
            return cause
    return ""
