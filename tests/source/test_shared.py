"""One token for several programs: what they leave each other in a store, over a store of texts."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from tokenside import (
    CORP,
    SECRET,
    Texts,
    at_once,
    call,
    without_sockets,
)

from wecom_auth import (
    AppCredential,
    CredentialError,
    Token,
    TokenSource,
    TokenUnavailable,
)
from wecom_auth._credential.exchange import Grant
from wecom_auth._credential.kind import APP as APP_KIND
from wecom_auth._credential.token import from_record, issue, to_record
from wecom_auth._source import fetch as fetching
from wecom_auth._source import process
from wecom_auth._source.shared import Seen, Shared
from wecom_auth._source.state import FAILURE_LIFE
from wecom_auth.errors import WeComError
from wecom_auth.testing import FakeWeCom, Server

APP = AppCredential(CORP, SECRET)
WALL = 1_700_000_000.0


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def texts() -> dict[str, str]:
    return {}


def program(fake: FakeWeCom, texts: dict[str, str], credential: AppCredential = APP) -> TokenSource:
    return TokenSource(credential, store=Texts(texts), session=without_sockets(fake))


def test_the_neighbours_token_is_adopted(fake: FakeWeCom, texts: dict[str, str]):
    programs = [program(fake, texts) for _ in range(8)]
    values = {each.get().value for each in programs}
    assert values == {fake.token(CORP, SECRET)}
    assert fake.gettoken_calls == 1
    assert [each.statistics.fetches for each in programs] == [1] + [0] * 7


def test_control_without_a_common_store_each_fetches(fake: FakeWeCom):
    for _ in range(8):
        program(fake, {}).get()
    assert fake.gettoken_calls == 8


def test_neither_keys_nor_texts_hold_the_secret(fake: FakeWeCom, texts: dict[str, str]):
    one = program(fake, texts)
    one.get()
    fake.fail(40001, path="gettoken")
    with pytest.raises(CredentialError):
        one.refresh()
    assert len(texts) == 1  # the token and the failure beside it
    assert SECRET not in json.dumps(texts)
    assert fake.token(CORP, SECRET) not in "".join(texts)


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_after_a_rejection_the_store_is_asked_first(
    fake: FakeWeCom, texts: dict[str, str], mode: Any
):
    fake.mode = mode
    programs = [program(fake, texts) for _ in range(8)]
    for each in programs:
        assert call(fake, each) == 0
    fake.revoke()
    for each in programs:
        assert call(fake, each) == 0
    assert fake.gettoken_calls == 2


def test_control_without_adopting_they_kill_each_others_tokens(
    fake: FakeWeCom, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "_adopt", lambda state, fingerprint: (Seen(), None))
    fake.mode = "rotate"
    programs = [program(fake, texts) for _ in range(4)]
    for _ in range(2):
        for each in programs:
            call(fake, each)
    assert fake.gettoken_calls == 8


def test_what_was_rejected_is_not_adopted_again(fake: FakeWeCom, texts: dict[str, str]):
    one, two = program(fake, texts), program(fake, texts)
    old = one.get()
    assert two.get().value == old.value
    fake.revoke()
    dead = dict(texts)
    assert call(fake, one) == 0
    texts.update(dead)  # a write that came late
    assert call(fake, two) == 0
    assert two.get().value == fake.token(CORP, SECRET)
    assert json.loads(next(iter(texts.values())))["access_token"] == fake.token(CORP, SECRET)


def test_a_late_rejection_leaves_the_neighbours_newer_token(fake: FakeWeCom, texts: dict[str, str]):
    one, two = program(fake, texts), program(fake, texts)
    old = one.get()
    two.get()
    fake.revoke()
    new = one.replace(old)
    assert new is not None
    two.invalidate(old)
    assert two.get().value == new.value
    assert fake.gettoken_calls == 2


def test_control_dropped_without_comparing_it_is_lost(
    fake: FakeWeCom, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Shared, "drop", lambda *_: texts.clear())
    one, two = program(fake, texts), program(fake, texts)
    old = one.get()
    two.get()
    fake.revoke()
    one.replace(old)
    two.invalidate(old)
    assert not texts


def test_a_refresh_adopts_what_is_newer_and_young(fake: FakeWeCom, texts: dict[str, str]):
    one, two = program(fake, texts), program(fake, texts)
    one.get()
    two.get()
    fake.revoke()
    newer = one.refresh()
    assert two.refresh().value == newer.value
    assert fake.gettoken_calls == 2


def test_a_wrong_secret_is_known_to_the_neighbours(fake: FakeWeCom, texts: dict[str, str]):
    fake.app(CORP, "another")
    for _ in range(50):
        with pytest.raises(CredentialError) as caught:
            program(fake, texts).get()
        assert caught.value.errcode == 40001
        assert "more info at" in caught.value.errmsg
    assert fake.gettoken_calls == 1


def test_an_ip_that_is_not_trusted_is_no_matter_of_the_neighbours(
    fake: FakeWeCom, texts: dict[str, str]
):
    with fake.fail("ip-not-trusted", path="gettoken"), pytest.raises(CredentialError):
        program(fake, texts).get()
    assert not texts
    process.reset()  # a neighbour is another process
    assert program(fake, texts).get()


def test_a_neighbours_token_counts_more_than_a_failure_of_ones_own(
    fake: FakeWeCom, texts: dict[str, str]
):
    mine = program(fake, texts)
    with fake.fail(40001, path="gettoken"), pytest.raises(CredentialError):
        mine.get()
    texts.clear()
    neighbours = program(fake, texts).get()
    assert mine.get().value == neighbours.value
    assert fake.gettoken_calls == 2


def test_control_a_failure_that_is_not_left_costs_each_of_them_one(
    fake: FakeWeCom, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Shared, "leave_failure", lambda *_: None)
    fake.app(CORP, "another")
    for _ in range(5):
        with pytest.raises(CredentialError):
            program(fake, texts).get()
    assert fake.gettoken_calls == 5


def test_a_rate_limit_is_known_to_the_neighbours(fake: FakeWeCom, texts: dict[str, str]):
    fake.fail("rate-limited", path="gettoken")
    for _ in range(5):
        with pytest.raises(TokenUnavailable) as caught:
            program(fake, texts).get()
        assert caught.value.errcode == 45009
    assert fake.gettoken_calls == 1


def test_what_passes_is_not_left(fake: FakeWeCom, texts: dict[str, str], monkeypatch: Any):
    monkeypatch.setattr(fetching, "TRIES", 1)
    with fake.fail("outage", path="gettoken"), pytest.raises(TokenUnavailable):
        program(fake, texts).get()
    assert not texts
    assert program(fake, texts).get()


def test_a_good_token_counts_more_than_a_failure(fake: FakeWeCom, texts: dict[str, str]):
    one = program(fake, texts)
    one.get()
    with fake.fail(40001, path="gettoken"), pytest.raises(CredentialError):
        one.refresh()
    assert program(fake, texts).get().value == fake.token(CORP, SECRET)
    assert fake.gettoken_calls == 2


FOREIGN = ["", "null", "[]", "token", "{}", '{"access_token": 7}', "[" * 100_000]
FOREIGN += ['{"access_token": "\\ud800", "obtained_at": 1, "expires_at": 9e9}']
FOREIGN += [json.dumps({"access_token": "t", "obtained_at": 10**400, "expires_at": 1})]


@pytest.mark.parametrize("text", FOREIGN, ids=[text[:30] for text in FOREIGN])
def test_foreign_texts_are_no_token_and_are_written_over(
    fake: FakeWeCom, texts: dict[str, str], text: str
):
    texts[APP.key] = text
    assert call(fake, program(fake, texts)) == 0
    assert json.loads(texts[APP.key])["access_token"] == fake.token(CORP, SECRET)


FAILURES = [None, [], "x", {}] + [
    {"kind": "CredentialError", "errcode": 1, "errmsg": "", "until": time.time() + 50, **odd}
    for odd in (
        {"of": "of another secret"},
        {"errcode": None},
        {"errcode": float("inf")},
        {"errcode": "x"},
        {"kind": []},
        {"until": None},
        {"until": 1.0},
        {"until": float("nan")},
        {"until": float("inf")},
        {"until": 10**400},
        {"until": time.time() + 3600},
    )
]


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
def test_a_failure_of_which_no_sense_can_be_made_is_none(
    fake: FakeWeCom, texts: dict[str, str], failure: Any
):
    known = {"of": APP.fingerprint()} if isinstance(failure, dict) and "of" not in failure else {}
    said = failure | known if isinstance(failure, dict) else failure
    texts[APP.key] = json.dumps({"failure": said})
    assert call(fake, program(fake, texts)) == 0


def test_control_one_that_makes_sense_is_believed(fake: FakeWeCom, texts: dict[str, str]):
    said = {"kind": "CredentialError", "errcode": 1, "errmsg": "", "until": time.time() + 50}
    texts[APP.key] = json.dumps({"failure": {**said, "of": APP.fingerprint()}})
    with pytest.raises(CredentialError):
        program(fake, texts).get()


def test_a_store_that_is_away(fake: FakeWeCom, caplog: pytest.LogCaptureFixture):
    source = TokenSource(APP, store=Texts({}, away=True), session=without_sockets(fake))
    assert [call(fake, source) for _ in range(100)] == [0] * 100
    fake.revoke()
    assert call(fake, source) == 0
    assert fake.gettoken_calls == 2
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1


def test_a_warm_call_does_not_touch_the_store(fake: FakeWeCom, texts: dict[str, str]):
    store = Texts(texts)
    source = TokenSource(APP, store=store, session=without_sockets(fake))
    source.get()
    store.away = True
    store.locks = 0
    for _ in range(100):
        source.get()
    assert store.locks == 0


def test_threads_of_two_programs(wecom_server: Server, texts: dict[str, str]):
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    programs = [TokenSource(app, store=Texts(texts)) for _ in range(2)]
    programs[0].get()
    got = at_once(16, lambda: [each.get().value for each in programs])
    assert {value for values in got for value in values} == {wecom_server.fake.token(CORP, SECRET)}
    assert wecom_server.fake.gettoken_calls == 1


def test_handles_that_are_equal_share_one_state(fake: FakeWeCom, texts: dict[str, str]):
    store = Texts(texts)
    one, two = (TokenSource(APP, store=store) for _ in range(2))
    assert one == two
    assert one != TokenSource(APP)
    assert one != TokenSource(APP, store=Texts(texts))
    assert repr(one) == f"TokenSource({APP!r}, store=Breaker({store!r}))"


# --- the record by itself ---


def shared_over(texts: dict[str, str]) -> Shared:
    return Shared(Texts(texts), "key", APP_KIND)


def token_of(value: str, life: float = 7200.0) -> Token:
    return issue(Grant(value, life), 0, WALL)


def record_of(value: str, wall: float = WALL) -> str:
    return to_record(issue(Grant(value, 7200.0), 0, wall), 0, wall)


def put(texts: dict[str, str], seen: Seen, value: str, dead: Any = ()) -> None:
    shared_over(texts).put(seen, token_of(value), 0, WALL, dead)


def value_of(texts: dict[str, str]) -> str:
    return str(json.loads(texts["key"])["access_token"])


def test_without_a_store_the_record_is_empty():
    shared = Shared(None, "key", APP_KIND)
    assert not shared
    assert shared.read(0, WALL, "") == Seen()
    shared.put(Seen(), token_of("t"), 0, WALL, ())
    shared.drop("t")
    shared.leave_failure(WeComError("x"), 0, WALL, "")
    with shared.lock(0) as held:
        assert held


def test_put_over_what_was_seen(texts: dict[str, str]):
    put(texts, Seen(), "one")
    seen = shared_over(texts).read(0, WALL, "")
    assert seen.token is not None
    assert seen.token.value == "one"
    put(texts, seen, "two")
    assert value_of(texts) == "two"


def test_the_same_token_is_not_written_again(texts: dict[str, str]):
    put(texts, Seen(), "one")
    before = dict(texts)
    shared = shared_over(texts)
    seen = shared.read(0, WALL + 100, "")
    shared.put(seen, issue(Grant("one", 7200.0), 100, WALL + 100), 100, WALL + 100, ())
    assert texts == before


def test_what_a_neighbour_wrote_meanwhile_stays(texts: dict[str, str]):
    texts["key"] = record_of("neighbours")
    put(texts, Seen(), "ours")
    assert value_of(texts) == "neighbours"


def test_unless_that_was_rejected_or_is_gone(texts: dict[str, str]):
    texts["key"] = record_of("neighbours")
    put(texts, Seen(), "ours", {"neighbours": 1})
    assert value_of(texts) == "ours"
    texts.clear()
    put(texts, Seen("what is there no more"), "ours")
    assert value_of(texts) == "ours"


def test_drop_only_what_is_that_one(texts: dict[str, str]):
    texts["key"] = record_of("newer")
    shared_over(texts).drop("older")
    assert value_of(texts) == "newer"
    shared_over(texts).drop("newer")
    assert not texts
    shared_over(texts).drop("newer")


@pytest.mark.parametrize("text", FOREIGN, ids=[text[:30] for text in FOREIGN])
def test_what_is_foreign_is_nobodys_to_drop(texts: dict[str, str], text: str):
    texts["key"] = text
    shared_over(texts).drop("token")
    assert texts["key"] == text


def refused(texts: dict[str, str], ahead: float = 0.0) -> None:
    failure = CredentialError("x", errcode=40001, errmsg="no")
    shared_over(texts).leave_failure(failure, 0, WALL + ahead, "secret")


def test_a_failure_ends(texts: dict[str, str]):
    refused(texts)
    shared = shared_over(texts)
    failure = shared.read(0, WALL + FAILURE_LIFE - 1, "secret").failure
    assert isinstance(failure, CredentialError)
    assert (failure.errcode, failure.errmsg) == (40001, "no")
    assert str(failure).endswith(" | met before, and asked again in 1 s")
    assert shared.read(0, WALL + FAILURE_LIFE, "secret").failure is None
    assert shared.read(0, WALL, "another secret").failure is None


@pytest.mark.parametrize("ahead", [3600, 8 * 3600, 400 * 86400])
def test_a_failure_of_a_clock_that_is_ahead_is_no_failure(texts: dict[str, str], ahead: float):
    refused(texts, ahead)
    assert shared_over(texts).read(0, WALL, "secret").failure is None


def test_a_failure_leaves_the_token_beside_it(texts: dict[str, str]):
    put(texts, Seen(), "one")
    refused(texts)
    seen = shared_over(texts).read(0, WALL, "secret")
    assert seen.token is not None
    assert seen.failure is not None


@pytest.mark.parametrize("skew", [-300, 300])
def test_clocks_that_differ_still_share_a_token(skew: float):
    token = from_record(record_of("t", WALL + skew), 0, WALL)
    assert isinstance(token, Token)
    assert token.value == "t"
