"""The files among a call's arguments: where they stand, and back there for a second call."""

import inspect
import io
import itertools
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

_DEPTH = 8
_WIDTH = 64

_TEMPORARY = tempfile._TemporaryFileWrapper
_BODIES = (io.BytesIO, tempfile.SpooledTemporaryFile)
"""Bytes in memory are read or put together to be sent, and are no log."""

_ENDLESS = (itertools.count, itertools.cycle)
"""Who keeps one draws message ids or hosts from it: a second call finds it no emptier."""

_MARK = (1 << 64) - 1
"""The part of a text file's position that counts bytes; its decoder's state stands above."""

Positions = list[tuple[Any, int]]


def positions(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Positions | None:
    """Every file in these arguments with its position; None where one cannot be put back.

    Files are looked for in the arguments and in the collections among them, as in
    `files={"media": ("a.png", open(...))}`. A collection of more than 64 items counts as data; but
    where a file is among the first 64 there may be more behind them, and None is returned. A file
    that an argument has as an attribute (`self.file`) counts too, unless it is written to: others
    may write there as well, as to a log. None is returned for an attribute that is an iterator.
    """
    found: Positions = []
    values = (*args, *kwargs.values())
    if not _collect(found, values, _DEPTH):
        return None
    for value in values:
        if not _note_attributes(found, value):
            return None
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
    for value in itertools.islice(values, _WIDTH):
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


def _note_attributes(found: Positions, value: Any) -> bool:
    for held in list(getattr(value, "__dict__", {}).values()):
        if _is_stream(type(held)) and not _note_held(found, held):
            return False
    return True


def _is_a_stream(kind: type) -> bool:
    return issubclass(kind, Iterator | AsyncIterator | io.IOBase | _TEMPORARY)


_is_stream: Callable[[type], bool] = lru_cache(512)(_is_a_stream)
"""The same, remembered: every attribute of an argument is asked at every call."""


def _note_held(found: Positions, held: Any) -> bool:
    if not isinstance(held, io.IOBase | _TEMPORARY):
        return isinstance(held, _ENDLESS)
    try:
        return not _is_to_be_read(held) or (held.seekable() and _note(found, held))
    except (OSError, ValueError):  # one that was detached, or closed meanwhile
        return False


def _is_to_be_read(file: Any) -> bool:
    if file.closed or not file.readable():
        return False
    if isinstance(file, _BODIES):
        return True
    return not (file.writable() and file.seekable() and _is_at_its_end(file))


def _is_at_its_end(file: Any) -> bool:
    """Found without a move, which a writer would meet, and the size first: the file may grow."""
    size = _size(file)
    position: int = file.tell()
    return size <= position & _MARK


def _size(file: Any) -> int:
    if isinstance(file, io.StringIO):
        return len(file.getvalue())
    return os.fstat(file.fileno()).st_size


def _note(found: Positions, value: Any) -> bool:
    """Note where a file stands; False for a stream that cannot be put back."""
    if callable(getattr(value, "seek", None)) and callable(getattr(value, "tell", None)):
        position = _position(value)
        if position is not None:
            found.append((value, position))
        return position is not None
    return not (_is_stream(type(value)) or callable(getattr(value, "read", None)))


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
