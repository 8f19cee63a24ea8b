"""One fetch at a time: who leads it, who waits, who gives up, and who takes over."""

from __future__ import annotations

import logging
import re
import threading
import traceback
from contextlib import suppress
from threading import Event
from typing import Any

import pytest
import requests
from tokenside import (
    CORP,
    SECRET,
    Clock,
    Counted,
    at_once,
    forgets_unlanded,  # noqa: F401
    meanwhile,
    no_threads,
    program,
    settle,
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
    errors,
)
from wecom_auth._source import fetch as fetching
from wecom_auth._source import join as flights
from wecom_auth._source import process
from wecom_auth._source.budget import BURST
from wecom_auth._source.flight import Flight
from wecom_auth._source.state import TIME_LIMIT, State
from wecom_auth.errors import TokenTimeout
from wecom_auth.testing import FakeWeCom, Server

MANY = 12
TEXT = {"touser": "alice", "msgtype": "text", "agentid": 1, "text": {"content": "hi"}}


def app(server: Server, secret: str = SECRET) -> AppCredential:
    return AppCredential(CORP, secret, base_url=server.url)


def send(server: Server) -> dict[str, Any]:
    """What a thread of a user's program does: everything of its own."""
    with requests.Session() as session:
        session.auth = WeComAuth(app(server))
        url = f"{server.url}/cgi-bin/message/send"
        answer: dict[str, Any] = session.post(url, json=TEXT, timeout=30).json()
        return answer


