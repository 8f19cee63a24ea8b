"""`install()`: existing code that fetches its own token, cached and healed, unchanged."""

import functools
import inspect
from collections.abc import Callable, Iterable
from itertools import chain
from threading import RLock
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from weakref import WeakKeyDictionary

import requests
from requests.adapters import BaseAdapter

from .._credential.credential import Credential
from .._http.redaction import mask_unless_refused
from .handed import Counts, handed
from .healing import DropInAdapter
from .owners import Owners

F = TypeVar("F", bound=Callable[..., Any])

_lock = RLock()
_active: tuple[Owners, ...] = ()
_current: Owners | None = None
_patches: WeakKeyDictionary[Callable[..., BaseAdapter], Callable[..., BaseAdapter]] = (
    WeakKeyDictionary()
)


class Installation:
    """What `install` returns: a context manager and a decorator, and `uninstall` ends it.

    Installations are counted; the last one to end puts requests back as it was, in whatever
    order they end, and whatever else has patched requests meanwhile.
    """

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._times = 0
        self._entered = 0
        self._begin()

    @property
    def statistics(self) -> Counts:
        """What all installations of this process have done: gettoken calls saved, calls healed."""
        return handed.counts

    def uninstall(self) -> None:
        """End this installation; doing so again does nothing."""
        with _lock:
            if self._times:
                self._times -= 1
                _end(self._owners)

    def _begin(self) -> None:
        with _lock:
            self._times += 1
            _begin(self._owners)

    def __enter__(self) -> Self:
        with _lock:
            if self._entered or not self._times:  # the first `with` takes over what install() began
                self._begin()
            self._entered += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _lock:
            self._entered -= 1
            self.uninstall()

    def __call__(self, function: F) -> F:
        """Let it be in force while this function runs, and only then.

        Raises:
            TypeError: a class, or a generator, whose body runs after the call has returned.
        """
        if not inspect.isroutine(function) or _generates(function):
            raise TypeError("install() decorates functions and coroutine functions only")
        self.uninstall()

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with Installation(self._owners):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with Installation(self._owners):
                return await function(*args, **kwargs)

        return cast(F, call_async if inspect.iscoroutinefunction(function) else call)


def install(*, credentials: Iterable[Credential] = (), store: object = None) -> Installation:
    """Let code that fetches its own token go on as it is, with its calls kept authorised.

    From now on, and for every session of the process and module-level `requests` call: a
    gettoken is answered from the cache, a call that carries a token which the platform has
    dropped goes out with the current one, and one that was rejected is made again, once.
    Nothing of the code needs to change, and no credential needs to be given: they are learned
    from the gettoken calls that the code makes.

    Args:
        credentials: the apps of tokens that this process did not fetch (another worker did, or
            a file holds them), so that these can be replaced too.
        store: a store that processes share, or its URL, as for `TokenSource`.

    Returns:
        A context manager and decorator with `uninstall()`; nothing needs to be done with it.

    Raises:
        TypeError, ValueError: for what is no credential or store.

    Example:
        >>> install()  # doctest: +SKIP
        >>> with install(credentials=[AppCredential.from_env()]):  # doctest: +SKIP
        ...     legacy.send_alert("disk full")
    """
    mask_unless_refused()
    return Installation(Owners(credentials, store))


def _begin(owners: Owners) -> None:
    global _active
    _active = (*_active, owners)
    _merge()
    if requests.Session.get_adapter not in _patches:
        _patch()


def _end(owners: Owners) -> None:
    global _active
    index = max(i for i, each in enumerate(_active) if each is owners)
    _active = _active[:index] + _active[index + 1 :]
    _merge()
    if not _active:
        _unpatch()


def _merge() -> None:
    """All credentials count, and of the stores the one that was named last."""
    global _current
    stores = [each.store for each in _active if each.store is not None]
    credentials = chain.from_iterable(each.credentials for each in _active)
    _current = Owners(credentials, stores[-1] if stores else None) if _active else None


def _patch() -> None:
    """Stand before the one place where every session finds its adapter for every request."""
    original = requests.Session.get_adapter

    @functools.wraps(original)
    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        adapter = original(self, url)
        owners = _current
        if owners is None or "/cgi-bin/" not in url or isinstance(adapter, DropInAdapter):
            return adapter
        return DropInAdapter(adapter, owners)

    _patches[get_adapter] = original
    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]


def _unpatch() -> None:
    """Put back what was there; where another patch lies over ours, ours stays and does nothing."""
    while (ours := requests.Session.get_adapter) in _patches:
        requests.Session.get_adapter = _patches.pop(ours)  # type: ignore[method-assign]


def _generates(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
