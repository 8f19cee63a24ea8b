"""The other kinds of token against the facts, over both fronts."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from wecom_auth.testing import FakeWeCom, Request
from wecom_auth.testing._platform.facts import KINDS, carried

from .conftest import CORP, Wecom

SUITE, TENANT, PROVIDER, DOWN = "ww-suite", "ww-tenant", "ww-provider", "ww-down"


class Day:
    """The calls of a provider's program, each by hand."""

    def __init__(self, wecom: Wecom) -> None:
        self.wecom, self.fake = wecom, wecom.fake

    def suite(self, ticket: str, secret: str = "s", suite_id: str = SUITE) -> Any:
        body = {"suite_id": suite_id, "suite_secret": secret, "suite_ticket": ticket}
        return self.post("service/get_suite_token", {}, body)

    def corp(self, suite_token: str, code: str, corpid: str = TENANT) -> Any:
        body = {"auth_corpid": corpid, "permanent_code": code}
        return self.post("service/get_corp_token", {"suite_access_token": suite_token}, body)

    def provider(self, secret: str = "p") -> Any:
        return self.post(
            "service/get_provider_token", {}, {"corpid": PROVIDER, "provider_secret": secret}
        )

    def down(self, token: str, **body: Any) -> Any:
        body = {"corpid": DOWN, "agentid": 7, **body}
        return self.post("corpgroup/corp/gettoken", {"access_token": token}, body)

    def ticket(self, path: str, token: str, **params: str) -> Any:
        return self.wecom.get(path, token, **params).json()

    def post(self, path: str, params: dict[str, str], body: Any) -> Any:
        return self.wecom.call("POST", path, None, params=params, json=body).json()

    def token(self, kind: str) -> str:
        """A token of this kind by the whole way to it."""
        return str(self.exchange(kind)[FIELD[kind]])

    def exchange(self, kind: str) -> Any:
        if kind == "app":
            return self.wecom.gettoken()
        if kind == "provider":
            return self.provider()
        if kind == "suite":
            return self.suite(self.fake.push_ticket(SUITE))
        if kind == "corp":
            tenants = self.fake._state.accounts.tenants
            known = tenants.get((SUITE, TENANT))
            code = known.code if known else self.fake.authorise(SUITE, TENANT)
            return self.corp(self.token("suite"), code)
        if kind == "downstream":
            return self.down(self.wecom.token())
        if kind == "jsapi_ticket":
            return self.ticket("get_jsapi_ticket", self.wecom.token())
        return self.ticket("ticket/get", self.wecom.token(), type="agent_config")


FIELD = {
    "app": "access_token",
    "corp": "access_token",
    "downstream": "access_token",
    "suite": "suite_access_token",
    "provider": "provider_access_token",
    "jsapi_ticket": "ticket",
    "agent_ticket": "ticket",
}
DATA_CALL = {
    "app": ("user/get", "access_token"),
    "corp": ("user/get", "access_token"),
    "downstream": ("user/get", "access_token"),
    "suite": ("service/get_admin_list", "suite_access_token"),
    "provider": ("license/list_order", "provider_access_token"),
}
DEAD = {
    "app": (42001, 40014),
    "corp": (42001, 40014),
    "downstream": (42001, 40014),
    "suite": (42009, 40082),
    "provider": (42001, 40082),
}


@pytest.fixture
def day(wecom: Wecom) -> Day:
    wecom.fake.route("*", {"errcode": 0, "errmsg": "ok"})
    return Day(wecom)


@pytest.fixture
def quick(fake: FakeWeCom) -> Day:
    """The same without a front, for what no front can change."""

    class Direct:
        def __init__(self) -> None:
            self.fake = fake

        def call(self, method: str, path: str, token: Any, **more: Any) -> Any:
            return _Direct(fake, method, path, token, **more)

        def get(self, path: str, token: str | None = None, **params: str) -> Any:
            return self.call("GET", path, token, params=params)

        def gettoken(self) -> Any:
            return self.get("gettoken", corpid=CORP, corpsecret="s").json()

        def token(self) -> str:
            return str(self.gettoken()["access_token"])

    fake.route("*", {"errcode": 0, "errmsg": "ok"})
    direct: Any = Direct()
    return Day(direct)


class _Direct:
    def __init__(
        self, fake: FakeWeCom, method: str, path: str, token: str | None, **more: Any
    ) -> None:
        import json
        from urllib.parse import urlencode

        params = {**({} if token is None else {"access_token": token}), **more.get("params", {})}
        body = json.dumps(more["json"]).encode() if "json" in more else b""
        target = f"/cgi-bin/{path}?{urlencode(params)}"
        self._reply = fake.handle(Request(method, target, {}, body))

    def json(self) -> Any:
        import json

        return json.loads(self._reply.body)


