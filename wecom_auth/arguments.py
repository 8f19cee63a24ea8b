"""The files among a call's arguments: where they stand, and back there for a second call."""

import inspect
import io
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

_DEPTH = 8
_WIDTH = 64

Positions = list[tuple[Any, int]]


def positions(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Positions | None:
    """Every file in these arguments with its position; None where one cannot be put back.

    Files are looked for in the arguments and in the collections among them, as in
    `files={"media": ("a.png", open(...))}`. A collection of more than 64 items counts as data; but
    where a file is among the first 64 there may be more behind them, and None is returned. A file
    that an argument has as an attribute (`self.file`) counts if it is open read-only.
    """
    found: Positions = []
    values = (*args, *kwargs.values())
    if not _collect(found, values, _DEPTH):
        return None
    for value in values:
        _note_attributes(found, value)
    return found


def put_back(found: Positions | None) -> bool:
    """Put the files back to where they stood; False where that cannot be."""
    try:
        for file, position in found or ():
            file.seek(position)
    except (OSError, ValueError):
        return False
    return True


def _collect(found: Positions, values: Collection[Any], depth: int) -> bool:
    known = len(found)
    for value in islice(values, _WIDTH):
        if isinstance(value, str | bytes | int | float | None):
            continue
        inner = _items(value)
        if inner is None:
            if not _note(found, value):
                return False
        elif depth and not _collect(found, inner, depth - 1):
            return False
    return len(values) <= _WIDTH or len(found) == known


def _items(value: Any) -> Collection[Any] | None:
    """What is in a collection of Python's own; another may ask a database for its items."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset | deque) else None


def _note_attributes(found: Positions, value: Any) -> None:
    for file in list(getattr(value, "__dict__", {}).values()):
        # Not one that is written to: others may write there too, as to a log.
        if isinstance(file, io.BytesIO) or (isinstance(file, io.IOBase) and _is_read_only(file)):
            _note(found, file)


def _is_read_only(file: io.IOBase) -> bool:
    return not file.closed and file.readable() and file.seekable() and not file.writable()


def _note(found: Positions, value: Any) -> bool:
    """Note where a file stands; False for a stream that cannot be put back."""
    if callable(getattr(value, "seek", None)) and callable(getattr(value, "tell", None)):
        position = _position(value)
        if position is not None:
            found.append((value, position))
        return position is not None
    streams = isinstance(value, Iterator | AsyncIterator)
    return not (streams or callable(getattr(value, "read", None)))


def _position(file: Any) -> int | None:
    """Where a file stands; None where it does not say so, or only to who awaits it."""
    if inspect.iscoroutinefunction(file.seek):
        return None
    try:
        position = file.tell()
    except (OSError, ValueError):
        return None
    if inspect.iscoroutine(position):
        position.close()  # else Python warns that nobody awaited it
    return position if isinstance(position, int) else None
