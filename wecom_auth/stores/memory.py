"""The first level: tokens in this process, in a cachetools cache."""

from collections.abc import Callable, MutableMapping
from threading import RLock
from typing import Any

from cachetools import TTLCache

from .. import _clock
from .._credential.exchange import TOKEN_LIFE
from .._credential.token import Token

SIZE = 131_072
"""How many tokens the process-wide cache holds; the least recently used go first."""

LONGEST = TOKEN_LIFE
"""Seconds after which no token is handed out: the end of the longest life."""


class MemoryStore:
    """Tokens in memory, over any cachetools cache; really read on every call.

    Clearing the cache, or evicting from it, therefore does what it says: the next call fetches.

    Args:
        cache: a cachetools cache, or another mutable mapping; one `TTLCache` of 131,072 entries
            and 7200 seconds if none is given: no token is handed out for longer, and its own
            deadlines decide within. It is used under a lock, as cachetools asks.
        monotonic: a clock in seconds that never goes back.
        wall: a clock in seconds since the epoch.

    Example:
        >>> from cachetools import LRUCache
        >>> store = MemoryStore(LRUCache(maxsize=100))
        >>> TokenSource(app, store=store)  # doctest: +SKIP
    """

    def __init__(
        self,
        cache: MutableMapping[Any, Any] | None = None,
        *,
        monotonic: Callable[[], float] = _clock.monotonic,
        wall: Callable[[], float] = _clock.wall,
    ) -> None:
        if cache is None:
            cache = TTLCache(SIZE, LONGEST, timer=monotonic)
        if not isinstance(cache, MutableMapping):
            raise TypeError(f"cache must be a cachetools cache, not {type(cache).__name__}")
        self.cache = cache
        self.monotonic = monotonic
        self.wall = wall
        self.lock = RLock()

    def load(self, key: str) -> Token | None:
        """The token, whatever its age, or None."""
        with self.lock:
            try:
                token: Token = self.cache[key]
            except KeyError:
                return None
        return token

    def save(self, key: str, token: Token) -> None:
        """Keep this token."""
        with self.lock:
            try:
                self.cache[key] = token
            except ValueError:  # a user's cache of size 0: nothing is kept, and that is their wish
                self.cache.pop(key, None)

    def discard(self, key: str, value: str | None = None) -> bool:
        """Drop the token if its value is still this one (or whatever it is); tell if it was."""
        with self.lock:
            token = self.cache.get(key)
            if token is None or value not in (None, token.value):
                return False
            self.cache.pop(key, None)  # which may have expired since
            return True

    def clear(self) -> None:
        """Drop every token."""
        with self.lock:
            self.cache.clear()

    def __repr__(self) -> str:
        return f"<MemoryStore over {type(self.cache).__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return MemoryStore, ()  # tokens are not pickled, and clocks belong to their process
