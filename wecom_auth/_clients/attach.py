"""Attach a source to any client, in one line."""

from importlib import import_module
from typing import Any, TypeVar

from .._call.retry import ONLY_TOKENS, Retry
from .._call.route import Choose, Chosen
from .._credential.credential import Credential
from .._http.scope import PLATFORM
from .._source.source import Store, TokenSource, as_source

C = TypeVar("C")

_DRIVERS = {
    ("requests", "Session"): "requests.adapter",
    ("httpx", "Client"): "httpx.client",
    ("httpx", "AsyncClient"): "httpx.client",
    ("httpx2", "Client"): "httpx.client",
    ("httpx2", "AsyncClient"): "httpx.client",
    ("aiohttp", "ClientSession"): "aiohttp.session",
    ("urllib", "OpenerDirector"): "urllib.handler",
    ("niquests", "Session"): "requests.adapter",
}
"""The driver of each class of client, by the library and the name of the class."""

_REFUSED = {("niquests", "AsyncSession")}
"""Classes that inherit from one of those and send in another way."""


def attach(
    client: C,
    source: TokenSource | Credential | Choose,
    *,
    store: Store = None,
    retry: Retry | None = None,
    base_url: str | None = None,
) -> C:
    """Let this client authorise its WeCom calls; everything else of it stays as it is.

    What the client sends with (its adapter or transport, with pool, retries, TLS and proxies)
    goes on sending, and sends the exchange as well. Attaching the same credential again does
    nothing. A client carries several credentials where their scopes differ. With requests, an
    adapter that is mounted later at `https://` still counts; one at the base URL itself, or below
    it, takes our place: mount that one before you attach.

    Args:
        client: a `Session` of requests or niquests, a `Client` or `AsyncClient` of httpx or
            httpx2, an `aiohttp.ClientSession`, or what urllib's `build_opener` returns.
        source: a `TokenSource`, a credential, or a function that is given each request and
            returns a credential or None, for many tenants. It must not block.
        store: with a credential or a function: a store that processes share, or its URL.
        retry: errcodes to retry beside those that reject the token.
        base_url: with a function: of the calls that it is asked about; or the platform's.

    Returns:
        The client.

    Raises:
        TypeError, ValueError: for what is no client, source or store, where the client carries
            another credential's tokens to the same calls already, or the same one's in another
            store, and where its class finds adapters in a way of its own.

    Example:
        >>> session = attach(requests.Session(), AppCredential.from_env())  # doctest: +SKIP
    """
    driver = _driver_of(client)
    route = driver.route_of(client)
    if isinstance(source, TokenSource | Credential | type) or not callable(source):
        if base_url is not None:
            raise ValueError("base_url= goes with a function; a credential has its own")
        route.add(as_source(source, store))  # type: ignore[arg-type]  # a class is refused there
    elif route.sources:
        raise ValueError(
            "this client is attached already: give the function to a client of its own"
        )
    else:
        route = Chosen(source, base_url or PLATFORM, store)
    attached: C = driver.attach(client, route, retry or ONLY_TOKENS)
    return attached


def _driver_of(client: object) -> Any:
    for each in type(client).__mro__:
        library = each.__module__.partition(".")[0]
        name = _DRIVERS.get((library, each.__name__))
        if name is not None:
            return import_module(f".{name}", __package__)
        if (library, each.__name__) in _REFUSED:
            break
    known = ", ".join(f"{library}.{name}" for library, name in _DRIVERS)
    raise TypeError(f"cannot attach to {type(client).__name__}: it can be {known}")
