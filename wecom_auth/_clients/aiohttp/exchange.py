"""Send an exchange by a session, as its calls go: proxy, TLS, cookies, headers.

It goes over a connection of its own, without retries, and past the session's middlewares and
traces, which would see the secret.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
from aiohttp import BaseConnector, ClientError, ClientSession, ClientTimeout
from yarl import URL

from wecom_auth._clients.onloop import Exchange, on_this_loop
from wecom_auth._clients.requests.send import OF_CALL
from wecom_auth._credential.exchange import Abandoned, Answer, Send, unreached
from wecom_auth._http.verdict import BODY_LIMIT
from wecom_auth.errors import TokenUnavailable


def by_session(call: Any) -> Send:
    """Return a `Send` that goes by the session of this call, on its event loop.

    Args:
        call: the request; its proxy, TLS and headers go along.
    """
    return on_this_loop(partial(_while_open, call, [Abandoned()]))


async def _while_open(
    call: Any, others: list[Abandoned], what: Exchange, seconds: float
) -> Answer | TokenUnavailable:
    """Send it, unless the session was closed meanwhile: the first time others may have another."""
    if call.session.connector is not None:
        return await _exchange(call, what, seconds)
    if others:
        raise others.pop()
    return unreached(aiohttp.ClientConnectionError("Session is closed"), what[1], seconds)


async def _exchange(call: Any, what: Exchange, seconds: float) -> Answer | TokenUnavailable:
    method, url, headers, body = what
    # A first try may use all of the time; only connecting is bounded, for a second try.
    timeout = ClientTimeout(total=seconds, connect=seconds / 3)
    async with _apart(call) as own:
        try:
            response = await ClientSession._request(
                own,
                method,
                URL(url, encoded=True),
                data=body,
                headers={**_headers_of(call), **headers},
                allow_redirects=False,
                timeout=timeout,
                proxy_headers=call.proxy_headers,
                ssl=call.ssl,
                server_hostname=call.server_hostname,
            )
            async with response:
                return Answer(response.status, response.headers, await _read(response.content))
        except (ClientError, OSError) as error:
            return unreached(error, url, seconds)


def _headers_of(call: Any) -> dict[str, str]:
    """Return the headers of a call that open the way; cookies are put in again."""
    theirs = {name: value for name, value in call.headers.items() if not OF_CALL.match(name)}
    theirs.pop("Cookie", None)
    if call.session.auth is not None:
        theirs.pop("Authorization", None)
    return theirs


@asynccontextmanager
async def _apart(call: Any) -> AsyncIterator[ClientSession]:
    """Yield the session with an empty pool, and without whatever sees its requests."""
    session, connector = call.session, call.session.connector
    pool = object.__new__(type(connector))
    vars(pool).update(vars(connector))
    BaseConnector.__init__(pool, loop=connector._loop, limit=0, force_close=True)
    vars(pool).update(_throttle_dns_futures={}, _resolve_host_tasks=set())
    own = object.__new__(type(session))
    vars(own).update(vars(session), _connector=pool, _retry_connection=False)
    vars(own).update(_middlewares=(), _trace_configs=[], _raise_for_status=False)
    vars(own).update(_default_proxy=call.proxy, _default_proxy_auth=call.proxy_auth)
    vars(own).update(_auto_decompress=True)
    try:
        yield own
    finally:
        await BaseConnector.close(pool)


async def _read(content: aiohttp.StreamReader) -> bytes:
    """Read a small body."""
    body = b""
    while len(body) <= BODY_LIMIT and (more := await content.read(BODY_LIMIT)):
        body += more
    return body
