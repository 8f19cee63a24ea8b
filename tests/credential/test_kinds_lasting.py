"""Hours of tickets: what pages are signed with for a day, what a suite does without a push."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tokenside import Texts, settle

from wecom_auth import (
    AppCredential,
    CorpCredential,
    CredentialError,
    JsTicket,
    SuiteCredential,
    TicketBox,
    TokenSource,
)
from wecom_auth import _clock as times
from wecom_auth._credential import token as tokens
from wecom_auth._credential.kind import APP_TICKET
from wecom_auth._source import fetch as fetching
from wecom_auth._source import jsticket, lives
from wecom_auth._source.jsticket import sign
from wecom_auth.testing import FakeWeCom, clock
from wecom_auth.testing._clock import Clock
from wecom_auth.testing._platform.tokens import Mode

PAGE = "https://crm.example.com/page"
SUITE_ID, CORP_ID = "ww-suite", "wpcorp1"
DAY, STEP = 86_400, 301


@pytest.fixture
def fake() -> Iterator[FakeWeCom]:
    fake = FakeWeCom()
    with fake.mocked():
        yield fake


@pytest.fixture
def moving() -> Iterator[Clock]:
    with clock() as moving:
        yield moving


def calls(fake: FakeWeCom, path: str) -> int:
    return sum(call.path.endswith(path) for call in fake.journal)


# --- tickets that sign pages ---


def signers(texts: dict[str, str], secrets: tuple[str, ...]) -> list[JsTicket]:
    """Apps of one corp, tickets of both kinds, in four programs on one store."""
    apps = [AppCredential("ww01", secret) for secret in secrets]
    made = []
    for store in [Texts(texts) for _ in range(4)]:
        for number, app in enumerate(apps):
            made += [JsTicket(app, store=store), JsTicket(app, 1000 + number, store=store)]
    return made


def is_live(fake: FakeWeCom, ticket: JsTicket) -> bool:
    made = ticket.config(PAGE, timestamp=1700000000, nonce="n")
    kind = "jsapi_ticket" if ticket.agentid is None else "agent_ticket"
    tokens = fake._state.tokens
    live = [tokens.live(owner) for owner in tokens._latest if owner.kind == kind]
    return made["signature"] in {sign(each, "n", 1700000000, PAGE) for each in live if each}


def a_day_of_pages(
    fake: FakeWeCom, moving: Clock, secrets: tuple[str, ...] = ("one-secret", "two-secret")
) -> tuple[int, dict[str, int]]:
    """Sign all day; return the signatures over a dead ticket, and the fetches of each ticket."""
    everyone, dead = signers({}, secrets), 0
    for _ in range(0, DAY, STEP):
        dead += sum(not is_live(fake, each) for each in everyone)
        settle()
        moving.advance(STEP)
    fetches = dict.fromkeys((each.key for each in everyone), 0)
    for each in everyone:
        fetches[each.key] += each.source().statistics.fetches
    return dead, fetches


@pytest.mark.parametrize("mode", ["repeat", "countdown"])
def test_a_day_of_pages_is_signed_over_live_tickets(fake: FakeWeCom, moving: Clock, mode: Mode):
    """One fetch for each life of a ticket, and one that finds out that it is repeated."""
    fake.mode = mode
    dead, fetches = a_day_of_pages(fake, moving)
    assert (dead, len(fetches)) == (0, 4)
    assert max(fetches.values()) <= 13


def test_where_each_fetch_ends_the_last_ticket_every_program_looks_before_it_signs(
    fake: FakeWeCom, moving: Clock
):
    """Then a life is its first three quarters. (Two apps that fetch one corp's ticket end it.)"""
    fake.mode = "rotate"
    dead, fetches = a_day_of_pages(fake, moving, ("one-secret",))
    assert (dead, len(fetches)) == (0, 2)
    assert max(fetches.values()) <= 18


def test_control_a_life_that_begins_at_each_fetch_signs_with_dead_tickets(
    fake: FakeWeCom, moving: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lives, "first_sight", lambda state, token, there, again: token)
    dead, _ = a_day_of_pages(fake, moving)
    assert dead > 0


def test_control_programs_that_do_not_know_that_it_is_repeated_ask_more(
    fake: FakeWeCom, moving: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lives, "_repeats", lambda *_: False)
    _, fetches = a_day_of_pages(fake, moving)
    assert max(fetches.values()) > 13


@pytest.mark.parametrize("part", ["one time to refresh", "looking before signing"])
def test_control_without_either_a_ticket_that_a_neighbour_has_ended_is_signed_with(
    fake: FakeWeCom, moving: Clock, monkeypatch: pytest.MonkeyPatch, part: str
):
    fake.mode = "rotate"
    if part == "one time to refresh":
        monkeypatch.setattr(tokens, "_refreshed_at", lambda token, when, born: token)
    else:
        told = replace(APP_TICKET, rejections=frozenset({40014}))
        monkeypatch.setattr(jsticket, "APP_TICKET", told)
    dead, _ = a_day_of_pages(fake, moving, ("one-secret",))
    assert dead > 0


@pytest.mark.parametrize("fault", ["outage", "drop", 40001])
def test_a_ticket_that_cannot_be_renewed_signs_until_its_end(
    fake: FakeWeCom, moving: Clock, fault: str | int
):
    ticket = JsTicket(AppCredential("ww01", "secret"))
    first = ticket.config(PAGE, timestamp=1, nonce="n")
    moving.advance(6000)
    with fake.fail(fault, path="get_jsapi_ticket"):
        signed = [ticket.config(PAGE, timestamp=1, nonce="n") for _ in range(50)]
    assert signed == [first] * 50
    assert ticket.source().statistics.fetches <= 1 + 3  # of a busy platform, three tries


# --- tickets of a suite ---


class Suite:
    """A suite on the platform, its box, and a corp that authorised it."""

    def __init__(self, fake: FakeWeCom) -> None:
        self.fake, self.box = fake, TicketBox()
        fake.suite(SUITE_ID, "suite-secret")
        self.suite = SuiteCredential(SUITE_ID, "suite-secret", self.box)
        self.push()
        self.corp = CorpCredential(self.suite, CORP_ID, fake.authorise(SUITE_ID, CORP_ID))

    def push(self) -> None:
        self.box.put(SUITE_ID, self.fake.push_ticket(SUITE_ID), times.wall())

    def refusal(self) -> CredentialError:
        with pytest.raises(CredentialError) as caught:
            TokenSource(self.corp).get()
        return caught.value


def test_a_ticket_that_is_stale_at_a_cold_start_costs_few_exchanges(fake: FakeWeCom, moving: Clock):
    there = Suite(fake)
    moving.advance(2400)
    refusals = [there.refusal() for _ in range(1000)]
    assert {error.errcode for error in refusals} == {40085}
    assert all("pushed 40 min ago" in str(error) for error in refusals)
    assert all(f"suite_ticket of {SUITE_ID}" in str(error) for error in refusals)
    assert calls(fake, "get_suite_token") <= 3
    there.push()
    assert TokenSource(there.corp).get().value
    assert calls(fake, "get_corp_token") == 1


def refusals_of_two_programs(there: Suite) -> list[str]:
    """Return what two programs on one store say of a stale ticket; the platform is asked once."""
    texts: dict[str, str] = {}
    said = []
    for _ in range(2):
        with pytest.raises(CredentialError) as caught:
            TokenSource(there.suite, store=Texts(texts)).get()
        said.append(str(caught.value))
    assert calls(there.fake, "get_suite_token") == 1
    return said


def test_a_neighbours_refusal_says_how_old_the_ticket_is(fake: FakeWeCom, moving: Clock):
    there = Suite(fake)
    moving.advance(2400)
    said = refusals_of_two_programs(there)
    assert all("pushed 40 min ago: does the callback URL answer?" in each for each in said)


def test_control_a_record_holds_no_more_than_the_errcode(
    fake: FakeWeCom, moving: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "_explained", lambda state, failure: failure)
    there = Suite(fake)
    moving.advance(2400)
    assert "min ago" not in refusals_of_two_programs(there)[1]


def test_without_a_push_calls_go_on_as_long_as_a_token_lives(fake: FakeWeCom, moving: Clock):
    there = Suite(fake)
    first = TokenSource(there.corp).get()
    for _ in range(0, 7080, 60):  # a token is used until a minute before its end
        assert TokenSource(there.corp).get().value == first.value
        settle()
        moving.advance(60)
    moving.advance(120)
    error = there.refusal()
    assert error.errcode == 40085
    assert "pushed 120 min ago: does the callback URL answer?" in str(error)
    assert calls(fake, "get_suite_token") <= 1 + 30
    there.push()
    assert TokenSource(there.corp).get().value != first.value


def test_a_newer_ticket_ends_a_refusal_that_a_dead_suite_token_has_led_to(
    fake: FakeWeCom, moving: Clock
):
    there = Suite(fake)
    assert TokenSource(there.corp).get()
    fake.revoke()
    moving.advance(2400)
    TokenSource(there.corp).invalidate(TokenSource(there.corp).get())
    assert there.refusal().errcode == 40085
    there.push()
    assert TokenSource(there.corp).get()


@pytest.mark.parametrize("where", ["another box", "another secret"])
def test_an_equal_suite_made_later_is_the_one_that_is_asked(fake: FakeWeCom, where: str):
    there = Suite(fake)
    fake.revoke(kind="suite_ticket")
    before = there.suite if where == "another box" else SuiteCredential(SUITE_ID, "old", there.box)
    with pytest.raises(CredentialError):
        TokenSource(before).get()
    newer = TicketBox()
    newer.put(SUITE_ID, fake.push_ticket(SUITE_ID))
    suite = SuiteCredential(SUITE_ID, "suite-secret", newer)
    assert suite == before
    assert TokenSource(suite).get()


def test_a_corp_made_for_each_request_brings_its_newer_code(fake: FakeWeCom):
    """As with a code out of a database; the source of the old one has it, too."""
    there = Suite(fake)
    old = TokenSource(there.corp)
    token = old.get()
    code = fake.reset_permanent_code(SUITE_ID, CORP_ID)
    fake.revoke(kind="corp")
    old.invalidate(token)
    assert there.refusal().errcode == 40084
    assert TokenSource(CorpCredential(there.suite, CORP_ID, code)).get().value != token.value
    assert old.get()
