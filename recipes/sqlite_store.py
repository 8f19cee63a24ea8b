"""A store of your own in a page: tokens in a table, here of SQLite.

    export WECOM_CORPID=ww0123... WECOM_CORPSECRET=...
    python sqlite_store.py

Three methods make a store; for PostgreSQL, Memcached or Django's cache they look much the same.
What they raise while the database is away harms no call. Test yours as this one is tested:

    from wecom_auth.testing import StoreConformance

    class TestSqliteStore(StoreConformance):
        def make_store(self):
            return SqliteStore("/tmp/test.sqlite")
"""

import random
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from wecom_auth import AppCredential, attach, raise_for_errcode

TABLES = (
    "CREATE TABLE IF NOT EXISTS texts (key TEXT PRIMARY KEY, text TEXT, expires_at REAL)",
    "CREATE TABLE IF NOT EXISTS locks (key TEXT PRIMARY KEY, owner TEXT, expires_at REAL)",
)
LEASE = 15.0  # seconds; longer than one fetch may take (10), so that no slow holder is robbed


# Frozen: equal and hashed by its path, so that two handles share one state in the process; and it
# keeps no connection, so it can be pickled, forked, and used from any thread.
@dataclass(frozen=True)
class SqliteStore:
    """Tokens in an SQLite file, which only its user should be able to read."""

    path: str

    def load(self, key: str) -> str | None:
        with self._transaction() as db:
            return self._present(db, key)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        with self._transaction() as db:
            if self._present(db, key) != expected:
                return False
            db.execute("DELETE FROM texts WHERE key = ? OR expires_at <= ?", (key, time.time()))
            if new is not None:
                db.execute("INSERT INTO texts VALUES (?, ?, ?)", (key, new, time.time() + ttl))
            return True

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        owner, end = secrets.token_hex(8), time.monotonic() + timeout
        while not (held := self._take(key, owner)) and time.monotonic() < end:
            time.sleep(min(random.uniform(0.01, 0.05), max(0.0, end - time.monotonic())))
        try:
            yield held
        finally:
            if held:
                with self._transaction() as db:
                    db.execute("DELETE FROM locks WHERE key = ? AND owner = ?", (key, owner))

    def _take(self, key: str, owner: str) -> bool:
        with self._transaction() as db:
            db.execute("DELETE FROM locks WHERE expires_at <= ?", (time.time(),))
            row = (key, owner, time.time() + LEASE)
            return db.execute("INSERT OR IGNORE INTO locks VALUES (?, ?, ?)", row).rowcount == 1

    def _present(self, db: sqlite3.Connection, key: str) -> str | None:
        row = db.execute(
            "SELECT text FROM texts WHERE key = ? AND expires_at > ?", (key, time.time())
        ).fetchone()
        return row and str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # A second for a busy database: a store that hangs should cost a bounded time.
        with closing(sqlite3.connect(self.path, timeout=1, isolation_level=None)) as db:
            for table in TABLES:
                db.execute(table)
            db.execute("BEGIN IMMEDIATE")
            with db:  # commits, or rolls back what raised
                yield db


def main() -> None:
    """List the members of the app's first department, with the token from the table."""
    app = AppCredential.from_env()
    store = SqliteStore(str(Path.home() / "wecom.sqlite"))
    with attach(requests.Session(), app, store=store) as session:
        url = f"{app.base_url}/cgi-bin/user/simplelist"
        answer = session.get(url, params={"department_id": 1}, timeout=10)
        print(raise_for_errcode(answer).json())


if __name__ == "__main__":
    main()
