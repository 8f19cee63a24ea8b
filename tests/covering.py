"""Fewer cases than the full product: each value of an axis still meets each of every other axis.

What depends on one value, or on two together, fails in the default run as it would in all of
them. The other combinations run with `-m storm`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

Row = tuple[int, ...]


def pairs(row: Row) -> set[tuple[tuple[int, int], ...]]:
    """Return the pairs of values that meet in this row of their numbers."""
    return set(combinations(enumerate(row), 2))


def chosen(*sizes: int) -> set[Row]:
    """Choose rows in which all pairs of the values of axes of these sizes occur."""
    rows = list(product(*map(range, sizes)))
    left = set().union(*map(pairs, rows))
    taken: set[Row] = set()
    for wanted in range(len(sizes) * (len(sizes) - 1) // 2, 0, -1):
        for row in rows:
            if len(pairs(row) & left) >= wanted:
                taken.add(row)
                left -= pairs(row)
    return taken


def covering(**axes: Mapping[str, Any] | Sequence[Any]) -> pytest.MarkDecorator:
    """Run a test over these arguments: by default all pairs, with `-m storm` the rest.

    Args:
        axes: the values of each argument, by name or by themselves.

    Example:
        >>> @covering(way=["attach", "mount"], stream=[False, True], case={"empty": b""})
        ... def test_it(way: str, stream: bool, case: bytes) -> None: ...
    """
    named = [
        list(axis.items()) if isinstance(axis, Mapping) else [(str(each), each) for each in axis]
        for axis in axes.values()
    ]
    return pytest.mark.parametrize(list(axes), list(_params(named)))


def _params(named: list[list[tuple[str, Any]]]) -> Iterator[Any]:
    taken = chosen(*map(len, named))
    for row in product(*(range(len(axis)) for axis in named)):
        cells = [axis[number] for axis, number in zip(named, row, strict=True)]
        marks = [] if row in taken else [pytest.mark.storm]
        yield pytest.param(
            *(value for _, value in cells), id="-".join(n for n, _ in cells), marks=marks
        )