# --- suites ---


@pytest.mark.parametrize("kind", ["suite", "corp"])
def test_a_suites_exchanges_hold_an_errcode_on_failure_only(day: Day, kind: str):
    answer = day.exchange(kind)
    assert set(answer) == {FIELD[kind], "expires_in"}
    assert answer["expires_in"] == 7200


def test_a_suite_is_refused_by_what_is_wrong(day: Day):
    day.fake.suite(SUITE, "s")
    ticket = day.fake.push_ticket(SUITE)
    assert day.suite("", suite_id="")["errcode"] == 41021
    assert day.suite(ticket, secret="")["errcode"] == 41024
    assert day.suite("")["errcode"] == 41023
    assert day.suite(ticket, secret="wrong")["errcode"] == 40080
    assert day.suite(ticket, suite_id="unknown")["errcode"] == 40083
    assert day.suite("another")["errcode"] == 40085
    assert day.suite(ticket)["suite_access_token"]


def test_a_ticket_is_good_for_thirty_minutes_and_a_newer_one_does_not_end_it(quick: Day):
    quick.fake.suite(SUITE, "s")
    first = quick.fake.push_ticket(SUITE)
    quick.fake.advance(600)
    second = quick.fake.push_ticket(SUITE)
    assert "errcode" not in quick.suite(first)
    quick.fake.advance(1200)
    assert quick.suite(first)["errcode"] == 40085
    assert "errcode" not in quick.suite(second)
    assert quick.fake.expire(kind="suite_ticket") == 1
    assert quick.suite(second)["errcode"] == 40085


def test_tickets_of_suites_do_not_mix(quick: Day):
    quick.fake.suite(SUITE, "s")
    quick.fake.suite("other", "s")
    assert quick.suite(quick.fake.push_ticket("other"))["errcode"] == 40085


def test_a_ticket_is_pushed_to_a_url(quick: Day):
    provider, bodies = FakeWeCom(), []

    def callback(request: Request) -> tuple[int, dict[str, str], str]:
        bodies.append(request.body)
        return 200, {}, "success"

    provider.route("/callback", callback)
    with provider.serve() as url:
        ticket = quick.fake.push_ticket(SUITE, f"{url}/callback")
    pushed = {child.tag: child.text for child in ElementTree.fromstring(bodies[0])}
    assert (pushed["SuiteId"], pushed["InfoType"]) == (SUITE, "suite_ticket")
    assert pushed["SuiteTicket"] == ticket
    assert int(pushed["TimeStamp"] or 0) > 1_700_000_000


# --- tenants ---


def test_a_tenant_from_authorisation_to_its_end(day: Day):
    code = day.fake.authorise(SUITE, TENANT)
    suite = day.token("suite")
    token = day.corp(suite, code)["access_token"]
    assert day.wecom.get("user/get", token, userid="a").json()["errcode"] == 0
    newer = day.fake.reset_permanent_code(SUITE, TENANT)
    assert day.corp(suite, code)["errcode"] == 40084
    assert day.corp(suite, newer)["access_token"] == token
    day.fake.cancel(SUITE, TENANT)
    assert day.wecom.get("user/get", token, userid="a").json()["errcode"] == 40014
    assert [day.corp(suite, c)["errcode"] for c in (code, newer)] == [40084, 40084]
    again = day.fake.authorise(SUITE, TENANT)
    assert day.corp(suite, again)["access_token"] not in ("", token)


def test_a_tenant_is_refused_by_what_is_wrong(quick: Day):
    code, other = quick.fake.authorise(SUITE, TENANT), quick.fake.authorise("other", TENANT)
    suite = quick.token("suite")
    assert quick.corp(suite, "")["errcode"] == 41025
    assert quick.corp(suite, "wrong")["errcode"] == 40084
    assert quick.corp(suite, other)["errcode"] == 48003
    assert quick.corp(suite, "any", corpid="never-authorised")["errcode"] == 40082
    assert quick.corp("dead", code)["errcode"] == 40082
    assert quick.corp("", code)["errcode"] == 41022
    quick.fake.cancel(SUITE, TENANT, errcode=48004)
    assert quick.corp(suite, code)["errcode"] == 48004


@pytest.mark.parametrize("change", ["cancel", "reset_permanent_code"])
def test_only_what_was_authorised_can_change(fake: FakeWeCom, change: str):
    with pytest.raises(ValueError, match=r"ww-tenant has not authorised ww-suite: fake\.authorise"):
        getattr(fake, change)(SUITE, TENANT)


