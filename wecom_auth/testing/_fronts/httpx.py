"""httpx and httpx2: their transports, sync and async, below everything a program puts on them.

Routes of respx are asked first; pytest_httpx replaces the same methods, and stays in place.
"""

from __future__ import annotations

import sys
from typing import Any

from .._platform.wire import DroppedError, Reply, TimedOutError
from .front import Answering, Find, Front, headers_of, seconds_of


def make(library: Any, find: Find) -> Front:
    """Return the front for this library."""
    return _Httpx(library, find)


class _Httpx(Front):
    def __init__(self, library: Any, find: Find) -> None:
        super().__init__()
        self._library = library
        self._find = find

    def start(self) -> None:
        sync, other = self._library.HTTPTransport, self._library.AsyncHTTPTransport
        self.replace(sync, "handle_request", self._sync)
        self.replace(other, "handle_async_request", self._async)

    def _sync(self, there: Any) -> Any:
        def handle_request(transport: Any, request: Any) -> Any:
            platform = self._platform(request)
            if platform is None:
                return there(transport, request)
            request.read()
            return self._answer(platform, request)

        return handle_request

    def _async(self, there: Any) -> Any:
        async def handle_async_request(transport: Any, request: Any) -> Any:
            platform = self._platform(request)
            if platform is None:
                return await there(transport, request)
            await request.aread()
            return await _in_a_thread(self._answer, platform, request)

        return handle_async_request

    def _platform(self, request: Any) -> Answering | None:
        return None if _respx_answers(request) else self._find(str(request.url))

    def _answer(self, platform: Answering, request: Any) -> Any:
        patience = seconds_of(request.extensions.get("timeout", {}).get("read"))
        target, headers = request.url.raw_path.decode("ascii"), dict(request.headers)
        try:
            reply = platform.ask(request.method, target, headers, request.content, patience)
        except DroppedError as dropped:
            if dropped.reset:
                raise self._library.ReadError("[Errno 104] reset", request=request) from None
            text = "Server disconnected without sending a response."
            raise self._library.RemoteProtocolError(text, request=request) from None
        except TimedOutError:
            text = "The read operation timed out"
            raise self._library.ReadTimeout(text, request=request) from None
        return self._response(reply)

    def _response(self, reply: Reply) -> Any:
        stream = self._library.ByteStream(reply.body)
        return self._library.Response(reply.status, headers=headers_of(reply), stream=stream)


async def _in_a_thread(work: Any, *args: Any) -> Any:
    """Answer beside the event loop, for a hold or a slow answer must not stop it."""
    import anyio  # a part of httpx: it runs under asyncio and under trio
    import anyio.to_thread

    one = anyio.CapacityLimiter(1)  # of each call its own, so that any number can be held
    return await anyio.to_thread.run_sync(lambda: work(*args), abandon_on_cancel=True, limiter=one)


def _respx_answers(request: Any) -> bool:
    """True where a route of an active respx router matches."""
    mocks = sys.modules.get("respx.mocks")
    if mocks is None:
        return False
    routers = (router for mocker in mocks.Mocker.registry.values() for router in mocker.routers)
    patterns = (route.pattern for router in routers for route in router.routes)
    return any(pattern is None or pattern.match(request) for pattern in patterns)
