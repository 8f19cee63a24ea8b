"""The hook for httpx and httpx2: stands before the method through which their transports send.

A transport does not know whether its caller streams the answer: only short JSON is looked at, and
what was read is given back.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .._clients.onloop import Exchange, on_this_loop
from .._clients.requests.send import call_limit
from .._credential.exchange import Answer, Send
from .._http import query
from .._http.redaction import redact
from .._http.verdict import errcode_in, may_hold_errcode
from ..errors import TokenConnectionError, TokenTimeout, TokenUnavailable, WeComError
from . import body as bodies
from .call import Call, Point, run, run_async
from .flow import decide
from .layers import owners_for, sending
from .owner import NAME, GetOwners


class HttpxCall(Call):
    """One call over a transport of either library.

    Args:
        library: `httpx` or `httpx2`.
        transport: sends it.
        original: its method, unpatched.
        request: as its caller made it.
    """

    def __init__(self, library: Any, transport: Any, original: Any, request: Any) -> None:
        self._library, self._request = library, request
        self._transport, self._original = transport, original
        self.url, self.headers = str(request.url), request.headers
        timeout = request.extensions.get("timeout") or {}
        self.limit = call_limit((timeout.get("connect"), timeout.get("read")))
        self.rewind = bodies.rewinder(request.stream)
        self.replayable = self.rewind is not None

    def _outgoing(self, url: str, again: bool) -> Any:
        if again and (self.rewind is None or not self.rewind()):
            return None
        return self._request if url == self.url else self._copy(url, self._request.extensions)

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
        return self._copy(self.url, {**self._request.extensions, **_timeout(seconds)})

    def _of_exchange(
        self,
        learned: Mapping[str, str],
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
    ) -> Any:
        every = {**learned, **headers}
        return self._library.Request(
            method, url, headers=every, content=content, extensions=_timeout(seconds)
        )

    def unreached(self, error: Exception) -> type[TokenUnavailable] | None:
        """Return the class of a failure of the network."""
        if isinstance(error, self._library.TimeoutException):
            return TokenTimeout
        if isinstance(error, self._library.TransportError):
            return TokenConnectionError
        return TokenUnavailable if isinstance(error, OSError) else None

    def _failure_of(self, error: Exception) -> TokenUnavailable | None:
        kind = self.unreached(error)
        return kind(redact(f"gettoken failed: {type(error).__name__}: {error}")) if kind else None

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
            own = query.find(self.url, NAME)[-1]
            answer.headers["Location"] = location.replace(sent, own)
        return answer

    def _is_worth_a_look(self, answer: Any, codes: frozenset[int]) -> bool:
        return answer.status_code == 200 and may_hold_errcode(answer.headers, codes)


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
        if not self._is_worth_a_look(answer, codes):
            return None
        return errcode_in(self._read(answer), codes, answer.headers)

    def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        return self._pass(self._bounded(seconds))

    def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return Answer(answer.status_code, answer.headers, self._read(answer) or b"")

    def close(self, answer: Any) -> None:
        """Close it."""
        answer.close()

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same transport."""

        def send(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
        ) -> Answer:
            failure: Exception | None = None
            request = self._of_exchange(learned, method, url, headers, body, seconds)
            try:
                answer = self._pass(request)
                found = self.look(answer)
                answer.close()
            except Exception as error:
                failure = self._failure_of(error) or error
            if failure is not None:
                raise failure  # out here, where the error with the secret in its URL is no context
            return found

        return send

    def _read(self, answer: Any) -> bytes | None:
        return bodies.decode(bodies.peek(self._library, answer), answer.headers)


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
        if not self._is_worth_a_look(answer, codes):
            return None
        return errcode_in(await self._read(answer), codes, answer.headers)

    async def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        return await self._pass(self._bounded(seconds))

    async def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return Answer(answer.status_code, answer.headers, await self._read(answer) or b"")

    async def close(self, answer: Any) -> None:
        """Close it."""
        await answer.aclose()

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same transport, on the caller's event loop."""

        async def send(what: Exchange, seconds: float) -> Answer | Exception:
            try:
                answer = await self._pass(self._of_exchange(learned, *what, seconds))
                found = await self.look(answer)
                await answer.aclose()
            except Exception as error:
                return self._failure_of(error) or error
            return found

        return on_this_loop(send)

    async def _read(self, answer: Any) -> bytes | None:
        return bodies.decode(await bodies.peek_async(self._library, answer), answer.headers)


def _timeout(seconds: float) -> dict[str, Any]:
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}


def points(module: Any, owners: GetOwners) -> list[Point]:
    """Return what to patch."""

    # The path alone is asked for first: a tenth of what the URL as text costs.

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(self: Any, request: Any) -> Any:
            ours = b"/cgi-bin/" in request.url.raw_path
            now = owners_for(owners, self, str(request.url)) if ours else None
            if now is None:
                return original(self, request)
            call = SyncCall(module, self, original, request)
            return run(call, decide(call, now))

        return handle_request

    def wrap_async(original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_async_request(self: Any, request: Any) -> Any:
            ours = b"/cgi-bin/" in request.url.raw_path
            now = owners_for(owners, self, str(request.url)) if ours else None
            if now is None:
                return original(self, request)
            call = AsyncCall(module, self, original, request)
            return run_async(call, decide(call, now))

        return handle_async_request

    return [
        (module.HTTPTransport, "handle_request", wrap),
        (module.AsyncHTTPTransport, "handle_async_request", wrap_async),
    ]
