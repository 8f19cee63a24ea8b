"""The hook for aiohttp: stands before `ClientSession._request`, which every call goes through."""

import asyncio
import io
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from .._call.arguments import positions, put_back
from .._clients.aiohttp_peek import body_of, is_suspect, look
from .._clients.onloop import Exchange, on_this_loop
from .._credential.exchange import Answer, Send, unreached
from ..errors import TokenTimeout, TokenUnavailable, WeComError
from .call import Call, Point
from .flow import make_async
from .layers import owners_for, sending
from .owner import GetOwners

_WHOLE = (bytes, bytearray, str, dict, list, tuple, int, float, io.IOBase, type(None))
"""Bodies that aiohttp sends a second time, if the files in them stand where they stood."""


class AiohttpCall(Call):
    """One call of a session.

    Args:
        library: `aiohttp`.
        session: sends it.
        original: its method `_request`, unpatched.
        method: of HTTP.
        given: the URL, as its caller gave it.
        url: the whole URL, with `params`.
        options: as its caller gave them.
    """

    is_async = True

    def __init__(
        self,
        library: Any,
        session: Any,
        original: Any,
        method: str,
        given: Any,
        url: str,
        options: dict[str, Any],
    ) -> None:
        self._library, self._session, self._original = library, session, original
        self._method, self._given, self._options = method, given, options
        self.errors = (library.ClientError, OSError)
        self.url = url
        self.headers = {**session.headers, **dict(options.get("headers") or {})}
        timeout = options.get("timeout", session.timeout)
        total = getattr(timeout, "total", timeout)
        self.limit = total if isinstance(total, int | float) and total > 0 else None
        data = options.get("data")
        self._start = positions((data,), {}) if isinstance(data, _WHOLE) else None
        self.replayable = self._start is not None

    async def _pass(self, url: str, given: Any, options: dict[str, Any]) -> Any:
        with sending(self._session, url):
            return await self._original(self._session, self._method, given, **options)

    async def send(self, url: str, again: bool) -> Any:
        """Send it to this URL; see `Call.send`."""
        if again and not (self.replayable and put_back(self._start)):
            return None
        if url == self.url:
            return await self._pass(url, self._given, self._options)
        options = {**self._options, "params": None}
        return await self._pass(url, self._parsed(url), options)

    def _parsed(self, url: str) -> Any:
        from yarl import URL  # aiohttp brings it

        return URL(url, encoded=True)

    async def errcode(self, answer: Any, codes: frozenset[int]) -> int | None:
        """Return the errcode if it is one of these."""
        return await look(answer, codes) if is_suspect(answer, codes) else None

    async def exchange(self, seconds: float | None) -> Any:
        """Send it as it is."""
        options = self._options
        if seconds is not None:
            options = {**options, "timeout": self._library.ClientTimeout(total=seconds)}
        return await self._pass(self.url, self._given, options)

    async def look(self, answer: Any) -> Answer:
        """Return the `Answer` in it."""
        return Answer(answer.status, answer.headers, await body_of(answer) or b"")

    async def close(self, answer: Any) -> None:
        """Release its connection."""
        answer.release()

    def failure(self, error: WeComError) -> Exception:
        """Return aiohttp's own error."""
        late = isinstance(error, TokenTimeout)
        kind = self._library.ServerTimeoutError if late else self._library.ClientConnectionError
        failure: Exception = kind(str(error))
        return failure

    def way(self, learned: Mapping[str, str]) -> Send:
        """Return a `Send` by the same session, on its event loop."""

        return on_this_loop(partial(self._exchange, learned))

    async def _exchange(
        self, learned: Mapping[str, str], what: Exchange, seconds: float
    ) -> Answer | TokenUnavailable:
        method, url, headers, body = what
        options = {
            **{name: self._options[name] for name in _WAY if name in self._options},
            "headers": {**learned, **headers},
            "data": body,
            "timeout": self._library.ClientTimeout(total=seconds),
            "allow_redirects": False,
        }
        original, session = self._original, self._session
        try:
            async with await original(session, method, self._parsed(url), **options) as answer:
                return await self.look(answer)
        except self.errors as error:
            return unreached(error, url, seconds)

    def make(self, headers: Mapping[str, str], body: bytes) -> Any:
        """Return an answer made here."""
        made = _made(self._library)
        return made(
            self._library, self._session, self._method, self._parsed(self.url), headers, body
        )

    def dress(self, answer: Any, sent: str) -> Any:
        """Show the own token in the URL, also where a redirect has led elsewhere."""
        url = answer._real_url = self._parsed(self.shown(str(answer._real_url), sent))
        answer._url = url.with_fragment(None)
        answer._request_info = answer._request_info._replace(url=answer._url, real_url=url)
        for name in ("url", "real_url", "request_info"):
            answer._cache.pop(name, None)  # aiohttp computes them once
        return answer


_WAY = ("proxy", "proxy_auth", "ssl", "server_hostname", "proxy_headers")


def _reader(library: Any, body: bytes) -> Any:
    """Return a stream that gives this body."""
    from aiohttp.base_protocol import BaseProtocol

    loop = asyncio.get_running_loop()
    reader = library.StreamReader(BaseProtocol(loop=loop), 2**16, loop=loop)
    reader.feed_data(body)
    reader.feed_eof()
    return reader


@lru_cache(maxsize=1)
def _made(library: Any) -> Any:
    """Return a class of answers that no connection has brought.

    aiohttp's constructor is not public and changes between releases: only the fields are set.
    """
    from multidict import CIMultiDict, CIMultiDictProxy

    class Made(library.ClientResponse):  # type: ignore[misc]
        def __init__(
            self,
            library: Any,
            session: Any,
            method: str,
            url: Any,
            headers: Mapping[str, str],
            body: bytes,
        ) -> None:
            self.method, self._url, self._real_url = method, url, url
            self.version, self.status, self.reason = library.HttpVersion11, 200, "OK"
            self._headers = CIMultiDictProxy(CIMultiDict(headers))
            self._raw_headers = tuple((k.encode(), v.encode()) for k, v in headers.items())
            self._body, self._traces = body, list[Any]()
            self._cache = dict[str, Any]()
            self._loop, self._session = asyncio.get_running_loop(), session
            self._resolve_charset = session._resolve_charset
            self._request_info = library.RequestInfo(url, method, self._headers, url)
            self._closed = True
            self.content = _reader(library, body)

    return Made


def points(module: Any, owners: GetOwners) -> list[Point]:
    """Return what to patch."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def _request(self: Any, method: str, str_or_url: Any, **options: Any) -> Any:
            url = _whole(self, str_or_url, options.get("params"))
            now = owners_for(owners, self, url) if url else None
            if now is None:
                return original(self, method, str_or_url, **options)
            call = AiohttpCall(module, self, original, method, str_or_url, url, options)
            return make_async(call, now)

        return _request

    return [(module.ClientSession, "_request", wrap)]


def _whole(session: Any, given: Any, params: Any) -> str:
    """Return the whole URL of a call, empty where it is none."""
    base = getattr(session, "_base_url", None)
    if "/cgi-bin" not in str(given) and (base is None or "/cgi-bin" not in str(base)):
        return ""
    try:
        url = session._build_url(given)
        return str(url.extend_query(params) if params else url)
    except (TypeError, ValueError):  # which aiohttp says better
        return ""
