"""Authorise httpx and httpx2: one auth, and a transport for each kind of client.

`attach(client, app)` is the shortest way. These are the libraries' own ways to the same thing:

    httpx.get(url, auth=WeComAuth(app))
    httpx.Client(transport=WeComTransport(app))
    httpx2.AsyncClient(transport=AsyncWeComTransport(app))
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from wecom_auth._call.retry import Retry
from wecom_auth._clients.httpx.auth import Auth
from wecom_auth._clients.httpx.library import bases
from wecom_auth._clients.httpx.transport import AsyncTransport, SyncTransport
from wecom_auth._credential.credential import Credential
from wecom_auth._source.source import TokenSource

if TYPE_CHECKING:
    import httpx
    import httpx2

    class _Auth(Auth, httpx.Auth, httpx2.Auth):
        def auth_flow(self, request: Any) -> Generator[Any, Any, None]: ...

    class _Sync(SyncTransport, httpx.BaseTransport, httpx2.BaseTransport): ...

    class _Async(AsyncTransport, httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport): ...

else:
    _Auth = type("_Auth", (Auth, *bases("Auth")), {})
    _Sync = type("_Sync", (SyncTransport, *bases("BaseTransport")), {})
    _Async = type("_Async", (AsyncTransport, *bases("AsyncBaseTransport")), {})

__all__ = ["AsyncWeComTransport", "WeComAuth", "WeComTransport"]


class WeComAuth(_Auth):
    """Authorise WeCom calls of httpx and httpx2, sync and async: `httpx.get(url, auth=…)`.

    Calls to other hosts, webhooks and token endpoints pass untouched. A rejected token is
    replaced and the call is made again, once; the rejected answer then stands in
    `response.history`. The token is not to be seen in the response or in an error, but an event
    hook for requests sees it, and so does whatever instruments the client. The exchange goes by
    `requests`, with the proxies of the environment or the `session=` of a `TokenSource`: use
    `attach` where it must go the way of the client.

    Args:
        source: a `TokenSource`, or a credential.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> httpx.get(url, auth=WeComAuth(app)).json()  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential, *, retry: Retry | None = None) -> None:
        super().__init__(source, retry=retry)


class WeComTransport(_Sync):
    """Put a valid `access_token` into the calls of a `Client`, as its transport.

    The token is not to be seen in the response, in its request, or in an error. The exchange goes
    by the inner transport as well, without its retries.

    Args:
        source: a `TokenSource`, or a credential.
        inner: the transport that sends; an `HTTPTransport` of the client's library if none is
            given. Put a caching transport around this one, not inside: it would keep the token.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> client = httpx.Client(transport=WeComTransport(app))  # doctest: +SKIP
    """

    def __init__(
        self,
        source: TokenSource | Credential,
        inner: "httpx.BaseTransport | httpx2.BaseTransport | None" = None,
        *,
        retry: Retry | None = None,
    ) -> None:
        super().__init__(source, inner, retry=retry)


class AsyncWeComTransport(_Async):
    """Do the same as `WeComTransport` for an `AsyncClient`, under asyncio, trio and anyio.

    Args:
        source: a `TokenSource`, or a credential.
        inner: the transport that sends; an `AsyncHTTPTransport` of the client's library if none
            is given.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> client = httpx.AsyncClient(transport=AsyncWeComTransport(app))  # doctest: +SKIP
    """

    def __init__(
        self,
        source: TokenSource | Credential,
        inner: "httpx.AsyncBaseTransport | httpx2.AsyncBaseTransport | None" = None,
        *,
        retry: Retry | None = None,
    ) -> None:
        super().__init__(source, inner, retry=retry)
