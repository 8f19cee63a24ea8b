"""The hook for urllib: stands before `OpenerDirector.open`, which `urlopen` calls too."""

import copy
import io
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

from .._call.arguments import put_back
from .._clients.urllib.call import start_of
from .._clients.urllib.peek import body_of, look
from .._credential.exchange import Answer, Send, unreached
from ..errors import TokenTimeout, WeComError
from .call import Call, Point
from .flow import make
from .layers import owners_for, sending
from .owner import GetOwners

_UNSET: Any = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]


class UrllibCall(Call):
    """One call over an opener.

    Args:
        opener: sends it.
        original: its method `open`, unpatched.
        given: the URL or the `Request`, as its caller gave it.
        data: the body, as its caller gave it.
        timeout: as its caller gave it.
    """

    errors = (OSError, HTTPException)

    def __init__(self, opener: Any, original: Any, given: Any, data: Any, timeout: Any) -> None:
        self._opener, self._original = opener, original
        self._given, self._data, self._timeout = given, data, timeout
        request = given if not isinstance(given, str) else _new(given, data)
        self._request = _copy(request)  # urllib changes what it sends
        self.url = request.full_url
        self.headers = {**request.headers, **request.unredirected_hdrs}
        seconds = socket.getdefaulttimeout() if timeout is _UNSET else timeout
        self.limit = seconds if isinstance(seconds, int | float) and seconds > 0 else None
        self._page: Any = io.BytesIO()  # in place of a token
        self._start = start_of(request.data if data is None else data)
        self.replayable = self._start is not None

    def _pass(self, url: str, given: Any, data: Any, timeout: Any) -> Any:
        with sending(self._opener, url):
            return self._original(self._opener, given, data, timeout)

    def send(self, url: str, again: bool) -> Any:
        """Send it to this URL; see `Call.send`."""
        if again and not (self.replayable and put_back(self._start)):
            return None
        if url == self.url and not again:
            return self._pass(url, self._given, self._data, self._timeout)
        request = _copy(self._request)
        request.full_url = url
        try:
            return self._pass(url, request, self._data, self._timeout)
        except urllib.error.HTTPError as error:
            error.url = error.filename = self.url
            raise

    def errcode(self, answer: Any, codes: frozenset[int]) -> int | None:
        """Return the errcode if it is one of these."""
        return look(answer, codes)

    def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        timeout = self._timeout if seconds is None else seconds
        self._page.close()
        try:
            return self._pass(self.url, _copy(self._request), self._data, timeout)
        except urllib.error.HTTPError as error:
            self._page = error.fp  # its caller gets the last one
            raise

    def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return Answer(answer.status, answer.headers, body_of(answer) or b"")

    def close(self, answer: Any) -> None:
        """Close it."""
        answer.close()

    def failure(self, error: WeComError) -> Exception:
        """Return an error of urllib."""
        late = isinstance(error, TokenTimeout)
        return urllib.error.URLError(TimeoutError(str(error)) if late else str(error))

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same opener."""

        def send(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
        ) -> Answer:
            request = _new(url, body)
            request.method, request.headers = method, {**learned, **headers}
            try:
                with self._opened(url, request, seconds) as answer:
                    return self.look(answer)
            except self.errors as error:
                failure = unreached(error, url, seconds)
            raise failure  # out here, where the error with the secret in its URL is no context

        return send

    def _opened(self, url: str, request: urllib.request.Request, seconds: float) -> Any:
        try:
            return self._pass(url, request, None, seconds)
        except urllib.error.HTTPError as answer:
            return answer

    def make(self, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        """Return an answer made here."""
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "Connection: close", "", ""])
        return self._begun(HTTPResponse(_Wire(head.encode() + body)))  # type: ignore[arg-type]

    def _begun(self, answer: Any) -> HTTPResponse:
        answer.begin()
        answer.url, answer.msg = self.url, answer.reason
        begun: HTTPResponse = answer
        return begun

    def dress(self, answer: Any, sent: str) -> Any:
        """Show the own token in the URL, also where a redirect has led elsewhere."""
        answer.url = self.shown(answer.url, sent)
        return answer


class _Wire:
    """A socket from which an answer that is known already is read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _new(url: str, data: Any) -> urllib.request.Request:
    return urllib.request.Request(url, data)  # noqa: S310 (the caller's own URL)


def _copy(request: urllib.request.Request) -> urllib.request.Request:
    other = copy.copy(request)
    other.headers = dict(request.headers)
    other.unredirected_hdrs = dict(request.unredirected_hdrs)
    return other


def points(module: Any, owners: GetOwners) -> list[Point]:
    """Return what to patch."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def open(self: Any, fullurl: Any, data: Any = None, timeout: Any = _UNSET) -> Any:
            url = fullurl if isinstance(fullurl, str) else getattr(fullurl, "full_url", "")
            now = owners_for(owners, self, url) if "/cgi-bin/" in url else None
            if now is None:
                return original(self, fullurl, data, timeout)
            call = UrllibCall(self, original, fullurl, data, timeout)
            return make(call, now)

        return open

    return [(module.OpenerDirector, "open", wrap)]
