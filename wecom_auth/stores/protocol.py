"""The protocol of a shared store: three methods over short texts."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

LEASE = 15.0
"""Seconds after which a lock whose holder shows no sign of life is no longer respected.

Longer than the 10 seconds one fetch may take in all, so a slow holder is not robbed.
"""

patience: ContextVar[float] = ContextVar("wecom_auth_patience", default=0.0)
"""The time, on `time.monotonic`, until which the caller of a store can wait; 0 if nobody knows."""

METHODS = ("load", "compare_and_set", "lock")


@runtime_checkable
class TokenStore(Protocol):
    """A text store with expiry, compare-and-set and a bounded lock.

    Keys are printable text of up to about 300 characters, values short JSON texts; neither is
    the store's business. Any method may raise anything when the store is away: the callers go
    through `Breaker`, which never does. A store of your own fits on a page, and
    `wecom_auth.testing.StoreConformance` tests it.

    Two handles over the same place should be equal and hash alike, so that they share one
    breaker and one state in the process. A store that a URL or a path names may say so by an
    attribute `named = True`: of the others, which may each hold a connection, the process keeps
    only the 16 used last.

    A store may also have:
    `load_many(keys)`, the texts under several keys by one question, in their order;
    `after_fork()`, called in a forked child, to replace connections (never to close them: they
    are the parent's, too);
    `failures`, the exceptions by which it says that it is away; any `Exception` where it names
    none.

    Example:
        >>> store.compare_and_set("key", None, "text", ttl=60)
        True
        >>> store.load("key")
        'text'
        >>> with store.lock("key", timeout=2) as held:
        ...     pass
    """

    def load(self, key: str) -> str | None:
        """The text under this key, or None when it is absent, expired or damaged."""
        ...

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        """Atomically: if the present text equals `expected`, put `new` in its place.

        Args:
            key: where.
            expected: the text that `load` gave; None means absent.
            new: the text to write; None deletes.
            ttl: seconds after which `new` is absent again; zero or less deletes.

        Returns:
            True if the present text was the expected one, and `new` has taken its place.
        """
        ...

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        """Wait for the right to fetch for this key.

        Released only by its holder; the holder's death or its lease frees it too.

        Args:
            key: for what.
            timeout: seconds to wait at most.

        Returns:
            A context manager that yields True when the lock is held, and False when it was not
            to be had in time, or there is a new text under the key: the caller then looks again,
            and goes on without.
        """
        ...


class StoreError(OSError):
    """A store cannot be used; the message says why and what to do, without token or password.

    Example:
        >>> FileStore("/tmp").load("key")
        Traceback (most recent call last):
        StoreError: others may write to /tmp: chmod 700 /tmp, or name a directory of your own
    """
