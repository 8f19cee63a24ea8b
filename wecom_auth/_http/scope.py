"""Where a token belongs: the base URL of a credential, and which calls under it carry one."""

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import requests

PLATFORM = "https://qyapi.weixin.qq.com"

_PORTS = {"http": 80, "https": 443}

# Calls that carry no access_token: token endpoints, webhooks, and service/, where suite and
# provider tokens are at home. Source: WeCom developer documentation of each call.
_EXEMPT = re.compile(
    r"/*cgi-bin/+(?:(?:gettoken|openhw/get_model_token)(?=$|[?#/])|service/|webhook/)"
)
_OTHER_TOKEN = re.compile(r"[?&](?:suite|provider)_access_token=")


def parse_base_url(value: str, allow_http: bool = False) -> str:
    """`scheme://host[:port][/prefix]` as requests itself writes it, or a clear refusal.

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
    prepared = requests.PreparedRequest()
    try:
        prepared.prepare_url(value, None)
        url = urlsplit(prepared.url or "")
        _ = url.port
    except ValueError:
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


def carries_token(url: str, base_url: str) -> bool:
    """Whether a call to this URL carries the token of a credential with this base URL.

    Scheme, host, port and path prefix must be the same, without userinfo; token endpoints,
    webhooks, `service/` and whatever carries another kind of token are left alone.
    """
    if not _takes_token(url.partition("?")[0], base_url):
        return False
    return "_access_token=" not in url or not _OTHER_TOKEN.search(url)


@lru_cache(maxsize=512)  # the platform has some hundred paths, and a program uses a few of them
def _takes_token(url: str, base_url: str) -> bool:
    if url.startswith(base_url) and url.startswith("/", len(base_url)):
        start = len(base_url)
    elif not (start := _unusual_start(url, base_url)):
        return False
    return not _EXEMPT.match(url, start) and "/.." not in url


def _unusual_start(url: str, base_url: str) -> int:
    """Where the path behind the base URL starts in a URL spelled unlike it; 0 if it is another."""
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
