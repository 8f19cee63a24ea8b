"""Send the request with the token, while it shows itself without."""

from collections.abc import Awaitable
from typing import Any

from aiohttp import ClientResponse
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from wecom_auth._clients.echo import without_token
from wecom_auth._credential.credential import Credential
from wecom_auth._credential.token import Token
from wecom_auth._http import query


class Wire:
    """Send one request with a token: in place of its own `send`, and then of its URL.

    Only while aiohttp writes the first line of the request does its URL hold the token: what looks
    at it before (middlewares, the connector and its errors) and after (traces, the answer, a
    writer's error) sees none. To parse a URL with the token would cost many times as much.

    Args:
        request: as its caller may see it.
        credential: of the token.
        parameter: that carries it.
        token: to send.
    """

    __slots__ = ("_credential", "_parameter", "_request", "_token", "_visible")

    def __init__(self, request: Any, credential: Credential, parameter: str, token: Token) -> None:
        self._request, self._visible = request, request.url
        self._credential, self._parameter, self._token = credential, parameter, token

    def __call__(self, connection: Any) -> Awaitable[ClientResponse]:
        request = self._request
        moved = request.url is not self._visible  # by a middleware, perhaps elsewhere
        if not moved or self._credential.covers(str(request.url)):
            self._visible, request.url = request.url, self
        sent: Awaitable[ClientResponse] = type(request).send(request, connection)
        return sent

    @property
    def raw_path_qs(self) -> str:
        return self._spent(self._visible.raw_path_qs)

    def __str__(self) -> str:
        visible = str(self._visible)
        is_whole = self._request.proxy is not None and not self._request.is_ssl()
        return self._spent(visible) if is_whole else visible  # a proxy is sent all of it

    def _spent(self, url: str) -> str:
        """Return the URL with the token, once: the request has its own one back."""
        self._request.url = self._visible
        return query.append(url, self._parameter, self._token.escaped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._visible, name)


def leave_out(request: Any, parameter: str) -> list[str]:
    """Take the parameter out of a request's URL; return the values that its caller gave it."""
    url, brought = query.take(str(request.url), parameter)
    if brought:
        request.url = URL(url, encoded=True)
        shown = query.drop(str(request.original_url), parameter)
        request.original_url = URL(shown, encoded=True)
    return brought


def clean_headers(response: Any, parameter: str, token: Token) -> None:
    """Take the token out of the headers, where a proxy may echo the URL it was asked for."""
    clean = without_token(response.headers.items(), parameter, token)
    if clean is None:
        return
    response._headers = CIMultiDictProxy(CIMultiDict(clean))
    response._raw_headers = tuple((name.encode(), value.encode()) for name, value in clean)
    response._raw_cookie_headers = tuple(response._headers.getall("Set-Cookie", ())) or None
    response._cache.pop("headers", None)
    response._cache.pop("raw_headers", None)
