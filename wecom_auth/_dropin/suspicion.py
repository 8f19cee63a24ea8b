"""Suspect a token: who asks gettoken again may have met a rejection that was not seen here.

A call that another client, process or language makes is not seen, nor is its rejection. Code that
asks again for a token which no seen call has carried meanwhile is therefore believed: the platform
is asked. Where calls are seen, the cache answers.

The marks stand beside the token in a store that processes share: one write when a token is given
out, one when the first call carries it. A cron job whose calls are seen would else fetch at every
run.
"""

import json
from contextvars import ContextVar
from hashlib import sha256
from typing import NamedTuple

from .. import _clock
from .._source import process
from ..stores import TokenStore
from .ledger import Entry

EXCHANGE_AGE = 1.0
"""Seconds after an exchange for which nobody is suspicious."""

UNCARRIED = 5.0
"""Seconds after which a token that was given out and that no call has carried is suspicious."""

QUIET = 60.0
"""Seconds without suspicion after the platform was asked too often (45009)."""

RECORD_LIFE = 7 * 86_400.0
"""Seconds for which a shared store remembers a token's owner and marks."""

asker: ContextVar[object] = ContextVar("wecom_auth_asker", default=None)
"""The mark of the token that this thread, task or greenlet was given last."""


class Record(NamedTuple):
    """One token in a store: its owner's key, and the marks in seconds since the epoch."""

    owner: str
    given: float | None = None
    exchanged: float = 0.0


def read(store: TokenStore, value: str) -> tuple[str | None, Record | None]:
    """Return the text of a token's record, and the record in it."""
    text = store.load(_name(value))
    return text, None if text is None else _parse(text)


def write(store: TokenStore, value: str, there: str | None, record: Record) -> None:
    """Put this record in place of the text that was there."""
    store.compare_and_set(_name(value), there, json.dumps(record._asdict()), RECORD_LIFE)


def mark_asker(entry: Entry) -> None:
    """Remember that this thread, task or greenlet is given this token."""
    asker.set(entry.carried)


def is_suspicious(entry: Entry, value: str, asks: object, store: TokenStore | None) -> bool:
    """Return whether a gettoken should go to the platform though the cache has a token.

    Args:
        entry: of the token.
        value: the token.
        asks: what the asker was given last.
        store: with the marks of other processes.
    """
    now = _clock.monotonic()
    if now < entry.trusted_until or now - entry.exchanged < EXCHANGE_AGE:
        return False
    if asks is entry.carried:
        return True
    given = entry.given
    if given is not None and now - given >= UNCARRIED:
        return True
    return store is not None and _is_suspicious_elsewhere(store, value)


def _is_suspicious_elsewhere(store: TokenStore, value: str) -> bool:
    _, record = read(store, value)
    if record is None or record.given is None:
        return False
    now = _clock.wall()
    return now - record.exchanged >= EXCHANGE_AGE and now - record.given >= UNCARRIED


def mark_given(
    entry: Entry, value: str, key: str, exchanged: bool, store: TokenStore | None
) -> None:
    """Note that the token is given out, and whether an exchange has brought it just now."""
    now = _clock.monotonic()
    with process.lock:
        if exchanged:
            entry.exchanged = entry.given = now
        elif entry.given is None:
            entry.given = now
    if store is not None:
        _leave_given(store, value, key, exchanged)


def _leave_given(store: TokenStore, value: str, key: str, exchanged: bool) -> None:
    now = round(_clock.wall(), 3)
    text, old = read(store, value)
    if old is None or old.owner != key or exchanged:
        record = Record(key, now, now if exchanged or old is None else old.exchanged)
    else:  # a clock that is ahead is not believed: it would put off the suspicion
        given = now if old.given is None else min(old.given, now)
        record = Record(key, given, min(old.exchanged, now))
    if record != old:
        write(store, value, text, record)


def mark_carried(entry: Entry, value: str, store: TokenStore | None) -> None:
    """Note that a call has carried the token and was not rejected."""
    with process.lock:
        if entry.given is None:
            return
        entry.given = None
        entry.carried = object()
    if store is None:
        return
    text, old = read(store, value)
    if old is not None and old.given is not None:
        write(store, value, text, old._replace(given=None))


def quieten(entry: Entry, seconds: float) -> None:
    """Suspect nothing for so many seconds: an exchange on suspicion has failed."""
    with process.lock:
        entry.trusted_until = _clock.monotonic() + seconds


def _name(value: str) -> str:
    return f"handed:{sha256(value.encode()).hexdigest()}"


def _parse(text: str) -> Record | None:
    if not text.startswith("{"):  # version 0.1 left the key alone
        return Record(text)
    try:
        found = json.loads(text)
        given = found["given"]
        return Record(
            str(found["owner"]),
            None if given is None else float(given),
            float(found["exchanged"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
