"""Send an exchange the way that a client's calls go: without retries, over a pool of its own.

A pool that downloads hold has no connection to give, and one that a NAT has forgotten no answer.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from wecom_auth._clients.httpx.library import Kit
from wecom_auth._clients.httpx.wire import at_url, hidden
from wecom_auth._clients.onloop import Exchange, on_this_loop
from wecom_auth._clients.requests.send import OF_CALL
from wecom_auth._clock import waiting
from wecom_auth._credential.exchange import Answer, Send, unreached
from wecom_auth._http.redaction import redact
from wecom_auth._http.verdict import BODY_LIMIT
from wecom_auth._source.transport import gather
from wecom_auth.errors import TokenUnavailable

_STATE = {"_connections", "_requests", "_optional_thread_lock", "_retries"}
"""The attributes of a pool that are its own, in both versions of httpcore."""


class Way(NamedTuple):
    """Name the way that calls go.

    Attributes:
        kit: of the library.
        transport: that sends.
        hides: whether that is the library's own, which sends `raw_path` and nothing else.
        client: returns the client, whose headers, cookies, params and auth go along, or None.
    """

    kit: Kit
    transport: Any
    hides: bool
    client: Callable[[], Any]


def sync_send(way: Way, call: Any) -> Send:
    """Return a `Send` that goes this way.

    Args:
        way: of the call.
        call: the request; its headers go along where its client is not known.
    """

    def send(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        deadline = waiting() + seconds
        request, auth = _prepare(way, call, (method, url, headers, body), seconds)
        own = _apart(way)
        try:
            if auth is not None:
                request = next(auth.sync_auth_flow(request))
            response = own.handle_request(_hide(way, request))
            try:
                return _answer(response, gather(response.iter_bytes(), deadline))
            finally:
                response.close()
        except (way.kit.library.RequestError, OSError) as error:
            failure = unreached(error, url, seconds)
        finally:
            if own is not way.transport:
                way.kit.library.HTTPTransport.close(own)
        raise failure  # out here, where the error with the secret in its URL is no context

    return send


def async_send(way: Way, call: Any) -> Send:
    """Return a `Send` that goes this way, on the event loop of the task that asks for it."""
    return on_this_loop(partial(_exchange, way, call))


async def _exchange(
    way: Way, call: Any, what: Exchange, seconds: float
) -> Answer | TokenUnavailable:
    """Send on this loop; a failure is returned, because whatever is raised says the loop ended."""
    request, auth = _prepare(way, call, what, seconds)
    own = _apart(way)
    try:
        if auth is not None:
            flow = auth.async_auth_flow(request)
            request = await anext(flow)
            await flow.aclose()
        response = await own.handle_async_request(_hide(way, request))
        try:
            return _answer(response, await _aread(response))
        finally:
            await response.aclose()
    except (way.kit.library.RequestError, OSError) as error:
        return unreached(error, what[1], seconds)
    finally:
        if own is not way.transport:
            await way.kit.library.AsyncHTTPTransport.aclose(own)


def _prepare(way: Way, call: Any, what: Exchange, seconds: float) -> tuple[Any, Any]:
    """Return the request as the client prepares its calls, and the client's auth."""
    method, url, headers, body = what
    # A first try may use all of the time; only connecting is bounded, for a second try.
    timeout = {"connect": seconds / 3, "read": seconds, "write": seconds, "pool": seconds}
    client = way.client()
    if client is None:
        theirs = {name: call.headers[name] for name in call.headers if not OF_CALL.match(name)}
        request = way.kit.library.Request(method, url, headers={**theirs, **headers}, content=body)
    else:
        address, _, query = url.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)  # params of the client replace a query
        options = {"params": dict(pairs), "headers": dict(headers), "content": body}
        request = client.build_request(method, address, **options)
    request.extensions["timeout"] = timeout
    return request, getattr(client, "auth", None)


def _hide(way: Way, request: Any) -> Any:
    """Return the request with a URL that does not show the secret, where that can be sent."""
    if not way.hides:
        return request
    visible = way.kit.library.URL(redact(str(request.url)))
    return at_url(request, hidden(way.kit.wire_url, visible, request.url.raw_path))


def _apart(way: Way) -> Any:
    """Return the transport with an empty pool and without retries; itself if it is another's."""
    library, given = way.kit.library, way.transport
    pool = getattr(given, "_pool", None)
    if not isinstance(given, library.HTTPTransport | library.AsyncHTTPTransport):
        return given
    if not vars(pool).keys() >= _STATE:
        return given
    empty = object.__new__(type(pool))
    lock = type(pool._optional_thread_lock)()  # type: ignore[union-attr]
    vars(empty).update(vars(pool), _connections=[], _requests=[], _retries=0)
    vars(empty).update(_optional_thread_lock=lock)
    own = object.__new__(type(given))
    vars(own).update(vars(given), _pool=empty)
    return own


def _answer(response: Any, body: bytes) -> Answer:
    return Answer(response.status_code, response.headers, body)


async def _aread(response: Any) -> bytes:
    body = bytearray()
    pieces = response.aiter_bytes()
    async for piece in pieces:
        body += piece
        if len(body) > BODY_LIMIT:
            break
    await pieces.aclose()
    return bytes(body)
