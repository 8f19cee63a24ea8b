"""Authorise what an opener sends, by a handler."""

from typing import Any
from urllib.request import BaseHandler, OpenerDirector, Request

from wecom_auth._call.retry import Answered, Retry
from wecom_auth._call.route import Route
from wecom_auth._clients.routed import Routed
from wecom_auth._clients.urllib.call import Call, send, start_of
from wecom_auth._clients.urllib.peek import look
from wecom_auth._clients.urllib.wire import Exchange, is_outgoing, is_sendable, without_token
from wecom_auth._http import query


class Handler(Routed, BaseHandler):
    """Put a valid token into the calls of an opener, as a handler.

    It sends a copy of the request by the handlers that stand after it. So the caller's request,
    what the answer shows and what other handlers are given (cookies, redirects, HTTP errors) hold
    no token, and each hop of a redirect comes here again.

    Args:
        source: a `TokenSource`, a credential, or a route.
        retry: errcodes to retry beside those that reject the token.
    """

    handler_order = 50  # before ProxyHandler, which points a request at the proxy

    def add_parent(self, parent: OpenerDirector) -> None:
        """Take note of the opener.

        Raises:
            ValueError: it is another one than before.
        """
        if getattr(self, "parent", parent) is not parent:
            raise ValueError("a handler belongs to one opener: make one for each")
        super().add_parent(parent)

    def http_open(self, request: Request) -> Any:
        """Send a WeCom call with a token; once more if that is rejected. Leave others alone.

        Raises:
            CredentialError, TokenUnavailable: no token could be had; `URLError` as well.
        """
        if is_outgoing(request):
            return None
        if isinstance(request, Exchange):
            return self._exchange(request)
        url = request.full_url
        found = self.route.match(url, request)
        if found is None or not is_sendable(url):
            return None
        source, name = found
        if name in url or "%" in url:  # %61ccess_token
            source.warn_of_foreign_token(query.find(url, name))
            request = without_token(request, name)
        token, first = source.ready(), None
        codes = self._retry.beside(source.credential)
        start = start_of(request.data)
        if token is not None:
            response = send(self, request, name, token)
            code = look(response, codes)
            if code is None:
                return response
            first = Answered(response, code)
        call = Call(self, request, source, name, self._retry, codes, start)
        return call.finish(token, first)

    https_open = http_open

    def http_error_302(
        self, request: Request, response: Any, code: int, msg: str, headers: Any
    ) -> Any:
        """Follow no redirect of an exchange."""
        return response if isinstance(request, Exchange) else None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def pass_on(self, request: Request) -> Any:
        """Send a request by the handlers that stand after this one."""
        kind = request.type
        handlers = self.parent.handle_open[kind]  # type: ignore[attr-defined]
        for handler in handlers[handlers.index(self) + 1 :]:
            response = getattr(handler, f"{kind}_open")(request)
            if response is not None:
                return response
        return None

    def _exchange(self, request: Exchange) -> Any:
        response = self.pass_on(request.outgoing())
        response.url = request.full_url
        return response


def attach(opener: OpenerDirector, route: Route, retry: Retry) -> OpenerDirector:
    """Add a handler that carries this route's tokens; see `wecom_auth.attach`."""
    if not any(isinstance(each, Handler) for each in _handlers(opener)):
        opener.add_handler(Handler(route, retry=retry))
    return opener


def route_of(opener: OpenerDirector) -> Route:
    """Return the route that this opener carries already, or a new one."""
    for handler in _handlers(opener):
        if isinstance(handler, Handler):
            return handler.route
    return Route()


def _handlers(opener: Any) -> list[Any]:
    found: list[Any] = opener.handlers
    return found
