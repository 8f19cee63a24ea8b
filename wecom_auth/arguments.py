"""The files among a call's arguments: where they stand, and back there for a second call."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_DEPTH = 3
_WIDTH = 64

Positions = list[tuple[Any, int]]


def positions(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Positions | None:
    """Every file in these arguments with its position; None where one cannot be put back.

    Files are looked for in the arguments and in the lists and dicts of them, as in
    `files={"media": ("a.png", open(...))}`; a container of more than 64 items is data.
    """
    found: Positions = []
    return found if _collect(found, (*args, *kwargs.values()), _DEPTH) else None


def put_back(found: Positions | None) -> bool:
    """Put the files back to where they stood; False where that cannot be."""
    try:
        for file, position in found or ():
            file.seek(position)
    except (OSError, ValueError):
        return False
    return True


def _collect(found: Positions, values: Any, depth: int) -> bool:
    for value in values:
        if isinstance(value, str | bytes | int | float | None):
            continue
        if isinstance(value, Mapping):
            inner: Iterable[Any] = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        elif not _note(found, value):
            return False
        else:
            continue
        if depth and len(value) <= _WIDTH and not _collect(found, inner, depth - 1):
            return False
    return True


def _note(found: Positions, value: Any) -> bool:
    if callable(getattr(value, "seek", None)) and callable(getattr(value, "tell", None)):
        try:
            found.append((value, value.tell()))
        except (OSError, ValueError):
            return False
        return True
    return not (isinstance(value, Iterator) or callable(getattr(value, "read", None)))
