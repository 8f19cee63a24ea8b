"""`clock()` moves the clocks that the toolkit reads, and the fake platform's with them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from wecom_auth import _clock
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom, clock


class Standing:
    """A `_clock.clock` that stands still."""

    def monotonic(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 1_700_000_000.0


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> Standing:
    there = Standing()
    monkeypatch.setattr(_clock, "clock", there)
    return there


def test_both_clocks_move_and_come_back(standing: Standing):
    with clock() as moving:
        current: Any = _clock.clock
        moving.advance(3600)
        assert (current.monotonic(), current.wall()) == (3700.0, 1_700_003_600.0)
    assert _clock.clock is standing


def test_time_runs_on_by_itself():
    with clock() as moving:
        moving.advance(50)
        assert moving.monotonic() - time.monotonic() == pytest.approx(50, abs=5)
        assert moving.wall() - time.time() == pytest.approx(50, abs=5)


def test_clocks_nest(standing: Standing):
    with clock() as outer:
        outer.advance(10)
        with clock() as inner:
            inner.advance(5)
            assert inner.monotonic() == 115.0
        assert outer.monotonic() == 110.0


def test_a_fake_platforms_tokens_end_with_it():
    fake = FakeWeCom()
    token = fake.issue("c", "s")
    with clock() as moving:
        moving.advance(7199)
        assert fake.token("c", "s") == token
        moving.advance(1)
        assert fake.token("c", "s") is None
    assert fake.token("c", "s") is None, "a platform's time never runs back"


def test_a_platform_made_after_the_time_was_moved_begins_a_life_of_its_own():
    with clock() as moving:
        moving.advance(10_000)
        fake = FakeWeCom()
        fake.issue("c", "s")
        assert fake.token("c", "s") is not None


def test_at_the_end_everything_is_forgotten(monkeypatch: pytest.MonkeyPatch, standing: Standing):
    order: list[bool] = []

    def reset() -> None:
        order.append(_clock.clock is standing)

    monkeypatch.setattr(process, "reset", reset)
    with pytest.raises(ZeroDivisionError), clock():
        raise ZeroDivisionError
    assert order == [True]


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_does_not_run_back(seconds: float):
    with clock() as moving, pytest.raises(ValueError, match="time does not run back"):
        moving.advance(seconds)
