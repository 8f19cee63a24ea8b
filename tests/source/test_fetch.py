"""What a fetch brings: lives from first sight, failures that end, mistakes with their trace."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cachetools import TTLCache
from tokenside import (
    CORP,
    SECRET,
    Clock,
    Texts,
    ask,
    at_once,
    meanwhile,
    program,
    settle,
    without_sockets,
)

from wecom_auth import (
    AppCredential,
    Credential,
    CredentialError,
    FileStore,
    Grant,
    TokenSource,
    TokenUnavailable,
)
from wecom_auth._credential.token import Sight, Token
from wecom_auth._source import process
from wecom_auth._source.shared import FAILURE_LIFE
from wecom_auth.testing import FakeWeCom

LIFE = 60
APP = AppCredential(CORP, SECRET)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(process, "nap", made.pass_by)
    return made


@pytest.fixture
def fake(clock: Clock) -> FakeWeCom:
    """A platform that repeats its token until that ends, and always says its whole life."""
    made = FakeWeCom(clock=lambda: clock.date, token_life=LIFE, remember=100)
    made.fetched = made.gettoken_calls  # type: ignore[attr-defined]
    return made


@pytest.fixture(autouse=True)
def _in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(target: Callable[..., object], *args: object) -> bool:
        target(*args)
        return True

    monkeypatch.setattr(process, "start_thread", run)


def rejections(fake: FakeWeCom, clock: Clock, sources: list[TokenSource], lives: float) -> int:
    """How many calls are rejected whose bodies cannot be sent again, two a second."""
    rejected = 0
    for _ in range(int(lives * LIFE * 2)):
        for source in sources:
            token = source.get()
            code = ask(fake, token.value)
            rejected += code != 0
            if code:
                source.invalidate(token)
        clock.pass_by(0.5)
    return rejected


# --- a life counts from the first sight ---


def test_a_token_that_is_repeated_is_never_rejected(fake: FakeWeCom, clock: Clock):
    assert rejections(fake, clock, [program(fake, clock)], lives=10) == 0
    assert 10 <= fake.gettoken_calls <= 60


def test_control_with_a_whole_life_at_each_sight_one_call_a_life_is(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Sight, "first", lambda *_: None)
    assert rejections(fake, clock, [program(fake, clock)], lives=10) >= 5


def test_a_cold_start_in_mid_life_costs_one_call_at_most(fake: FakeWeCom, clock: Clock):
    program(fake, clock).get()  # another program's
    clock.pass_by(LIFE * 0.6)
    assert rejections(fake, clock, [program(fake, clock)], lives=10) <= 1


def test_the_cache_never_cuts_a_life_short(fake: FakeWeCom, clock: Clock):
    fake.token_life = 7200
    cache: TTLCache[Any, Any] = TTLCache(10, 7140, timer=lambda: clock.now)
    source = program(fake, clock, store=clock.store(cache))
    source.get()
    for _ in range(int(7198 / 2)):
        assert source.get().value == fake.token(CORP, SECRET)
        assert len(cache) == 1
        clock.pass_by(2)


def neighbours(fake: FakeWeCom, clock: Clock, number: int) -> list[TokenSource]:
    """Sources as programs have them that share a store; each with a memory of its own."""
    texts: dict[str, str] = {}
    made = []
    for _ in range(number):
        source = TokenSource(APP, store=Texts(texts), session=without_sockets(fake))
        source._state.memory = clock.store({})
        made.append(source)
    return made


def test_across_processes_over_a_store(fake: FakeWeCom, clock: Clock):
    assert rejections(fake, clock, neighbours(fake, clock, 3), lives=10) == 0
    assert fake.gettoken_calls <= 3 * 60


def test_a_value_that_comes_again_after_its_end_has_a_new_life(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    fake.route("gettoken", {"access_token": "for-ever", "expires_in": LIFE}, check_token=False)
    for _ in range(5):
        assert source.get().value == "for-ever"
        clock.pass_by(LIFE + 1)
    assert fake.gettoken_calls == 5


def meets_the_end_of_a_slow_fetch(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> TokenSource:
    """The platform counts a life from its answer, half a second after it was asked."""
    handle, late = fake.handle, [0.5]

    def handle_late(request: Any) -> Any:
        clock.pass_by(late.pop() if late else 0.0)
        return handle(request)

    monkeypatch.setattr(fake, "handle", handle_late)
    source = program(fake, clock)
    source.get()
    clock.pass_by(LIFE * 0.9)
    source.get()  # learns that it is repeated
    clock.pass_by(LIFE * 0.1 - 1)
    source.get()
    clock.pass_by(5)
    return source


def test_a_value_that_comes_again_at_its_very_end_is_not_believed(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    source = meets_the_end_of_a_slow_fetch(fake, clock, monkeypatch)
    assert source.get().value == fake.token(CORP, SECRET)


def test_control_believed_it_has_a_whole_life_in_which_it_is_dead(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Token, "has_just_ended", lambda *_: False)
    source = meets_the_end_of_a_slow_fetch(fake, clock, monkeypatch)
    assert source.get().value != fake.token(CORP, SECRET)


def test_an_end_that_comes_nearer_is_believed(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    for stated in (60, 20):
        fake.route("gettoken", {"access_token": "t", "expires_in": stated}, check_token=False)
        token = source.refresh()
    assert source.remaining(token) <= 20


# --- revoked again and again ---


def delivered(fake: FakeWeCom, clock: Clock, path: str = "user/get") -> tuple[int, int]:
    """Of 25 calls a second for 30 s, with the token revoked every second: how many go well."""
    from tokenside import call

    source, good = program(fake, clock), 0
    for number in range(750):
        if number % 25 == 24:
            fake.revoke()
        good += call(fake, source, path) == 0
        clock.pass_by(0.04)
    return good, fake.gettoken_calls


def test_revoked_every_second_nothing_is_lost(fake: FakeWeCom, clock: Clock):
    assert delivered(fake, clock) == (750, 31)


def test_control_without_refunds_calls_are_lost(
    fake: FakeWeCom, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(TokenSource, "accept", lambda *_: None)
    good, _ = delivered(fake, clock)
    assert good < 500


def test_one_endpoint_that_always_rejects_gets_no_refund(fake: FakeWeCom, clock: Clock):
    fake.fail("reject", path="user/get")
    good, fetches = delivered(fake, clock)
    assert good == 0
    assert fetches <= 16


# --- failures that are remembered end ---


@pytest.mark.parametrize("ahead", [3600, 8 * 3600, 400 * 86400])
@pytest.mark.parametrize("store", ["memory", "file", "texts"])
def test_a_refusal_of_a_clock_that_was_ahead_ends_within_a_minute(
    fake: FakeWeCom, clock: Clock, tmp_path: Path, store: str, ahead: float
):
    places: dict[str, Callable[[], Any]] = {
        "memory": clock.store,
        "file": lambda: FileStore(tmp_path),
        "texts": lambda texts={}: Texts(texts),
    }
    here = places[store]()

    def source() -> TokenSource:
        made = TokenSource(APP, store=here, session=without_sockets(fake))
        if store != "memory":
            made._state.memory = clock.store({})
        return made

    refused = source()
    clock.set_the_date(ahead)
    with fake.fail(40001, path="gettoken"), pytest.raises(CredentialError):
        refused.get()
    clock.set_the_date(-ahead)
    clock.pass_by(61)
    assert refused.get()
    refused._state.forget()
    assert source().get()


@pytest.mark.parametrize(
    ("code", "exchanges", "seconds"),
    [
        (45009, 1, FAILURE_LIFE),
        (60020, 1, FAILURE_LIFE),
        (45033, 3, 1),  # tried three times by the first
        (40001, 3, FAILURE_LIFE),  # one of each
        (-1, 9, 0),
    ],
)
def test_a_machines_failure_pauses_every_credential_there(
    fake: FakeWeCom, clock: Clock, code: int, exchanges: int, seconds: float
):
    store = clock.store()
    sources = [
        program(fake, clock, store=store, credential=AppCredential(CORP, each)) for each in "abc"
    ]
    with fake.fail(code, path="gettoken"):
        for source in sources:
            with pytest.raises((CredentialError, TokenUnavailable)) as caught:
                source.get()
            assert caught.value.errcode == code
    assert fake.gettoken_calls == exchanges
    elsewhere = AppCredential(CORP, "a", base_url="https://gateway.example")
    assert program(fake, clock, store=store, credential=elsewhere).get()
    clock.pass_by(seconds)
    assert all(source.get() for source in sources)


def test_a_refusal_ends_when_the_secret_changes(fake: FakeWeCom, clock: Clock):
    secrets = ["wrong"]
    source = program(fake, clock, credential=AppCredential(CORP, lambda: secrets[-1]))
    fake.app(CORP, SECRET)
    for _ in range(3):
        with pytest.raises(CredentialError):
            source.get()
    assert fake.gettoken_calls == 1
    secrets.append(SECRET)
    assert source.get().value == fake.token(CORP, SECRET)


def test_a_secret_that_is_rotated_in_mid_fetch_is_asked_for_once_more(
    fake: FakeWeCom, clock: Clock
):
    secrets = iter(["old", "old", SECRET, SECRET])
    fake.app(CORP, SECRET)
    source = program(fake, clock, credential=AppCredential(CORP, lambda: next(secrets)))
    assert source.get()
    assert fake.gettoken_calls == 2


def test_a_secret_file_is_one_credential_before_and_after_its_rotation(tmp_path: Path):
    path = tmp_path / "secret"
    keys = set()
    for secret in ("first", "second"):
        path.write_text(secret)
        environ = {"WECOM_CORPID": CORP, "WECOM_SECRET_FILE": str(path)}
        keys.add(AppCredential.from_env(environ=environ).key)
    assert len(keys) == 1


# --- a mistake of one's own ---


class Mine(Credential):
    """A credential with a mistake in it."""

    def __init__(self, inline: bool, gate: Event | None = None) -> None:
        self._name("https://qyapi.weixin.qq.com", f"mine:{id(self)}")
        vars(self).update(runs_inline=inline, gate=gate, works=False)

    def obtain(self, send: Any, seconds: float) -> Grant:
        answer: Any = {"a": 1}
        if (gate := vars(self)["gate"]) is not None:
            gate.wait(30)
        return Grant("a-token", LIFE) if vars(self)["works"] else Grant(answer["token"])


def names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_mistake_reaches_its_author(
    inline: bool, is_async: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()  # in real threads
    source = TokenSource(Mine(inline))
    with pytest.raises(KeyError, match="token") as caught:
        asyncio.run(source.aget()) if is_async else source.get()
    assert names(caught.value)[-1] == "obtain"
    assert source.statistics.fetches == 1


def test_a_mistake_reaches_those_who_wait_with_its_own_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    gate = Event()
    source = TokenSource(Mine(False, gate))
    with meanwhile(lambda: at_once(8, source.get)) as all_of_them:
        while source.statistics.waits < 7:
            gate.wait(0.001)
        gate.set()
        errors = all_of_them.result()
    assert {type(error) for error in errors} == {KeyError}
    assert all("obtain" in names(error) for error in errors)
    assert len(names(errors[0])) < 30


def test_a_mistake_in_a_background_refresh_is_logged_with_its_traceback(
    clock: Clock, caplog: pytest.LogCaptureFixture
):
    credential = Mine(False)
    vars(credential)["works"] = True
    source = TokenSource(credential, store=clock.store())
    old = source.get()
    vars(credential)["works"] = False
    clock.pass_by(LIFE * 0.85)
    for _ in range(3):
        assert source.get() is old
    settle()
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "the old one serves on" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError


def test_an_unknown_errcode_is_remembered_for_a_minute(fake: FakeWeCom, clock: Clock):
    source = program(fake, clock)
    with fake.fail(50001, path="gettoken"):
        for _ in range(5):
            with pytest.raises(TokenUnavailable) as caught:
                source.get()
            assert type(caught.value) is TokenUnavailable
    assert fake.gettoken_calls == 1
    clock.pass_by(FAILURE_LIFE)
    assert source.get()