def everybody_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: no flight is shared."""
    monkeypatch.setattr(flights, "board", lambda state, limit, force: (Flight(limit), True))


# --- cold ---


def test_cold_threads_share_one_fetch(wecom_server: Server, monkeypatch: pytest.MonkeyPatch):
    counted, fake = Counted(monkeypatch), wecom_server.fake
    with (
        fake.hold("gettoken") as hold,
        meanwhile(lambda: at_once(MANY, lambda: send(wecom_server))) as all_of_them,
    ):
        counted.wait_for(waits=MANY - 1)
        hold.release()
        assert [answer["errcode"] for answer in all_of_them.result()] == [0] * MANY
    assert fake.gettoken_calls == 1
    assert counted.counts["fetches"] == 1
    fake.assert_delivered("text", times=MANY)


def test_control_without_sharing_each_thread_fetches(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    everybody_leads(monkeypatch)
    with (
        wecom_server.fake.hold("gettoken") as hold,
        meanwhile(lambda: at_once(MANY, lambda: send(wecom_server))),
    ):
        hold.wait_for(MANY)
        hold.release()
    assert wecom_server.fake.gettoken_calls == MANY


@pytest.mark.parametrize(
    ("fault", "kind", "most"),
    [(40001, CredentialError, 1), (45009, TokenUnavailable, 1), ("busy", TokenUnavailable, 3)],
)
def test_cold_threads_share_one_failure(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch, fault: Any, kind: type, most: int
):
    counted, fake = Counted(monkeypatch), wecom_server.fake
    fake.fail(fault, path="gettoken")
    with (
        fake.hold("gettoken") as hold,
        meanwhile(lambda: at_once(MANY, lambda: send(wecom_server))) as all_of_them,
    ):
        counted.wait_for(waits=MANY - 1)
        hold.release()
        errors = all_of_them.result()
    assert [type(error) for error in errors] == [kind] * MANY
    assert fake.gettoken_calls == most
    assert len({id(error) for error in errors}) == MANY


def test_control_without_sharing_each_thread_fails_by_itself(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    everybody_leads(monkeypatch)
    fake = wecom_server.fake
    fake.fail("busy", path="gettoken")
    with (
        fake.hold("gettoken") as hold,
        meanwhile(lambda: at_once(MANY, lambda: send(wecom_server))),
    ):
        hold.wait_for(MANY)
        hold.release()
    assert fake.gettoken_calls == 3 * MANY


def depth(error: BaseException) -> int:
    return len(traceback.extract_tb(error.__traceback__))


def failures(source: TokenSource, times: int) -> list[CredentialError]:
    found = []
    for _ in range(times):
        with pytest.raises(CredentialError) as caught:
            source.get()
        found.append(caught.value)
    return found


def test_each_caller_gets_an_exception_of_its_own(wecom_server: Server):
    wecom_server.fake.app(CORP, SECRET)
    first, *others = failures(TokenSource(app(wecom_server, "wrong")), 20)
    assert len({id(error) for error in [first, *others]}) == 20
    assert {depth(error) for error in others} == {depth(first)}
    assert {str(error).partition(" | met before")[0] for error in others} == {str(first)}
    assert re.search(r"\| met before, and asked again in [56]\d s$", str(others[-1]))
    assert all(error.__cause__ is error.__context__ is None for error in [first, *others])


def test_control_an_exception_that_is_shared_grows(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    for module in (flights, errors):
        monkeypatch.setattr(module, "renewed", lambda error: error)
    wecom_server.fake.app(CORP, SECRET)
    raised = failures(TokenSource(app(wecom_server, "wrong")), 20)
    assert len({id(error) for error in raised}) < 20
    assert depth(raised[-1]) > 2 * 20


# --- revoked under load ---


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_revoked_while_many_answers_are_in_flight(wecom_server: Server, mode: Any):
    fake = wecom_server.fake
    fake.mode = mode
    assert send(wecom_server)["errcode"] == 0
    with (
        fake.hold("message/send") as hold,
        meanwhile(lambda: at_once(MANY, lambda: send(wecom_server))) as all_of_them,
    ):
        hold.wait_for(MANY)
        fake.revoke()
        hold.release()
        assert [answer["errcode"] for answer in all_of_them.result()] == [0] * MANY
    assert fake.gettoken_calls == 2
    fake.assert_delivered("text", times=MANY + 1)
    statistics = TokenSource(app(wecom_server)).statistics
    assert (statistics.invalidations, statistics.resends) == (1, MANY)


def test_a_late_rejection_of_an_old_token_leaves_the_new_one(wecom_server: Server):
    fake, source = wecom_server.fake, TokenSource(app(wecom_server))
    fake.mode = "rotate"
    old = source.get()
    fake.revoke()
    new = source.replace(old)
    assert new is not None
    for _ in range(MANY):
        assert source.replace(old) == new
    assert fake.gettoken_calls == 2


def test_control_without_comparing_each_late_rejection_costs_a_fetch(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    discard = MemoryStore.discard
    monkeypatch.setattr(MemoryStore, "discard", lambda store, key, value=None: discard(store, key))
    fake, source = wecom_server.fake, TokenSource(app(wecom_server))
    fake.mode = "rotate"
    old = source.get()
    fake.revoke()
    for _ in range(5):
        source.replace(old)
    assert fake.gettoken_calls == 6


def publish_late(server: Server) -> str | None:
    """The platform gives out X, X is revoked and rejected, and only then X arrives here."""
    fake, source = server.fake, TokenSource(app(server))
    old = source.get()
    with fake.hold("gettoken", when="after") as hold, meanwhile(source.refresh) as refreshing:
        hold.wait_for(1)
        fake.revoke()
        source.invalidate(old)
        hold.release()
        refreshing.result()
    held = source.peek()
    assert held is not None
    return fake.token(CORP, SECRET) if held.value == fake.token(CORP, SECRET) else None


def test_a_fetch_begun_before_a_rejection_does_not_bring_the_token_back(wecom_server: Server):
    assert publish_late(wecom_server) is not None
    assert wecom_server.fake.gettoken_calls == 3


def test_control_without_looking_back_it_does(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "rejected_since", lambda *_: False)
    assert publish_late(wecom_server) is None


def test_a_token_rejected_before_the_fetch_began_costs_no_second_one():
    """A platform that repeats it does so at once; asking twice brings nothing."""
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)
    old = source.get()
    for other in ("another", "and-another"):
        source.invalidate(other)
    assert source.replace(old) is None
    assert fake.gettoken_calls == 2


def crowd(server: Server, threads: int, times: int) -> list[int]:
    """What each call of many threads is answered; every thread has a session of its own."""

    def work() -> list[int]:
        with requests.Session() as session:
            session.auth = WeComAuth(app(server))
            url = f"{server.url}/cgi-bin/message/send"
            sent = (session.post(url, json=TEXT, timeout=30) for _ in range(times))
            return [answer.json()["errcode"] for answer in sent]

    return [code for codes in at_once(threads, work) for code in codes]


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_rejected_for_ever_in_many_threads(wecom_server: Server, mode: Any):
    fake = wecom_server.fake
    fake.mode = mode
    fake.fail("reject")
    assert crowd(wecom_server, 8, 12) == [40014] * 96
    assert fake.rejections <= 192
    assert fake.gettoken_calls <= BURST + 8  # the first, and the intervals of the first minute


def test_control_in_many_threads_without_a_budget(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(State, "may_fetch", lambda _: True)
    wecom_server.fake.fail("reject")
    crowd(wecom_server, 4, 20)
    assert wecom_server.fake.gettoken_calls > BURST + 8


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_revoked_again_and_again_under_many_threads(wecom_server: Server, mode: Any):
    fake = wecom_server.fake
    fake.mode = mode
    for _ in range(3):
        with (
            fake.hold("message/send") as hold,
            meanwhile(lambda: crowd(wecom_server, MANY, 1)) as all_of_them,
        ):
            hold.wait_for(MANY)
            fake.revoke()
            hold.release()
            assert all_of_them.result() == [0] * MANY
    fake.assert_delivered("text", times=3 * MANY)
    assert fake.gettoken_calls == 1 + 3


def test_a_value_that_is_rejected_while_it_is_fetched_each_time_is_no_loop():
    asked = []

    def get() -> str:
        asked.append(1)
        source.invalidate("token")
        return "token"

    source: TokenSource = TokenSource(ExternalToken(get))
    assert source.get().value == "token"
    assert len(asked) == 2


# --- time limits ---


def test_each_caller_keeps_its_own_time_limit(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    counted, fake, source = Counted(monkeypatch), wecom_server.fake, TokenSource(app(wecom_server))
    with fake.hold("gettoken") as hold, meanwhile(source.get) as patient:
        hold.wait_for(1)
        with pytest.raises(requests.Timeout):
            source.get(timeout=0.1)
        with pytest.raises(TokenUnavailable, match="no token within"):
            source.refresh(timeout=0.1)
        assert not patient.done()
        hold.release()
        assert patient.result().value == fake.token(CORP, SECRET)
    assert fake.gettoken_calls == 1
    assert counted.counts["failures"] == 0


def test_a_leader_with_little_time_does_not_spend_that_of_the_others(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    counted, fake, source = Counted(monkeypatch), wecom_server.fake, TokenSource(app(wecom_server))
    with (
        fake.fail("hang", path="gettoken", times=1),
        meanwhile(lambda: source.get(timeout=1)) as hurried,
    ):
        counted.wait_for(fetches=1)
        with meanwhile(source.get) as patient:
            counted.wait_for(waits=1)
            assert isinstance(hurried.exception(), requests.Timeout)
            assert patient.result().value == fake.token(CORP, SECRET)


def test_a_hang_is_no_fetch_for_each_that_waits(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    counted = Counted(monkeypatch)
    source = TokenSource(app(wecom_server))
    with wecom_server.fake.fail("hang", path="gettoken"), meanwhile(lambda: source.get(timeout=1)):
        counted.wait_for(fetches=1)
        late = threading.Event()
        errors = []

        def join_late() -> None:
            late.wait(0.3)  # so that there is time left when the fetch has failed
            errors.extend(at_once(8, lambda: source.get(timeout=0.95)))

        with meanwhile(join_late):
            counted.wait_for(waits=8)
    assert [type(error) for error in errors] == [TokenTimeout] * 8
    assert counted.counts["fetches"] == 1


def test_control_tried_again_by_each_that_waits(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    def token_of(flight: Flight, outcome: Any, deadline: float) -> Any:
        return None if isinstance(outcome, TokenTimeout) else genuine(flight, outcome, deadline)

    genuine = flights._token_of
    monkeypatch.setattr(flights, "_token_of", token_of)
    with pytest.raises(AssertionError):
        test_a_hang_is_no_fetch_for_each_that_waits(wecom_server, monkeypatch)


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused_even_while_the_token_is_good(bad: float):
    source = program(FakeWeCom(), Clock())
    source.get()
    for method in (source.get, source.refresh):
        with pytest.raises(ValueError, match="more than 0 seconds"):
            method(bad)


@pytest.mark.parametrize("bad", ["3", True, (3, 3), object()])
def test_a_limit_that_is_no_number_is_refused(bad: Any):
    source = program(FakeWeCom(), Clock())
    source.get()
    with pytest.raises(TypeError, match="timeout must be seconds or None"):
        source.get(bad)


@pytest.mark.parametrize("great", [TIME_LIMIT, 3600, 10**400, float("inf")])
def test_a_limit_that_is_too_great_is_cut(great: float):
    assert program(FakeWeCom(), Clock()).get(great).value


# --- leaders that do not come back ---


class Gone(BaseException):
    """What kills a thread from outside: no Exception."""


def test_a_leader_that_is_killed_is_taken_over(monkeypatch: pytest.MonkeyPatch):
    counted, go_on, asked = Counted(monkeypatch), Event(), []

    def get() -> str:
        asked.append(threading.get_ident())
        if len(asked) == 1:
            go_on.wait(30)
            raise Gone
        return "token"

    source = TokenSource(ExternalToken(get))

    def killed() -> None:
        with suppress(Gone):
            source.get()

    with meanwhile(killed), meanwhile(lambda: at_once(4, source.get)) as others:
        counted.wait_for(waits=4)
        go_on.set()
        assert [token.value for token in others.result()] == ["token"] * 4
    assert len(asked) == 2


@pytest.mark.usefixtures("forgets_unlanded")
def test_control_a_flight_that_never_lands_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flights, "_land", lambda *_: None)

    def get() -> str:
        raise Gone

    source = TokenSource(ExternalToken(get))
    with pytest.raises(Gone):
        source.get()
    with meanwhile(lambda: source.get(timeout=0.2)) as another:
        assert isinstance(another.exception(), TokenTimeout)


def test_a_leader_that_never_returns_is_taken_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flights, "TIME_LIMIT", 0.2)
    monkeypatch.setattr("wecom_auth._source.flight.GRACE", 0.1)
    counted, never, asked = Counted(monkeypatch), Event(), []

    def get() -> str:
        asked.append(threading.get_ident())
        if len(asked) == 1:
            never.wait(30)
            return "late"
        return "token"

    source = TokenSource(ExternalToken(get))
    with meanwhile(lambda: source.get(timeout=0.1)) as stuck:
        counted.wait_for(fetches=1)
        assert source.get(timeout=5).value == "token"
        never.set()
        stuck.exception()
    assert source.get().value == "token"  # what the first one brings in the end changes nothing


def test_control_without_grace_running_out_it_blocks_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flights, "TIME_LIMIT", 0.2)
    counted, never = Counted(monkeypatch), Event()
    source = TokenSource(ExternalToken(lambda: str(never.wait(30))))
    with meanwhile(lambda: source.get(timeout=0.1)) as stuck:
        counted.wait_for(fetches=1)
        monkeypatch.setattr("wecom_auth._source.flight.GRACE", 60.0)
        with pytest.raises(TokenTimeout):
            source.get(timeout=0.4)
        never.set()
        stuck.exception()


def test_a_flight_lands_even_if_a_cache_of_the_users_own_is_broken():
    class Broken(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            self.broken = True
            raise OSError("disk full")

        def __getitem__(self, key: str) -> Any:
            if getattr(self, "broken", False):
                raise OSError("disk full")
            return super().__getitem__(key)

    cache = Broken()
    source = program(FakeWeCom(), Clock(), store=MemoryStore(cache))
    with pytest.raises(OSError, match="disk full"):
        source.get()
    assert source._state.flight is None
    assert not process.held.flights
    cache.broken = False


# --- no threads ---


def test_where_no_thread_can_start_the_old_token_serves_and_the_next_caller_fetches(
    monkeypatch: pytest.MonkeyPatch,
):
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)
    old = source.get()
    settle()  # the thread that fetched it may end later than the caller has it
    fake.revoke()
    no_threads(monkeypatch)
    clock.pass_by(6000)
    for _ in range(100):
        assert source.get() is old
    assert fake.gettoken_calls == 1
    assert not process.held.threads
    clock.pass_by(1200)
    assert source.get().value == fake.token(CORP, SECRET)


def test_control_where_threads_start_the_refresh_is_made_behind():
    fake, clock = FakeWeCom(), Clock()
    source = program(fake, clock)
    old = source.get()
    fake.revoke()
    clock.pass_by(6000)
    assert source.get() is old
    settle()
    assert source.get().value == fake.token(CORP, SECRET) != old.value


def test_refreshes_behind_are_one_at_a_time(wecom_server: Server, monkeypatch: pytest.MonkeyPatch):
    fake, clock = wecom_server.fake, Clock()
    source = TokenSource(app(wecom_server), store=clock.store())
    old = source.get()
    fake.revoke()
    clock.pass_by(6000)
    with fake.hold("gettoken") as hold:
        assert at_once(MANY, source.get) == [old] * MANY
        hold.wait_for(1)
        assert hold.waiting == 1
    settle()
    assert fake.gettoken_calls == 2


def test_control_without_looking_for_a_flight_there_are_many(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    def behind(state: State, send: Any) -> None:
        process.start_thread(flights.lead, state, Flight(TIME_LIMIT), send)

    monkeypatch.setattr(flights, "refresh_in_background", behind)
    fake, clock = wecom_server.fake, Clock()
    source = TokenSource(app(wecom_server), store=clock.store())
    source.get()
    clock.pass_by(6000)
    with fake.hold("gettoken") as hold:
        at_once(MANY, source.get)
        hold.wait_for(MANY)
    settle()


# --- whoever fetches asks itself ---


class Nobody:
    """In place of the context variable that holds the flight: it holds none."""

    def get(self) -> tuple[()]:
        return ()

    set = reset = lambda self, *_: None


class Alerting(logging.Handler):
    """Sends what is logged to WeCom, by the very source that logs."""

    def __init__(self, source: TokenSource) -> None:
        super().__init__(logging.INFO)
        self.source, self.outcomes = source, []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.outcomes.append(self.source.get(timeout=0.5))
        except TokenUnavailable as error:
            self.outcomes.append(error)


def alerts(caplog: pytest.LogCaptureFixture) -> list[Any]:
    caplog.set_level(logging.INFO, "wecom_auth")
    source = program(FakeWeCom(), Clock())
    handler, log = Alerting(source), logging.getLogger("wecom_auth")
    log.addHandler(handler)
    try:
        source.get()
        settle()  # what is logged is logged when everybody has the token
    finally:
        log.removeHandler(handler)
    return handler.outcomes


def test_a_handler_that_sends_alerts_is_not_kept_waiting(caplog: pytest.LogCaptureFixture):
    (token,) = alerts(caplog)
    assert isinstance(token, Token), "what is to be logged is logged when everybody has his token"


def test_control_logged_in_the_flight_it_would_wait_for_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(Flight, "afterwards", lambda flight, call, *args: call(*args))
    (error,) = alerts(caplog)
    assert "a logging handler that calls WeCom" in str(error)
    monkeypatch.setattr(flights, "_leading", Nobody())
    (error,) = alerts(caplog)
    assert isinstance(error, TokenTimeout)


class Locked(logging.Handler):
    """One that is busy while its lock is held, as each is while it emits."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.busy = threading.Lock()
        self.emitted: list[bool] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.emitted.append(self.busy.acquire(timeout=20))


def test_who_logs_while_it_waits_for_a_token_is_not_waited_for(caplog: pytest.LogCaptureFixture):
    """A handler that sends an alert waits for a token; the leader's own line waits for it."""
    fake, handler = FakeWeCom(), Locked()
    caplog.set_level(logging.INFO, "wecom_auth")
    source, log = program(fake, Clock()), logging.getLogger("wecom_auth")
    log.addHandler(handler)
    try:
        with fake.hold("gettoken") as hold, meanwhile(source.get):
            hold.wait_for(1)
            with handler.busy, meanwhile(lambda: source.get(timeout=5)) as alert:
                hold.release()
                assert isinstance(alert.result(10), Token), "before the leader could log"
        settle()
    finally:
        log.removeHandler(handler)
    assert handler.emitted == [True]


def test_an_owner_that_asks_itself_is_told_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    source: TokenSource = TokenSource(ExternalToken(lambda: source.get().value))
    with pytest.raises(TokenUnavailable, match=r"the get\(\) of an ExternalToken"):
        source.get()
