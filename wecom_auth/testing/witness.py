"""What arrived at the platform, to read and to assert on."""

from __future__ import annotations

from threading import Condition
from typing import Any

from .journal import (
    Call,
    Journal,
    Upload,
    as_line,
    assert_count,
)


class Witness:
    """The part of `FakeWeCom` that tells what it was asked and what it accepted."""

    _changed: Condition
    _journal: Journal

    @property
    def gettoken_calls(self) -> int:
        """How many gettoken requests were answered, refused or dropped."""
        return self._journal.gettoken_calls

    @property
    def rejections(self) -> int:
        """How many calls were refused for their token (40014, 42001, 41001)."""
        return self._journal.rejections

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that were delivered, as they were sent."""
        with self._changed:
            return [message.body for message in self._journal.messages]

    @property
    def uploads(self) -> list[Upload]:
        """The files that were accepted."""
        with self._changed:
            return list(self._journal.uploads)

    @property
    def journal(self) -> list[Call]:
        """Every request in the order of its answer."""
        with self._changed:
            return list(self._journal.calls)

    def reset_journal(self) -> None:
        """Forgets what arrived; tokens, faults and routes stay."""
        with self._changed:
            self._journal.clear()

    def assert_delivered(
        self,
        msgtype: str | None = None,
        *,
        times: int | None = None,
        path: str | None = None,
        **fields: Any,
    ) -> None:
        """Fails unless such a message was delivered.

        Args:
            msgtype: `text`, `markdown`, …; None for any.
            times: exactly how often; None for at least once.
            path: the path it came by, for example `webhook/send`.
            **fields: what its body must hold, for example `touser="alice"`.

        Raises:
            AssertionError: with what was delivered instead, and the last calls.
        """
        __tracebackhide__ = True
        wanted = {**({} if msgtype is None else {"msgtype": msgtype}), **fields}
        with self._changed:
            journal = self._journal
            found = len(journal.delivered(path, wanted))
            entries = [f"{m.path} {as_line(m.body)}" for m in journal.messages]
            story = journal.story()
        what = f"a message {as_line(wanted)}{f' by {path}' if path else ''} to be delivered"
        assert_count(what, found, times, entries, story)

    def assert_uploaded(
        self, name: str | None = None, *, times: int | None = None, sha256: str | None = None
    ) -> None:
        """Fails unless such a file was accepted.

        Args:
            name: its file name; None for any.
            times: exactly how often; None for at least once.
            sha256: the hex digest of its content.

        Raises:
            AssertionError: with what was accepted instead, and the last calls.
        """
        __tracebackhide__ = True
        with self._changed:
            journal = self._journal
            found = len(journal.uploaded(name, sha256))
            entries = [f"{u.name!r} {u.size} bytes, sha256 {u.sha256}" for u in journal.uploads]
            story = journal.story()
        what = f"a file {name or ''} {sha256 or ''}".rstrip() + " to be uploaded"
        assert_count(what, found, times, entries, story)
