"""The record of one credential in a store that other processes share."""

import json
from collections.abc import Container
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from .._credential.kind import Kind
from .._credential.token import Token, from_record, to_record
from ..errors import (
    IP_NOT_TRUSTED,
    CredentialError,
    TokenUnavailable,
    WeComError,
    describe,
    remembered,
)
from ..stores.protocol import TokenStore

FAILURE_LIFE = 60.0
"""Seconds for which a refused credential is answered from memory."""

_KINDS: dict[str, type[WeComError]] = {"CredentialError": CredentialError, "": TokenUnavailable}

_SKEW = 1.0
"""Seconds that another machine's clock may be ahead for its failures to be believed."""


class Seen(NamedTuple):
    """One look at the record: its text, the token and the failure in it."""

    text: str | None = None
    token: Token | None = None
    failure: WeComError | None = None


class Shared:
    """One key of a shared store: the token, the failure beside it, the lock for fetching.

    Without a store it is always empty and its lock is always free.

    Args:
        store: never raises (a `Breaker`).
        key: of the credential.
        kind: names the field of the record, and the exchange in messages.
    """

    __slots__ = ("_key", "_kind", "_store")

    def __init__(self, store: TokenStore | None, key: str, kind: Kind) -> None:
        self._store, self._key, self._kind = store, key, kind

    def __bool__(self) -> bool:
        return self._store is not None

    def __repr__(self) -> str:
        return repr(self._store)

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        """Lock for fetching; after `timeout` seconds proceed without it."""
        return nullcontext(True) if self._store is None else self._store.lock(self._key, timeout)

    def read(self, now: float, wall: float, fingerprint: str) -> Seen:
        """Look at the record once.

        Args:
            now, wall: the time on both clocks, in seconds.
            fingerprint: of what the exchange depends on now; a failure of another has ended.
        """
        text = None if self._store is None else self._store.load(self._key)
        if text is None:
            return Seen()
        failure = self._failure(_parse(text).get("failure"), wall, fingerprint)
        return Seen(text, from_record(text, now, wall, self._kind.field), failure)

    def put(self, seen: Seen, token: Token, now: float, wall: float, dead: Container[str]) -> None:
        """Leave this token for the neighbours, over what was `seen` before it was fetched.

        A token that a neighbour has written meanwhile stays, unless it is among the `dead`. The
        same token is written again only to say that the platform repeats it; its life does not
        begin again.
        """
        is_news = seen.token is not None and token.adds_to(seen.token)
        if self._store is None or (self._value(seen.text) == token.value and not is_news):
            return
        record = to_record(token, now, wall, self._kind.field)
        life = token.until_end(now, wall)
        if self._store.compare_and_set(self._key, seen.text, record, life):
            return
        there = self._store.load(self._key)
        value = self._value(there)
        if value is None or value in dead:
            self._store.compare_and_set(self._key, there, record, life)

    def drop(self, value: str) -> None:
        """Take away the token if it is still this one."""
        there = None if self._store is None else self._store.load(self._key)
        if self._store is not None and there is not None and self._value(there) == value:
            self._store.compare_and_set(self._key, there, None, 0)

    def leave_failure(self, failure: WeComError, now: float, wall: float, of: str) -> None:
        """Let the neighbours know for a minute that asking is of no use; a token there stays."""
        if self._store is None or failure.errcode == IP_NOT_TRUSTED:
            return  # neighbours may have another IP
        there = self._store.load(self._key)
        token = None if there is None else from_record(there, now, wall, self._kind.field)
        record = {} if there is None or token is None else _parse(there)
        record["failure"] = {
            "kind": "CredentialError" if isinstance(failure, CredentialError) else "",
            "errcode": failure.errcode,
            "errmsg": failure.errmsg,
            "until": round(wall + FAILURE_LIFE, 3),
            "of": of,
        }
        life = max(FAILURE_LIFE, 0.0 if token is None else token.until_end(now, wall))
        self._store.compare_and_set(self._key, there, json.dumps(record), life)

    def _value(self, text: str | None) -> str | None:
        value = None if text is None else _parse(text).get(self._kind.field)
        return value if isinstance(value, str) else None

    def _failure(self, record: Any, wall: float, fingerprint: str) -> WeComError | None:
        """Return a neighbour's failure that is less than a minute old.

        One that seems to last longer was written by a clock that is, or was, ahead.
        """
        try:
            code, errmsg = int(record["errcode"]), str(record["errmsg"])
            left, of = float(record["until"]) - wall, record["of"]
            kind = _KINDS[record["kind"]]
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        if of != fingerprint or not 0 < left <= FAILURE_LIFE + _SKEW:
            return None
        text = describe(self._kind.exchange, code, errmsg)
        return remembered(kind(text, errcode=code, errmsg=errmsg), left)


def _parse(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
