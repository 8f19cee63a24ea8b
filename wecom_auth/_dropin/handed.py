"""What the drop-in has handed out, and to whom it belongs: by hash, bounded, shared by a store."""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

from cachetools import LRUCache

from .._credential.credential import Credential
from .._source.process import on_reset
from ..stores import TokenStore

SIZE = 16_384
"""How many tokens are remembered; those not used for longest go first."""

LIFE = 7 * 86_400.0
"""Seconds for which a shared store remembers whose a token is."""


_BELONGS_TO_BODY = re.compile(r"(?i)content-|transfer-|cookie$")


class Counts(NamedTuple):
    """What the drop-in has done in this process.

    Attributes:
        saved: gettoken calls that were answered without asking the platform.
        healed: calls that went out with a live token in place of their dead one.
    """

    saved: int = 0
    healed: int = 0


@dataclass(slots=True)
class Entry:
    """One token that was handed out.

    Attributes:
        credential: which it belongs to.
        asked: when gettoken was last asked for it, in seconds on a clock that never goes back.
        dead: the platform has rejected it.
        used: a call has been seen to carry it.
    """

    credential: Credential
    asked: float
    dead: bool = False
    used: bool = False


class Handed:
    """Which token belongs to which credential, in this process and the neighbours of a store.

    Attributes:
        note: told of everything that is counted.
    """

    note: Callable[[str], object] = staticmethod(bool)

    def __init__(self, size: int = SIZE, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = Lock()
        self._entries: LRUCache[int, Entry] = LRUCache(size)
        self._learned: LRUCache[str, tuple[Credential, dict[str, str | bytes]]] = LRUCache(size)
        self._bases: LRUCache[str, bool] = LRUCache(64)
        self._counts: dict[str, int] = {}

    def learn(self, credential: Credential, headers: Mapping[str, str | bytes]) -> None:
        """Know this credential from now on, and with which headers its gettoken is sent."""
        way = {name: headers[name] for name in headers if not _BELONGS_TO_BODY.match(name)}
        with self._lock:
            self._learned[credential.key] = credential, way
            self._bases[credential.base_url] = True

    def credential(self, key: str) -> Credential | None:
        """The credential of this key, if it has been learned."""
        with self._lock:
            found = self._learned.get(key)
        return None if found is None else found[0]

    def headers(self, key: str) -> dict[str, str | bytes]:
        """The headers of the last gettoken that was seen for this credential."""
        with self._lock:
            found = self._learned.get(key)
        return {} if found is None else dict(found[1])

    @property
    def bases(self) -> list[str]:
        """The base URLs that the credentials were learned from."""
        with self._lock:
            return list(self._bases)

    @property
    def learned(self) -> list[Credential]:
        """Every credential that has been learned and not yet forgotten."""
        with self._lock:
            return [credential for credential, _ in self._learned.values()]

    def hand_out(
        self, value: str, credential: Credential, store: TokenStore | None = None
    ) -> Entry:
        """Remember that this token belongs to this credential."""
        here = hash(value)  # keeps no token, and is known to nobody else
        with self._lock:
            entry = self._entries.get(here)
            known = entry is not None and entry.credential == credential
            if entry is None or not known:
                entry = self._entries[here] = Entry(credential, self.clock())
            entry.dead = False
        if store is not None and not known:
            store.compare_and_set(_shared_name(value), None, credential.key, LIFE)
        return entry

    def find(self, value: str) -> Entry | None:
        """What this process knows of a token."""
        with self._lock:
            try:
                entry: Entry = self._entries[hash(value)]
            except KeyError:
                return None
        return entry

    def find_shared(self, value: str, store: TokenStore | None) -> str | None:
        """The key that a neighbour has left for this token in the store."""
        return None if store is None else store.load(_shared_name(value))

    def count(self, name: str) -> None:
        """One more of these."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
        self.note(name)

    @property
    def counts(self) -> Counts:
        """What has been done since the process started."""
        with self._lock:
            return Counts(**self._counts)

    def forget(self) -> None:
        """Forget everything but the counts: what `wecom_auth.testing.reset` does."""
        with self._lock:
            self._entries.clear()
            self._learned.clear()
            self._bases.clear()

    def renew_lock(self) -> None:
        """In a forked child: a lock that another thread held would be held for ever."""
        self._lock = Lock()


def _shared_name(value: str) -> str:
    return f"handed:{sha256(value.encode()).hexdigest()}"


handed = Handed()
"""One for the process, whoever installs the drop-in and however often."""

on_reset(handed.forget)
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=handed.renew_lock)
