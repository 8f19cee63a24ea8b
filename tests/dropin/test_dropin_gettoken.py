"""A gettoken of existing code, answered as the platform would answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from legacy import CORP, SECRET, Legacy
from requests.adapters import HTTPAdapter
from timing import Clock, until

from wecom_auth import (
    AppCredential,
    MemoryStore,
    TokenSource,
    _clock,
    install,
)
from wecom_auth._dropin import inline, suspicion
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom


@pytest.fixture
def fake(clock: Clock) -> FakeWeCom:
    return FakeWeCom(clock=clock)


# --- answers ---


def test_the_first_answer_is_the_platforms_own_and_the_next_is_like_it(client: Legacy) -> None:
    plain = client.ask()
    with install():
        first, second = client.ask(), client.ask()
    assert first.headers == plain.headers
    assert first.json() == plain.json()
    assert first.raw.version == 11  # over a connection
    for name in ("Content-Type", "Error-Code", "Error-Msg", "Content-Length"):
        assert name in second.headers
    assert second.headers["Content-Type"] == plain.headers["Content-Type"]
    assert (second.status_code, second.reason, second.ok) == (200, "OK", True)
    assert (second.url, second.encoding) == (plain.url, plain.encoding)
    answers = [each.json() for each in (first, second)]
    assert answers[0]["access_token"] == answers[1]["access_token"]
    assert answers[1].keys() == answers[0].keys()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("nth", ["first", "from memory"])
def test_however_the_answer_is_read(nth: str, stream: bool, client: Legacy) -> None:
    with install():
        if nth == "from memory":
            client.fetch()
        with client.ask(stream=stream) as response:
            text = b"".join(response.iter_content(7))
            assert b'"errcode"' in text
        assert client.ask(stream=stream).text.startswith("{")
        assert client.ask(stream=stream).raw.read().startswith(b"{") is stream
        assert list(client.ask(stream=stream).iter_lines())


def test_hooks_and_elapsed_are_as_ever(client: Legacy) -> None:
    seen: list[requests.Response] = []
    with install():
        for _ in range(2):
            response = client.ask(hooks={"response": lambda r, **_: seen.append(r)})
            assert response.elapsed.total_seconds() >= 0
            assert seen.pop() is response


def test_expires_in_is_the_life_that_is_left(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    with install(store=store):
        assert client.gettoken()["expires_in"] == 7200
        clock.now += 1000
        left = client.gettoken()["expires_in"]
        assert 7200 - 1000 - 60 <= left <= 7200 - 1000
        clock.now += 6000
        fake.fail("outage", path="gettoken")
        assert client.gettoken()["expires_in"] == gettoken_shortest()  # not 200 less than that


def gettoken_shortest() -> int:
    from wecom_auth._dropin.gettoken import SHORTEST_LIFE

    assert SHORTEST_LIFE - 200 > 0
    return SHORTEST_LIFE


# --- when the platform is asked ---


def test_in_its_last_quarter_a_token_is_renewed_inside_the_call(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    fake.mode = "rotate"
    with install(store=store):
        old = client.fetch()
        clock.now += 5000
        assert client.fetch() == old
        clock.now += 1000
        assert client.fetch() != old
        assert fake.gettoken_calls == 2
        client.fetch()
    assert fake.gettoken_calls == 2
    assert no_threads_of_ours()


def no_threads_of_ours() -> bool:
    return not any(each.name == "wecom-auth" for each in threading.enumerate())


def test_control_another_source_would_renew_it_behind(
    client: Legacy,
    store: MemoryStore,
    clock: Clock,
    fake: FakeWeCom,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inline.InlineSource, "_getting", TokenSource._getting)
    with install(store=store):
        client.fetch()
        clock.now += 6000
        with fake.hold("gettoken") as hold:
            client.fetch()
            hold.wait_for(1)
            assert not no_threads_of_ours()


def test_a_renewal_that_fails_leaves_the_old_token(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    with install(store=store):
        old = client.fetch()
        clock.now += 6000
        with fake.fail(45009, path="gettoken"):
            for _ in range(5):
                assert client.fetch() == old
    assert fake.gettoken_calls == 2


def test_a_platform_that_repeats_its_token_is_not_asked_each_time(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    with install(store=store):
        old = client.fetch()
        clock.now += 6000
        for _ in range(100):
            assert client.fetch() == old
    assert fake.gettoken_calls == 2


def test_while_one_renews_the_others_get_the_old_token(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    fake.mode = "rotate"
    with install(store=store), ThreadPoolExecutor(1) as pool:
        old = client.fetch()
        clock.now += 6000
        with fake.hold("gettoken") as hold:
            renewing = pool.submit(Legacy(client.url).fetch)
            hold.wait_for(1)
            assert client.fetch() == old
            hold.release()
        assert renewing.result() != old
        assert client.fetch() == renewing.result()
    assert fake.gettoken_calls == 2


def test_one_that_found_it_due_finds_it_done(
    client: Legacy, store: MemoryStore, clock: Clock, fake: FakeWeCom
) -> None:
    """Due when it looked, renewed by another before it had the lock."""
    fake.mode = "rotate"
    source = inline.InlineSource(
        AppCredential(CORP, SECRET, base_url=client.url, allow_http=True), store=store
    )
    old = source.get()
    clock.now += 6000
    new = source.get()
    inline.run(inline.join.refreshing(source._state, old, 5, source._way(None), inline=True))
    assert source.peek() is new
    assert fake.gettoken_calls == 2


def source_of(client: Legacy, store: object = None) -> inline.InlineSource:
    app = AppCredential(CORP, SECRET, base_url=client.url, allow_http=True)
    return inline.InlineSource(app, store=store)


def test_sixteen_threads_one_gettoken_for_each_life(client: Legacy, fake: FakeWeCom) -> None:
    fake.mode = "rotate"
    with install(), ThreadPoolExecutor(16) as pool:
        for life in range(1, 4):
            with fake.hold("gettoken") as hold:
                callers = [pool.submit(Legacy(client.url).fetch) for _ in range(16)]
                hold.wait_for(1)
                hold.release()
            assert len({each.result() for each in callers}) == 1
            assert fake.gettoken_calls == life
            source_of(client).invalidate(callers[0].result())


def test_control_without_it_each_thread_fetches(client: Legacy, fake: FakeWeCom) -> None:
    with ThreadPoolExecutor(16) as pool, fake.hold("gettoken") as hold:
        callers = [pool.submit(Legacy(client.url).fetch) for _ in range(16)]
        hold.wait_for(16)
        hold.release()
        assert all(each.result() for each in callers)
    assert fake.gettoken_calls == 16


def test_a_forced_refresh_after_a_rejection_brings_another_token(
    client: Legacy, fake: FakeWeCom
) -> None:
    """A generator cannot be sent again, so its sender sees the rejection and fetches anew."""
    with install():
        dead = client.fetch()
        fake.revoke()
        url = f"{client.url}/cgi-bin/message/send?access_token={dead}"
        assert requests.post(url, data=iter([b"{}"])).json()["errcode"] == 40014
        assert client.fetch() != dead
        assert client.send("x")["errcode"] == 0


class MovedClock(_clock.Clock):
    """The machine's clocks, moved by hand."""

    moved = 0.0

    def monotonic(self) -> float:
        return self.moved

    def wall(self) -> float:
        return 1e9 + self.moved


