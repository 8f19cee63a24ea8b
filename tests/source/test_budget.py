"""How many fetches rejections may cause."""

from __future__ import annotations

from itertools import pairwise

from wecom_auth._source.budget import (
    BURST,
    LONGEST,
    QUIET,
    Budget,
)


def take(budget: Budget, now: float) -> bool:
    allowed = budget.allows(now)
    if allowed:
        budget.spend(now)
    return allowed


def taken(budget: Budget, seconds: int, start: float = 0.0) -> list[float]:
    """When a fetch was allowed to somebody who asks ten times a second."""
    return [now for tick in range(seconds * 10) if take(budget, now := start + tick / 10)]


def test_a_burst_and_then_growing_intervals_up_to_a_minute():
    times = taken(Budget(), 600)
    assert len([now for now in times if now < 1]) == BURST
    gaps = [round(later - now) for now, later in pairwise(times[BURST - 1 :])]
    assert gaps[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(times) <= BURST + 7 + 600 / LONGEST


def test_quiet_restores_it():
    budget = Budget()
    last = taken(budget, 100)[-1]
    assert not take(budget, last + 0.1)
    assert len(taken(budget, 1, last + QUIET)) == BURST


def test_quiet_that_is_too_short_restores_nothing():
    budget = Budget()
    last = taken(budget, 300)[-1]
    assert len(taken(budget, 1, last + QUIET - 1)) == 1


def test_it_lasts_for_days():
    budget = Budget()
    assert all(take(budget, minute * LONGEST) for minute in range(3 * 24 * 60))


def test_what_is_not_spent_stays():
    budget = Budget()
    assert all(budget.allows(5.0) for _ in range(100))
    assert len(taken(budget, 1)) == BURST
