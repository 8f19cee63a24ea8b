"""Many tenants of one suite: nobody's trouble is another's, nobody gets another's token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from typing import Any

import pytest
import requests
from tokenside import NoSockets, at_once, settle

from wecom_auth import (
    CorpCredential,
    Credential,
    CredentialError,
    ProviderCredential,
    SuiteCredential,
    TicketBox,
    TokenSource,
    _clock,
    attach,
)
from wecom_auth._source.budget import Budget
from wecom_auth._source.state import State
from wecom_auth.testing import FakeWeCom, Request, Server, clock, reset
from wecom_auth.testing._platform.tokens import Mode

SUITE_ID, SUITE_SECRET = "ww-suite", "suite-secret-canary"
HOST = "https://qyapi.weixin.qq.com"


class Platform:
    """A suite on a platform without sockets, which says whose token a call carries."""

    def __init__(self) -> None:
        self.fake = FakeWeCom(remember=10_000)
        self.fake.suite(SUITE_ID, SUITE_SECRET)
        self.box = TicketBox()
        self.suite = SuiteCredential(SUITE_ID, SUITE_SECRET, self.box)
        self.push()
        self.fake.route("user/get", self._whose)

    def _whose(self, request: Request) -> dict[str, Any]:
        owner = self.fake._state.tokens.owner(request.params["access_token"])
        return {"errcode": 0, "corp": None if owner is None else owner.id}

    def push(self) -> None:
        self.box.put(SUITE_ID, self.fake.push_ticket(SUITE_ID), _clock.wall())

    def corp(self, corpid: str) -> CorpCredential:
        return CorpCredential(self.suite, corpid, self.fake.authorise(SUITE_ID, corpid))

    def session(self, *credential: Any, **options: Any) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", NoSockets(self.fake))
        return attach(session, *credential, **options)

    def user(self, credential: Credential) -> int:
        code: int = ask(self.session(credential))["errcode"]
        return code

    def exchanges(self, path: str, *, good: bool = False) -> int:
        calls = [call for call in self.fake.journal if call.path == f"service/{path}"]
        return sum(not call.errcode for call in calls) if good else len(calls)


def ask(session: requests.Session) -> dict[str, Any]:
    answer: dict[str, Any] = session.get(f"{HOST}/cgi-bin/user/get?userid=a", timeout=10).json()
    return answer


@pytest.fixture
def there() -> Iterator[Platform]:
    reset()
    yield Platform()
    settle()
    reset()


# --- one tenant's trouble ---


def healed(there: Platform, apart: float, strangers: int = 1) -> int:
    """Return how many of 20 tenants are healed after 40 calls of some that never authorised."""
    good = [there.corp(f"wpgood{number}") for number in range(20)]
    with clock() as moving:
        assert [there.user(corp) for corp in good] == [0] * 20
        for number in range(40):
            moving.advance(apart if number else 0)
            there.push()
            corpid = f"wpstranger{number % strangers}"
            stranger = CorpCredential(there.suite, corpid, "never-given")
            with pytest.raises(CredentialError) as caught:
                there.user(stranger)
            assert caught.value.errcode == 40082
        there.fake.revoke(kind="suite")
        there.fake.revoke(kind="corp")
        return sum(heals(there, corp) for corp in good)


def heals(there: Platform, corp: CorpCredential) -> bool:
    try:
        return there.user(corp) == 0
    except CredentialError:
        return False


@pytest.mark.parametrize(("apart", "strangers"), [(0, 1), (61, 1), (0, 40)])
def test_a_tenant_that_never_authorised_does_not_spend_its_suites_budget(
    there: Platform, apart: float, strangers: int
):
    """Its refusal is remembered for a minute; after that it costs two exchanges, and no budget."""
    assert healed(there, apart, strangers) == 20
    asked = 40 if apart else strangers
    assert there.exchanges("get_suite_token") <= 1 + asked + 1
    assert there.exchanges("get_corp_token") <= 20 + 2 * asked + 21


def test_control_without_a_refund_the_others_are_not_healed(
    there: Platform, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Budget, "refund", lambda *_, **options: None)
    assert healed(there, 61) < 20


def test_control_with_a_refund_a_second_many_at_once_spend_it(
    there: Platform, monkeypatch: pytest.MonkeyPatch
):
    refund = Budget.refund
    monkeypatch.setattr(Budget, "refund", lambda self, now, always: refund(self, now))
    assert healed(there, 0, 40) < 20


# --- the suite's token is revoked ---


def revoked_under_threads(there: Platform, mode: Mode) -> list[int]:
    """Return what each of 32 threads sees of 8 tenants whose tokens and suite's token are dead."""
    there.fake.mode = mode
    corps = [there.corp(f"wpcorp{number}") for number in range(8)]
    assert [there.user(corp) for corp in corps] == [0] * 8
    there.fake.revoke(kind="suite")
    there.fake.revoke(kind="corp")
    turn = count()
    return at_once(32, lambda: there.user(corps[next(turn) % 8]))


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_a_suite_that_is_revoked_under_threads_costs_one_exchange_each(there: Platform, mode: Mode):
    assert revoked_under_threads(there, mode) == [0] * 32
    assert there.exchanges("get_suite_token") == 1 + 1
    assert there.exchanges("get_corp_token", good=True) == 8 + 8
    assert there.exchanges("get_corp_token") <= 8 + 8 + 8  # those sent with the dead suite token


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_control_a_parent_that_is_not_invalidated_heals_nobody(
    there: Platform, mode: Mode, monkeypatch: pytest.MonkeyPatch
):
    plain = State.invalidate

    def invalidate(state: State, value: str) -> None:
        if state.credential != there.suite:
            plain(state, value)

    monkeypatch.setattr(State, "invalidate", invalidate)
    assert 0 not in revoked_under_threads(there, mode)


