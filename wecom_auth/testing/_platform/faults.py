"""Trouble on demand: the faults of a platform, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Condition
from typing import Literal, Self

from .facts import ACCESS, carried
from .replies import error
from .wire import (
    DroppedError,
    Reply,
    Request,
    TimedOutError,
)

When = Literal["before", "after"]

ERRCODES = {"busy": -1, "rate-limited": 45009, "ip-not-trusted": 60020}
PAGES = {
    "outage": Reply(
        502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>\r\n"
    ),
    "garbage": Reply(200, {"Content-Type": "text/html"}, b"<!doctype html>{]\x00\xff not JSON"),
}
WAITS = {"slow", "hang", "drop", "reset"}
NO_HEADERS = "no-error-code-header"
NAMES = sorted(["reject", *ERRCODES, *PAGES, *WAITS, NO_HEADERS])
DATA_CALLS_ONLY = {"reject", "ip-not-trusted"}
"""Said of calls with a token, never of gettoken itself unless it is named."""


class Fault:
    """One fault in force: stop it with `stop()` or by leaving its `with` block.

    `seen` is the number of calls that it has hit so far.
    """

    def __init__(
        self,
        changed: Condition,
        kind: str | int,
        times: int | None,
        path: str | None,
        seconds: float,
        when: When,
    ) -> None:
        self.kind = kind
        self.seen = 0
        self._changed = changed
        self._times = times
        self._path = path
        self._seconds = seconds
        self._when = when
        self._stopped = False

    def stop(self) -> None:
        """Ends the fault; who was kept waiting by it goes on at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait_for(self, n: int, timeout: float = 10) -> None:
        """Returns when n calls have been hit.

        Args:
            n: how many.
            timeout: seconds to wait for them.

        Raises:
            AssertionError: fewer were hit in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.seen >= n, timeout):
                raise AssertionError(
                    f"the fault {self.kind!r} hit {self.seen} of {n} calls within {timeout} s"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def take(self, path: str, carries_token: bool) -> bool:
        """Return True if it hits a call to this path, and count it (under the platform's lock)."""
        wanted = path == self._path if self._path else carries_token or not self._data_only
        spent = self._times is not None and self.seen >= self._times
        if self._stopped or spent or not wanted:
            return False
        self.seen += 1
        self._changed.notify_all()
        return True

    def apply(self, request: Request, answer: Callable[[], Reply]) -> Reply:
        """The call as it goes with this fault on it."""
        if isinstance(self.kind, int):
            return error(self.kind, self.seen)
        if self.kind == "reject":
            return error((carried(request.path) or ACCESS).invalid, self.seen)
        if self.kind in ERRCODES:
            return error(ERRCODES[self.kind], self.seen)
        if self.kind in PAGES:
            return PAGES[self.kind]
        if self.kind == NO_HEADERS:
            return _without_error_headers(answer())
        if self._when == "before":
            self._wait(request)
        reply = answer()
        if self._when == "after":
            self._wait(request)
        return reply

    @property
    def answers(self) -> bool:
        """True for a fault that answers in the platform's place."""
        answering = {"reject", *ERRCODES, *PAGES}
        return isinstance(self.kind, int) or self.kind in answering

    @property
    def _data_only(self) -> bool:
        return self.kind in DATA_CALLS_ONLY

    def _wait(self, request: Request) -> None:
        seconds = {"drop": 0.0, "reset": 0.0, "slow": self._seconds}.get(str(self.kind))
        patience = request.patience
        if patience is not None and (seconds is None or seconds > patience):
            raise TimedOutError
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or request.left(), seconds)
        if self.kind != "slow":
            raise DroppedError(reset=self.kind == "reset")


class Faults:
    """All faults in force, the newest first. Called under the platform's lock but for `add`."""

    def __init__(self, changed: Condition) -> None:
        self._changed = changed
        self._faults: list[Fault] = []

    def add(
        self, kind: str | int, times: int | None, path: str | None, seconds: float, when: When
    ) -> Fault:
        """Puts a fault in force."""
        _check(kind, times, seconds, when)
        fault = Fault(self._changed, kind, times, path, seconds, when)
        with self._changed:
            self._faults.insert(0, fault)
        return fault

    def heal(self) -> None:
        """Ends all."""
        for fault in self._faults:
            fault.stop()
        self._faults.clear()

    def take(self, path: str, carries_token: bool) -> list[Fault]:
        """The faults that hit this call, the outermost first; of those that answer, one."""
        taken: list[Fault] = []
        for fault in self._faults:
            answered = any(other.answers for other in taken)
            if not (fault.answers and answered) and fault.take(path, carries_token):
                taken.append(fault)
        return sorted(taken, key=lambda fault: (fault.answers, fault.kind != NO_HEADERS))


def _check(kind: str | int, times: int | None, seconds: float, when: When) -> None:
    if not isinstance(kind, int) and kind not in NAMES:
        raise ValueError(f"no fault {kind!r}; there are {', '.join(NAMES)}, or any errcode as int")
    if times is not None and times < 1:
        raise ValueError(f"times must be 1 or more, or None for until it is stopped: {times!r}")
    if when not in ("before", "after"):
        raise ValueError(f"when must be 'before' or 'after', not {when!r}")
    if kind == "slow" and not seconds > 0:
        raise ValueError("how slow? Give seconds=…")


def _without_error_headers(reply: Reply) -> Reply:
    kept = {k: v for k, v in reply.headers.items() if not k.lower().startswith("error-")}
    return replace(reply, headers=kept)
