"""Twenty seconds of bad weather (`-m storm`), and the instruments that measure them.

The long form is `python -m tests.weather --seconds 600`.
"""

from collections import Counter
from pathlib import Path

import pytest
from weather.reckoning import Told, read_logs, reckon
from weather.run import Report, run
from weather.schedule import (
    FIRST_HALF,
    HITS_PER_APP,
    ONLY,
    SECOND_HALF,
    WEIGHTS,
    schedule,
)

SEED, SECONDS = 1, 20.0
KINDS = {*WEIGHTS, *FIRST_HALF, *SECOND_HALF}


@pytest.mark.storm
def test_no_call_is_lost_and_none_doubled(tmp_path: Path) -> None:
    report = run(tmp_path, SEED, SECONDS, processes=2, threads=3)
    assert report.problems == [], "\n".join(report.lines())
    assert set(report.faults) == KINDS
    assert report.greenlets == 1
    assert report.asked_ahead > 0
    assert report.proxied[200] > 0
    assert report.redis_refused > report.faults["redis full"]
    assert report.reckoning.calls >= 500


@pytest.mark.storm
def test_control_without_healing_calls_are_lost(tmp_path: Path) -> None:
    report = run(tmp_path, SEED, SECONDS / 2, processes=2, threads=3, healing=False)
    assert len(report.reckoning.lost) > 10, "\n".join(report.lines())
    assert any("lost" in problem for problem in report.problems)


# --- the instruments ---


def call(word: str) -> Told:
    return Told(0, 1.0, 2.0, word)


@pytest.mark.parametrize("seconds", [20, 60, 600])
@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_has_every_kind_and_spares_the_budget(seed: int, seconds: float) -> None:
    plan = schedule(seed, seconds)
    assert plan == schedule(seed, seconds)
    assert plan != schedule(seed + 1, seconds)
    assert {event.kind for event in plan.events} == KINDS
    assert max(Counter(event.app for event in plan.events).values()) <= HITS_PER_APP
    half = len(plan.events) // 2
    assert not {event.kind for event in plan.events[:half]} & set(SECOND_HALF)
    assert not {event.kind for event in plan.events[half:]} & set(FIRST_HALF)


@pytest.mark.parametrize("seed", range(20))
def test_a_fault_of_a_store_meets_an_app_of_that_store(seed: int) -> None:
    events = [event for event in schedule(seed, 60).events if event.kind in ONLY]
    assert {event.kind for event in events} == set(ONLY)
    assert all(event.app % 3 == ONLY[event.kind] for event in events)


def test_ten_minutes_have_two_hundred_faults() -> None:
    assert len(schedule(1, 600).events) >= 200


@pytest.mark.parametrize(
    ("told", "times", "name"),
    [
        ("ok", 0, "lost"),
        ("errcode-40014", 0, "lost"),
        ("errcode-42001", 1, "lost"),
        ("no-token-TokenTimeout", 0, "lost"),
        ("ok", 2, "doubled"),
        ("failed-ConnectionError", 2, "doubled"),
        ("unfinished", 2, "doubled"),
    ],
)
def test_the_reckoning_finds_what_is_wrong(told: str, times: int, name: str) -> None:
    result = reckon({"a": call(told), "b": call("ok")}, {"a": times, "b": 1})
    assert len(getattr(result, name)) == 1
    assert getattr(result, name)[0].startswith("a: ")


@pytest.mark.parametrize(
    ("told", "times"),
    [("ok", 1), ("failed-ReadTimeout", 0), ("failed-X", 1), ("unfinished", 0), ("unfinished", 1)],
)
def test_the_reckoning_excuses_what_the_caller_was_told(told: str, times: int) -> None:
    result = reckon({"a": call(told)}, {"a": times} if times else {})
    assert (result.lost, result.doubled, result.unknown) == ([], [], [])
    assert result.calls == 1


def test_a_message_that_nobody_sent_is_found() -> None:
    assert reckon({}, {"a": 1}).unknown == ["a"]


def test_a_killed_process_leaves_what_it_began(tmp_path: Path) -> None:
    log = tmp_path / "p.log"
    log.write_text("b p-0-0-app3 1.0\ne p-0-0-app3 1.5 ok\nb p-0-1-app12 2.0\n")
    assert read_logs([log]) == {
        "p-0-0-app3": Told(3, 1.0, 1.5, "ok"),
        "p-0-1-app12": Told(12, 2.0, float("inf"), "unfinished"),
    }


@pytest.mark.parametrize(
    ("deaths", "twice"),
    [
        ([(1.5, 0)], False),
        ([(1.5, 0), (1.8, 0)], True),
        ([(0.5, 0), (1.8, 0)], True),
        ([(1.5, 0), (1.8, 1)], False),
        ([(1.5, 0), (2.8, 0)], False),
    ],
)
def test_only_two_deaths_under_one_call_excuse_a_refusal(
    deaths: list[tuple[float, int]], twice: bool
) -> None:
    result = reckon({"a": call("errcode-40014")}, {}, deaths)
    assert (len(result.twice), len(result.lost)) == (int(twice), int(not twice))
    assert reckon({"a": call("errcode-45009")}, {}, deaths).lost, "another errcode is no excuse"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gettoken": 9}, "gettoken"),
        ({"left_open": [{"threads": 1, "sockets": 0}]}, "left open"),
        ({"quiet": 1}, "no call"),
        ({"proxied": Counter({403: 1})}, "header"),
        ({"crashes": ["p1.err: Traceback"]}, "Traceback"),
    ],
)
def test_a_report_says_what_must_not_have_been(change: dict[str, object], problem: str) -> None:
    good: dict[str, object] = {
        "gettoken": 1,
        "left_open": [],
        "quiet": 0,
        "crashes": [],
        "data_drops": 0,
        "kills": 0,
        "proxied": Counter(),
        "redis_refused": 0,
    }
    common = {"seed": 1, "seconds": 1.0, "apps": 1, "processes": 1, "threads": 1, "allowed": 8}
    made = reckon({"a": call("ok")}, {"a": 1})
    report = Report(**{**common, **good, **change}, faults=Counter(), reckoning=made)  # type: ignore[arg-type]
    assert len(report.problems) == 1
    assert problem in report.problems[0]
    told = reckon({"a": call("failed-X"), "b": call("unfinished")}, {})
    report = Report(**{**common, **good}, faults=Counter(), reckoning=told)  # type: ignore[arg-type]
    assert len(report.problems) == 2
