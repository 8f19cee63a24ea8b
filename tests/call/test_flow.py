"""The flow of one call by hand, without any client: answers given, steps expected."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tokenside import Clock

from wecom_auth import ExternalToken, Retry, Token, TokenSource
from wecom_auth._call import flow as flows
from wecom_auth._call.flow import Drop, Flow, Get, HealedInside, Replace, Send, Wait
from wecom_auth._call.retry import FIRST_WAIT, Answered, Policy
from wecom_auth._credential.token import carried

DEAD, ALSO_DEAD, FINE, BUSY, LIMITED, FORBIDDEN = 40014, 42001, 0, -1, 45009, 60011
ONE, TWO, THREE = (carried(value) for value in ("one", "two", "three"))
BUSY_TWICE = Retry({BUSY, LIMITED}, attempts=2)
ANY_METHOD = Retry({BUSY}, attempts=2, methods=("GET", "POST"))


class Accepting(TokenSource):
    """A source that notes which tokens a call has succeeded with."""

    __slots__ = ("accepted",)

    def accept(self, token: Token) -> None:
        self.accepted.append(token)


@pytest.fixture
def source() -> Accepting:
    made = Accepting(ExternalToken(str))
    made.accepted = []
    return made


def answered(code: int | None, number: int = 1) -> Answered:
    return Answered(f"answer {number}: {code}", code)


def play(flow: Flow, replies: list[Any]) -> tuple[list[Any], Any]:
    """Run a flow on these replies; return its steps and what the caller gets."""
    steps: list[Any] = []
    left, reply = list(replies), None
    while True:
        try:
            steps.append(flow.send(reply))
        except StopIteration as end:
            assert not left, "the flow ended before it had taken every reply"
            return steps, end.value
        reply = None if isinstance(steps[-1], Wait | Drop) else left.pop(0)


def wait(attempt: int) -> Wait:
    return Wait(FIRST_WAIT * 2.0**attempt)


# Each row: options; the answer in hand; the replies; the steps expected; whose answer is the end.
TABLE: dict[str, tuple[dict[str, Any], int | None, list[Any], list[Any], int]] = {
    "a good answer is the end": ({}, FINE, [], [], 1),
    "no errcode is the end": ({}, None, [], [], 1),
    "another errcode is the caller's": ({}, FORBIDDEN, [], [], 1),
    "rejected and healed": (
        {},
        DEAD,
        [TWO, answered(FINE, 2)],
        [Replace(ONE), Send(TWO, again=True)],
        2,
    ),
    "healed, and refused for another reason": (
        {},
        ALSO_DEAD,
        [TWO, answered(FORBIDDEN, 2)],
        [Replace(ONE), Send(TWO, again=True)],
        2,
    ),
    "there is no other token": ({}, DEAD, [None], [Replace(ONE)], 1),
    "the body cannot be sent again, as is known": (
        {"replayable": False},
        DEAD,
        [],
        [Drop(ONE)],
        1,
    ),
    "the body cannot be sent again, as is met": (
        {},
        DEAD,
        [TWO, None],
        [Replace(ONE), Send(TWO, again=True)],
        1,
    ),
    "a fresh token is rejected too": (
        {},
        DEAD,
        [TWO, answered(ALSO_DEAD, 2)],
        [Replace(ONE), Send(TWO, again=True), Drop(TWO)],
        2,
    ),
    "busy is the caller's unless asked for": ({}, BUSY, [], [], 1),
    "busy once": (
        {"retry": BUSY_TWICE, "method": "GET"},
        BUSY,
        [answered(FINE, 2)],
        [wait(0), Send(ONE, again=True)],
        2,
    ),
    "busy for ever": (
        {"retry": BUSY_TWICE, "method": "GET"},
        BUSY,
        [answered(LIMITED, 2), answered(BUSY, 3)],
        [wait(0), Send(ONE, again=True), wait(1), Send(ONE, again=True)],
        3,
    ),
    "a POST is not retried": ({"retry": BUSY_TWICE, "method": "POST"}, BUSY, [], [], 1),
    "a POST is retried where it is named": (
        {"retry": ANY_METHOD, "method": "POST"},
        BUSY,
        [answered(FINE, 2)],
        [wait(0), Send(ONE, again=True)],
        2,
    ),
    "a function is retried as it is asked": (
        {"retry": BUSY_TWICE},
        BUSY,
        [answered(FINE, 2)],
        [wait(0), Send(ONE, again=True)],
        2,
    ),
    "a POST whose token is rejected is healed": (
        {"retry": BUSY_TWICE, "method": "POST"},
        DEAD,
        [TWO, answered(FINE, 2)],
        [Replace(ONE), Send(TWO, again=True)],
        2,
    ),
    "busy, and its body cannot be sent again": (
        {"retry": BUSY_TWICE, "replayable": False},
        BUSY,
        [],
        [wait(0)],
        1,
    ),
    "busy, then rejected": (
        {"retry": BUSY_TWICE},
        BUSY,
        [answered(DEAD, 2), TWO, answered(FINE, 3)],
        [wait(0), Send(ONE, again=True), Replace(ONE), Send(TWO, again=True)],
        3,
    ),
    "rejected, then busy": (
        {"retry": BUSY_TWICE},
        DEAD,
        [TWO, answered(BUSY, 2), answered(FINE, 3)],
        [Replace(ONE), Send(TWO, again=True), wait(0), Send(TWO, again=True)],
        3,
    ),
    "never multiplied: one resend for the token, two for the rest": (
        {"retry": BUSY_TWICE},
        DEAD,
        [TWO, answered(BUSY, 2), answered(BUSY, 3), answered(DEAD, 4)],
        [
            Replace(ONE),
            Send(TWO, again=True),
            wait(0),
            Send(TWO, again=True),
            wait(1),
            Send(TWO, again=True),
            Drop(TWO),
        ],
        4,
    ),
    "no time for the wait": ({"retry": BUSY_TWICE, "limit": 0.4}, BUSY, [], [], 1),
    "time for one wait": (
        {"retry": BUSY_TWICE, "limit": 0.9},
        BUSY,
        [answered(BUSY, 2)],
        [wait(0), Send(ONE, again=True)],
        2,
    ),
    "a wrong token code that is named is healed once all the same": (
        {"retry": Retry({DEAD}, attempts=5)},
        DEAD,
        [TWO, answered(DEAD, 2)],
        [Replace(ONE), Send(TWO, again=True), Drop(TWO)],
        2,
    ),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_the_table(row: Any, source: Accepting):
    options, code, replies, expected, last = row
    steps, end = play(flows.call(source, ONE, answered(code), **options), replies)
    assert steps == expected
    assert end.startswith(f"answer {last}: ")


def test_where_nothing_was_sent_it_gets_a_token_and_sends(source: Accepting):
    steps, end = play(flows.call(source), [ONE, answered(FINE)])
    assert steps == [Get(), Send(ONE)]
    assert end == "answer 1: 0"


def test_a_cold_call_that_is_rejected_is_healed_as_any(source: Accepting):
    steps, _ = play(flows.call(source), [ONE, answered(DEAD), TWO, answered(FINE, 2)])
    assert steps == [Get(), Send(ONE), Replace(ONE), Send(TWO, again=True)]


def test_control_tenacity_carries_the_policy(source: Accepting, monkeypatch: pytest.MonkeyPatch):
    """With its stop replaced by "after 1" a rejected call comes back rejected."""
    import tenacity

    monkeypatch.setattr(Policy, "stop", staticmethod(tenacity.stop_after_attempt(1)))
    steps, end = play(flows.call(source, ONE, answered(DEAD)), [])
    assert steps == []
    assert end == "answer 1: 40014"


def test_what_getting_a_token_raises_reaches_the_caller(source: Accepting):
    flow = flows.call(source)
    next(flow)
    with pytest.raises(KeyError, match="row"):
        flow.throw(KeyError("row"))


@pytest.mark.parametrize(
    ("replies", "accepted"),
    [([TWO, answered(FINE, 2)], [TWO]), ([TWO, answered(DEAD, 2)], []), ([None], [])],
    ids=["healed", "rejected again", "no other token"],
)
def test_a_token_that_heals_a_call_is_accepted(source: Accepting, replies: Any, accepted: Any):
    play(flows.call(source, ONE, answered(DEAD)), replies)
    assert source.accepted == accepted


def test_a_busy_retry_accepts_nothing(source: Accepting):
    play(flows.call(source, ONE, answered(BUSY), retry=BUSY_TWICE), [answered(FINE, 2)])
    assert source.accepted == []


@pytest.mark.parametrize(
    ("replies", "line"),
    [
        ([TWO, answered(FINE, 2)], "errcode 40014: the call was made again"),
        ([None], "errcode 40014: the call was not made again: there is no other token"),
        ([TWO, None], "errcode 40014: the call was not made again: its body cannot be sent again"),
        (
            [TWO, answered(DEAD, 2)],
            "errcode 40014: the call was not made again: the answer to the last try says the same",
        ),
    ],
)
def test_it_is_said_why(
    source: Accepting, replies: Any, line: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, "wecom_auth")
    play(flows.call(source, ONE, answered(DEAD)), replies)
    assert caplog.messages[-1] == line


def test_what_was_healed_inside_is_known_outside(source: Accepting):
    with HealedInside() as healed:
        play(flows.call(source, ONE, answered(FINE)), [])
        assert not healed
        play(flows.call(source, ONE, answered(DEAD)), [TWO, answered(FINE, 2)])
    assert healed == {source.credential}
    with HealedInside() as healed:
        play(flows.call(source, ONE, answered(DEAD)), [None])
    assert not healed


# --- the policy by itself ---


def test_waits_grow_and_end_at_the_longest():
    policy = Policy(frozenset({DEAD}), Retry({BUSY}, attempts=9, seconds=1000))
    waits = []
    for attempt in policy.retrying():
        waits += policy.waits
        policy.waits.clear()
        if attempt.retry_state.attempt_number > 1:
            policy.count(answered(BUSY))
        attempt.retry_state.set_result(answered(BUSY))
    assert waits == [0.5, 1, 2, 4, 8, 8, 8, 8, 8]


def test_the_users_seconds_end_it_on_the_clock():
    clock = Clock()
    policy = Policy(frozenset(), Retry({BUSY}, attempts=99, seconds=5), clock=lambda: clock.now)
    sends = 0
    for attempt in policy.retrying():
        clock.pass_by(sum(policy.waits))
        policy.waits.clear()
        policy.count(answered(BUSY))
        sends += 1
        attempt.retry_state.set_result(answered(BUSY))
    assert sends == 3
    assert clock.now - 1000 < 5


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"errcodes": {"-1"}}, TypeError),
        ({"errcodes": {True}}, TypeError),
        ({"methods": "GET"}, TypeError),
        ({"attempts": 0}, ValueError),
        ({"seconds": 0}, ValueError),
        ({"seconds": float("nan")}, ValueError),
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(options: Any, kind: type[Exception]):
    with pytest.raises(kind):
        Retry(**options)


def test_a_retry_is_a_value():
    assert Retry([45033, -1], methods=["get"]) == Retry({-1, 45033}, methods=("GET",))
    assert hash(Retry({-1})) == hash(Retry([-1]))
