"""What can go wrong, and what each errcode asks of the person who reads it."""

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

TRANSIENT = frozenset({-1, 6000, 45033})
"""The platform is busy: gettoken may be tried again, a data call is the caller's matter."""

RATE_LIMITED = 45009

IP_NOT_TRUSTED = 60020

_SECRET = "compare corpsecret with the app's page in the admin console; each app has its own"
_PERMISSION = "grant the app this permission or scope in the admin console"
_ADVICE = {
    -1: "the platform is busy: try again later",
    6000: "the data is being changed by another call: try again later",
    40001: _SECRET,
    40013: "compare corpid with 'My Company' in the admin console",
    40014: "the token is not valid for this call: wrong app or wrong kind of token",
    40091: _SECRET,
    41001: "the call carries no access_token: is the session attached, the URL under base_url?",
    41002: "corpid is missing",
    41004: "corpsecret is missing",
    42001: "the token has expired",
    45009: "called too often: wait a minute, and share one token between processes",
    45033: "too many calls at once: make fewer in parallel",
    48002: _PERMISSION,
    48003: _PERMISSION,
    48004: _PERMISSION,
    50003: "the app is disabled: enable it in the admin console",
    60011: _PERMISSION,
    60020: "add this machine's public IP to the app's trusted IPs, or go by a proxy that has one",
    301002: _PERMISSION,
}


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

    Attributes:
        errcode, errmsg: the same.
        request, response: as on any `requests.RequestException`, without the token.

    Example:
        >>> error = WeComError("gettoken failed", errcode=60020)
        >>> error.errcode, error.help_url
        (60020, 'https://open.work.weixin.qq.com/devtool/query?e=60020')
    """

    def __init__(
        self, message: str = "", *, errcode: int | None = None, errmsg: str = "", **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.errcode = errcode
        self.errmsg = errmsg

    @property
    def help_url(self) -> str | None:
        """The platform's page about this errcode, or None without one."""
        return None if self.errcode is None else help_url(self.errcode)

    @property
    def advice(self) -> str:
        """What to do about it; empty where nobody knows."""
        return "" if self.errcode is None else _ADVICE.get(self.errcode, "")


class APIError(WeComError):
    """The platform answered a call with a non-zero errcode; raised by `raise_for_errcode`."""


class CredentialError(WeComError):
    """gettoken refused the credential; it is never retried, and remembered for up to 60 seconds."""


class TokenUnavailable(WeComError):
    """No token could be had, for a reason that may pass.

    Where the network is that reason, it is a `requests.ConnectionError` or `requests.Timeout` too.
    """


class TokenConnectionError(TokenUnavailable, requests.ConnectionError):
    """No token could be had: the platform was not reached."""


class TokenTimeout(TokenUnavailable, requests.Timeout):
    """No token could be had within the time limit."""


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


def describe(what: str, errcode: int, errmsg: str) -> str:
    """One line: what failed, the platform's words, what to do, where to read on."""
    advice = _ADVICE.get(errcode)
    return (
        f"{what}: errcode {errcode}: {errmsg or 'no errmsg'}"
        + (f" | {advice}" if advice else "")
        + f" | {help_url(errcode)}"
    )


def unreached(error: Exception) -> type[TokenUnavailable]:
    """Return the class of the failure that an error of the network is.

    It is found by `requests`' own names as well. Where a body stalls or is cut short, requests
    calls that by others: the first ConnectionError, around urllib3's own, the second
    ChunkedEncodingError.
    """
    stalled = isinstance(next(iter(error.args), None), urllib3.exceptions.ReadTimeoutError)
    if isinstance(error, requests.Timeout) or stalled:
        return TokenTimeout
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return TokenConnectionError
    return TokenUnavailable
