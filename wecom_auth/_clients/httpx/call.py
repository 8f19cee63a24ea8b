"""Make one call over httpx, as a flow drives it: send with a token, look, send again."""

from typing import Any

from wecom_auth._call.drive import drive, drive_async
from wecom_auth._call.flow import Flow, call
from wecom_auth._call.retry import Answered, Retry
from wecom_auth._clients.echo import without_token
from wecom_auth._clients.httpx import exchange
from wecom_auth._clients.httpx.body import rewind, start_of
from wecom_auth._clients.httpx.dressed import clean_error, dress_as
from wecom_auth._clients.httpx.peek import alook, look
from wecom_auth._clients.httpx.wire import at_url, hidden_token, shown_token
from wecom_auth._credential.token import Token
from wecom_auth._source.source import TokenSource
from wecom_auth.errors import WeComError


class Call:
    """Make one call of a request without a token in its URL.

    Args:
        way: the transport that sends it, and an exchange as well.
        request: as its caller may see it.
        source: of the token.
        parameter: that carries the token.
        retry: the user's wishes beyond a rejected token.
    """

    __slots__ = ("_codes", "_kit", "_parameter", "_request", "_retry", "_start", "_way", "source")

    def __init__(
        self,
        way: exchange.Way,
        request: Any,
        source: TokenSource,
        parameter: str,
        retry: Retry,
    ) -> None:
        self._kit, self._way, self._request = way.kit, way, request
        self.source, self._parameter, self._retry = source, parameter, retry
        rejections = source.credential.rejections
        self._codes = rejections | retry.codes if retry.errcodes else rejections
        self._start = start_of(way.kit.library, request.stream)

    # --- sending and looking, the two things that wait ---

    def send(self, token: Token) -> Any:
        """Send it with this token, once."""
        try:
            response = self._way.transport.handle_request(self._outgoing(token))
        except self._kit.library.RequestError as error:
            failure = clean_error(error, token.escaped)
            if failure is None:
                raise
        else:
            return response if response.status_code == 200 else self._clean(response, token)
        raise failure  # out here, where the error with the token in it is no context

    async def asend(self, token: Token) -> Any:
        """Do the same as `send`, in a coroutine."""
        try:
            response = await self._way.transport.handle_async_request(self._outgoing(token))
        except self._kit.library.RequestError as error:
            failure = clean_error(error, token.escaped)
            if failure is None:
                raise
        else:
            return response if response.status_code == 200 else self._clean(response, token)
        raise failure

    def errcode(self, response: Any) -> int | None:
        """Return the errcode of an answer that may have to be retried, else None."""
        return look(self._kit.peeked, response, self._codes)

    async def aerrcode(self, response: Any) -> int | None:
        """Do the same as `errcode`, in a coroutine."""
        return await alook(self._kit.peeked, response, self._codes)

    # --- the rare path ---

    def finish(self, token: Token | None, first: Answered | None) -> Any:
        """Carry the call to its end.

        Args:
            token: that it was sent with, where it was.
            first: the answer to that.
        """
        limit, via = call_limit(self._request), exchange.sync_send(self._way, self._request)
        try:
            flow = self._flow(token, first, limit)
            return drive(flow, self.source, self._attempt, timeout=limit, via=via)
        except WeComError as error:
            failure = dress_as(error, self._kit.library, self._request)
        raise failure  # out here, where the error that it stands for is no context

    async def afinish(self, token: Token | None, first: Answered | None) -> Any:
        """Do the same as `finish`, in a coroutine."""
        limit, via = call_limit(self._request), exchange.async_send(self._way, self._request)
        try:
            flow = self._flow(token, first, limit)
            return await drive_async(flow, self.source, self._aattempt, timeout=limit, via=via)
        except WeComError as error:
            failure = dress_as(error, self._kit.library, self._request)
        raise failure

    def _flow(self, token: Token | None, first: Answered | None, limit: float | None) -> Flow:
        return call(
            self.source,
            token,
            first,
            retry=self._retry,
            method=self._request.method,
            limit=limit,
            replayable=self._start is not None,
        )

    def _attempt(self, token: Token, again: bool) -> Answered | None:
        if again and not self.rewind():
            return None
        response = self.send(token)
        return Answered(response, self.errcode(response))

    async def _aattempt(self, token: Token, again: bool) -> Answered | None:
        if again and not self.rewind():
            return None
        response = await self.asend(token)
        return Answered(response, await self.aerrcode(response))

    def rewind(self) -> bool:
        start = self._start
        return start is not None and rewind(self._kit.library, self._request.stream, start)

    def _outgoing(self, token: Token) -> Any:
        visible = self._request.url
        if self._way.hides:
            url = hidden_token(self._kit.wire_url, visible, self._parameter, token.escaped)
        else:
            url = shown_token(visible, self._parameter, token.escaped)
        return at_url(self._request, url)

    def _clean(self, response: Any, token: Token) -> Any:
        """Take the token out of the headers, where a proxy may echo the URL it was asked for."""
        headers = ((each.decode("latin-1") for each in pair) for pair in response.headers.raw)
        clean = without_token(((name, value) for name, value in headers), self._parameter, token)
        if clean is not None:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in clean]
            response.headers = type(response.headers)(raw)
        return response


def call_limit(request: Any) -> float | None:
    """Return the seconds that a call's own timeout leaves for getting a token; None for no limit.

    Connecting and reading may take their time one after the other.
    """
    timeout = request.extensions.get("timeout") or {}
    connect, read = timeout.get("connect"), timeout.get("read")
    return float(connect + read) if connect and read else None
