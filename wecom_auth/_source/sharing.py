"""What one credential keeps in a store that other processes share."""

import json
from collections.abc import Container
from contextlib import AbstractContextManager, nullcontext

from .._credential.exchange import Grant
from .._credential.token import Token, from_record, to_record
from ..errors import (
    IP_NOT_TRUSTED,
    CredentialError,
    TokenUnavailable,
    WeComError,
    describe,
    remembered,
)
from ..stores import TokenStore


class Shelf:
    """One key of a shared store: its token, its lock, its remembered failure.

    Without a store it is always empty and its lock is always free.
    """

    __slots__ = ("_key", "_store")

    def __init__(self, store: TokenStore | None, key: str) -> None:
        self._store = store
        self._key = key

    def __bool__(self) -> bool:
        return self._store is not None

    def __repr__(self) -> str:
        return f"<Shelf of {self._store!r}>"

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        """The right to fetch, waited for at most so many seconds; then one goes on without."""
        return nullcontext(True) if self._store is None else self._store.lock(self._key, timeout)

    def read(self, now: float, wall: float) -> tuple[str | None, Token | None]:
        """What is there, and the token in it if that still lives."""
        text = None if self._store is None else self._store.load(self._key)
        return text, None if text is None else from_record(text, now, wall)

    def put(self, seen: str | None, grant: Grant, wall: float, rejected: Container[str]) -> None:
        """Leave this token for the neighbours, over what was `seen` before it was fetched.

        What a neighbour has written meanwhile stays, unless that token has been rejected.
        """
        if self._store is None:
            return
        record = to_record(grant, wall)
        if self._store.compare_and_set(self._key, seen, record, grant.life):
            return
        there = self._store.load(self._key)
        if there is None or _value(there) in rejected:
            self._store.compare_and_set(self._key, there, record, grant.life)

    def drop(self, value: str) -> None:
        """Take away the token if it is still this one."""
        there = None if self._store is None else self._store.load(self._key)
        if self._store is not None and there is not None and _value(there) == value:
            self._store.compare_and_set(self._key, there, None, 0)

    def failure(self, wall: float) -> WeComError | None:
        """The failure that a neighbour met less than a minute ago."""
        text = None if self._store is None else self._store.load(f"{self._key}:failure")
        if text is None:
            return None
        try:
            record = json.loads(text)
            code, errmsg = int(record["errcode"]), str(record["errmsg"])
            kind = {"CredentialError": CredentialError}.get(record["kind"], TokenUnavailable)
            left = float(record["until"]) - wall
            failure = kind(describe("gettoken", code, errmsg), errcode=code, errmsg=errmsg)
            return remembered(failure, left) if left > 0 else None
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None

    def leave_failure(self, failure: WeComError, wall: float, life: float) -> None:
        """Let the neighbours know for so many seconds that asking is of no use."""
        if self._store is None or failure.errcode == IP_NOT_TRUSTED:
            return  # neighbours may have another IP
        record = {
            "kind": type(failure).__name__,
            "errcode": failure.errcode,
            "errmsg": failure.errmsg,
            "until": round(wall + life, 3),
        }
        key = f"{self._key}:failure"
        self._store.compare_and_set(key, self._store.load(key), json.dumps(record), life)


def _value(text: str) -> str | None:
    try:
        value = json.loads(text)["access_token"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return value if isinstance(value, str) else None
