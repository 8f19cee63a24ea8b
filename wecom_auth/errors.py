"""The errors, and what each errcode asks of the person who reads it."""

import re
from collections.abc import Mapping
from math import ceil
from typing import Any

import requests
import urllib3

REJECTED = frozenset({40014, 42001})
"""The app's token is invalid or has expired: one fresh token, one resend."""

CREDENTIAL = frozenset(
    {40001, 40013, 40080, 40083, 40084, 40085, 40091}
    | {41002, 41004, 48002, 48003, 48004, 50003, 60011, 60020, 301002}
)
"""Wrong credential or no permission: a retry never helps."""

TOO_MANY_AT_ONCE = 45033

TRANSIENT = frozenset({-1, 6000, TOO_MANY_AT_ONCE})
"""The platform is busy: gettoken may be tried again, a data call is the caller's matter."""

RATE_LIMITED = 45009

IP_NOT_TRUSTED = 60020


def help_url(errcode: int) -> str:
    """The platform's own look-up page for an errcode.

    Example:
        >>> help_url(40001)
        'https://open.work.weixin.qq.com/devtool/query?e=40001'
    """
    return f"https://open.work.weixin.qq.com/devtool/query?e={errcode}"


class WeComError(requests.RequestException):
    """Base of every error raised here; a `requests.RequestException`, so existing handlers work.

    Args:
        message: what happened, in words; holds neither token nor secret.
        errcode: the platform's number, where the platform answered.
        errmsg: the platform's own text; it changes freely, never match on it.
        cause: an id of the table of causes, where more is known than the errcode; the same ids
            as in `wecom-auth check --json`: `"dns"`, `"refused"`, `"portal"`, ...
        facts: what the sentence of that cause names, for example `{"host": "gateway.example"}`.

    Attributes:
        errcode, errmsg, cause, facts: the same.
        request, response: as on any `requests.RequestException`, without the token.

    Example:
        >>> error = WeComError("gettoken failed", errcode=60111)
        >>> error.advice
        'no such userid: check its spelling and whether the app sees it'
        >>> error.advice_zh
        '没有这个 userid：核对拼写和应用可见范围'
        >>> error.help_url
        'https://open.work.weixin.qq.com/devtool/query?e=60111'
    """

    def __init__(
        self,
        message: str = "",
        *,
        errcode: int | None = None,
        errmsg: str = "",
        cause: str = "",
        facts: Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.errcode = errcode
        self.errmsg = errmsg
        self.cause = cause
        self.facts = dict(facts or {})

    @property
    def help_url(self) -> str | None:
        """The platform's page about this errcode, or None without one."""
        return None if self.errcode is None else help_url(self.errcode)

    @property
    def advice(self) -> str:
        """Return what to do about it, in English; empty where nobody knows."""
        return self._advice("en")

    @property
    def advice_zh(self) -> str:
        """Return the same advice in Chinese."""
        return self._advice("zh")

    def _advice(self, lang: str) -> str:
        return advice_of(self.cause or self.errcode, self.errmsg, self.facts, lang)


class APIError(WeComError):
    """A call failed: a non-zero errcode, or an answer that is not the platform's.

    Raised by `raise_for_errcode`. Where a proxy answered, `errcode` is None and `cause` says more.
    """


class CredentialError(WeComError):
    """gettoken refused the credential; it is never retried, and remembered for up to 60 seconds."""


class TokenUnavailable(WeComError):
    """No token could be had, for a reason that may pass.

    Where the network is that reason, it is a `requests.ConnectionError` or `requests.Timeout` too.
    """


class TokenConnectionError(TokenUnavailable, requests.ConnectionError):
    """No token could be had: the platform was not reached.

    `advice` says which of DNS, a refused connection, TLS, a proxy or the route it is.

    Example:
        >>> try:
        ...     source.get()
        ... except TokenConnectionError as error:
        ...     print(error.cause, error.advice)  # doctest: +SKIP
        dns the host name qyapi.weixin.qq.com cannot be resolved: check DNS
    """


class TokenTimeout(TokenUnavailable, requests.Timeout):
    """No token could be had within the time limit.

    `cause` is `"timeout_connect"` where the connection did not come about (a firewall, a proxy
    that is not set), `"timeout_read"` where the answer did not come.

    Example:
        >>> try:
        ...     source.get(timeout=3)
        ... except TokenTimeout as error:
        ...     print(error.advice)  # doctest: +SKIP
        qyapi.weixin.qq.com took the connection and gave no answer within 3 s
    """


def remembered(failure: WeComError, left: float) -> WeComError:
    """The same failure once more, saying that the platform was not asked again.

    Args:
        failure: as it was met.
        left: seconds until it is.
    """
    again = renewed(failure)
    again.args = (f"{failure} | met before, and asked again in {ceil(left)} s",)
    return again


def renewed(error: WeComError) -> WeComError:
    """The same error once more, for another to raise: a traceback grows on what is raised.

    Not by `copy`, which calls the class: what an `ExternalToken` raises may want other arguments.
    """
    kind = type(error)
    again = kind.__new__(kind)
    again.args = error.args
    vars(again).update(vars(error))
    return again


def describe(
    what: str,
    errcode: int,
    errmsg: str,
    cause: str = "",
    facts: Mapping[str, object] | None = None,
) -> str:
    """Return one line: what failed, the platform's words, what to do, where to read on."""
    advice = advice_of(cause or errcode, errmsg, facts)
    return (
        f"{what}: errcode {errcode}: {errmsg or 'no errmsg'}"
        + (f" | {advice}" if advice else "")
        + f" | {help_url(errcode)}"
    )


def network_kind(error: Exception, cause: str = "") -> type[TokenUnavailable]:
    """Return the class of the failure that an error of the network is.

    It is found by `requests`' own names as well. Where a body stalls or is cut short, requests
    calls that by others: the first ConnectionError, around urllib3's own, the second
    ChunkedEncodingError.

    Args:
        error: what the client raised.
        cause: the id of its cause, where the client is not requests.
    """
    stalled = isinstance(next(iter(error.args), None), urllib3.exceptions.ReadTimeoutError)
    if isinstance(error, requests.Timeout) or stalled or cause.startswith("timeout"):
        return TokenTimeout
    cut = requests.ConnectionError | requests.exceptions.ChunkedEncodingError
    return TokenConnectionError if isinstance(error, cut) or cause else TokenUnavailable


def advice_of(
    cause: str | int | None,
    errmsg: str = "",
    facts: Mapping[str, object] | None = None,
    lang: str = "en",
) -> str:
    """Return the sentence for a cause or an errcode; empty where nobody knows.

    Args:
        cause: an id of the table of causes, or an errcode.
        errmsg: the platform's words, of which the IP in a 60020 is taken.
        facts: what the sentence names.
        lang: `"en"` or `"zh"`.

    Example:
        >>> advice_of(60020, "not allow to access from your ip, from ip: 203.0.113.7, more")
        "203.0.113.7 is not a trusted IP of this app (60020): add it on the app's page under \
trusted IPs (it takes about a minute)"
    """
    if cause is None:
        return ""
    from ._advice import advise  # a page of text, which a program that meets no error never needs

    known: dict[str, object] = {"code": cause, **facts_of(errmsg), **(facts or {})}
    if lang == "zh" and "advice_zh" in known:
        known["advice"] = known["advice_zh"]
    if cause == IP_NOT_TRUSTED and ":" in str(known.get("ip", "")):
        cause = "ip_v6"
    return advise(cause, known, lang)


def facts_of(errmsg: str) -> dict[str, object]:
    """Return what the platform's words name: the IP that a call came from.

    Example:
        >>> facts_of("not allow to access from your ip, hint: [1], from ip: 203.0.113.7, more")
        {'ip': '203.0.113.7'}
    """
    found = re.search(r"from ip: ([0-9A-Fa-f.:]*[0-9A-Fa-f])", errmsg)
    return {"ip": found[1]} if found else {}
