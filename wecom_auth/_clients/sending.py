"""How a call goes out, and how the gettoken that it needs goes the same way."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import Timeout

from .._http.redaction import clean_error, hidden

SEND_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")
"""What requests hands to an adapter's `send`, in its order."""


def by_name(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The options of a `send` that was given some of them by position.

    They are handed on by name, as requests does it: not every adapter takes them in its order.

    Raises:
        TypeError: there are too many, or one comes twice.
    """
    named = dict(zip(SEND_OPTIONS, args, strict=False))
    if len(args) > len(SEND_OPTIONS) or named.keys() & options.keys():
        raise TypeError(f"send() takes the request and {', '.join(SEND_OPTIONS)}, each once")
    return named | options


def send_clean(
    adapter: BaseAdapter,
    visible: requests.PreparedRequest,
    options: dict[str, Any],
    request: requests.PreparedRequest,
) -> requests.Response:
    """Send, and let an error show the visible request in place of the one with the token."""
    try:
        return adapter.send(request, **options)
    except requests.RequestException as error:
        failure = clean_error(error, visible, *hidden(request, visible))
    raise failure  # out here, where the error with the token in its URL is no context


def send_exchange(
    adapter: BaseAdapter, options: Mapping[str, Any], request: requests.Request, limit: float
) -> requests.Response:
    """Send a gettoken the way the call goes that needs it."""
    bounded = {**options, "stream": True, "timeout": Timeout(total=limit)}
    return adapter.send(request.prepare(), **bounded)


def by_way_of(adapter: BaseAdapter, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a source needs to fetch a token in the middle of a call: its time, and its way.

    Build it only where a fetch is needed: nearly every call finds its token.
    """
    limit = call_limit(options.get("timeout"))
    return {"timeout": limit, "via": partial(send_exchange, adapter, options)}


def call_limit(timeout: Any) -> float | None:
    """The seconds that a call's own `timeout=` leaves for getting a token.

    Args:
        timeout: as requests takes it: seconds, a pair (connect, read), urllib3's Timeout, None.
    """
    if timeout is None:
        return None
    parts = timeout if isinstance(timeout, tuple | list) else (timeout,)
    if isinstance(timeout, Timeout):
        whole = isinstance(timeout.total, int | float)
        parts = (timeout.total,) if whole else (timeout.connect_timeout, timeout.read_timeout)
    given = [part for part in parts if isinstance(part, int | float) and part > 0]
    return float(sum(given)) if given else None
