"""The base URL of a credential, and the paths below it."""

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

PLATFORM = "https://qyapi.weixin.qq.com"

_PORTS = {"http": 80, "https": 443}

_CGI_BIN = re.compile(r"/*(?:cgi-bin/+)?")
_SLASHES = re.compile("//+")
_TRAVERSAL = re.compile(r"/\.\.|%2e|%2f|%5c|\\", re.IGNORECASE)


def parse_base_url(value: str, allow_http: bool = False) -> str:
    """`scheme://host[:port][/prefix]` as clients write it, or a clear refusal.

    Raises:
        TypeError, ValueError: with a sentence that says what to do.

    Example:
        >>> parse_base_url("HTTPS://Gateway.example:443/wecom/cgi-bin/")
        'https://gateway.example/wecom'
    """
    if not isinstance(value, str):
        raise TypeError(f"base_url must be a str, not {type(value).__name__}")
    if not isinstance(allow_http, bool):  # "0" would be true
        raise TypeError(f"allow_http must be True or False, not {type(allow_http).__name__}")
    return _parse(value.strip(), allow_http)


@lru_cache(maxsize=256)
def _parse(value: str, allow_http: bool) -> str:
    try:
        url = urlsplit(parse_url(value).url)
        _ = url.port
    except (ValueError, LocationParseError):
        url = urlsplit("")
    if url.scheme not in _PORTS or not url.hostname:
        raise ValueError(f"base_url must be like {PLATFORM!r}: it needs https:// and a host")
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("base_url must be without user, password, query and fragment")
    if url.scheme == "http" and not allow_http and not _is_loopback(url.hostname):
        raise ValueError(
            "base_url is plain http, which shows secrets to the network: use https, or pass"
            " allow_http=True (in the environment ALLOW_HTTP=1) if you must"
        )
    path = url.path.rstrip("/").removesuffix("/cgi-bin").rstrip("/")
    if "/cgi-bin" in path:
        raise ValueError("base_url must end before /cgi-bin: it is the start of every call's URL")
    return f"{url.scheme}://{_host(url)}{path}"


def mounts(base_url: str) -> list[str]:
    """The prefixes at which a session finds the adapter for this base URL.

    Each ends in a slash, so that `https://qyapi.weixin.qq.com.evil.example` is none of ours.
    """
    url = urlsplit(base_url)
    spelled_out = f"{url.scheme}://{url.netloc}:{_PORTS[url.scheme]}{url.path}/"
    return [f"{base_url}/"] if url.port else [f"{base_url}/", spelled_out]


def path_below(url: str, base_url: str) -> str | None:
    """Return the path of a call below `/cgi-bin/`, or None where it leads elsewhere.

    Scheme, host, port and path prefix must be those of the base URL, without userinfo. A path
    that climbs out of the prefix (`/../`, also escaped) is refused: no call of the platform's has
    one.

    Args:
        url: without query and fragment.
        base_url: as `parse_base_url` gives it.

    Example:
        >>> path_below("https://qyapi.weixin.qq.com/cgi-bin/message/send", PLATFORM)
        'message/send'
    """
    if url.startswith(base_url) and url.startswith("/", len(base_url)):
        start = len(base_url)
    elif not (start := _unusual_start(url, base_url)):
        return None
    path = url[start:]
    if _TRAVERSAL.search(path):
        return None
    return _SLASHES.sub("/", path[_CGI_BIN.match(path).end() :])  # type: ignore[union-attr]


def _unusual_start(url: str, base_url: str) -> int:
    """Return where the path starts in a URL that spells the base URL in another way, else 0."""
    try:
        there, here = urlsplit(url), urlsplit(base_url)
        same = "@" not in there.netloc and _origin(there) == _origin(here)
    except ValueError:
        return 0
    if not same or not there.path.startswith(f"{here.path}/"):
        return 0
    return len(there.scheme) + 3 + len(there.netloc) + len(here.path)


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def _host(url: SplitResult) -> str:
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}:{url.port}" if url.port not in (None, _PORTS[url.scheme]) else f"{host}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
