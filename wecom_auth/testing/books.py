"""What the platform knows, and the lock over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition

from .journal import Journal, Upload
from .tokens import TokenDesk
from .wire import Reply, Request


@dataclass
class Books:
    """Everything in it is touched under `lock` only."""

    lock: Condition
    desk: TokenDesk
    journal: Journal
    media: dict[str, Upload] = field(default_factory=dict)


Handler = Callable[[Books, Request, int], Reply]
"""Answers one call whose token is good; the int is the call's number."""
