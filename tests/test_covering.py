"""The choice of cases leaves no pair of values out."""

from __future__ import annotations

from itertools import product

import pytest
from covering import chosen, covering, generated, pairs
from hypothesis import strategies as st


@pytest.mark.parametrize("sizes", [(20, 6, 5), (5, 2, 14), (4, 5, 3, 2), (3, 7), (1, 9, 1)])
def test_each_pair_of_values_occurs(sizes: tuple[int, ...]) -> None:
    rows = list(product(*map(range, sizes)))
    taken = chosen(*sizes)
    every = set().union(*map(pairs, rows))
    assert taken <= set(rows)
    assert set().union(*map(pairs, taken)) == every
    largest = sorted(sizes)[-2:]
    assert len(taken) <= 1.5 * largest[0] * largest[1], "not far from the fewest there can be"
    rare = {pair for pair in every if sum(pair in pairs(row) for row in taken) == 1}
    assert rare, "control: one row fewer, and a pair is left out"


def test_what_is_not_chosen_runs_as_a_storm() -> None:
    mark = covering(a=[1, 2], b={"x": 3, "y": 4}, c=[5, 6])
    names, params = mark.args
    assert names == ["a", "b", "c"]
    assert {each.values for each in params} == set(product([1, 2], [3, 4], [5, 6]))
    default = [each.id for each in params if not each.marks]
    assert len(default) == 4
    assert default[0] == "1-x-5"
    assert {mark.name for each in params for mark in each.marks} == {"storm"}


def test_generated_values_are_fewer_by_default() -> None:
    seen: list[int] = []
    run = generated(st.integers(), full=80)(lambda number: seen.append(number))
    (mark,) = run.pytestmark  # type: ignore[attr-defined]
    quick, full = mark.args[1]
    assert quick == 10
    assert (full.values, [each.name for each in full.marks]) == ((80,), ["storm"])
    run(quick)
    assert len(seen) == 10


def test_control_a_generated_value_that_fails_is_found() -> None:
    def check(number: int) -> None:
        assert number != 0

    with pytest.raises(AssertionError):
        generated(st.integers(0, 3), full=160)(check)(20)
