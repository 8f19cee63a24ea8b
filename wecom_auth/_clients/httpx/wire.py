"""Make the request that goes out: the caller's own one, at a URL with the token."""

from typing import Any

from wecom_auth._http import query


def wire_url_class(library: Any) -> Any:
    """Return a URL class of this library that shows itself without the token.

    Only `raw_path`, which the library's own transports send, holds the token. Whatever wraps such
    a transport (OpenTelemetry's instrumentor) reads the URL, and never sees it.
    """

    class WireURL(library.URL):  # type: ignore[misc]
        @property
        def raw_path(self) -> bytes:
            target: bytes = self._target
            return target

        def __reduce__(self) -> tuple[Any, ...]:
            return library.URL, (str(self),)

    return WireURL


def hidden(kind: Any, visible: Any, target: bytes) -> Any:
    """Return a URL that shows as the visible one and goes out as this path and query.

    Args:
        kind: the library's class for it.
        visible: the URL as it may be seen.
        target: the path and query to send, as bytes.
    """
    url = object.__new__(kind)
    state = url.__dict__ = visible.__dict__.copy()
    state["_target"] = target
    return url


def shown_token(visible: Any, name: str, escaped: str) -> Any:
    """Return the URL with this parameter for all to see.

    Parsed URLs are edited, because to parse one costs as much as a fifth of a call; in private
    attributes, so where those are gone it is parsed.
    """
    try:
        reference = visible._uri_reference
        held = f"{reference.query}&" if reference.query else ""
        edited = reference._replace(query=f"{held}{name}={escaped}")
    except (AttributeError, ValueError):
        return type(visible)(query.append(str(visible), name, escaped))
    url = object.__new__(type(visible))
    url._uri_reference = edited
    return url


def at_url(request: Any, url: Any) -> Any:
    """Return the same request at another URL; it shares headers and body with the original."""
    other = object.__new__(type(request))
    state = other.__dict__ = request.__dict__.copy()
    state["url"] = url
    return other
