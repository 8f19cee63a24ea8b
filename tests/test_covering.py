"""The choice of cases leaves no pair of values out."""

from __future__ import annotations

from itertools import product

import pytest
from covering import chosen, covering, pairs


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
