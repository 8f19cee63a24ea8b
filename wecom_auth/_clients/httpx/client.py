"""Attach to the clients of httpx and httpx2."""

from collections.abc import Iterator
from typing import Any, TypeVar
from weakref import ref

from wecom_auth._call.retry import Retry
from wecom_auth._call.route import Route
from wecom_auth._clients.httpx.library import kit_of
from wecom_auth._clients.httpx.transport import (
    AsyncTransport,
    SyncTransport,
    Transport,
    transport_class,
)

C = TypeVar("C")


def attach(client: C, route: Route, retry: Retry) -> C:
    """Put transports that carry this route's tokens into a client; see `wecom_auth.attach`.

    Ours goes innermost: a caching transport around the client's own keys by the URL without a
    token, and a retrying one sends each try with a valid one.
    """
    base, ours = _bases(client)
    for holder, name, transport in list(_places(client)):
        *_, (owner, key, innermost) = _chain(holder, name, transport, base)
        if not isinstance(innermost, Transport):
            _put(owner, key, ours(route, innermost, retry=retry, client=ref(client)))
    return client


def route_of(client: Any) -> Route:
    """Return the route that this client carries already, or a new one."""
    base, _ = _bases(client)
    for place in _places(client):
        for _, _, transport in _chain(*place, base):
            if isinstance(transport, Transport):
                return transport.route
    return Route()


def _bases(client: Any) -> tuple[type, Any]:
    """Return the base of this client's transports, and the class of this package's."""
    library = kit_of(client).library
    if isinstance(client, library.Client):
        return library.BaseTransport, transport_class(SyncTransport, library.BaseTransport)
    base = library.AsyncBaseTransport
    return base, transport_class(AsyncTransport, base)


def _places(client: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield where the client holds its transports; None in a mount stands for the first of them."""
    try:
        yield client, "_transport", client._transport
        mounts = client._mounts
    except AttributeError:
        raise TypeError(
            f"{type(client).__name__} keeps its transports elsewhere: construct it with"
            " transport=wecom_auth.httpx.WeComTransport(...) instead"
        ) from None
    for pattern, transport in mounts.items():
        if transport is not None:
            yield mounts, pattern, transport


def _chain(holder: Any, key: Any, transport: Any, base: type) -> Iterator[tuple[Any, Any, Any]]:
    """Yield this transport and those it is wrapped around, each with where it is held."""
    seen: set[int] = set()
    while True:
        seen.add(id(transport))
        yield holder, key, transport
        if isinstance(transport, Transport):
            return
        held = {name: each for name, each in _attributes(transport) if isinstance(each, base)}
        if len(held) != 1:
            return
        holder = transport
        ((key, transport),) = held.items()
        if id(transport) in seen:
            return


def _attributes(transport: Any) -> list[tuple[str, Any]]:
    return list(getattr(transport, "__dict__", {}).items())


def _put(holder: Any, key: Any, transport: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = transport
    else:
        setattr(holder, key, transport)