def test_the_permanent_code_is_a_provider_developed_apps_secret(day: Day):
    code = day.fake.authorise(SUITE, TENANT)
    assert day.wecom.gettoken(TENANT, code)["errcode"] == 0
    newer = day.fake.reset_permanent_code(SUITE, TENANT)
    assert day.wecom.gettoken(TENANT, code)["errcode"] == 40001
    assert day.wecom.gettoken("another", newer)["errcode"] == 40001
    day.fake.app("declared", "s")
    assert day.wecom.gettoken(TENANT, newer)["errcode"] == 0


@pytest.mark.parametrize("version", ["", "v2/"])
def test_an_auth_code_is_exchanged_once(quick: Day, version: str):
    body = {"auth_code": quick.fake.auth_code(SUITE, TENANT)}
    suite = {"suite_access_token": quick.token("suite")}
    answer = quick.post(f"service/{version}get_permanent_code", suite, body)
    assert ("access_token" in answer) == (version == "")
    assert answer["auth_corp_info"]["corpid"] == TENANT
    assert "errcode" not in quick.corp(suite["suite_access_token"], answer["permanent_code"])
    assert quick.post("service/get_permanent_code", suite, body)["errcode"] == 40029
    asked = {"auth_corpid": TENANT, "permanent_code": answer["permanent_code"]}
    about = quick.post(f"service/{version}get_auth_info", suite, asked)
    assert about["auth_corp_info"]["corpid"] == TENANT


# --- providers, downstream corps, tickets ---


def test_a_provider_is_refused_with_40001(day: Day):
    assert day.provider()["errcode"] == 0
    day.fake.provider(PROVIDER, "right")
    assert day.provider()["errcode"] == 40001
    assert day.provider("right")["provider_access_token"]


def test_a_downstream_corp_must_be_in_the_shared_scope(day: Day):
    token = day.wecom.token()
    assert day.down(token)["errcode"] == 0
    day.fake.share(DOWN, 8)
    assert day.down(token)["errcode"] == 670001
    assert day.down(token, agentid=8, business_type=1)["errcode"] == 0
    assert day.down(token, agentid=8, business_type=2)["errcode"] == 40058
    day.fake.revoke(kind="app")
    assert day.down(token, agentid=8)["errcode"] == 40014


def test_a_corp_has_one_ticket_and_each_app_one_of_its_own(day: Day):
    one, two = day.wecom.token(CORP, "one"), day.wecom.token(CORP, "two")
    corp = {day.ticket("get_jsapi_ticket", token)["ticket"] for token in (one, two)}
    apps = {day.ticket("ticket/get", token, type="agent_config")["ticket"] for token in (one, two)}
    assert (len(corp), len(apps), corp & apps) == (1, 2, set())


def test_a_ticket_outlives_the_token_it_was_got_with(quick: Day):
    ticket = quick.token("jsapi_ticket")
    quick.fake.revoke(kind="app")
    assert quick.token("jsapi_ticket") == ticket


def test_a_ticket_is_refused_by_what_is_wrong(quick: Day):
    token = quick.token("app")
    assert quick.ticket("ticket/get", token, type="x")["errcode"] == 91040
    for path, more in (("get_jsapi_ticket", {}), ("ticket/get", {"type": "agent_config"})):
        assert quick.ticket(path, quick.token("suite"), **more)["errcode"] == 42012
        both = quick.ticket(path, token, suite_access_token="x", **more)
        assert both["errcode"] == 42012
        assert quick.ticket(path, "dead", **more)["errcode"] == 40014


# --- every kind ---


@pytest.mark.parametrize("kind", FIELD)
def test_every_kind_is_repeated_to_its_end_always_with_the_whole_life(quick: Day, kind: str):
    first = quick.exchange(kind)
    quick.fake.advance(1000)
    again = quick.exchange(kind)
    assert (again[FIELD[kind]], again["expires_in"]) == (first[FIELD[kind]], 7200)
    quick.fake.advance(6199)
    assert quick.token(kind) == first[FIELD[kind]]
    quick.fake.advance(1)
    assert quick.token(kind) != first[FIELD[kind]]


@pytest.mark.parametrize("kind", FIELD)
def test_every_kind_rotates(quick: Day, kind: str):
    quick.fake.mode = "rotate"
    assert quick.token(kind) != quick.token(kind)


@pytest.mark.parametrize("kind", FIELD)
def test_every_kind_counts_down(quick: Day, kind: str):
    quick.fake.mode = "countdown"
    first = quick.exchange(kind)
    quick.fake.advance(1000)
    again = quick.exchange(kind)
    assert (again[FIELD[kind]], again["expires_in"]) == (first[FIELD[kind]], 6200)


def test_a_platform_may_say_7200_of_tokens_that_live_seconds():
    fake = FakeWeCom(token_life=8, expires_in=7200)
    day = Day(Wecom(fake, "", None))  # type: ignore[arg-type]
    reply = fake.handle(Request("GET", "/cgi-bin/gettoken?corpid=c&corpsecret=s"))
    assert b'"expires_in": 7200' in reply.body
    day.fake.advance(8)
    assert fake.token("c", "s") is None


