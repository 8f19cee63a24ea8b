"""Send the request with the token, while it shows itself without."""

from typing import Any

from aiohttp import ClientRequest, ClientResponse
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from wecom_auth._clients.echo import without_token
from wecom_auth._credential.credential import Credential
from wecom_auth._credential.token import Token
from wecom_auth._http import query


class Wire:
    """Send one request with a token, in place of its own `send`.

    Only while aiohttp writes the head of the request does its URL hold the token: what looks at it
    before (middlewares, the connector and its errors) and after (the answer, a writer's error)
    sees none.

    Args:
        request: as its caller may see it.
        credential: of the token.
        parameter: that carries it.
        token: to send.
    """

    __slots__ = ("_credential", "_parameter", "_request", "_token", "_url")

    def __init__(self, request: Any, credential: Credential, parameter: str, token: Token) -> None:
        self._request, self._url = request, request.url
        self._credential, self._parameter, self._token = credential, parameter, token

    async def __call__(self, connection: Any) -> ClientResponse:
        request, visible = self._request, self._request.url
        if visible is not self._url and not self._credential.covers(str(visible)):
            # A middleware sends it elsewhere.
            response: ClientResponse = await type(request).send(request, connection)
            return response
        request.url = _with_token(request, self._parameter, self._token.escaped)
        if request._traces:
            _show_traces(request, visible)
        try:
            response = await type(request).send(request, connection)
        finally:
            request.url = visible
        response._request_info = request.request_info
        return response


class _Target:
    """A URL with the token where aiohttp takes path and query from it, and nowhere else.

    To make it costs a fraction of what parsing a URL does.
    """

    __slots__ = ("_visible", "raw_path_qs")

    def __init__(self, visible: URL, raw_path_qs: str) -> None:
        self._visible, self.raw_path_qs = visible, raw_path_qs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._visible, name)

    def __str__(self) -> str:
        return str(self._visible)


def _with_token(request: Any, parameter: str, escaped: str) -> Any:
    url: URL = request.url
    if request.proxy is not None:  # which may be sent the whole of it
        return URL(query.append(str(url), parameter, escaped), encoded=True)
    return _Target(url, query.append(url.raw_path_qs, parameter, escaped))


def is_authorised(request: ClientRequest) -> bool:
    """Return whether a middleware further out sends this request already."""
    return isinstance(vars(request).get("send"), Wire)


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


def _show_traces(request: Any, visible: URL) -> None:
    """Let traces of what is sent show the visible URL."""
    kind = type(request)

    async def headers_sent(method: str, url: URL, headers: Any) -> None:
        await kind._on_headers_request_sent(request, method, visible, headers)

    async def chunk_sent(method: str, url: URL, chunk: bytes) -> None:
        await kind._on_chunk_request_sent(request, method, visible, chunk)

    request._on_headers_request_sent = headers_sent
    request._on_chunk_request_sent = chunk_sent
