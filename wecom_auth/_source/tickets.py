"""The suite_tickets that the platform pushes: the newest of each suite, for every process.

Source: WeCom developer documentation, "suite_ticket": pushed every ten minutes or so, good for
thirty, and pushed again by hand from the provider console.
"""

import json
from typing import Any, NamedTuple

from .. import _clock
from .._credential import checks
from .._log import warn_once
from ..stores import guard, open_store, store_of_environment
from ..stores.protocol import TokenStore
from . import process

LIFE = 30 * 86_400.0
"""Seconds that a store keeps a ticket: age alone does not end one."""

_TRIES = 5


class Ticket(NamedTuple):
    """One ticket as it was pushed."""

    value: str
    timestamp: float


class TicketBox:
    """Keeps the newest suite_ticket of each suite.

    The process that receives the callback puts a ticket in; every process that shares the store
    finds it. A token's death never drops a ticket.

    Args:
        store: a store that processes share, or its URL; if none is given, the one that the
            environment variable WECOM_STORE names. Without any it serves this process alone, and
            logs that once.

    Raises:
        TypeError, ValueError: for what is no store.

    Example:
        >>> box = TicketBox(store="redis://cache.internal:6379/0")  # doctest: +SKIP
        >>> box.put("ww01suite", "ticket", timestamp=1700000000)  # doctest: +SKIP
        >>> box.get("ww01suite")  # doctest: +SKIP
        'ticket'
    """

    def __init__(self, store: str | TokenStore | None = None) -> None:
        self._spec = store
        found = store_of_environment() if store is None else open_store(store)
        self._store = None if found is None else guard(found)
        self._here: dict[str, Ticket] = {}

    def put(self, suite_id: str, ticket: str, timestamp: float | None = None) -> None:
        """Keep this ticket, if it is newer than the one there.

        Args:
            suite_id: whose it is (`SuiteId`).
            ticket: as it was pushed (`SuiteTicket`).
            timestamp: seconds since the epoch, as pushed (`TimeStamp`); now if not given.
        """
        suite_id, value = checks.text("suite_id", suite_id), checks.text("ticket", ticket)
        new = Ticket(value, _clock.wall() if timestamp is None else float(timestamp))
        with process.lock:
            known = self._here.get(suite_id)
            if known is None or known.timestamp <= new.timestamp:
                self._here[suite_id] = new
        if self._store is None:
            warn_once("a TicketBox without a store serves this process alone: give it a store")
        else:
            self._write(self._store, suite_id, new)

    def get(self, suite_id: str) -> str | None:
        """Return the newest ticket of this suite, or None where none was pushed yet."""
        newest = self._newest(suite_id)
        return None if newest is None else newest.value

    def age(self, suite_id: str) -> float | None:
        """Return the seconds since the newest ticket was pushed, or None."""
        newest = self._newest(suite_id)
        return None if newest is None else max(0.0, _clock.wall() - newest.timestamp)

    def _newest(self, suite_id: str) -> Ticket | None:
        with process.lock:
            here = self._here.get(suite_id)
        there = None if self._store is None else _parse(self._store.load(_key(suite_id)))
        found = [each for each in (here, there) if each is not None]
        return max(found, key=lambda each: each.timestamp, default=None)

    def _write(self, store: TokenStore, suite_id: str, new: Ticket) -> None:
        record = json.dumps({"suite_ticket": new.value, "timestamp": new.timestamp})
        for _ in range(_TRIES):  # another process may write between look and write
            text = store.load(_key(suite_id))
            there = _parse(text)
            if there is not None and there.timestamp > new.timestamp:
                return
            if store.compare_and_set(_key(suite_id), text, record, LIFE):
                return

    def __repr__(self) -> str:
        return f"TicketBox({'' if self._store is None else repr(self._store)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return TicketBox, (self._spec,)


def _key(suite_id: str) -> str:
    return f"suite_ticket:{suite_id}"


def _parse(text: str | None) -> Ticket | None:
    if text is None:
        return None
    try:
        record = json.loads(text)
        return Ticket(str(record["suite_ticket"]), float(record["timestamp"]))
    except (ValueError, TypeError, KeyError):
        return None
