"""The ledger of tokens: whose each is, and whether its calls are seen. By hash only.

`process.lock` guards all of it; a fork therefore finds it whole.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cachetools import LRUCache

from .. import _clock
from .._credential.credential import Credential
from .._source import process

SIZE = 16_384
"""How many tokens are remembered; those not used for longest go first."""

NEVER = float("-inf")

_NOT_OF_THE_WAY = re.compile(r"(?i)content-|transfer-|(?:cookie|host|connection|accept-encoding)$")
"""Headers of one request, and what a client settles with its own connection."""


class Counts(NamedTuple):
    """Numbers of what the drop-in has done in this process.

    Attributes:
        saved: gettoken calls that were answered without asking the platform.
        healed: calls that went out with a live token in place of their dead one.
    """

    saved: int = 0
    healed: int = 0


@dataclass(slots=True, eq=False)
class Statement:
    """The user says that tokens belong to this app: one token, or every unknown one.

    Attributes:
        app: the owner.
        made_by: the call that stated it, for messages.
        ended: evidence speaks against it.
    """

    app: Credential
    made_by: str
    ended: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """One token.

    Attributes:
        owner: its credential; None for a token that is known to be nobody's here.
        statement: that says so, where no exchange did.
        is_dead: the platform has rejected it.
        exchanged: when an exchange has last brought it, in seconds on the clock of lives.
        given: when it was first given out without a call that carried it since; else None.
        carried: another object after each call that has carried it.
        trusted_until: no exchange on suspicion before then.
    """

    owner: Credential | None
    statement: Statement | None = None
    is_dead: bool = False
    exchanged: float = NEVER
    given: float | None = None
    carried: object = field(default_factory=object)
    trusted_until: float = NEVER


class Ledger:
    """The tokens, the credentials of the exchanges that were seen, and the counts.

    Attributes:
        note: called with the name of everything that is counted.
    """

    note: Callable[[str], object] = staticmethod(bool)

    def __init__(self, size: int = SIZE) -> None:
        self._entries: LRUCache[int, Entry] = LRUCache(size)
        self._learned: LRUCache[str, tuple[Credential, dict[str, str]]] = LRUCache(size)
        self._bases: LRUCache[str, bool] = LRUCache(64)
        self._counts: dict[str, int] = {}
        self.saw_other_kinds = False

    # --- exchanges that were seen ---

    def learn(self, credential: Credential, headers: Mapping[str, str]) -> None:
        """Know this credential from now on, and the headers with which its gettoken is sent."""
        way = {name: headers[name] for name in headers if not _NOT_OF_THE_WAY.match(name)}
        with process.lock:
            self._learned[credential.key] = credential, way
            self._bases[credential.base_url] = True

    def credential(self, key: str) -> Credential | None:
        """Return the credential of this key, if its gettoken was seen."""
        with process.lock:
            found = self._learned.get(key)
        return None if found is None else found[0]

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers of the last gettoken that was seen for this credential."""
        with process.lock:
            found = self._learned.get(key)
        return {} if found is None else dict(found[1])

    @property
    def learned(self) -> list[Credential]:
        """Every credential whose gettoken was seen and is not yet forgotten."""
        with process.lock:
            return [credential for credential, _ in self._learned.values()]

    @property
    def bases(self) -> list[str]:
        """The base URLs of the exchanges that were seen."""
        with process.lock:
            return list(self._bases)

    # --- tokens ---

    def find(self, value: str) -> Entry | None:
        """Return the entry of this token, if there is one."""
        with process.lock:
            try:
                entry: Entry = self._entries[hash(value)]
            except KeyError:
                return None
        return entry

    def own(
        self, value: str, owner: Credential | None, statement: Statement | None = None
    ) -> Entry:
        """Remember the owner of this token, and return its entry."""
        with process.lock:
            entry = self._entries.get(hash(value))
            if entry is None or entry.owner != owner or entry.statement is not statement:
                entry = self._entries[hash(value)] = Entry(owner, statement)
        return entry

    def give(self, value: str, owner: Credential, age: float) -> Entry:
        """Remember that a gettoken of the owner brings this token, which is `age` seconds old."""
        entry = self.own(value, owner)
        with process.lock:
            entry.is_dead = False
            entry.exchanged = max(entry.exchanged, _clock.monotonic() - age)
        return entry

    # --- numbers ---

    def count(self, name: str) -> None:
        """Count one more of these."""
        with process.lock:
            self._counts[name] = self._counts.get(name, 0) + 1
        self.note(name)

    @property
    def counts(self) -> Counts:
        """The numbers of what has been done since the process started."""
        with process.lock:
            return Counts(**self._counts)

    def forget(self) -> None:
        """Forget everything but the counts: what `wecom_auth.testing.reset` does."""
        with process.lock:
            for kept in (self._entries, self._learned, self._bases):
                kept.clear()
            self.saw_other_kinds = False


ledger = Ledger()
"""One for the process, whoever installs the drop-in and however often."""

process.on_reset(ledger.forget)
