"""The rules of one token, on a clock that the test moves: deadlines, budget, failures, memory."""

from __future__ import annotations

import copy
import logging
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from cachetools import LRUCache, TTLCache
from tokenside import (
    CORP,
    HOST,
    SECRET,
    Clock,
    ask,
    call,
    meanwhile,
    program,
    without_sockets,
)

from wecom_auth import (
    AppCredential,
    CredentialError,
    ExternalToken,
    MemoryStore,
    Token,
    TokenSource,
    TokenUnavailable,
    WeComAuth,
    attach,
    raise_for_errcode,
)
from wecom_auth._source import fetch as fetching
from wecom_auth._source import lives, process
from wecom_auth._source.budget import BURST, LONGEST, REFUND_INTERVAL, Budget
from wecom_auth._source.source import as_source
from wecom_auth._source.state import FAILURE_LIFE, State
from wecom_auth.testing import FakeWeCom, Server, reset


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeWeCom:
    """A platform on which the same time passes."""
    return FakeWeCom(clock=lambda: clock.date, remember=100)


@pytest.fixture(autouse=True)
def _naps_are_short(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the end of a repeated token passes on the clock."""
    monkeypatch.setattr(process, "nap", clock.pass_by)


@pytest.fixture
def in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refreshes behind are made at once: what happens when no longer depends on threads."""

    def run(target: Callable[..., object], *args: object) -> bool:
        target(*args)
        return True

    monkeypatch.setattr(process, "start_thread", run)


def off(*_: object, **__: object) -> None:
    """What a mechanism does that is switched off."""


def calls(
    fake: FakeWeCom, source: TokenSource, clock: Clock, number: int, every: float = 0.1, **more: Any
) -> list[Any]:
    """So many calls, ten a second or one every so many seconds; what the caller sees of each."""
    answers = []
    for _ in range(number):
        try:
            answers.append(call(fake, source, **more))
        except Exception as error:
            answers.append(error)
        clock.pass_by(every)
    return answers


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def within_budget(seconds: float) -> float:
    """The stated budget: a burst, six growing intervals, then one a minute; and the first."""
    return BURST + 7 + seconds / LONGEST + 1


# --- deadlines ---


@pytest.mark.usefixtures("in_line")
@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_a_token_that_ends_by_itself_costs_a_handful(fake: FakeWeCom, clock: Clock, mode: Any):
    """An hour of calls around the end, on a platform that repeats the token until then."""
    fake.mode = mode
    source = program(fake, clock)
    source.get()
    clock.pass_by(4500)
    assert set(calls(fake, source, clock, 3600, every=1)) == {0}
    assert fake.gettoken_calls <= 8


@pytest.mark.usefixtures("in_line")
def test_control_without_putting_off_every_call_asks_again(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "put_off", off)
    monkeypatch.setattr(lives, "repeated", lambda token: token)
    source = program(fake, clock)
    source.get()
    clock.pass_by(5800)
    calls(fake, source, clock, 50)
    assert fake.gettoken_calls > 50


@pytest.mark.usefixtures("in_line")
def test_a_platform_that_repeats_its_token_is_asked_once_early_and_then_once_a_life(
    fake: FakeWeCom, clock: Clock
):
    source = program(fake, clock)
    assert set(calls(fake, source, clock, 12 * 7200 // 20, every=20)) == {0}
    assert fake.gettoken_calls <= 13


@pytest.mark.usefixtures("in_line")
def test_a_platform_that_renews_again_is_refreshed_early_again(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    source.get()
    clock.pass_by(5800)
    source.get()  # learns that it repeats
    fake.mode = "rotate"
    last = source.refresh()
    assert not last.repeats
    clock.pass_by(5800)
    assert source.get() == last
    assert source.get().value != last.value


@pytest.mark.usefixtures("in_line")
@pytest.mark.parametrize("mode", ["repeat", "rotate"])
@pytest.mark.parametrize("life", [6, 60, 600])
def test_short_lives_work(fake: FakeWeCom, clock: Clock, mode: Any, life: int):
    random.seed(1)  # the soft deadlines and the put-offs are drawn
    fake.mode, fake.token_life = mode, life
    source = program(fake, clock)
    lives = 8
    assert set(calls(fake, source, clock, lives * 60, every=life / 60)) == {0}
    assert fake.gettoken_calls <= 5 * lives


def rejected_after_their_end(fake: FakeWeCom, clock: Clock) -> set[Any]:
    """Tokens of 6 s, and each time a call that was under way at the end."""
    fake.token_life, source, answers = 6, program(fake, clock), []
    for _ in range(40):
        late = source.get()
        clock.pass_by(6)
        source.invalidate(late)
        answers += calls(fake, source, clock, 1)
    return set(answers)


def test_a_rejection_after_the_end_is_not_charged(fake: FakeWeCom, clock: Clock):
    assert rejected_after_their_end(fake, clock) == {0}


def test_control_charged_for_natural_ends_short_lives_lose_calls(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "_is_charged", property(lambda s: s.owed and s.sight is not None))
    monkeypatch.setattr(State, "accept", off)
    assert rejected_after_their_end(fake, clock) != {0}


def test_soft_is_drawn_for_each_token_and_hard_lies_before_the_end(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    softs = set()
    for _ in range(50):
        fake.revoke()
        token = source.refresh()
        assert 0.70 * 7200 <= token._soft <= 0.80 * 7200
        assert token._hard == 7200 - 60
        softs.add(token._soft)
    assert len(softs) > 40


@pytest.mark.usefixtures("in_line")
def test_refreshed_behind_between_soft_and_hard(fake: FakeWeCom, clock: Clock):
    fake.mode = "rotate"
    source = program(fake, clock)
    old = source.get()
    clock.pass_by(old._soft - 1)
    assert source.get() is old
    clock.pass_by(1)
    assert source.get() is old
    assert source.get() is not old
    assert fake.gettoken_calls == 2


def test_past_hard_nobody_is_served_the_old_one(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    old = source.get()
    clock.pass_by(old._hard)
    assert source.peek() is None
    fake.fail("outage", path="gettoken")
    with pytest.raises(TokenUnavailable):
        source.get()


def after_suspend(fake: FakeWeCom, clock: Clock) -> int:
    """Calls that go out with a dead token after the machine has slept for three hours."""
    source = program(fake, clock)
    source.get()
    clock.sleep_the_machine(3 * 3600)
    return ask(fake, source.get().value) or 0


def test_a_machine_that_slept_knows(fake: FakeWeCom, clock: Clock):
    assert after_suspend(fake, clock) == 0


def test_control_by_one_clock_alone_it_does_not(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Token, "age", lambda token, now, wall: now - token._born)
    assert after_suspend(fake, clock) == 42001


@pytest.mark.usefixtures("in_line")
@pytest.mark.parametrize("step", [-365 * 86400, -3600, 3600, 365 * 86400])
def test_a_clock_that_is_set_costs_a_fetch_at_most(clock: Clock, step: float):
    fake = FakeWeCom(clock=lambda: clock.now)
    source = program(fake, clock)
    source.get()
    clock.set_the_date(step)
    assert set(calls(fake, source, clock, 1000)) == {0}
    assert fake.gettoken_calls <= 3
    clock.pass_by(7200)
    assert call(fake, source) == 0


# --- the budget for fetches that rejections cause ---


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_rejected_for_ever(
    fake: FakeWeCom, clock: Clock, mode: Any, caplog: pytest.LogCaptureFixture
):
    fake.mode = mode
    fake.fail("reject")
    source, answered = program(fake, clock), fake.rejections
    assert set(calls(fake, source, clock, 300)) == {40014}
    assert fake.rejections - answered <= 600
    assert fake.gettoken_calls <= within_budget(30)
    (warning,) = warnings(caplog)
    assert "wrong app" in warning
    assert "without a shared store" in warning


def test_control_without_a_budget_each_call_fetches(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Budget, "allows", lambda *_: True)
    fake.fail("reject")
    calls(fake, program(fake, clock), clock, 60)
    assert fake.gettoken_calls > 60


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_one_endpoint_always_refuses_and_another_is_fine(
    fake: FakeWeCom, clock: Clock, mode: Any, caplog: pytest.LogCaptureFixture
):
    fake.mode = mode
    fake.fail("reject", path="user/get")
    source = program(fake, clock)
    refused, fine = [], []
    for _ in range(300):
        refused += calls(fake, source, clock, 1)
        fine += calls(fake, source, clock, 1, path="department/list")
    assert set(refused) == {40014}
    assert set(fine) == {0}
    assert fake.gettoken_calls <= within_budget(60)
    assert len(warnings(caplog)) == 1


def two_programs(fake: FakeWeCom, clock: Clock, times: int = 300) -> list[int]:
    """On a platform where each gettoken kills the last token; the rejections of each call."""
    fake.mode = "rotate"
    programs, requests_of_a_call = [program(fake, clock), program(fake, clock)], []
    for _ in range(times):
        for each in programs:
            before = fake.rejections
            calls(fake, each, clock, 1)
            requests_of_a_call.append(fake.rejections - before)
    return requests_of_a_call


def test_two_programs_without_a_shared_store(
    fake: FakeWeCom, clock: Clock, caplog: pytest.LogCaptureFixture
):
    assert max(two_programs(fake, clock)) <= 2
    assert fake.gettoken_calls <= 2 * (BURST + 60 / REFUND_INTERVAL)
    said = warnings(caplog)
    assert 1 <= len(said) <= 2  # where one of them gives up first, the other need not
    assert all("end each other's tokens" in text and "the same store" in text for text in said)


def test_control_two_programs_without_a_budget(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "may_fetch", lambda _: True)
    two_programs(fake, clock, 30)
    assert fake.gettoken_calls > 55


def test_while_no_fetch_is_allowed_get_hands_out_the_last_token(fake: FakeWeCom, clock: Clock):
    fake.fail("reject")
    source = program(fake, clock)
    calls(fake, source, clock, 100)
    before = fake.gettoken_calls
    last = source.get()
    assert source.replace(last) is None
    assert source.get() == last
    assert fake.gettoken_calls == before


@pytest.mark.usefixtures("in_line")
def test_a_last_token_that_is_softly_over_is_no_refresh_a_call(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    fake.fail("reject")
    source = program(fake, clock)
    calls(fake, source, clock, 50)
    monkeypatch.setattr(Budget, "allows", lambda *_: False)
    clock.pass_by(6000)
    source.replace(source.get())
    started: list[object] = []
    monkeypatch.setattr(
        process, "start_thread", lambda run, *args: started.append(run(*args)) or True
    )
    for _ in range(1000):
        source.get()
        clock.pass_by(0.01)
    assert len(started) <= 10


def test_a_second_trouble_is_told_of_as_well(
    fake: FakeWeCom, clock: Clock, caplog: pytest.LogCaptureFixture
):
    source = program(fake, clock)
    for _ in range(2):
        with fake.fail("reject"):
            calls(fake, source, clock, 300)
        clock.pass_by(7200)  # its token has lived to its end
        assert call(fake, source) == 0
        clock.pass_by(7200)
        assert call(fake, source) == 0
    assert sum("keep being rejected" in text for text in warnings(caplog)) == 2


def test_a_failure_of_a_fetch_that_was_given_up_is_not_remembered(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    source = program(fake, clock)
    state, obtain = source._state, AppCredential.obtain

    def late(credential: AppCredential, *args: Any) -> Any:
        monkeypatch.setattr(AppCredential, "obtain", obtain)
        state.flight = None  # as when the leader is frozen, and who waits goes on without it
        assert source.get()
        state.memory.clear()
        raise CredentialError("late", errcode=40001)

    monkeypatch.setattr(AppCredential, "obtain", late)
    with pytest.raises(CredentialError, match="late"):
        source.get()
    assert source.get()


def test_the_budget_is_whole_again_after_quiet(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    with fake.fail("reject"):
        calls(fake, source, clock, 300)
    clock.pass_by(180)
    assert call(fake, source) == 0
    for _ in range(BURST):
        fake.revoke()
        assert call(fake, source) == 0


def outage_after_a_revoke(fake: FakeWeCom, clock: Clock) -> list[Any]:
    """A token is revoked while gettoken is down; what the first call sees when it is back."""
    source = program(fake, clock)
    source.get()
    fake.revoke()
    with fake.fail("drop", path="gettoken"):
        calls(fake, source, clock, 40)
    return calls(fake, source, clock, 1)


def test_a_fetch_that_fails_is_not_charged(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    assert outage_after_a_revoke(fake, clock) == [0]
    assert not [text for text in warnings(caplog) if "keep being rejected" in text]


def test_control_charged_for_failures_it_loses_calls_after_the_outage(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    def may_fetch(state: State) -> bool:
        allowed = genuine(state)
        state.spend("never issued")
        return allowed

    genuine = State.may_fetch
    monkeypatch.setattr(State, "may_fetch", may_fetch)
    monkeypatch.setattr(fetching, "TRIES", 1)
    assert outage_after_a_revoke(fake, clock) == [40014]


def test_put_offs_do_not_overflow(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    token = source.get()
    for _ in range(1100):  # what as many refreshes with the same answer come to
        source._state.put_off(1.0)
    assert source.refresh().value == token.value
    fake.fail(60020, path="gettoken")
    with pytest.raises(CredentialError):
        source.refresh()
    assert source._state.flight is None
    assert source._state.retry_at - clock.now <= 900 * 1.25


# --- failures remembered ---


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("wrong\n")
    return path


def from_file(path: Path) -> AppCredential:
    return AppCredential.from_env(
        environ={"WECOM_CORPID": CORP, "WECOM_CORPSECRET_FILE": str(path)}
    )


def test_a_wrong_secret(fake: FakeWeCom, clock: Clock, secret_file: Path):
    fake.app(CORP, SECRET)
    source = program(fake, clock, credential=from_file(secret_file))
    errors = calls(fake, source, clock, 700)
    assert {(type(error), error.errcode) for error in errors} == {(CredentialError, 40001)}
    assert fake.gettoken_calls == 2
    secret_file.write_text(SECRET)
    clock.pass_by(FAILURE_LIFE)
    assert call(fake, source) == 0
    assert source.statistics.failures == 2


def test_control_without_memory_each_call_asks(
    fake: FakeWeCom, clock: Clock, secret_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "remember", off)
    fake.app(CORP, SECRET)
    calls(fake, program(fake, clock, credential=from_file(secret_file)), clock, 60)
    assert fake.gettoken_calls == 60


def test_a_secret_that_is_rotated_in_its_file_is_never_missed(
    fake: FakeWeCom, clock: Clock, secret_file: Path
):
    fake.app(CORP, "first")
    fake.app(CORP, "second")
    secret_file.write_text("first")
    source = program(fake, clock, credential=from_file(secret_file))
    assert source.get().value == fake.token(CORP, "first")
    secret_file.write_text("second")
    clock.pass_by(7200)
    assert source.get().value == fake.token(CORP, "second")


def test_a_rate_limit_is_waited_out(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    with fake.fail("rate-limited", path="gettoken"):
        errors = calls(fake, source, clock, 200)
    assert {(type(error), error.errcode) for error in errors} == {(TokenUnavailable, 45009)}
    assert fake.gettoken_calls == 1
    clock.pass_by(FAILURE_LIFE)
    assert call(fake, source) == 0


@pytest.mark.usefixtures("in_line")
@pytest.mark.parametrize("fault", ["outage", "busy", "drop", "garbage", 40001, 60020])
def test_gettoken_down_in_the_soft_window(
    fake: FakeWeCom,
    clock: Clock,
    fault: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    source = program(fake, clock)
    old = source.get()
    clock.pass_by(old._soft + 1)
    with fake.fail(fault, path="gettoken"):
        assert set(calls(fake, source, clock, 500, every=1)) == {0}
        assert source.get() is old
        assert 2 <= fake.gettoken_calls <= 15
    (warning,) = warnings(caplog)
    assert "the old one serves on" in warning
    clock.pass_by(900)
    calls(fake, source, clock, 2)
    assert source._state.warned == set()


@pytest.mark.usefixtures("in_line")
def test_control_without_putting_off_the_outage_is_met_by_every_call(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    monkeypatch.setattr(State, "put_off", off)
    source = program(fake, clock)
    clock.pass_by(source.get()._soft + 1)
    with fake.fail("outage", path="gettoken"):
        calls(fake, source, clock, 100)
    assert fake.gettoken_calls == 101


# --- memory ---


@pytest.mark.parametrize(
    "cache", [lambda: TTLCache(10, 7200), lambda: LRUCache(1), dict], ids=["ttl", "lru-1", "dict"]
)
def test_any_cache_will_do(fake: FakeWeCom, clock: Clock, cache: Callable[[], Any]):
    mine = cache()
    source = program(fake, clock, store=clock.store(mine))
    assert set(calls(fake, source, clock, 100)) == {0}
    assert fake.gettoken_calls == 1
    assert len(mine) == 1
    mine.clear()
    assert call(fake, source) == 0
    assert fake.gettoken_calls == 2


def test_a_cache_that_keeps_nothing_is_a_fetch_a_call(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock, store=clock.store(LRUCache(0)))
    assert set(calls(fake, source, clock, 20)) == {0}
    assert fake.gettoken_calls == 20
    fake.revoke()
    assert call(fake, source) == 0


def test_two_apps_in_a_cache_for_one(fake: FakeWeCom, clock: Clock):
    store = clock.store(LRUCache(1))
    apps = [program(fake, clock, store=store, credential=AppCredential(CORP, s)) for s in "ab"]
    for _ in range(10):
        for each, secret in zip(apps, "ab", strict=True):
            assert each.get().value == fake.token(CORP, secret)


def test_what_is_evicted_is_fetched_and_not_charged(fake: FakeWeCom, clock: Clock):
    store = clock.store()
    source = program(fake, clock, store=store)
    for number in range(1, 50):
        assert call(fake, source) == 0
        assert fake.gettoken_calls == number
        store.clear()


def test_a_store_of_ones_own_is_apart_and_shared_by_its_handles(fake: FakeWeCom, clock: Clock):
    store = clock.store()
    one, two = program(fake, clock, store=store), program(fake, clock, store=store)
    assert one.get() is two.get()
    assert one.statistics == two.statistics
    assert program(fake, clock).peek() is None
    assert TokenSource(AppCredential(CORP, SECRET)).peek() is None


@pytest.mark.parametrize("bad", ["cache", 7, [], {1}])
def test_what_is_no_cache_is_refused(bad: Any):
    with pytest.raises(TypeError, match="cachetools"):
        MemoryStore(bad)


# --- the handle ---


def test_statistics_are_numbers_of_what_was_done(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    assert source.statistics == (0, 0, 0, 0, 0)
    call(fake, source)
    fake.revoke()
    call(fake, source)
    fake.fail(40001, path="gettoken")
    with pytest.raises(CredentialError):
        source.refresh()
    assert source.statistics == (3, 0, 1, 1, 1)
    assert source.statistics.fetches == fake.gettoken_calls


def test_reset_forgets_everything(fake: FakeWeCom):
    source = TokenSource(AppCredential(CORP, SECRET), session=without_sockets(fake))
    source.get()
    fake.app(CORP, "another")
    with pytest.raises(CredentialError):
        source.refresh()
    reset()
    assert source.peek() is None
    assert source.statistics == (0, 0, 0, 0, 0)
    fake.app(CORP, SECRET)
    assert source.get()


def test_a_fetch_under_way_at_a_reset_no_longer_counts(wecom_server: Server):
    source = TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url))
    with wecom_server.fake.hold("gettoken") as hold, meanwhile(source.get) as fetching:
        hold.wait_for(1)
        reset(timeout=0.05)
        hold.release()
        assert fetching.result()
    assert source.peek() is None


def test_handles_over_one_credential_are_equal(fake: FakeWeCom):
    one, two = (TokenSource(AppCredential(CORP, SECRET)) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one != TokenSource(AppCredential(CORP, "other"))
    assert one != TokenSource(AppCredential(CORP, SECRET), session=requests.Session())
    assert one != TokenSource(AppCredential(CORP, SECRET), store=MemoryStore())
    assert one != "source"


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_is_another_handle_of_the_same(fake: FakeWeCom, how: Callable[[Any], Any]):
    source = TokenSource(AppCredential(CORP, SECRET))
    assert how(source) == source
    assert SECRET.encode() in pickle.dumps(source)  # the credential is what it carries
    with_session = TokenSource(AppCredential(CORP, SECRET), session=without_sockets(fake))
    with_session._session.adapters.clear()
    token = with_session._state.credential
    assert how(with_session).credential == token


def test_a_pickle_holds_no_token(fake: FakeWeCom, clock: Clock):
    source = TokenSource(AppCredential(CORP, SECRET), store=clock.store())
    source._state.memory.save(source._state.key, program(fake, clock).get())
    value = source.get().value
    source._state.memory.monotonic = source._state.memory.wall = off  # a lambda has no pickle
    assert value.encode() not in pickle.dumps(source)


def test_no_repr_shows_a_token_or_a_secret(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    token = source.get()
    source.invalidate(token)
    source.get()
    state = source._state
    for shown in (
        source,
        token,
        state,
        state.memory,
        state.flight,
        source.credential,
        state.shared,
    ):
        assert token.value not in repr(shown) + str(shown)
        assert SECRET not in repr(shown) + str(shown)


@pytest.mark.parametrize("bad", [None, "", b"token", 3, ["a-token-in-a-list"]])
def test_only_a_token_can_be_invalidated(fake: FakeWeCom, clock: Clock, bad: Any):
    source = program(fake, clock)
    for method in (source.invalidate, source.replace):
        with pytest.raises(TypeError, match="rejected must be a Token") as caught:
            method(bad)
        assert "token-in" not in str(caught.value)


@pytest.mark.parametrize("bad", [None, "ww01", ("ww01", "s"), AppCredential])
def test_only_a_credential_makes_a_source(bad: Any):
    for make in (TokenSource, as_source, WeComAuth):
        with pytest.raises(TypeError, match="credential must be"):
            make(bad)


@pytest.mark.parametrize("bad", [requests, "session", requests.adapters.HTTPAdapter()])
def test_only_a_session_sends(bad: Any):
    with pytest.raises(TypeError, match=r"session must be a requests\.Session"):
        TokenSource(AppCredential(CORP, SECRET), session=bad)


def test_a_source_has_its_store_already(clock: Clock):
    with pytest.raises(ValueError, match="store already"):
        as_source(TokenSource(AppCredential(CORP, SECRET)), store=clock.store())


@pytest.mark.parametrize("bad", [7, object(), "nonsense://", "/tmp/x"])
def test_only_a_store_is_one(bad: Any):
    with pytest.raises((TypeError, ValueError)):
        TokenSource(AppCredential(CORP, SECRET), store=bad)


def test_a_store_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("WECOM_STORE", f"file://{tmp_path}")
    assert str(tmp_path) in repr(TokenSource(AppCredential(CORP, SECRET))._state.shared)
    assert not TokenSource(ExternalToken(str))._state.shared
    monkeypatch.setenv("WECOM_STORE", "nonsense://u:password@h")
    with pytest.raises(ValueError, match=r"^WECOM_STORE: not the URL of a store") as caught:
        TokenSource(AppCredential(CORP, SECRET))
    assert "password" not in str(caught.value)


def test_a_session_with_raise_for_errcode_on_it_may_send(fake: FakeWeCom, clock: Clock):
    fake.app(CORP, "another")
    session = without_sockets(fake)
    session.hooks["response"].append(raise_for_errcode)
    source = TokenSource(AppCredential(CORP, SECRET), store=clock.store(), session=session)
    with pytest.raises(CredentialError):
        source.get()
    assert fake.gettoken_calls == 1


def test_a_source_may_send_by_the_session_it_is_attached_to(fake: FakeWeCom, clock: Clock):
    session = without_sockets(fake)
    source = TokenSource(AppCredential(CORP, SECRET), store=clock.store(), session=session)
    attach(session, source)
    assert session.get(f"{HOST}/cgi-bin/user/get?userid=alice").json()["errcode"] == 0
    assert fake.gettoken_calls == 1


def test_log_lines_hold_no_token(fake: FakeWeCom, clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    source = program(fake, clock)
    value = source.get().value
    fake.fail("reject")
    calls(fake, source, clock, 200)
    text = caplog.text
    assert "token fetched, valid for 7200 s" in text
    assert value not in text
    assert SECRET not in text
