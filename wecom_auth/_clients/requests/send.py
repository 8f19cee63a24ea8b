"""Send a call, and the exchange that it needs the same way."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import Timeout

from ..._credential.exchange import Answer, Send
from ..._source import process, transport
from .hide import clean_error, hidden

OF_CALL = re.compile(r"(?i)(?:content-|transfer-|if-)|(?:expect|host|range)$")
"""Headers of one call only."""

SEND_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")
"""What requests hands to an adapter's `send`, in its order."""


def by_name(args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a `send` that was given some of them by position.

    They are passed on by name, as requests does it: not every adapter takes them in its order.

    Raises:
        TypeError: there are too many, or one comes twice.
    """
    named = dict(zip(SEND_OPTIONS, args, strict=False))
    if len(args) > len(SEND_OPTIONS) or named.keys() & options.keys():
        raise TypeError(f"send() takes the request and {', '.join(SEND_OPTIONS)}, each once")
    return named | options


_Passage = tuple[object, object, str, Any]
"""A request on its way: the adapter that sends it, ours before that, its URL, the passage around.

A plain tuple: one is made for every call.
"""

_passage: ContextVar[_Passage | None] = ContextVar("wecom_auth_passage", default=None)


def has_passed(adapter: object, url: str) -> bool:
    """Return whether a request to this path is on its way through this adapter already.

    An adapter that is wrapped around ours sends through ours again. Known by the path, and in
    this context, because a wrapper may send a copy of the request.
    """
    passage = _passage.get()
    while passage is not None:
        *passed, there, passage = passage
        if adapter in passed and there.partition("?")[0] == url.partition("?")[0]:
            return True
    return False


def send_on(
    adapter: BaseAdapter,
    request: requests.PreparedRequest,
    options: Mapping[str, Any],
    by: object = None,
) -> requests.Response:
    """Send by this adapter as it is, noted as passed; so is the one that it is sent by."""
    mark = _passage.set((adapter, by, request.url or "", _passage.get()))
    try:
        return adapter.send(request, **options)
    finally:
        _passage.reset(mark)


def send_clean(
    adapter: BaseAdapter,
    visible: requests.PreparedRequest,
    options: Mapping[str, Any],
    request: requests.PreparedRequest,
    by: object = None,
) -> requests.Response:
    """Do as `send_on`; let an error show the visible request, not the one with the token."""
    mark = _passage.set((adapter, by, request.url or "", _passage.get()))
    try:
        return adapter.send(request, **options)
    except OSError as error:
        if not hasattr(error, "request"):  # an error of requests, or of niquests
            raise
        failure = clean_error(error, visible, *hidden(request, visible))
    finally:
        _passage.reset(mark)
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
        prepare = partial(_prepare_by, session)
    known = {name: options[name] for name in SEND_OPTIONS[2:] if name in options}
    limit = call_limit(options.get("timeout"))
    send = transport.by_adapter(sender_of(adapter), known, prepare)
    return {"timeout": limit, "via": _noted(adapter, send)}


def way_before(request: requests.PreparedRequest) -> Send:
    """Return the way of an exchange before anybody knows the session of the call.

    It goes as the environment says, with the headers of the call.
    """
    session, url = process.session(), request.url or ""
    options = session.merge_environment_settings(url, {}, None, None, None)
    known = {name: options[name] for name in SEND_OPTIONS[2:]}
    prepare = partial(_with_headers_of, request)
    return transport.by_adapter(session.get_adapter(url), known, prepare)


def _prepare_by(session: Any, request: requests.Request) -> requests.PreparedRequest:
    prepared: requests.PreparedRequest = session.prepare_request(native(request, session))
    return prepared


def native(request: requests.Request, of: Any) -> Any:
    """Return the request as one of the library, requests or niquests, that this object is of."""
    if "niquests" in {each.__module__.partition(".")[0] for each in type(of).__mro__}:
        own = import_module("niquests").Request  # pragma: no cover (.ci/run niquests)
        request = own(request.method, request.url, headers=request.headers, data=request.data)
    return request


def sender_of(adapter: Any) -> Any:
    """Return what sends by this adapter with a timeout of urllib3's."""
    return adapter if isinstance(adapter, BaseAdapter) else _OfNiquests(adapter)


class _OfNiquests:  # pragma: no cover (.ci/run niquests)
    """Send by an adapter of niquests, whose urllib3 has another class for a timeout."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def send(self, request: Any, *, timeout: Timeout, **options: Any) -> Any:
        begun = timeout.clone()
        begun.start_connect()  # else its read timeout is not to be had
        pair = (begun.connect_timeout, begun.read_timeout)
        return self._adapter.send(request, timeout=pair, **options)


def _noted(adapter: BaseAdapter, send: Send) -> Send:
    def noted(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        mark = _passage.set((adapter, None, url, _passage.get()))
        try:
            return send(method, url, headers, body, seconds)
        finally:
            _passage.reset(mark)

    return noted


def _with_headers_of(
    call: requests.PreparedRequest, request: requests.Request
) -> requests.PreparedRequest:
    theirs = {name: call.headers[name] for name in call.headers if not OF_CALL.match(name)}
    return prepare_with(theirs, call, request)


def prepare_with(
    headers: Mapping[str, Any], call: requests.PreparedRequest, request: requests.Request
) -> requests.PreparedRequest:
    """Prepare an exchange that has these headers beside its own, in the library of the call."""
    request.headers = {**headers, **request.headers}
    prepared: requests.PreparedRequest = native(request, call).prepare()
    return prepared


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
