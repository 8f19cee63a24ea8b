"""The files among a call's arguments: where they stand, and back there for a second call."""

import inspect
import io
import itertools
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

_DEPTH = 8
_WIDTH = 64

_TEMPORARY = tempfile._TemporaryFileWrapper
_FILES = (io.IOBase, _TEMPORARY)
_BODIES = (io.BytesIO, tempfile.SpooledTemporaryFile, _TEMPORARY)

Positions = list[tuple[Any, int]]


def positions(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Positions | None:
    """Return every file in these arguments with its position; None where one cannot be put back.

    Files are looked for in the arguments and in the collections among them, as in
    `files={"media": ("a.png", open(...))}`. A collection of more than 64 items counts as data; but
    where a file is among the first 64 there may be more after them, and None is returned. A file
    that an argument has as an attribute (`self.file`) counts too.
    """
    found: Positions = []
    values = (*args, *kwargs.values())
    if not _collect(found, values, _DEPTH):
        return None
    for value in values:
        if not _is_stream(type(value)) and not _note_attributes(found, value):
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
    """Return what is in a collection of Python's own; another may ask a database for its items."""
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset | deque) else None


def _note_attributes(found: Positions, value: Any) -> bool:
    for held in list(getattr(value, "__dict__", {}).values()):
        if _is_stream(type(held)) and not _note_held(found, held):
            return False
    return True


def _note_held(found: Positions, held: Any) -> bool:
    """Note where a stream on an argument stands; False where a second call would find it empty.

    An uploader holds a file open for reading, or bytes that are put together in memory or in a
    temporary file: put back. A client holds a log open for writing, a closed file, or a
    `count()` for its message ids: left alone. Of a file open for both ways, a pipe, a database
    cursor or another iterator nobody knows: no second call.
    """
    if not isinstance(held, _FILES):
        return isinstance(held, itertools.count | itertools.cycle)
    try:
        if held.closed or not held.readable():
            return True
        is_body = isinstance(held, _BODIES) or not held.writable()
        return is_body and held.seekable() and _note(found, held)
    except (OSError, ValueError):  # one that was detached, or closed meanwhile
        return False


def _note(found: Positions, value: Any) -> bool:
    """Note where a file stands; False for a stream that cannot be put back."""
    if _is_mock(type(value)):
        return True
    if callable(getattr(value, "seek", None)) and callable(getattr(value, "tell", None)):
        position = _position(value)
        if position is not None:
            found.append((value, position))
        return position is not None
    return not (_is_stream(type(value)) or callable(getattr(value, "read", None)))


def _position(file: Any) -> int | None:
    """Return where a file stands; None where it does not say so, or only to who awaits it."""
    if inspect.iscoroutinefunction(file.seek):
        return None
    try:
        position = file.tell()
    except (OSError, ValueError):
        return None
    if inspect.iscoroutine(position):
        position.close()  # else Python warns that nobody awaited it
    return position if isinstance(position, int) else None


def _is_mock(kind: type) -> bool:
    """Return whether this is a class of unittest.mock: its objects have every method there is."""
    return any(each.__name__ == "NonCallableMock" for each in kind.__mro__)


def _is_a_stream(kind: type) -> bool:
    is_one = issubclass(kind, Iterator | AsyncIterator | io.IOBase | _TEMPORARY)
    return is_one and not _is_mock(kind)


_is_stream: Callable[[type], bool] = lru_cache(512)(_is_a_stream)
"""The same, remembered: every attribute of an argument is asked at every call."""
