"""Make one call over urllib, as a flow drives it: send with a token, look, send again."""

import socket
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

from wecom_auth._call.arguments import Positions, positions, put_back
from wecom_auth._call.drive import drive
from wecom_auth._call.flow import call
from wecom_auth._call.retry import Answered, Retry
from wecom_auth._clients.dressed import dress
from wecom_auth._clients.echo import without_token
from wecom_auth._clients.urllib import exchange
from wecom_auth._clients.urllib.peek import look
from wecom_auth._clients.urllib.wire import with_token
from wecom_auth._credential.token import Token
from wecom_auth._source.source import TokenSource
from wecom_auth.errors import TokenTimeout, WeComError


def send(handler: Any, request: Request, parameter: str, token: Token) -> Any:
    """Send a request with this token, once; the answer does not show it.

    Args:
        handler: sends it by what stands after it in its opener.
        request: as its caller may see it.
        parameter: that carries the token.
        token: the token.
    """
    try:
        response = handler.pass_on(with_token(request, parameter, token.escaped))
    except HTTPError as error:
        error.url = error.filename = request.full_url
        raise
    if response is not None:
        response.url = request.full_url
        if response.code != 200:
            _clean(response, parameter, token)
    return response


def _clean(response: Any, parameter: str, token: Token) -> None:
    """Take the token out of the headers, where a proxy may echo the URL it was asked for."""
    clean = without_token(response.headers.items(), parameter, token)
    for name in {name for name, _ in clean or ()}:
        del response.headers[name]
    for name, value in clean or ():
        response.headers[name] = value


class Call:
    """Make one call of a request without a token in its URL.

    Args:
        handler: sends it by what stands after it in its opener.
        request: as its caller may see it.
        source: of the token.
        parameter: that carries the token.
        retry: the user's wishes beyond a rejected token.
        codes: the errcodes that its answers are looked into for.
        start: of its body, from `start_of`.
    """

    __slots__ = ("_codes", "_handler", "_parameter", "_request", "_retry", "_source", "_start")

    def __init__(
        self,
        handler: Any,
        request: Request,
        source: TokenSource,
        parameter: str,
        retry: Retry,
        codes: frozenset[int],
        start: Positions | None,
    ) -> None:
        self._handler, self._request, self._source = handler, request, source
        self._parameter, self._retry = parameter, retry
        self._codes, self._start = codes, start

    def finish(self, token: Token | None, first: Answered | None) -> Any:
        """Carry the call to its end, on the rare path.

        Args:
            token: that it was sent with, where it was.
            first: the answer to that.
        """
        limit = call_limit(self._request)
        flow = call(
            self._source,
            token,
            first,
            retry=self._retry,
            method=self._request.get_method(),
            limit=limit,
            replayable=self._start is not None,
        )
        via = exchange.by_opener(self._handler.parent, self._request)
        try:
            return drive(flow, self._source, self._attempt, timeout=limit, via=via)
        except WeComError as error:
            failure = dress(error, URLError, reason=_reason(error))
        raise failure  # out here, where the error that it stands for is no context

    def _attempt(self, token: Token, again: bool) -> Answered | None:
        if again and not put_back(self._start):
            return None
        response = send(self._handler, self._request, self._parameter, token)
        return Answered(response, look(response, self._codes))


def start_of(body: Any) -> Positions | None:
    """Return where the files in a body stand before it is sent; None where it goes out once only.

    http.client reads a file from where it stands, and asks what is neither file nor bytes for its
    pieces: of that only a list has them a second time for sure.
    """
    if body is None or isinstance(body, bytes):
        return []
    if hasattr(body, "read") or isinstance(body, list | tuple):
        return positions((body,), {})
    try:
        memoryview(body)
    except TypeError:
        return None
    return []


def call_limit(request: Request) -> float | None:
    """Return the seconds that a call's own timeout leaves for getting a token; None for no limit.

    Connecting and reading may take their time one after the other.
    """
    timeout: Any = request.timeout
    if timeout is socket._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]
        timeout = socket.getdefaulttimeout()
    return 2.0 * timeout if timeout else None


def _reason(error: WeComError) -> Exception | str:
    """Return the reason as urllib gives it: an exception where it is the network's."""
    return TimeoutError(str(error)) if isinstance(error, TokenTimeout) else str(error)
