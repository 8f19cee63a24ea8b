"""How many fetches rejections may cause."""

from __future__ import annotations

from itertools import pairwise

from wecom_auth._source.budget import (
    BURST,
    LONGEST,
    QUIET,
    REFUND_INTERVAL,
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


def revoked(every: float, works: bool) -> list[bool]:
    """Fetches that so many revocations cause, each of whose tokens works, or does not."""
    budget, allowed = Budget(), []
    for number in range(100):
        now = number * every
        allowed.append(take(budget, now))
        if allowed[-1] and works:
            budget.refund(now)
    return allowed


def test_a_fetch_whose_token_works_is_refunded():
    assert all(revoked(every=1.0, works=True))
    assert not all(revoked(every=1.0, works=False))


def test_refunds_are_bounded_by_time():
    allowed = revoked(every=0.01, works=True)
    assert sum(allowed) <= BURST + 1 / REFUND_INTERVAL + 1


def test_nothing_is_refunded_beyond_what_was_spent():
    budget = Budget()
    for second in range(20):
        budget.refund(float(second))
    assert len([now for now in taken(budget, 1, 20.0) if now < 21]) == BURST
