"""Authorise what a client sends, by a transport around the one it has."""

from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from wecom_auth._call.retry import Answered, Retry
from wecom_auth._call.route import Route
from wecom_auth._clients.httpx.body import start_of
from wecom_auth._clients.httpx.call import Call, asend, send
from wecom_auth._clients.httpx.exchange import Way
from wecom_auth._clients.httpx.library import Kit, kit_of
from wecom_auth._clients.httpx.peek import alook, look
from wecom_auth._clients.httpx.wire import at_url
from wecom_auth._clients.routed import Routed
from wecom_auth._credential.credential import Credential
from wecom_auth._http import query
from wecom_auth._source import process
from wecom_auth._source.source import TokenSource

AUTHORISED = "wecom_auth"
"""The extension of a request that a `WeComAuth` looks after."""


def _nobody() -> None:
    return None


class Transport(Routed):
    """Do what the transports of both libraries, sync and async, have in common.

    Args:
        source: a `TokenSource`, a credential, or a route.
        inner: the transport that sends.
        retry: errcodes to retry beside those that reject the token.
        client: returns the client, where it is known.
    """

    own: str
    method: str

    def __init__(
        self,
        source: TokenSource | Credential | Route,
        inner: Any = None,
        *,
        retry: Retry | None = None,
        client: Any = _nobody,
    ) -> None:
        if inner is not None and not hasattr(inner, self.method):
            raise TypeError(f"inner must be a transport with {self.method}, not {inner!r}")
        super().__init__(source, retry=retry)
        self._client = client
        self._ways: dict[type, Way] = {}
        self._inner = inner

    def _way(self, request: Any) -> Way:
        """Return the way of such requests; by a transport of their library if none was given."""
        kit = kit_of(request)
        own = getattr(kit.library, self.own)
        made = self._inner or own()
        with process.lock:
            inner = self._inner = self._inner or made
        home = next(each for each in type(inner).__mro__ if self.method in vars(each))
        way = self._ways[type(request)] = Way(kit, inner, home is own, self._client)
        return way

    def _match(self, request: Any) -> tuple[Way, Any, tuple[TokenSource, str] | None]:
        """Return the way of this request, itself as it may be seen, and whose token it carries."""
        way = self._ways.get(type(request)) or self._way(request)
        url = str(request.url)
        found = self.route.match(url, request)
        if found is not None:
            source, name = found
            if name in url or "%" in url:  # %61ccess_token
                if AUTHORISED in request.extensions and name in url:
                    return way, request, None
                request = _without_token(way.kit, request, url, source, name)
        return way, request, found

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is being copied
            raise AttributeError(name)
        return getattr(self._inner, name)


class SyncTransport(Transport):
    """Authorise the calls of a `Client`."""

    own, method = "HTTPTransport", "handle_request"

    def handle_request(self, request: Any) -> Any:
        """Send the request, with a token if it is a WeCom call; once more if that is rejected.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `httpx.HTTPError` as well.
            httpx.RequestError: as the inner transport raises it, without the token.
        """
        way, request, found = self._match(request)
        if found is None:
            return way.transport.handle_request(request)
        source, name = found
        token, first = source.ready(), None
        codes = self._retry.beside(source.credential)
        start = start_of(way.kit.library, request.stream)
        if token is not None:
            response = send(way, request, name, token)
            code = look(way.kit.peeked, response, codes)
            if code is None:
                return response
            first = Answered(response, code)
        call = Call(way, request, source, name, self._retry, codes, start)
        return call.finish(token, first)

    def __enter__(self) -> Self:
        if self._inner is not None:
            self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._inner is not None:
            self._inner.__exit__(kind, error, traceback)

    def close(self) -> None:
        """Close the inner transport."""
        if self._inner is not None:
            self._inner.close()


class AsyncTransport(Transport):
    """Authorise the calls of an `AsyncClient`."""

    own, method = "AsyncHTTPTransport", "handle_async_request"

    async def handle_async_request(self, request: Any) -> Any:
        """Send the request, with a token if it is a WeCom call; once more if that is rejected.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `httpx.HTTPError` as well.
            httpx.RequestError: as the inner transport raises it, without the token.
        """
        way, request, found = self._match(request)
        if found is None:
            return await way.transport.handle_async_request(request)
        source, name = found
        token, first = source.ready(), None
        codes = self._retry.beside(source.credential)
        start = start_of(way.kit.library, request.stream)
        if token is not None:
            response = await asend(way, request, name, token)
            code = await alook(way.kit.peeked, response, codes)
            if code is None:
                return response
            first = Answered(response, code)
        call = Call(way, request, source, name, self._retry, codes, start)
        return await call.afinish(token, first)

    async def __aenter__(self) -> Self:
        if self._inner is not None:
            await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._inner is not None:
            await self._inner.__aexit__(kind, error, traceback)

    async def aclose(self) -> None:
        """Close the inner transport."""
        if self._inner is not None:
            await self._inner.aclose()


@lru_cache(maxsize=8)
def transport_class(kind: type[Transport], base: type) -> Any:
    """Return the class of such transports that one library takes for its own."""
    return type(kind.__name__, (kind, base), {"__doc__": kind.__doc__})


def _without_token(kit: Kit, request: Any, url: str, source: TokenSource, name: str) -> Any:
    without, brought = query.take(url, name)
    if not brought:
        return request
    source.warn_of_foreign_token(brought)
    return at_url(request, kit.library.URL(without))
