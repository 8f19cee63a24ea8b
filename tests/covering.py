"""Fewer cases than all of them by default; the others run with `-m storm`.

Of a product of axes, each value still meets each value of every other axis: what depends on one
value, or on two together, fails as it would in the full product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings

Row = tuple[int, ...]
STORM = pytest.mark.storm


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
        marks = [] if row in taken else [STORM]
        yield pytest.param(
            *(value for _, value in cells), id="-".join(n for n, _ in cells), marks=marks
        )


def generated(*strategies: Any, full: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test over values that Hypothesis makes: an eighth of them by default.

    Args:
        strategies: of its arguments.
        full: how many examples there are with `-m storm`.
    """

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("examples", [full // 8, pytest.param(full, marks=STORM)])
        def run(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(*strategies)(check))()

        run.__doc__ = check.__doc__
        return run

    return decorate
