"""Make the request that goes out: a copy, so that the caller's own never holds a token."""

from collections.abc import Callable, Mapping
from urllib.request import Request

from wecom_auth._http import query
from wecom_auth._http.redaction import redact


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
        return _copy(self, *self._real(), True)


def is_sendable(url: str) -> bool:
    """Return whether http.client takes this URL; it refuses spaces and letters like 张.

    It would show the whole of it in its error.
    """
    return url.isascii() and url.isprintable() and " " not in url


def with_token(request: Request, name: str, escaped: str) -> Request:
    """Return the request with this token in its URL.

    Its selector is edited too: it is what goes out, and the whole URL where there is a proxy.
    """
    full_url: str = request._full_url  # type: ignore[attr-defined]
    selector = request.selector
    put = query.append(full_url, name, escaped)
    if full_url.endswith(selector):
        put_selector = put[len(full_url) - len(selector) :]
    else:
        put_selector = query.append(selector, name, escaped)
    return _copy(request, put, put_selector, True)


def without_token(request: Request, name: str) -> Request:
    """Return the request without a token that its caller put into its URL."""
    full_url: str = request._full_url  # type: ignore[attr-defined]
    return _copy(request, query.drop(full_url, name), query.drop(request.selector, name))


def is_outgoing(request: Request) -> bool:
    """Return whether this is a request as it is sent."""
    return getattr(request, "wecom_auth", False)


def _copy(request: Request, full_url: str, selector: str, outgoing: bool = False) -> Request:
    """Return the request at another URL; headers and body are those of the original."""
    other: Request = object.__new__(type(request))
    state = other.__dict__ = request.__dict__.copy()
    state["_full_url"], state["selector"], state["wecom_auth"] = full_url, selector, outgoing
    return other
