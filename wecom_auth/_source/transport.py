"""Send an exchange by requests: without the session's retries, over connections of its own."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import Timeout

from .._clock import waiting
from .._credential.exchange import Answer, Send, unreached
from .._http.verdict import BODY_LIMIT

Prepare = Callable[[requests.Request], requests.PreparedRequest]


def by_adapter(
    adapter: BaseAdapter,
    options: Mapping[str, Any],
    prepare: Prepare = requests.Request.prepare,
) -> Send:
    """Return a `Send` that goes by this adapter, with these options of its `send`.

    Args:
        adapter: what the call itself goes by.
        options: `verify`, `cert` and `proxies` as the call has them.
        prepare: adds what the session sends with its calls: headers, cookies.
    """

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        deadline = waiting() + seconds
        # A first try may use all of the time; only connecting is bounded, for a second try. No
        # `total`: urllib3 reads it on a clock that tests fake.
        timeout = Timeout(connect=seconds / 3, read=seconds)
        bounded = {**options, "stream": True, "timeout": timeout}
        own = _apart(adapter)
        try:
            request = prepare(requests.Request(method, url, headers=dict(headers), data=body))
            response = own.send(request, **bounded)
            with response:
                answer = gather(response.iter_content(1), deadline)
            return Answer(response.status_code, response.headers, answer)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = unreached(error, url, seconds)
        finally:
            if own is not adapter:
                HTTPAdapter.close(own)  # type: ignore[arg-type]
        raise failure  # out here, where the error with the secret in its URL is no context

    return send


def by_session(session: requests.Session) -> Send:
    """Return a `Send` that goes by this session, as its calls do, past what instruments it."""

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        options = session.merge_environment_settings(url, {}, True, None, None)
        way = by_adapter(session.get_adapter(url), options, lambda r: prepare_by(session, r))
        return way(method, url, headers, body, seconds)

    return send


def prepare_by(session: requests.Session, request: requests.Request) -> requests.PreparedRequest:
    """Prepare a request as this session prepares its calls."""
    return session.prepare_request(request)


def _apart(adapter: BaseAdapter) -> BaseAdapter:
    """Return the adapter without retries and with empty pools.

    A retry would hide the time that it takes, and a pooled connection may be one that a NAT has
    forgotten. Not by `copy.copy`: it makes a new pool with none of the TLS settings.
    """
    if not isinstance(adapter, HTTPAdapter) or not hasattr(adapter, "poolmanager"):
        return adapter
    own = object.__new__(type(adapter))
    own.__dict__.update(adapter.__dict__)
    own.max_retries = urllib3.Retry(0, read=False)
    own.poolmanager = copy.copy(adapter.poolmanager)
    own.poolmanager.pools = type(own.poolmanager.pools)(4)
    own.proxy_manager = {}
    return own


def gather(pieces: Iterable[bytes], deadline: float) -> bytes:
    """Read a small body as it arrives: a server may drip it.

    Args:
        pieces: of the body; no more of them are read than an answer is long.
        deadline: on the clock of `waiting`.

    Raises:
        TimeoutError: it did not end in time.
    """
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > BODY_LIMIT:
            break
        if waiting() > deadline:
            raise TimeoutError("the answer did not end in time")
    return bytes(body)