@pytest.mark.parametrize("kind", DATA_CALL)
@pytest.mark.parametrize("end", ["expire", "revoke"])
def test_every_kind_ends_with_its_own_errcode(quick: Day, kind: str, end: str):
    path, parameter = DATA_CALL[kind]
    token = quick.token(kind)
    asked = {"userid": "a", parameter: token}
    assert quick.post(path, asked, {})["errcode"] == 0
    assert getattr(quick.fake, end)(kind=kind) == 1
    expired, invalid = DEAD[kind]
    assert quick.post(path, asked, {})["errcode"] == (expired if end == "expire" else invalid)
    assert getattr(quick.fake, end)(kind=kind) == 0


def test_a_time_that_is_over_is_the_same_as_expired(quick: Day):
    suite = {"suite_access_token": quick.token("suite")}
    quick.fake.advance(7200)
    assert quick.post("service/get_admin_list", suite, {})["errcode"] == 42009


@pytest.mark.parametrize("path_of", DATA_CALL)
@pytest.mark.parametrize("kind", DATA_CALL)
def test_a_token_of_the_wrong_kind_is_an_invalid_one(quick: Day, path_of: str, kind: str):
    path, parameter = DATA_CALL[path_of]
    asked = {"userid": "a", parameter: quick.token(kind)}
    good = DATA_CALL[kind][1] == parameter
    assert quick.post(path, asked, {})["errcode"] == (0 if good else DEAD[path_of][1])


@pytest.mark.parametrize("kind", DATA_CALL)
def test_a_good_token_of_any_kind_may_be_rejected(quick: Day, kind: str):
    path, parameter = DATA_CALL[kind]
    token = quick.token(kind)
    with quick.fake.fail("reject"):
        assert quick.post(path, {parameter: token}, {})["errcode"] == DEAD[kind][1]


def test_ending_one_kind_leaves_the_others(quick: Day):
    tokens = {kind: quick.token(kind) for kind in FIELD}
    assert quick.fake.revoke(kind="suite") == 1
    assert {k for k, token in tokens.items() if quick.token(k) != token} == {"suite"}
    assert quick.fake.revoke(SUITE) == 1, "a suite by its id"
    assert quick.fake.revoke() == len(FIELD) - 1


def test_an_unknown_kind_is_refused_with_those_there_are(fake: FakeWeCom):
    with pytest.raises(ValueError, match=r"no kind 'suit' of token; there are app, corp, suite"):
        fake.revoke(kind="suit")


@pytest.mark.parametrize(
    ("path", "parameter", "invalid"),
    [
        ("service/get_login_info", "access_token", 40014),
        ("service/media/upload", "provider_access_token", 40082),
        ("service/unknown", "suite_access_token", 40082),
        ("license/unknown", "provider_access_token", 40082),
        ("message/send", "access_token", 40014),
    ],
)
def test_a_path_has_its_parameter(path: str, parameter: str, invalid: int):
    wanted = carried(path)
    assert wanted is not None
    assert (wanted.parameter, wanted.invalid) == (parameter, invalid)


def test_the_providers_token_goes_as_access_token_to_get_login_info(quick: Day):
    call = quick.ticket("service/get_login_info", quick.token("provider"))
    assert call["errcode"] == 0
    assert quick.ticket("service/get_login_info", quick.token("app"))["errcode"] == 40014


def test_rejections_and_exchanges_are_counted(quick: Day):
    quick.token("corp")
    quick.corp("dead", "x")
    quick.corp("", "x")
    counts = [quick.fake.count(p) for p in ("service/get_suite_token", "service/get_corp_token")]
    assert (counts, quick.fake.rejections, quick.fake.gettoken_calls) == ([1, 3], 2, 0)


def test_no_token_secret_or_ticket_is_in_the_journal(quick: Day):
    tokens = [quick.token(kind) for kind in FIELD]
    for kind, (path, parameter) in DATA_CALL.items():
        quick.post(path, {parameter: quick.token(kind)}, {})
    shown = repr(quick.fake.journal)
    assert not [token for token in tokens if token in shown]


def test_starting_over_forgets_accounts_and_never_makes_a_value_again(quick: Day):
    code, ticket = quick.fake.authorise(SUITE, TENANT), quick.fake.push_ticket(SUITE)
    quick.fake.suite(SUITE, "s")
    quick.fake.start_over()
    assert quick.fake.authorise(SUITE, TENANT) != code
    assert quick.fake.push_ticket(SUITE) != ticket
    assert quick.suite(ticket)["errcode"] == 40085


def test_kinds_are_those_that_are_issued():
    assert set(KINDS) == {*FIELD, "suite_ticket"}
