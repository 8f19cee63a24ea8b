"""Make one call over httpx, as a flow drives it: send with a token, look, send again."""

from typing import Any

from wecom_auth._call.drive import drive, drive_async
from wecom_auth._call.flow import Flow, call
from wecom_auth._call.retry import Answered, Retry
from wecom_auth._clients.echo import without_token
from wecom_auth._clients.httpx import exchange
from wecom_auth._clients.httpx.body import rewind
from wecom_auth._clients.httpx.dressed import clean_error, dress_as
from wecom_auth._clients.httpx.peek import alook, look
from wecom_auth._clients.httpx.wire import at_url, hidden, shown_token
from wecom_auth._credential.token import Token
from wecom_auth._source.source import TokenSource
from wecom_auth.errors import WeComError


def send(way: exchange.Way, request: Any, parameter: str, token: Token) -> Any:
    """Send a request with this token, once; neither answer nor error shows it.

    Args:
        way: the transport that sends it.
        request: as its caller may see it.
        parameter: that carries the token.
        token: the token.
    """
    try:
        response = way.transport.handle_request(_outgoing(way, request, parameter, token))
    except way.kit.library.RequestError as error:
        failure = clean_error(error, token.escaped)
        if failure is None:
            raise
    else:
        return response if response.status_code == 200 else _clean(response, parameter, token)
    raise failure  # out here, where the error with the token in it is no context


async def asend(way: exchange.Way, request: Any, parameter: str, token: Token) -> Any:
    """Do the same as `send`, in a coroutine."""
    try:
        response = await way.transport.handle_async_request(
            _outgoing(way, request, parameter, token)
        )
    except way.kit.library.RequestError as error:
        failure = clean_error(error, token.escaped)
        if failure is None:
            raise
    else:
        return response if response.status_code == 200 else _clean(response, parameter, token)
    raise failure


def _outgoing(way: exchange.Way, request: Any, parameter: str, token: Token) -> Any:
    visible = request.url
    if way.hides:
        path = visible.raw_path
        joint = "&" if b"?" in path else "?"
        target = path + f"{joint}{parameter}={token.escaped}".encode("ascii")
        return at_url(request, hidden(way.kit.wire_url, visible, target))
    return at_url(request, shown_token(visible, parameter, token.escaped))


def _clean(response: Any, parameter: str, token: Token) -> Any:
    """Take the token out of the headers, where a proxy may echo the URL it was asked for."""
    headers = ((each.decode("latin-1") for each in pair) for pair in response.headers.raw)
    clean = without_token(((name, value) for name, value in headers), parameter, token)
    if clean is not None:
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in clean]
        response.headers = type(response.headers)(raw)
    return response


class Call:
    """Make one call of a request without a token in its URL.

    Args:
        way: the transport that sends it, and an exchange as well.
        request: as its caller may see it.
        source: of the token.
        parameter: that carries the token.
        retry: the user's wishes beyond a rejected token.
        codes: the errcodes that its answers are looked into for.
        start: of its body, from `start_of`.
    """

    __slots__ = ("_codes", "_parameter", "_request", "_retry", "_source", "_start", "_way")

    def __init__(
        self,
        way: exchange.Way,
        request: Any,
        source: TokenSource,
        parameter: str,
        retry: Retry,
        codes: frozenset[int],
        start: int | None,
    ) -> None:
        self._way, self._request, self._source = way, request, source
        self._parameter, self._retry = parameter, retry
        self._codes, self._start = codes, start

    def finish(self, token: Token | None, first: Answered | None) -> Any:
        """Carry the call to its end.

        Args:
            token: that it was sent with, where it was.
            first: the answer to that.
        """
        limit, via = call_limit(self._request), exchange.sync_send(self._way, self._request)
        try:
            flow = self._flow(token, first, limit)
            return drive(flow, self._source, self._attempt, timeout=limit, via=via)
        except WeComError as error:
            failure = dress_as(error, self._way.kit.library, self._request)
        raise failure  # out here, where the error that it stands for is no context

    async def afinish(self, token: Token | None, first: Answered | None) -> Any:
        """Do the same as `finish`, in a coroutine."""
        limit, via = call_limit(self._request), exchange.async_send(self._way, self._request)
        try:
            flow = self._flow(token, first, limit)
            return await drive_async(flow, self._source, self._aattempt, timeout=limit, via=via)
        except WeComError as error:
            failure = dress_as(error, self._way.kit.library, self._request)
        raise failure

    def _flow(self, token: Token | None, first: Answered | None, limit: float | None) -> Flow:
        return call(
            self._source,
            token,
            first,
            retry=self._retry,
            method=self._request.method,
            limit=limit,
            replayable=self._start is not None,
        )

    def _attempt(self, token: Token, again: bool) -> Answered | None:
        if again and not self._rewind():
            return None
        response = send(self._way, self._request, self._parameter, token)
        return Answered(response, look(self._way.kit.peeked, response, self._codes))

    async def _aattempt(self, token: Token, again: bool) -> Answered | None:
        if again and not self._rewind():
            return None
        response = await asend(self._way, self._request, self._parameter, token)
        return Answered(response, await alook(self._way.kit.peeked, response, self._codes))

    def _rewind(self) -> bool:
        start = self._start
        return start is not None and rewind(self._way.kit.library, self._request.stream, start)


def call_limit(request: Any) -> float | None:
    """Return the seconds that a call's own timeout leaves for getting a token; None for no limit.

    Connecting and reading may take their time one after the other.
    """
    timeout = request.extensions.get("timeout") or {}
    connect, read = timeout.get("connect"), timeout.get("read")
    return float(connect + read) if connect and read else None
