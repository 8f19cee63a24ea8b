"""The hook for httpx and httpx2: stands before the method through which their transports send.

Bodies, looks and exchanges are those of the driver: see `_clients.httpx`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .._clients.httpx import exchange as exchanges
from .._clients.httpx.body import rewind, start_of
from .._clients.httpx.library import kit_of
from .._clients.httpx.peek import alook, look
from .._clients.requests.peek import decode
from .._clients.requests.send import call_limit
from .._credential.exchange import Answer, Send
from ..errors import TokenTimeout, WeComError
from .call import Call, Point
from .flow import make, make_async
from .layers import owners_for, sending
from .owner import GetOwners


class HttpxCall(Call):
    """One call over a transport of either library.

    Args:
        transport: sends it.
        original: its method, unpatched.
        request: as its caller made it.
    """

    def __init__(self, transport: Any, original: Any, request: Any) -> None:
        self._kit, self._request = kit_of(request), request
        self._library = self._kit.library
        self.errors = (self._library.TransportError, OSError)
        self._transport, self._original = transport, original
        self.url, self.headers = str(request.url), request.headers
        timeout = request.extensions.get("timeout") or {}
        self.limit = call_limit((timeout.get("connect"), timeout.get("read")))
        self._start = start_of(self._library, request.stream)
        self.replayable = self._start is not None

    def _outgoing(self, url: str, again: bool) -> Any:
        request, start = self._request, self._start
        if again and (start is None or not rewind(self._library, request.stream, start)):
            return None
        return request if url == self.url else self._copy(url, request.extensions)

    def _copy(self, url: str, extensions: Mapping[str, Any]) -> Any:
        request = self._request
        return self._library.Request(
            request.method,
            url,
            headers=request.headers,
            stream=request.stream,
            extensions=dict(extensions),
        )

    def _bounded(self, seconds: float | None) -> Any:
        if seconds is None:
            return self._request
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        return self._copy(self.url, {**self._request.extensions, "timeout": timeout})

    def _peeked(self, answer: Any) -> Any:
        """Put what can be looked into in place of an answer's body."""
        answer.stream = self._kit.peeked(answer.stream)
        return answer.stream

    def _answer(self, answer: Any, body: bytes | None) -> Answer:
        plain = body and decode(body, answer.headers.get("Content-Encoding"))
        return Answer(answer.status_code, answer.headers, plain or b"")

    def _by_driver(self, send: Callable[..., Send], learned: Mapping[str, str]) -> Send:
        way = exchanges.Way(self._kit, self._transport, False, lambda: None)
        return send(way, self._library.Request("GET", self.url, headers=learned))

    def failure(self, error: WeComError) -> Exception:
        """Return the library's own error."""
        late = isinstance(error, TokenTimeout)
        kind = self._library.ReadTimeout if late else self._library.ConnectError
        failure: Exception = kind(str(error), request=self._request)
        return failure

    def make(self, headers: Mapping[str, str], body: bytes) -> Any:
        """Return an answer made here."""
        stream = self._library.ByteStream(body)
        return self._library.Response(200, headers=dict(headers), stream=stream)

    def dress(self, answer: Any, sent: str) -> Any:
        """Show the own token in a redirect that echoes the query."""
        location = answer.headers.get("Location")
        if location is not None:
            answer.headers["Location"] = self.shown(location, sent)
        return answer


class SyncCall(HttpxCall):
    """A call of `Client`."""

    def _pass(self, request: Any) -> Any:
        with sending(self._transport, str(request.url)):
            return self._original(self._transport, request)

    def send(self, url: str, again: bool) -> Any:
        """Send it to this URL; see `Call.send`."""
        request = self._outgoing(url, again)
        return None if request is None else self._pass(request)

    def errcode(self, answer: Any, codes: frozenset[int]) -> int | None:
        """Return the errcode if it is one of these."""
        return look(self._kit.peeked, answer, codes)

    def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        return self._pass(self._bounded(seconds))

    def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return self._answer(answer, self._peeked(answer).peek())

    def close(self, answer: Any) -> None:
        """Close it."""
        answer.close()

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same transport."""
        return self._by_driver(exchanges.sync_send, learned)


class AsyncCall(HttpxCall):
    """A call of `AsyncClient`."""

    is_async = True

    async def _pass(self, request: Any) -> Any:
        with sending(self._transport, str(request.url)):
            return await self._original(self._transport, request)

    async def send(self, url: str, again: bool) -> Any:
        """Send it to this URL; see `Call.send`."""
        request = self._outgoing(url, again)
        return None if request is None else await self._pass(request)

    async def errcode(self, answer: Any, codes: frozenset[int]) -> int | None:
        """Return the errcode if it is one of these."""
        return await alook(self._kit.peeked, answer, codes)

    async def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        return await self._pass(self._bounded(seconds))

    async def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return self._answer(answer, await self._peeked(answer).apeek())

    async def close(self, answer: Any) -> None:
        """Close it."""
        await answer.aclose()

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same transport, on the caller's event loop."""
        return self._by_driver(exchanges.async_send, learned)


def points(module: Any, owners: GetOwners) -> list[Point]:
    """Return what to patch."""

    # The path alone is asked for first: a tenth of what the URL as text costs.

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(self: Any, request: Any) -> Any:
            ours = b"/cgi-bin/" in request.url.raw_path
            now = owners_for(owners, self, str(request.url)) if ours else None
            if now is None:
                return original(self, request)
            call = SyncCall(self, original, request)
            return make(call, now)

        return handle_request

    def wrap_async(original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_async_request(self: Any, request: Any) -> Any:
            ours = b"/cgi-bin/" in request.url.raw_path
            now = owners_for(owners, self, str(request.url)) if ours else None
            if now is None:
                return original(self, request)
            call = AsyncCall(self, original, request)
            return make_async(call, now)

        return handle_async_request

    return [
        (module.HTTPTransport, "handle_request", wrap),
        (module.AsyncHTTPTransport, "handle_async_request", wrap_async),
    ]
