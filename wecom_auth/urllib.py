"""Authorise urllib by a handler for `build_opener`.

`attach(build_opener(), app)` is the shortest way; this is urllib's own to the same thing.
"""

from wecom_auth._call.retry import Retry
from wecom_auth._clients.urllib.handler import Handler
from wecom_auth._credential.credential import Credential
from wecom_auth._source.source import TokenSource

__all__ = ["WeComHandler"]


class WeComHandler(Handler):
    """Put a valid `access_token` into the calls of an opener, as a handler.

    A rejected token is replaced and the call is made again, once. The token is not to be seen in
    the answer, in the caller's `Request`, or in an error. The exchange goes by the opener's other
    handlers as well: its proxies, TLS, cookies and headers. Calls to other hosts, webhooks and
    token endpoints pass untouched. One handler belongs to one opener.

    Its place in the opener (`handler_order` 50) is before all of urllib's own. A handler of yours
    that keeps answers by their URL goes before it, or it keeps the token.

    Args:
        source: a `TokenSource`, or a credential.
        retry: errcodes to retry beside those that reject the token.

    Raises:
        TypeError: for anything else.

    Example:
        >>> opener = urllib.request.build_opener(WeComHandler(app))  # doctest: +SKIP
        >>> json.load(opener.open(url, timeout=10))  # doctest: +SKIP
    """

    def __init__(self, source: TokenSource | Credential, *, retry: Retry | None = None) -> None:
        super().__init__(source, retry=retry)
