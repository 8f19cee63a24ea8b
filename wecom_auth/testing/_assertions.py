"""The part of `FakeWeCom` that tests read and assert on: calls, messages, files."""

from __future__ import annotations

from typing import Any

from ._platform.journal import Call, Upload, as_line, assert_count
from ._platform.state import State
from ._platform.wire import api_path


class Assertions:
    """Reads the journal."""

    _state: State

    @property
    def gettoken_calls(self) -> int:
        """The number of gettoken requests, those refused or dropped included."""
        return self.count("gettoken")

    def count(self, path: str) -> int:
        """Return the number of requests for this path, those refused or dropped included.

        Args:
            path: written as for `route`, for example `service/get_suite_token`.
        """
        with self._state.changed:
            return self._state.journal.counts[api_path(path)]

    @property
    def rejections(self) -> int:
        """The number of calls that were refused for their token.

        40014, 42001, 41001; of suites and providers 40082, 42009, 41022.
        """
        return self._state.journal.rejections

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that were delivered, as they were sent."""
        with self._state.changed:
            return [message.body for message in self._state.journal.messages]

    @property
    def uploads(self) -> list[Upload]:
        """The files that were accepted."""
        with self._state.changed:
            return list(self._state.journal.uploads)

    @property
    def journal(self) -> list[Call]:
        """Every request in the order of its answer."""
        with self._state.changed:
            return list(self._state.journal.calls)

    def reset_journal(self) -> None:
        """Forget what arrived; tokens, faults and routes stay."""
        with self._state.changed:
            self._state.journal.clear()

    def assert_delivered(
        self,
        msgtype: str | None = None,
        *,
        times: int | None = None,
        path: str | None = None,
        **fields: Any,
    ) -> None:
        """Fail unless such a message was delivered.

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
        with self._state.changed:
            journal = self._state.journal
            found = len(journal.delivered(path, wanted))
            entries = [f"{m.path} {as_line(m.body)}" for m in journal.messages]
            story = journal.story()
        what = f"a message {as_line(wanted)}{f' by {path}' if path else ''} to be delivered"
        assert_count(what, found, times, entries, story)

    def assert_uploaded(
        self, name: str | None = None, *, times: int | None = None, sha256: str | None = None
    ) -> None:
        """Fail unless such a file was accepted.

        Args:
            name: its file name; None for any.
            times: exactly how often; None for at least once.
            sha256: the hex digest of its content.

        Raises:
            AssertionError: with what was accepted instead, and the last calls.
        """
        __tracebackhide__ = True
        with self._state.changed:
            journal = self._state.journal
            found = len(journal.uploaded(name, sha256))
            entries = [f"{u.name!r} {u.size} bytes, sha256 {u.sha256}" for u in journal.uploads]
            story = journal.story()
        what = f"a file {name or ''} {sha256 or ''}".rstrip() + " to be uploaded"
        assert_count(what, found, times, entries, story)
