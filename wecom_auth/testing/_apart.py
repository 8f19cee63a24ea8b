"""Tests are apart: for their time the environment names no credential and no store.

No fake token and no fake failure reaches a store of the environment: not by a source that is
made in the test, which finds no `WECOM_STORE`, and not by one that was made before, whose store
looks empty and keeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

NAMES = (
    "WECOM_STORE",
    "WECOM_CORPID",
    "WECOM_CORP_ID",
    "WECOM_CORPSECRET",
    "WECOM_CORP_SECRET",
    "WECOM_SECRET",
    "WECOM_BASE_URL",
    "WECOM_SOLE_APP",
)
"""Set aside, each with its `…_FILE`."""

ALL_NAMES = tuple(name + end for name in NAMES for end in ("", "_FILE"))


@contextmanager
def apart() -> Iterator[None]:
    """Set the environment's credential and store aside, and put them back afterwards.

    A test that wants one of them sets it inside the block.
    """
    with empty_store():
        kept = {name: os.environ.pop(name) for name in ALL_NAMES if name in os.environ}
        try:
            yield
        finally:
            for name in ALL_NAMES:
                os.environ.pop(name, None)
            os.environ.update(kept)


def reset(timeout: float | None = None) -> None:
    """Forget every token, failure and budget in this process: for tests, between two of them.

    Waits for refreshes that are under way, so that none reaches the network, or a store that
    the environment names, later.

    Args:
        timeout: seconds to wait for one of them at most; None for as long as one may take.

    Example:
        >>> reset()
    """
    from .._source import process

    with empty_store():
        process.reset(*(() if timeout is None else (timeout,)))


@contextmanager
def empty_store() -> Iterator[None]:
    """Make every handle over the environment's store look empty, those in use too."""
    with ExitStack() as stack:
        _patch_store(stack)
        yield


def _patch_store(stack: ExitStack) -> None:
    from ..stores import store_of_environment

    store: Any = None
    with suppress(ValueError, ImportError):  # one that cannot be opened, nobody has open
        store = store_of_environment()
    if store is None:
        return
    for name, instead in (("load", _load), ("compare_and_set", _set_nothing), ("lock", _lock)):
        kind = type(store)
        there = getattr(kind, name)

        def chosen(self: Any, *args: Any, _there: Any = there, _new: Any = instead) -> Any:
            return _new(*args) if self == store else _there(self, *args)

        stack.enter_context(patch.object(kind, name, chosen))


def _load(key: str) -> None:
    return None


def _set_nothing(key: str, expected: str | None, text: str | None, seconds: float) -> bool:
    return True


@contextmanager
def _lock(key: str, timeout: float) -> Iterator[bool]:
    yield True
