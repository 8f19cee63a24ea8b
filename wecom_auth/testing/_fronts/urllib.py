"""urllib: below its openers and handlers, where they would connect."""

from __future__ import annotations

import http.client
import io
from typing import Any

from .._platform.wire import DroppedError, Reply, TimedOutError
from .front import Answering, Find, Front, bytes_of, headers_of, seconds_of


def make(library: Any, find: Find) -> Front:
    """Return the front for urllib."""
    return _Urllib(library, find)


class _Urllib(Front):
    def __init__(self, library: Any, find: Find) -> None:
        super().__init__()
        self._library = library
        self._find = find

    def start(self) -> None:
        self.replace(self._library.AbstractHTTPHandler, "do_open", self._opening)

    def _opening(self, there: Any) -> Any:
        def do_open(handler: Any, http_class: Any, req: Any, **more: Any) -> Any:
            platform = self._find(req.full_url)
            if platform is None:
                return there(handler, http_class, req, **more)
            return _answer(platform, req)

        return do_open


def _answer(platform: Answering, req: Any) -> Any:
    method, headers = req.get_method(), dict(req.header_items())
    target = http_target(req.full_url)
    try:
        reply = platform.ask(method, target, headers, bytes_of(req.data), seconds_of(req.timeout))
    except DroppedError as dropped:
        if dropped.reset:
            raise ConnectionResetError(104, "Connection reset by peer") from None
        text = "Remote end closed connection without response"
        raise http.client.RemoteDisconnected(text) from None
    except TimedOutError:
        raise TimeoutError("The read operation timed out") from None
    answer: Any = http.client.HTTPResponse(_Received(reply), method=method)  # type: ignore[arg-type]
    answer.begin()
    answer.url = req.full_url
    answer.msg = answer.reason  # as urllib does
    return answer


def http_target(url: str) -> str:
    """Return path and query of a URL, byte for byte."""
    rest = url.partition("#")[0].partition("://")[2]
    start = min((rest.index(mark) for mark in "/?" if mark in rest), default=len(rest))
    target = rest[start:]
    return target if target.startswith("/") else "/" + target


class _Received:
    """As a socket, what the platform sent."""

    def __init__(self, reply: Reply) -> None:
        lines = [f"HTTP/1.1 {reply.status} {http.client.responses.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers_of(reply).items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        self._data = head.encode("latin-1", "replace") + reply.body

    def makefile(self, mode: str) -> io.BytesIO:
        """Return a file to read it from."""
        return io.BytesIO(self._data)
