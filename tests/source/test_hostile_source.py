"""The source as a state machine against a simple model: what is held, what is owed, what failed.

Time, the platform and the threads do only what a rule says: a gettoken is answered when the rule
answers it, and a refresh behind runs when a rule lets it.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import tenacity.nap
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tokenside import Clock

from wecom_auth import (
    Credential,
    CredentialError,
    TokenSource,
    TokenUnavailable,
)
from wecom_auth._credential.exchange import Grant
from wecom_auth._source import fetch as fetching
from wecom_auth._source import process
from wecom_auth._source.budget import Budget
from wecom_auth._source.state import State
from wecom_auth.errors import WeComError

LIFE, HARD, REPEATED = 7200.0, 7140.0, 7199.0
"""A life, and where a token ends: one that the platform repeats serves until almost its end."""

EARLIEST_SOFT, LATEST_SOFT = 0.70 * LIFE, 0.80 * LIFE
JUST_ENDED = 5.0

TIMES = [3, 30, 57, 63, 123, 999, 5100, 5799, 6999, 7137, 7143]
"""Multiples of 3, so that no token is met in the last second of its life, in which one waits."""


class Platform(Credential):
    """A credential whose gettoken is answered by the test."""

    def __init__(self) -> None:
        self._name("https://h", f"scripted:{id(self)}")
        object.__setattr__(self, "desk", Desk())

    def obtain(self, send: Any, limit: float) -> Grant:
        desk: Desk = self.desk  # type: ignore[attr-defined]
        return desk.answer()


@dataclass
class Desk:
    """What the platform does with a gettoken, and how often it was asked."""

    repeats: bool = True
    trouble: str = ""
    live: str | None = None
    serial: int = 0
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    gate: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def answer(self) -> Grant:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            assert self.gate.wait(30)
            return Grant(self.issue(), LIFE)
        finally:
            self.at_once -= 1

    def issue(self) -> str:
        if self.trouble == "down":
            raise TokenUnavailable("not reached")
        if self.trouble == "refuses":
            raise CredentialError("wrong secret", errcode=40001)
        if self.live is None or not self.repeats:
            self.serial += 1
            self.live = f"token-{self.serial}"
        return self.live


Outcome = str | type[WeComError]
"""A token's value, or what kind of error was raised."""

Meanwhile = str | None
"""A value that is rejected while a gettoken is under way."""


@dataclass
class Held:
    """A token and when it was fetched."""

    value: str
    born: float
    hard: float = HARD


