"""`install()`: existing code that fetches its own token, cached and healed, unchanged."""

import functools
import inspect
from collections.abc import Callable, Iterable
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from .._credential.credential import Credential
from .._http.redaction import mask_unless_refused
from .._source import process
from . import hooks
from .ledger import Counts, ledger
from .owner import Owners, sole

F = TypeVar("F", bound=Callable[..., Any])

_active: tuple[Owners, ...] = ()


class Installation:
    """The result of `install`: a context manager and a decorator, and `uninstall` ends it.

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
        """The counts of all installations of this process: gettoken calls saved, calls healed."""
        return ledger.counts

    def uninstall(self) -> None:
        """End this installation; doing so again does nothing."""
        with process.lock:
            if self._times:
                self._times -= 1
                _end(self._owners)

    def _begin(self) -> None:
        with process.lock:
            self._times += 1
            _begin(self._owners)

    def __enter__(self) -> Self:
        with process.lock:
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
        with process.lock:
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


def install(
    *,
    credentials: Iterable[Credential] = (),
    store: object = None,
    sole_app: Credential | None = None,
) -> Installation:
    """Let code that fetches its own token go on as it is, with its calls kept authorised.

    From now on, for every call of the process that requests, niquests (but for its AsyncSession),
    httpx, httpx2, aiohttp or urllib makes: a gettoken is answered from the cache, a call that
    carries a token which the platform has dropped goes out with the current one, and one that was
    rejected is made again, once. Nothing of the code needs to change. A token is replaced only by
    one of the owner that is known for it: its gettoken was seen here, the store knows it, or you
    say so.

    Args:
        credentials: the apps whose tokens the store knows and this process did not fetch: they
            bring the secret, and no more.
        store: a store that processes share, or its URL, as for `TokenSource`.
        sole_app: every token of this process that nothing else is known of is this app's, for
            code that reads its token from a file or a database. It ends, with a warning, when an
            exchange for another owner is seen, or when a replaced call is refused in a way that
            says that the token is another app's. For one token, see `claim`.

    Returns:
        A context manager and decorator with `uninstall()`; nothing needs to be done with it.

    Raises:
        TypeError, ValueError: for what is no credential or store, and where sole_app stands
            beside another credential, also another installation's.

    Example:
        >>> install()  # doctest: +SKIP
        >>> with install(sole_app=AppCredential.from_env()):  # doctest: +SKIP
        ...     legacy.send_alert("disk full")
    """
    mask_unless_refused()
    statement = None if sole_app is None else sole(sole_app)
    return Installation(Owners(credentials, store, statement))


def _begin(owners: Owners) -> None:
    global _active
    active = (*_active, owners)
    hooks.set_owners(_merged(active))
    _active = active


def _end(owners: Owners) -> None:
    global _active
    index = max(i for i, each in enumerate(_active) if each is owners)
    _active = _active[:index] + _active[index + 1 :]
    hooks.set_owners(_merged(_active))


def _merged(active: tuple[Owners, ...]) -> Owners | None:
    """Return one for all: every credential counts, and of the stores the one named last."""
    if not active:
        return None
    stores = [each.store for each in active if each.store is not None]
    statements = [each.sole for each in active if each.sole is not None]
    credentials = chain.from_iterable(each.credentials for each in active)
    return Owners(
        credentials, stores[-1] if stores else None, statements[-1] if statements else None
    )


def _generates(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
