"""All that the platform knows, and the one lock over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition

from .accounts import Accounts
from .faults import Faults
from .holds import Hold
from .journal import Journal, Upload
from .tokens import Tokens
from .wire import Answer, Reply, Request


@dataclass(frozen=True)
class Route:
    """An answer of the user's own."""

    answer: Answer | Callable[[Request], Answer]
    check_token: bool


@dataclass
class State:
    """Everything in it is touched under `changed` only; nothing waits or does I/O under it."""

    tokens: Tokens
    journal: Journal
    changed: Condition = field(default_factory=Condition)
    accounts: Accounts = field(default_factory=Accounts)
    media: dict[str, Upload] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    _serial: int = 0

    def __post_init__(self) -> None:
        self.faults = Faults(self.changed)

    def next_serial(self) -> int:
        """Return the number of a call: it turns keys and makes ids and hints differ."""
        with self.changed:
            self._serial += 1
            return self._serial


Handler = Callable[[State, Request, int], Reply]
"""Answers one call whose token is good; the int is the call's number."""
