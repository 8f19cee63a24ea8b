"""Send a call, and the exchange that it needs the same way."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import Timeout

from ..._source import transport
from .hide import clean_error, hidden

OF_CALL = re.compile(r"(?i)(?:content-|transfer-|if-)|(?:expect|host|range)$")
"""Headers of one call only."""

SEND_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")
"""What requests hands to an adapter's `send`, in its order."""


def by_name(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a `send` that was given some of them by position.

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


def way_of(
    adapter: BaseAdapter,
    options: Mapping[str, Any],
    request: requests.PreparedRequest,
    session: requests.Session | None = None,
) -> dict[str, Any]:
    """Return what an exchange in the middle of a call needs: its time, and the way of the call.

    Build it only where a fetch is needed: nearly every call finds its token.

    Args:
        adapter: sends the call.
        options: of its `send`.
        request: the call; its headers open the proxies that it passes.
        session: whose headers, cookies, auth and params go along, where it is known.
    """
    if session is None:
        prepare: transport.Prepare = partial(_with_headers_of, request)
    else:
        prepare = session.prepare_request
    known = {name: options[name] for name in SEND_OPTIONS[2:] if name in options}
    limit = call_limit(options.get("timeout"))
    return {"timeout": limit, "via": transport.by_adapter(adapter, known, prepare)}


def _with_headers_of(
    call: requests.PreparedRequest, request: requests.Request
) -> requests.PreparedRequest:
    theirs = {name: call.headers[name] for name in call.headers if not OF_CALL.match(name)}
    request.headers = {**theirs, **request.headers}
    return request.prepare()


def call_limit(timeout: Any) -> float | None:
    """Return the seconds that a call's own `timeout=` leaves for getting a token.

    Args:
        timeout: as requests takes it: seconds, a pair (connect, read), urllib3's Timeout, None.
            None in a pair is no limit.
    """
    parts = timeout if isinstance(timeout, tuple | list) else (timeout,)
    if isinstance(timeout, Timeout):
        whole = isinstance(timeout.total, int | float)
        parts = (timeout.total,) if whole else (timeout.connect_timeout, timeout.read_timeout)
    if not all(isinstance(part, int | float) and part > 0 for part in parts):
        return None
    return float(sum(parts))
