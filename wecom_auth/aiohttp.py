"""Authorise aiohttp by a client middleware.

`attach(session, app)` is the shortest way; this is aiohttp's own to the same thing.
"""

from wecom_auth._call.retry import Retry
from wecom_auth._clients.aiohttp.middleware import Middleware
from wecom_auth._credential.credential import Credential
from wecom_auth._source.source import TokenSource

__all__ = ["WeComMiddleware"]


class WeComMiddleware(Middleware):
    """Put a valid `access_token` into the calls of a session, as a client middleware.

    A rejected token is replaced and the call is made again, once. The token is not to be seen in
    the answer, in traces, or in an error. The exchange goes the way of the session as well: its
    connector's TLS and resolver, its proxy, cookies and headers. Calls to other hosts, webhooks
    and token endpoints pass untouched. One middleware serves any number of sessions and loops.

    Put it last. A call with `middlewares=` of its own replaces the session's: add it there too,
    or use `attach`, which sees to that. It needs aiohttp 3.12 or later.

    Args:
        source: a `TokenSource`, or a credential.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> session = aiohttp.ClientSession(middlewares=(WeComMiddleware(app),))  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential, *, retry: Retry | None = None) -> None:
        super().__init__(source, retry=retry)