@pytest.fixture
def time_of_lives(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    moved = MovedClock()
    monkeypatch.setattr(_clock, "clock", moved)
    return moved


def test_code_that_sends_past_us_can_still_force_a_refresh(
    client: Legacy, fake: FakeWeCom, time_of_lives: MovedClock
) -> None:
    """It sends with another library, so neither its calls nor their rejections are seen."""
    with install():
        dead = client.fetch()
        assert client.fetch() == dead  # the exchange is not a second old
        fake.revoke()
        time_of_lives.moved += suspicion.EXCHANGE_AGE
        assert client.fetch() != dead
        assert fake.gettoken_calls == 2
        client.fetch()
        assert fake.gettoken_calls == 2
        time_of_lives.moved += suspicion.UNCARRIED
        with fake.fail("outage", path="gettoken"):
            assert client.fetch()  # what there is
        client.send("x")  # from now on its calls are seen
        before = fake.gettoken_calls
        for _ in range(5):
            time_of_lives.moved += suspicion.UNCARRIED
            client.fetch()
            client.send("x")
        assert fake.gettoken_calls == before


def test_after_45009_nobody_is_suspicious_for_a_minute(
    client: Legacy, fake: FakeWeCom, time_of_lives: MovedClock
) -> None:
    with install():
        token = client.fetch()
        with fake.fail(45009, path="gettoken"):
            for _ in range(59):
                time_of_lives.moved += 1
                assert client.fetch() == token
            assert fake.gettoken_calls == 2
        time_of_lives.moved += 3
        client.fetch()
        assert fake.gettoken_calls == 3


# --- failures ---


def test_a_wrong_secret_gets_the_platforms_own_answer_and_then_one_like_it(
    client: Legacy, fake: FakeWeCom
) -> None:
    fake.app(CORP, "another")
    plain = client.ask()
    with install():
        answers = [client.ask() for _ in range(20)]
    assert answers[0].json().keys() == plain.json().keys()
    assert fake.gettoken_calls == 2
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["errcode"] == 40001
        assert answer.headers["Error-Code"] == "40001"
        assert SECRET not in answer.text


def test_being_called_too_often_is_remembered(client: Legacy, fake: FakeWeCom) -> None:
    with install(), fake.fail("rate-limited", path="gettoken"):
        for _ in range(5):
            assert client.ask().json()["errcode"] == 45009
    assert fake.gettoken_calls == 1


def test_a_busy_platform_is_asked_again(client: Legacy, fake: FakeWeCom) -> None:
    with install(), fake.fail("busy", path="gettoken", times=2):
        assert client.gettoken()["errcode"] == 0
    assert fake.gettoken_calls == 3


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_page_in_place_of_an_answer_is_handed_back_whole(
    size: int, client: Legacy, fake: FakeWeCom
) -> None:
    page = b"<html>" + b"x" * size
    fake.route("gettoken", (502, {"Content-Type": "text/html"}, page), check_token=False)
    with install():
        for stream in (False, True):
            response = client.ask(stream=stream)
            assert response.status_code == 502
            assert response.headers["Content-Type"] == "text/html"
            assert response.content == page


def test_no_connection_raises_what_requests_raises(client: Legacy, fake: FakeWeCom) -> None:
    with fake.fail("drop", path="gettoken"):
        with pytest.raises(requests.ConnectionError) as plain:
            client.ask()
        with install(), pytest.raises(requests.ConnectionError) as ours:
            client.ask()
    assert type(ours.value) is type(plain.value)
    assert type(ours.value.args[0]) is type(plain.value.args[0])
    assert ours.value.request is not None


def test_its_own_timeout_counts(client: Legacy, fake: FakeWeCom) -> None:
    with install(), fake.hold("gettoken"), pytest.raises(requests.ReadTimeout):
        client.ask(timeout=0.2)


def test_those_who_wait_share_the_failure(client: Legacy, fake: FakeWeCom) -> None:
    def ask() -> str:
        try:
            return str(Legacy(client.url).ask().json()["errcode"])
        except requests.ConnectionError as error:
            return type(error).__name__

    with install(), ThreadPoolExecutor(8) as pool, fake.hold("gettoken") as hold:
        fake.fail("drop", path="gettoken", times=3)
        asking = [pool.submit(ask) for _ in range(8)]
        hold.wait_for(1)
        wait_for_waiters(source_of(client), 7)
        hold.release()
        outcomes = sorted(each.result() for each in asking)
    assert outcomes == ["ConnectionError"] + ["TokenConnectionError"] * 7
    assert fake.gettoken_calls == 3


def wait_for_waiters(source: inline.InlineSource, n: int) -> None:
    until(lambda: source.statistics.waits >= n)


def test_code_without_a_timeout_waits_as_long_as_it_takes(
    client: Legacy, fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ten seconds of a source are not a limit that this code asked for."""
    monkeypatch.setattr(inline.join, "TIME_LIMIT", 0.05)
    monkeypatch.setattr("wecom_auth._source.flight.GRACE", 0.05)
    with install(), ThreadPoolExecutor(2) as pool, fake.hold("gettoken") as hold:
        first = pool.submit(client.fetch)
        hold.wait_for(1)
        [flight] = process.held.flights
        until(lambda: flight.is_overdue)
        second = pool.submit(Legacy(client.url).fetch)  # waits no longer than that for another
        hold.wait_for(2)
        hold.release()
        assert first.result() == second.result()
    assert fake.gettoken_calls == 2


def test_an_adapters_own_exception_comes_through(client: Legacy) -> None:
    class Broken(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            raise LookupError("no such route")

    client.session.mount("http://", Broken())
    with install(), pytest.raises(LookupError, match="no such route"):
        client.session.get(f"{client.url}/cgi-bin/gettoken?corpid=c&corpsecret=s")


# --- the way there ---


def test_the_exchange_is_the_callers_own_request(client: Legacy, fake: FakeWeCom) -> None:
    sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    class Spy(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            sent.append((request, options))
            return super().send(request, *args, **options)

    client.session.mount("http://", Spy())
    client.session.headers["X-Gateway-Key"] = "letmein"
    url = f"{client.url}/cgi-bin/gettoken"
    with install():
        response = client.session.post(
            url,
            params={"corpid": CORP, "corpsecret": SECRET, "debug": "1"},
            timeout=(3, 4),
            verify="/etc/ca.pem",
        )
        client.token = response.json()["access_token"]
        fake.revoke()
        assert client.send("x")["errcode"] == 0  # another session: its adapter, and the headers
    [(request, options)] = sent
    assert response.request is request
    assert (options["verify"], options["timeout"]) == ("/etc/ca.pem", (3, 4))
    fetches = [call for call in fake.journal if call.path == "gettoken"]
    assert [call.method for call in fetches] == ["POST", "GET"]
    assert [call.headers["X-Gateway-Key"] for call in fetches] == ["letmein"] * 2
    assert "Content-Length" not in fetches[1].headers


def test_a_raw_answer_of_another_kind_will_do(client: Legacy) -> None:
    class Canned(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            response = requests.Response()
            response.status_code, response.request, response.url = 200, request, request.url
            response._content = b'{"errcode":0,"errmsg":"ok","access_token":"T","expires_in":7200}'
            return response

    client.session.mount("http://", Canned())
    with install():
        for _ in range(2):
            url = f"{client.url}/cgi-bin/gettoken?corpid=c&corpsecret=s"
            assert client.session.get(url).json()["access_token"] == "T"


def test_a_body_that_is_read_only_once_is_not_ours_to_send(client: Legacy, fake: FakeWeCom) -> None:
    url = f"{client.url}/cgi-bin/gettoken?corpid=c&corpsecret=s"
    with install():
        for _ in range(2):
            assert requests.post(url, data=iter([b"x"])).json()["errcode"] == 0
    assert fake.gettoken_calls == 2
