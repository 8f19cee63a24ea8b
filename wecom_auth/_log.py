"""The one logger, `wecom_auth`, and what is said through it only once in a process."""

import logging

log = logging.getLogger("wecom_auth")

_said: dict[str, object] = {}


def warn_once(text: str) -> None:
    """Log a WARNING, the first time it is said in this process."""
    mine = object()
    if _said.setdefault(text, mine) is mine:
        log.warning("%s", text)


def forget() -> None:
    """Let every warning be said again: what `wecom_auth.testing.reset` does."""
    _said.clear()
