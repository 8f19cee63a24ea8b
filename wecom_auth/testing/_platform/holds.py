"""Requests held inside the platform, so that a race can be arranged without a sleep."""

from __future__ import annotations

from threading import Condition
from typing import Self

from .faults import When
from .wire import Request, TimedOutError


class Hold:
    """Keeps every request for a path inside the platform until `release()`.

    ```python
    with fake.hold("gettoken") as hold:
        start_32_threads()
        hold.wait_for(1)                 # one of them fetches …
        hold.release()
    assert fake.gettoken_calls == 1      # … and only one
    ```
    Leaving the block releases too.
    """

    def __init__(self, changed: Condition, path: str | None, when: When) -> None:
        if when not in ("before", "after"):
            raise ValueError(f"when must be 'before' or 'after', not {when!r}")
        self._changed = changed
        self._path = path
        self._when = when
        self._waiting = 0
        self._released = False

    @property
    def waiting(self) -> int:
        """The number of requests that are held now."""
        with self._changed:
            return self._waiting

    @property
    def released(self) -> bool:
        """True when it is over."""
        return self._released

    def wait_for(self, n: int, timeout: float = 10) -> None:
        """Returns when n requests are held.

        Args:
            n: how many.
            timeout: seconds to wait for them.

        Raises:
            AssertionError: fewer came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting >= n, timeout):
                where = self._path or "any path"
                raise AssertionError(
                    f"{self._waiting} of {n} requests for {where} arrived within {timeout} s"
                )

    def release(self) -> None:
        """Lets all go on, and those that come later pass."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def keep(self, request: Request, when: When) -> None:
        """Blocks the calling thread if this request is to be held here."""
        with self._changed:
            if self._released or when != self._when or self._path not in (None, request.path):
                return
            self._waiting += 1
            self._changed.notify_all()
            let_go = self._changed.wait_for(
                lambda: self._released or request.left(), request.patience
            )
            self._waiting -= 1
        if not let_go:
            raise TimedOutError
