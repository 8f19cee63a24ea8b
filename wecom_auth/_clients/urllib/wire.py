"""Make the request that goes out: a copy, so that the caller's own never holds a token."""

import re
from collections.abc import Callable, Mapping
from urllib.request import Request

from wecom_auth._http import query
from wecom_auth._http.redaction import redact

_UNSENDABLE = re.compile("[\x00-\x20\x7f-\U0010ffff]")
"""What http.client refuses in a URL, with the whole of it in the error."""


class Exchange(Request):
    """Hold an exchange; all but our own handler see its URL without the secret.

    Args:
        url: with the secret.
        body: or None.
        headers: to send.
        method: `GET` or `POST`.
    """

    def __init__(
        self, url: str, body: bytes | None, headers: Mapping[str, str], method: str
    ) -> None:
        super().__init__(redact(url), body, dict(headers), method=method)
        real = Request(url)  # noqa: S310 (made to be taken apart)
        target = real.full_url, real.selector
        self._real: Callable[[], tuple[str, str]] = lambda: target  # an attribute may be shown

    def outgoing(self) -> Request:
        """Return the request as it is sent."""
        return _copy(self, *self._real())


def is_sendable(url: str) -> bool:
    """Return whether http.client takes this URL; it refuses spaces and letters like 张."""
    return _UNSENDABLE.search(url) is None


def with_token(request: Request, name: str, escaped: str) -> Request:
    """Return the request with this token in its URL, in place of one that its caller put there.

    Its selector is edited too: it is what goes out, and the whole URL where there is a proxy.
    """

    def put(text: str) -> str:
        return query.append(query.drop(text, name), name, escaped)

    full_url: str = request._full_url  # type: ignore[attr-defined]
    return _copy(request, put(full_url), put(request.selector))


def is_outgoing(request: Request) -> bool:
    """Return whether this is a request that `with_token` has made."""
    return "wecom_auth" in vars(request)


def _copy(request: Request, full_url: str, selector: str) -> Request:
    """Return the request at another URL; headers and body are those of the original."""
    other: Request = object.__new__(type(request))
    vars(other).update(vars(request), _full_url=full_url, selector=selector, wecom_auth=True)
    return other
