"""The least that a way can cost: what is left of ours where each step is taken out.

Written as short as they can be, they show what the place in requests costs by itself: an adapter
sees two URLs, and requests splits both; whatever keeps its token in a `TTLCache` pays for a read.
"""

from collections.abc import Iterator
from functools import partial
from threading import RLock
from typing import Any

import requests
from cachetools import TTLCache
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from wecom_auth._clients.requests.hide import at_url

from .measure import Way
from .null import NullTransport, caller
from .ways import session_over


def floors(base_url: str, token: str) -> Iterator[tuple[str, Way]]:
    """A token that never ends, into whatever is sent; nobody looks at the answer."""
    session = session_over(NullTransport)
    session.auth = _Auth(token)
    yield "floor: an auth that appends", caller(session, base_url)
    for name, kind in _ADAPTERS.items():
        session = session_over(partial(kind, token))
        yield f"floor: an adapter that {name}", caller(session, base_url)


class _Auth(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.url = f"{request.url}&access_token={self._token}"
        return request


class _Passing(NullTransport):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._inner: BaseAdapter = NullTransport()
        self._token = token

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        return self._inner.send(request, *args, **kw)


class _Appending(_Passing):
    """The caller's own request is not changed, and the answer does not show the token."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> requests.Response:
        outgoing = at_url(request, f"{request.url}&access_token={self._value()}")
        response = self._inner.send(outgoing, *args, **kw)
        response.request, response.url = request, request.url or ""
        return response

    def _value(self) -> str:
        return self._token


class _Cached(_Appending):
    def __init__(self, token: str) -> None:
        super().__init__(token)
        self._lock = RLock()
        self._cache: TTLCache[str, str] = TTLCache(131_072, 7200)
        self._cache["key"] = token

    def _value(self) -> str:
        with self._lock:
            return self._cache["key"]


_ADAPTERS = {
    "does nothing": _Passing,
    "appends": _Appending,
    "appends, from a TTLCache": _Cached,
}