# --- a tenant for each request ---

tenant: ContextVar[CorpCredential | None] = ContextVar("tenant", default=None)


def strangers_answers(
    there: Platform, tenants: int, choose: Callable[[Any], Credential | None]
) -> int:
    """Return how many of two calls of each of these tenants are answered for another tenant."""
    corps = [there.corp(f"wp{number:04}") for number in range(tenants)]
    session = there.session(choose, base_url=HOST)
    turn = count()

    def work() -> int:
        pair, wrong = next(turn) // 2, 0  # two threads call for one tenant at the same time
        for step in range(tenants // 16):
            corp = corps[pair + step * 16]
            tenant.set(corp)
            wrong += ask(session)["corp"] != corp.auth_corpid
        return wrong

    return sum(at_once(32, work))


@pytest.mark.parametrize("tenants", [160, pytest.param(1008, marks=pytest.mark.storm)])
def test_a_tenant_for_each_request_never_gets_anothers_token(there: Platform, tenants: int):
    assert strangers_answers(there, tenants, lambda request: tenant.get()) == 0
    assert there.exchanges("get_suite_token") == 1
    assert there.exchanges("get_corp_token") == tenants


def test_control_one_tenant_chosen_for_all_is_seen(there: Platform):
    one = there.corp("wpone")
    assert strangers_answers(there, 160, lambda request: one) == 320


# --- the provider ---


@pytest.mark.parametrize("revoked", [False, True])
def test_a_login_takes_the_providers_token_by_the_name_access_token(
    wecom_server: Server, revoked: bool
):
    fake, url = wecom_server.fake, wecom_server.url
    provider = ProviderCredential("wwprovider", "provider-secret", base_url=url)
    session = attach(requests.Session(), provider)
    carried: list[dict[str, str]] = []

    def login(request: Request) -> dict[str, Any]:
        carried.append(dict(request.params))
        return {"errcode": 0, "usertype": 1}

    fake.route("service/get_login_info", login)
    if revoked:
        TokenSource(provider).get()
        fake.revoke(kind="provider")
    answer = session.post(
        f"{url}/cgi-bin/service/get_login_info", json={"auth_code": "a"}, timeout=10
    )
    assert answer.json() == {"errcode": 0, "usertype": 1}
    assert carried == [{"access_token": TokenSource(provider).get().value}]
