"""Make one call over aiohttp, as a flow drives it: send with a token, look, send again."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from wecom_auth._call.drive import drive_async
from wecom_auth._call.flow import call
from wecom_auth._call.retry import Answered, Retry
from wecom_auth._clients.aiohttp import exchange
from wecom_auth._clients.aiohttp.wire import Wire, clean_headers
from wecom_auth._clients.aiohttp_peek import is_suspect, look
from wecom_auth._clients.dressed import dress
from wecom_auth._credential.token import Token
from wecom_auth._http.redaction import redact
from wecom_auth._source.source import TokenSource
from wecom_auth.errors import TokenConnectionError, TokenTimeout, WeComError

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


async def send(
    request: Any, handler: Handler, source: TokenSource, parameter: str, token: Token
) -> aiohttp.ClientResponse:
    """Send a request with this token, once; it shows none at any time."""
    request.send = Wire(request, source.credential, parameter, token)
    try:
        response = await handler(request)
    except aiohttp.ClientOSError as error:
        # "Can not write request body for …", from Python 3.12 on with the URL of the moment.
        if token.escaped in str(error):
            error.args = (error.errno, redact(str(error.strerror), token.escaped))
            error.strerror = error.args[1]
        raise
    finally:
        del request.send
    if response.status != 200:
        clean_headers(response, parameter, token)
    return response


class Call:
    """Make one call of a request without a token in its URL.

    Args:
        request: as aiohttp has made it; it shows no token at any time.
        handler: sends it.
        source: of the token.
        parameter: that carries the token.
        retry: the user's wishes beyond a rejected token.
        codes: the errcodes that its answers are looked into for.
    """

    __slots__ = ("_codes", "_handler", "_parameter", "_request", "_retry", "_source")

    def __init__(
        self,
        request: Any,
        handler: Handler,
        source: TokenSource,
        parameter: str,
        retry: Retry,
        codes: frozenset[int],
    ) -> None:
        self._request, self._handler, self._source = request, handler, source
        self._parameter, self._retry, self._codes = parameter, retry, codes

    async def finish(self, token: Token | None, first: Answered | None) -> Any:
        """Carry the call to its end, on the rare path.

        The session's own timeout runs on meanwhile, and ends the call where it is shorter.

        Args:
            token: that it was sent with, where it was.
            first: the answer to that.
        """
        flow = call(
            self._source,
            token,
            first,
            retry=self._retry,
            method=self._request.method,
            limit=self._request.session.timeout.total,
            replayable=self._is_whole(),
        )
        via = exchange.by_session(self._request)
        try:
            return await drive_async(flow, self._source, self._attempt, via=via)
        except WeComError as error:
            failure = dress(error, _base(error))
        raise failure  # out here, where the error that it stands for is no context

    async def _attempt(self, token: Token, again: bool) -> Answered | None:
        if again:
            await self._request.close()  # the writer of a body that was rejected half-way
            if not self._is_whole():
                return None
        response = await send(self._request, self._handler, self._source, self._parameter, token)
        suspect = is_suspect(response, self._codes)
        return Answered(response, await look(response, self._codes) if suspect else None)

    def _is_whole(self) -> bool:
        """Return whether the body is there to be sent; a generator is, once."""
        return is_whole(self._request.body)


def is_whole(body: Any) -> bool:
    """Return whether a body can be sent again.

    aiohttp tells of most whether they are used up; until 3.14 not of the parts of a form, and in
    3.12.0 of none: an upload would arrive empty, with errcode 0. It closes files there, too.
    """
    if getattr(body, "consumed", False):
        return False
    if isinstance(body, aiohttp.payload.AsyncIterablePayload):  # pragma: no cover (aiohttp < 3.14)
        return getattr(body, "_cached_chunks", None) is not None
    if isinstance(body, aiohttp.payload.IOBasePayload):
        return _is_seekable(body._value)
    parts = getattr(body, "_parts", ())
    return all(is_whole(part) for part, *_ in parts)


def _is_seekable(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):  # closed meanwhile
        return False


def _base(error: WeComError) -> type[aiohttp.ClientError]:
    """Return the error of aiohttp's that this one is like."""
    if isinstance(error, TokenTimeout):
        return aiohttp.ServerTimeoutError
    reached = not isinstance(error, TokenConnectionError)
    return aiohttp.ClientError if reached else aiohttp.ClientConnectionError
