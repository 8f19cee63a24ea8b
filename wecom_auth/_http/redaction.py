"""No token and no secret in anything that a person or a log can see."""

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

_NAMES = (
    "(?:suite_|provider_)?access_token|corpsecret|suite_secret|provider_secret"
    "|suite_ticket|permanent_code"
)
_PARAMETER = re.compile(
    rf"""((?:{_NAMES})(?:=|%3[Dd]|["']?\s*:\s*["']))[^&\s"'<>#)\\]+""", re.IGNORECASE
)
_SHORTEST_SECRET = 6
_LIKE_CORPID = r"w[wxp][A-Za-z0-9_-]{1,38}"  # a secret has 43 characters
_CORPID = re.compile(_LIKE_CORPID)
_ODD_CORPID = re.compile(
    rf"""(corpid(?:=|%3[Dd]|["']?\s*:\s*["']))(?!{_LIKE_CORPID}(?![^&\s"'<>#)\\]))"""
    r"""[^&\s"'<>#)\\]+"""
)
"""Where corpid and secret were swapped, this is the secret."""
_USERINFO = re.compile(r"^([A-Za-z][\w+.-]*://|).*@")
_CORE = ("connection", "http11", "http2", "proxy", "socks")
_LEAKING = (
    *("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry", "httpx", "httpx2"),
    *(f"{library}.{part}" for library in ("httpcore", "httpcore2") for part in _CORE),
)


def redact(text: str, *secrets: str) -> str:
    """The text with every token and secret in it masked.

    Args:
        text: anything: a URL, an exception's text, a line of a log.
        secrets: values to mask wherever they stand, whatever their parameter is called. One of
            less than 6 characters is left: it would be found in ordinary words.

    Example:
        >>> redact("GET /cgi-bin/user/get?access_token=abc&userid=zhangsan")
        'GET /cgi-bin/user/get?access_token=***&userid=zhangsan'
    """
    long = (secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
    text = _ODD_CORPID.sub(rf"\1{MASK}", text) if "corpid" in text else text
    clean = without(_PARAMETER.sub(rf"\1{MASK}", text), long)
    return clean.encode("utf-8", "replace").decode()  # an errmsg may hold what cannot be printed


def without(text: str, secrets: Iterable[str]) -> str:
    """Return the text with these secrets in it masked, plain and %-encoded."""
    for secret in filter(None, secrets):
        text = text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
    return text


def shorten(value: str) -> str:
    """Enough of a token to tell two apart, not enough to use it.

    Example:
        >>> shorten("kGk3ZqbIdUeT1Xx")
        'kGk3... (15 characters)'
    """
    return f"{value[:4]}... ({len(value)} characters)"


def visible_corpid(text: str) -> str:
    """Return a corpid that looks like one, else only its length: it may be a secret in its place.

    Example:
        >>> visible_corpid("ww0123456789abcdef"), visible_corpid("kGk3ZqbIdUeT1Xx")
        ('ww0123456789abcdef', '(15 characters)')
    """
    return text if _CORPID.fullmatch(text) else f"({len(text)} characters)"


def without_password(url: str) -> str:
    """Return a URL with user and password masked.

    Example:
        >>> without_password("http://user:secret@proxy.example:3128")
        'http://***@proxy.example:3128'
    """
    return _USERINFO.sub(rf"\1{MASK}@", url)


class _MaskURLs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


_mask = _MaskURLs()
_masking_wanted = True


def mask_urllib3_logs(enabled: bool = True) -> None:
    """Mask tokens in what urllib3, httpx and httpx2 log (whole URLs), or stop doing so.

    Attaching anything turns this on; nothing happens at import. Once called with False it
    stays off until it is called with True.

    Example:
        >>> mask_urllib3_logs(False)   # while debugging, on your own machine
        >>> mask_urllib3_logs()
    """
    global _masking_wanted
    _masking_wanted = enabled
    for name in _LEAKING:
        logger = logging.getLogger(name)
        logger.removeFilter(_mask)
        if enabled:
            logger.addFilter(_mask)


def mask_unless_refused() -> None:
    """Turn the masking on, unless the user has turned it off: what attaching does."""
    if _masking_wanted and _mask not in logging.getLogger(_LEAKING[0]).filters:
        mask_urllib3_logs()