@dataclass
class Model:
    """What a source should know, in a few plain rules."""

    clock: Clock
    repeats: bool = True
    trouble: str = ""
    live: str | None = None
    serial: int = 0
    held: Held | None = None
    sight: Held | None = None
    spare: Held | None = None
    owed: bool = False
    refused_until: float = 0.0
    spent: int = 0
    spent_at: float = 0.0
    rejected: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    asked: int = 0
    put_off: bool = False

    def over(self, token: Held | None) -> bool:
        return token is None or self.clock.now - token.born >= token.hard

    def reject(self, value: str) -> None:
        known = value in self.rejected
        if known:
            self.rejected.remove(value)
        self.rejected.append(value)
        if self.held is None:
            self.owed |= not known
        elif self.held.value == value:
            self.held, self.owed = None, True

    def get(self, meanwhile: Meanwhile = None) -> Outcome:
        """What a caller gets now."""
        if self.held is not None and not self.over(self.held):
            return self.held.value
        return self.fetch(meanwhile)

    def fetch(self, meanwhile: Meanwhile = None) -> Outcome:
        """What a fetch brings now; a value may be rejected while the platform is asked."""
        if self.clock.now < self.refused_until:
            return self._failed(CredentialError)
        if not self._may_fetch:
            assert self.spare is not None
            return self._keep(self.spare)
        if meanwhile is not None:
            self.reject(meanwhile)
        if self.trouble == "down":
            self.asked += 3
            return self._failed(TokenUnavailable)
        if self.trouble == "refuses":
            self.asked += 1
            self.refused_until = self.clock.now + 60
            return self._failed(CredentialError)
        token = self._ask()
        if token.value == meanwhile and self._may_fetch:
            token = self._ask()
        return self._keep(token)

    def _ask(self) -> Held:
        self.asked += 1
        if self.live is None or not self.repeats:
            self.serial += 1
            self.live = f"token-{self.serial}"
        if self._charged:
            self.spent, self.spent_at = self._spent_now + 1, self.clock.now
        if self.sight and self.sight.value == self.live:
            age = self.clock.now - self.sight.born
            if age < LIFE:
                late = age >= EARLIEST_SOFT
                return Held(self.live, self.sight.born, self._hard(self.live, late))
            if age < LIFE + JUST_ENDED:
                self.asked += 2  # the platform may not have come to its end yet
        self.sight = Held(self.live, self.clock.now, self._hard(self.live))
        return self.sight

    def _hard(self, value: str, late: bool = False) -> float:
        """A platform that has repeated a token late in its life does so with the next ones."""
        last = self.spare
        learned = last is not None and last.hard == REPEATED
        if learned and last is not None:
            late |= value == last.value or last.value in self.rejected or self._ended(last)
        return REPEATED if late else HARD

    def _ended(self, token: Held) -> bool:
        return self.clock.now - token.born >= LIFE

    def _keep(self, token: Held) -> str:
        same = self.held and not self.over(self.held) and self.held.value == token.value
        self.held, self.put_off = token, self.put_off or bool(same)
        if token is not self.spare:
            self.spare, self.put_off = token, bool(same)
            self.owed, self.refused_until = False, 0.0
        return token.value

    def _failed(self, kind: type[WeComError]) -> type[WeComError]:
        self.put_off |= not self.over(self.held)
        return kind

    @property
    def _charged(self) -> bool:
        return self.owed and self.sight is not None and not self._ended(self.sight)

    @property
    def _spent_now(self) -> int:
        return 0 if self.clock.now - self.spent_at >= 120 else self.spent

    @property
    def _may_fetch(self) -> bool:
        """A burst of ten, then intervals of 1, 2, 4 ... 60 seconds, whole after 120 of quiet."""
        beyond = self._spent_now - 10
        return (
            not self._charged or beyond < 0 or self.clock.now - self.spent_at >= min(60, 2**beyond)
        )


class Machine(RuleBasedStateMachine):
    """Random gets, rejections, refreshes, failures and times, also in the middle of a fetch."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        platform = Platform()
        self.desk: Desk = platform.desk  # type: ignore[attr-defined]
        self.source = TokenSource(platform, store=self.clock.store({}))
        self.model = Model(self.clock)
        self.seen: list[str] = ["never-issued"]
        self.jobs: list[Callable[[], object]] = []
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: None))
        self.patch.setattr(process, "nap", lambda seconds: None)
        self.patch.setattr(process, "start_thread", self._later)

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.desk.gate.set()
            self.patch.undo()
            process.held.flights.clear()  # those whose job no rule has run

    def _later(self, target: Callable[..., object], *args: object) -> bool:
        self.jobs.append(lambda: target(*args))
        return True

    # --- the world ---

    @rule(seconds=st.sampled_from(TIMES))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_by(seconds)

    @rule(trouble=st.sampled_from(["", "", "down", "refuses"]))
    def change_the_weather(self, trouble: str) -> None:
        self.desk.trouble = self.model.trouble = trouble

    @rule(repeats=st.booleans())
    def change_the_mode(self, repeats: bool) -> None:
        self.desk.repeats = self.model.repeats = repeats

    @rule()
    def the_platform_drops_the_token(self) -> None:
        self.desk.live = self.model.live = None

    # --- the callers ---

    @rule()
    def get(self) -> None:
        self._settle()
        held = self.model.held
        age = 0.0 if held is None else self.clock.now - held.born
        put_off = self.model.put_off
        self._agree(self.model.get(), self._outcome(self.source.get))
        if held is None or age < EARLIEST_SOFT or age >= held.hard:
            assert not self.jobs, "a refresh behind without need"
        elif held.hard == REPEATED:
            assert not self.jobs, "a refresh behind where none brings another token"
        elif age >= LATEST_SOFT and not put_off:
            assert self.jobs, "no refresh behind"

    @rule()
    def refresh(self) -> None:
        self._settle()
        self._agree(self.model.fetch(), self._outcome(self.source.refresh))

    @precondition(lambda self: self.jobs)
    @rule()
    def the_refresh_behind_runs(self) -> None:
        self._settle()

    @precondition(lambda self: self.model.held)
    @rule()
    def reject_the_current_token(self) -> None:
        assert self.model.held is not None
        self._reject(self.model.held.value)

    @precondition(lambda self: self.model.held)
    @rule(times=st.integers(2, 14))
    def every_fresh_token_is_rejected(self, times: int) -> None:
        """What one endpoint does that refuses the app: the budget's case."""
        for _ in range(times):
            if self.model.held is not None:
                self._reject(self.model.held.value)
            self.get()

    @rule(data=st.data())
    def reject_an_old_token(self, data: st.DataObject) -> None:
        self._reject(data.draw(st.sampled_from(self.seen)))

    @rule(callers=st.integers(2, 4), data=st.data())
    def many_at_once(self, callers: int, data: st.DataObject) -> None:
        """Callers that come while a gettoken is under way, and a rejection in the middle of it."""
        self._settle()
        old = data.draw(st.none() | st.sampled_from(self.seen))
        asked = self.model.asked
        expected = self.model.get(old)
        leads = self.model.asked > asked
        waits = self.source.statistics.waits
        if leads:
            self.desk.gate.clear()
        with ThreadPoolExecutor(callers) as pool:
            calls = [pool.submit(self._outcome, self.source.get)]
            if leads:
                self._until(lambda: self.desk.at_once > 0)
                calls += [pool.submit(self._outcome, self.source.get) for _ in range(callers - 1)]
                self._until(lambda: self.source.statistics.waits == waits + callers - 1)
                if old is not None:
                    self.source.invalidate(old)
            self.desk.gate.set()
            outcomes = [call.result(30) for call in calls]
        assert set(outcomes) == {expected}
        self._note(expected)

    # --- the tools ---

    def _settle(self) -> None:
        while self.jobs:
            job = self.jobs.pop(0)
            expected = self.model.fetch()
            job()
            self._note(expected)

    def _reject(self, value: str) -> None:
        self.model.reject(value)
        self.source.invalidate(value)

    def _outcome(self, call: Callable[[], Any]) -> Outcome:
        try:
            return str(call().value)
        except WeComError as error:
            return type(error)

    def _agree(self, expected: object, got: object) -> None:
        assert got == expected
        self._note(expected)

    def _note(self, outcome: object) -> None:
        assert self.desk.asked == self.model.asked
        if isinstance(outcome, str):
            self.seen.append(outcome)

    def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(30_000):
            if condition():
                return
            self.desk.gate.wait(0.001)  # it is closed: a pause
        raise AssertionError("it did not happen within 30 s")

    @invariant()
    def one_gettoken_at_a_time(self) -> None:
        if hasattr(self, "desk"):
            assert self.desk.most_at_once <= 1

    @invariant()
    def what_is_held_is_what_the_model_holds(self) -> None:
        if hasattr(self, "model"):
            token, held = self.source.peek(), self.model.held
            expected = None if held is None or self.model.over(held) else held.value
            assert (token and token.value) == expected


COMMON: Any = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "stateful_step_count": 25,
}


_NO_SHRINKING = (Phase.explicit, Phase.generate)


@pytest.mark.parametrize("examples", [10, pytest.param(50, marks=pytest.mark.storm)])
def test_the_source_does_what_the_model_does(examples: int) -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=examples, **COMMON))


def _drops_whatever_is_there(state: State, value: str) -> None:
    state.memory.discard(state.key)


MUTATIONS: dict[str, tuple[object, str, object]] = {
    "no compare before it drops": (State, "invalidate", _drops_whatever_is_there),
    "nothing is dropped": (State, "invalidate", lambda state, value: None),
    "no failure is remembered": (State, "remembered", lambda state, fingerprint: None),
    "no budget": (Budget, "allows", lambda budget, now: True),
    "hard deadlines do not count": (State, "is_over", lambda state, token: False),
    "one try only": (fetching, "TRIES", 1),
}


QUICK = ("no compare before it drops", "no budget")
"""Two that every run sees caught; the others are for `-m storm`."""


@pytest.mark.parametrize(
    "mutation",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.storm) for each in MUTATIONS],
)
def test_control_a_source_with_a_fault_is_caught(
    mutation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*MUTATIONS[mutation])  # type: ignore[arg-type]
    quick = settings(max_examples=200, database=None, phases=_NO_SHRINKING, **COMMON)
    with pytest.raises((AssertionError, WeComError, ExceptionGroup)):
        run_state_machine_as_test(Machine, settings=quick)
