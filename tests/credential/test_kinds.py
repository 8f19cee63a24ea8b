"""Every kind of token: its scope, its parent, its refusals; against the fake platform."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from wecom_auth import (
    AppCredential,
    CorpCredential,
    Credential,
    CredentialError,
    DownstreamCredential,
    ExternalTicket,
    JsTicket,
    ProviderCredential,
    SuiteCredential,
    TicketBox,
    TokenSource,
    attach,
)
from wecom_auth._credential.kind import APP, CORP, PROVIDER, SUITE
from wecom_auth._source.jsticket import sign
from wecom_auth.testing import Server, clock

SUITE_ID, SUITE_SECRET = "ww-suite", "suite-secret-canary"
CORP_ID = "wpcorp1"
HOST = "https://qyapi.weixin.qq.com/cgi-bin"


class Day:
    """A provider's day: a suite, its box, the corps that authorised it."""

    def __init__(self, server: Server) -> None:
        self.fake, self.url = server.fake, server.url
        self.fake.suite(SUITE_ID, SUITE_SECRET)
        self.box = TicketBox()
        self.codes: dict[str, str] = {}
        self.suite = SuiteCredential(SUITE_ID, SUITE_SECRET, self.box, base_url=self.url)

    def push(self) -> str:
        ticket = self.fake.push_ticket(SUITE_ID)
        self.box.put(SUITE_ID, ticket)
        return ticket

    def corp(self, corpid: str = CORP_ID) -> CorpCredential:
        self.codes[corpid] = self.fake.authorise(SUITE_ID, corpid)
        return CorpCredential(self.suite, corpid, self.codes.__getitem__)

    def calls(self, path: str) -> int:
        return sum(call.path.endswith(path) for call in self.fake.journal)

    def user(self, credential: Credential) -> int:
        session = attach(requests.Session(), credential)
        url = f"{self.url}/cgi-bin/user/get"
        code: int = session.get(url, params={"userid": "alice"}, timeout=10).json()["errcode"]
        return code


@pytest.fixture
def day(wecom_server: Server) -> Day:
    there = Day(wecom_server)
    there.push()
    return there


# --- scope ---


@pytest.mark.parametrize(
    ("path", "app", "suite", "provider"),
    [
        ("message/send", "access_token", None, None),
        ("get_jsapi_ticket", "access_token", None, None),
        ("gettoken", None, None, None),
        ("service/get_suite_token", None, None, None),
        ("service/get_provider_token", None, None, None),
        ("service/get_corp_token", None, "suite_access_token", None),
        ("service/v2/get_permanent_code", None, "suite_access_token", None),
        ("service/something_new", None, "suite_access_token", None),
        ("service/contact/search", None, None, "provider_access_token"),
        ("service/get_login_info", None, None, "access_token"),
        ("license/create_new_order", None, None, "provider_access_token"),
        ("openhw/get_device_token", None, None, None),
        ("openhw/get_model_token", None, None, None),
        ("aibot/cli/get_cli_config", None, None, None),
        ("webhook/send", None, None, None),
    ],
)
def test_each_kind_has_its_paths(
    path: str, app: str | None, suite: str | None, provider: str | None
):
    found = [kind.parameter_at(path) for kind in (APP, SUITE, PROVIDER, CORP)]
    assert found == [app, suite, provider, app]


def test_a_call_that_names_another_kinds_parameter_is_left_alone():
    app = AppCredential("ww01", "secret")
    assert app.parameter_for(f"{HOST}/user/get?suite_access_token=x") is None
    assert app.parameter_for(f"{HOST}/user/get?access_token=x") == "access_token"
    suite = SuiteCredential("s", "secret", lambda: "t")
    assert suite.parameter_for(f"{HOST}/service/get_auth_info?access_token=x") is None


def test_only_a_stale_ticket_is_explained_by_its_age():
    suite = SuiteCredential("s", "secret", lambda: "t")
    assert suite.explain(40083) == ""
    assert "the suite_ticket of s is stale" in suite.explain(40085)


def test_one_client_carries_a_suite_a_provider_and_a_corp(day: Day):
    day.fake.provider("wwprovider", "provider-secret")
    corp = day.corp()
    session = requests.Session()
    provider = ProviderCredential("wwprovider", "provider-secret", base_url=day.url)
    for credential in (day.suite, corp, provider):
        attach(session, credential)

    def ask(path: str, **body: Any) -> int:
        answer = session.post(f"{day.url}/cgi-bin/{path}", json=body, timeout=10)
        return int(answer.json().get("errcode", 0))

    assert (
        ask("service/get_auth_info", auth_corpid=CORP_ID, permanent_code=corp.permanent_code) == 0
    )
    assert (
        session.get(f"{day.url}/cgi-bin/user/get?userid=alice", timeout=10).json()["errcode"] == 0
    )
    day.fake.route("license/get_app_license_info", {"errcode": 0}, check_token=False)
    assert ask("license/get_app_license_info") == 0
    [sent] = [call for call in day.fake.journal if "license" in call.path]
    assert sent.path.endswith("license/get_app_license_info")


def test_a_second_corp_on_one_client_is_refused(day: Day):
    session = attach(requests.Session(), day.corp("wpone"))
    with pytest.raises(ValueError, match="another credential's tokens"):
        attach(session, day.corp("wptwo"))


# --- parents ---


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_a_suite_revoked_under_threads_of_many_tenants_is_fetched_once(day: Day, mode: Any):
    day.fake.mode = mode
    corps = [day.corp(f"wpcorp{number}") for number in range(8)]
    assert [day.user(corp) for corp in corps] == [0] * 8
    assert day.calls("get_suite_token") == 1
    day.fake.revoke(kind="suite")
    day.fake.revoke(kind="corp")
    together = threading.Barrier(32)

    def work(corp: CorpCredential, found: list[int]) -> None:
        together.wait()
        found.append(day.user(corp))

    found: list[int] = []
    threads = [threading.Thread(target=work, args=(corps[n % 8], found)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 32
    assert day.calls("get_suite_token") == 2
    assert day.calls("get_corp_token") <= 8 + 8 + 8  # refused once with the dead suite token


def test_a_tenant_that_never_authorised_does_not_spend_its_suites_budget(day: Day):
    good = [day.corp(f"wpgood{number}") for number in range(5)]
    assert [day.user(corp) for corp in good] == [0] * 5
    stranger = CorpCredential(day.suite, "wpstranger", "never-given")
    day.fake.fail(40082, path="get_corp_token")
    for _ in range(40):
        with pytest.raises(CredentialError) as caught:
            day.user(stranger)
    assert caught.value.errcode == 40082
    assert day.calls("get_suite_token") <= 4
    day.fake.heal()
    day.fake.revoke(kind="suite")
    day.fake.revoke(kind="corp")
    assert [day.user(corp) for corp in good] == [0] * 5


def test_a_cancelled_authorisation_is_remembered_and_a_new_code_ends_that(day: Day):
    corp = day.corp()
    assert day.user(corp) == 0
    day.fake.cancel(SUITE_ID, CORP_ID)
    before = day.calls("get_corp_token")
    answers = [_refusal(lambda: day.user(corp)) for _ in range(1000)]
    assert answers[0] == 40014  # the platform's own answer, which made the exchange necessary
    assert set(answers[1:]) == {40084}
    assert day.calls("get_corp_token") - before <= 3
    day.codes[CORP_ID] = day.fake.authorise(SUITE_ID, CORP_ID)
    assert day.user(corp) == 0


def _refusal(call: Callable[[], int]) -> int | None:
    try:
        return call()
    except CredentialError as error:
        return error.errcode


# --- tickets of a suite ---


def test_without_a_ticket_the_refusal_says_so_and_the_first_push_ends_it(wecom_server: Server):
    day = Day(wecom_server)
    source = TokenSource(day.suite)
    with pytest.raises(CredentialError, match="no suite_ticket of ww-suite yet"):
        source.get()
    assert day.calls("get_suite_token") == 0
    day.push()
    assert source.get().value


def test_a_stale_ticket_is_a_refusal_with_its_age_and_a_newer_one_is_used_at_once(day: Day):
    with clock() as moving:
        moving.advance(3600)
        source = TokenSource(day.suite)
        for _ in range(20):
            with pytest.raises(CredentialError, match=r"pushed 60 min ago.*callback URL"):
                source.get()
        assert day.calls("get_suite_token") == 1
        day.push()
        assert source.get().value
    assert day.calls("get_suite_token") == 2


def test_the_newest_timestamp_wins_and_suites_never_mix():
    box = TicketBox()
    box.put("one", "new", timestamp=200)
    box.put("one", "old", timestamp=100)
    box.put("two", "other", timestamp=300)
    assert (box.get("one"), box.get("two"), box.get("three")) == ("new", "other", None)


def test_four_workers_and_one_push(tmp_path: Any):
    boxes = [TicketBox(store=f"file://{tmp_path}/store") for _ in range(4)]
    boxes[0].put(SUITE_ID, "pushed", timestamp=100)
    assert [box.get(SUITE_ID) for box in boxes] == ["pushed"] * 4
    boxes[3].put(SUITE_ID, "older", timestamp=50)
    assert [box.get(SUITE_ID) for box in boxes] == ["pushed"] * 4


def test_a_box_without_a_store_says_whom_it_serves(caplog: pytest.LogCaptureFixture):
    TicketBox().put(SUITE_ID, "pushed")
    assert "serves this process alone" in caplog.text


# --- the other kinds ---


def test_a_downstream_corp(wecom_server: Server):
    fake, url = wecom_server.fake, wecom_server.url
    app = AppCredential("wwup", "secret", base_url=url)
    fake.share("wwdown", 1000003)
    down = DownstreamCredential(app, "wwdown", 1000003, business_type=1)
    assert TokenSource(down).get().value != TokenSource(app).get().value
    with pytest.raises(CredentialError) as caught:
        TokenSource(DownstreamCredential(app, "wwelse", 1000003)).get()
    assert caught.value.errcode == 670001


def test_a_ticket_may_be_fetched_elsewhere(wecom_server: Server):
    app = AppCredential("ww01", "secret", base_url="https://127.0.0.1:9")
    ticket = JsTicket(app, base_url=wecom_server.url)
    again = pickle.loads(pickle.dumps(ticket))
    assert again == ticket
    assert again.base_url == ticket.base_url == wecom_server.url
    assert JsTicket(app).base_url == app.base_url


@pytest.mark.parametrize("agentid", [None, 1000002])
def test_a_page_is_signed_over_a_live_ticket(wecom_server: Server, agentid: int | None):
    app = AppCredential("ww01", "secret", base_url=wecom_server.url)
    ticket = JsTicket(app, agentid)
    made = ticket.config("https://crm.example.com/a?b=1#c", timestamp=1700000000, nonce="n")
    value = TokenSource(ticket).get().value
    expected = sign(value, "n", 1700000000, "https://crm.example.com/a?b=1")
    who = {"appId": "ww01"} if agentid is None else {"corpid": "ww01", "agentid": agentid}
    assert made == {**who, "timestamp": 1700000000, "nonceStr": "n", "signature": expected}


def test_the_platforms_own_example_of_a_signature():
    ticket = (
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    )
    url = "http://mp.weixin.qq.com?params=value"
    signature = sign(ticket, "Wm3WZYTPz0wzccnW", 1414587457, url)
    assert signature == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


def test_two_apps_of_a_corp_never_share_a_ticket(wecom_server: Server):
    apps = [AppCredential("ww01", secret, base_url=wecom_server.url) for secret in ("one1", "two2")]
    tickets = [JsTicket(app, agentid) for app, agentid in zip(apps, (1, 2), strict=True)]
    corps = [JsTicket(app) for app in apps]
    keys = {each.key for each in (*tickets, *corps)}
    assert len(keys) == 4
    assert len({TokenSource(each).get().value for each in tickets}) == 2


def test_the_record_of_a_ticket_calls_it_a_ticket(wecom_server: Server, tmp_path: Any):
    app = AppCredential("ww01", "secret", base_url=wecom_server.url)
    store = f"file://{tmp_path}/store"
    JsTicket(app, store=store).config("https://crm.example.com/")
    texts = [json.loads(json.loads(f.read_text())["text"]) for f in tmp_path.glob("store/*.json")]
    assert sorted(next(iter(text)) for text in texts) == ["access_token", "ticket"]


def test_a_ticket_kept_elsewhere():
    ticket = ExternalTicket(lambda: ("kept", 100), "ww01", 7)
    made = ticket.config("https://crm.example.com/", timestamp=1, nonce="n")
    assert made["signature"] == sign("kept", "n", 1, "https://crm.example.com/")
    assert made["agentid"] == 7


def kept() -> str:
    return "kept"


def test_a_ticket_kept_elsewhere_is_pickled_with_its_base_url():
    ticket = ExternalTicket(kept, "ww01", 7, base_url="https://gateway.example")
    again = pickle.loads(pickle.dumps(ticket))
    assert again == ticket
    assert (again.base_url, again.corpid, again.agentid) == (ticket.base_url, "ww01", 7)


def test_none_shows_or_pickles_more_than_it_must(day: Day):
    provider = ProviderCredential("wwprovider", "provider-secret-canary")
    corp = CorpCredential(day.suite, CORP_ID, "permanent-code-canary")
    app = AppCredential("ww01", "app-secret-canary")
    everyone: list[Credential] = [provider, corp, DownstreamCredential(app, "wwdown", 3)]
    for credential in everyone:
        assert "canary" not in repr(credential) + credential.key
        again = pickle.loads(pickle.dumps(credential))
        assert again == credential
        assert hash(again) == hash(credential)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SuiteCredential("", "secret", lambda: "t"),
        lambda: SuiteCredential("s", "secret", "a ticket"),  # type: ignore[arg-type]
        lambda: CorpCredential("suite", "wp", "code"),  # type: ignore[arg-type]
        lambda: ProviderCredential("ww", ""),
        lambda: DownstreamCredential("app", "ww", 1),  # type: ignore[arg-type]
        lambda: DownstreamCredential(AppCredential("a", "b"), "ww", "1 "),  # type: ignore[arg-type]
        lambda: DownstreamCredential(AppCredential("a", "b"), "ww", 1, business_type=2),
        lambda: JsTicket("app"),  # type: ignore[arg-type]
        lambda: JsTicket(AppCredential("ww01", "b")).config("crm.example.com"),
    ],
)
def test_bad_input_is_refused_where_it_is_given(make: Callable[[], object]):
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert "canary" not in str(caught.value)


def test_many_tenants_on_one_session(wecom_server: Server):
    from contextvars import ContextVar

    fake, url = wecom_server.fake, wecom_server.url
    tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

    def choose(request: Any) -> Credential | None:
        corpid = tenant.get()
        return None if corpid is None else AppCredential(corpid, f"secret-{corpid}", base_url=url)

    session = attach(requests.Session(), choose, base_url=url)
    together = threading.Barrier(8)

    def work(number: int) -> None:
        together.wait()
        for step in range(4):
            tenant.set(f"ww{number}-{step}")
            session.get(f"{url}/cgi-bin/user/get?userid={tenant.get()}", timeout=10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = [call for call in fake.journal if call.path.endswith("user/get")]
    assert all(f"userid={call.corpid}" in call.query for call in calls)
    assert (len(calls), fake.gettoken_calls) == (32, 32)
    answer = session.get(f"{url}/cgi-bin/user/get?userid=alice", timeout=10).json()
    assert answer["errcode"] == 41001  # nobody was chosen


@pytest.mark.parametrize(
    ("kind", "environ"),
    [
        (SuiteCredential, {"WECOM_SUITE_ID": "ww-suite", "WECOM_SUITE_SECRET": "s"}),
        (ProviderCredential, {"WECOM_PROVIDER_CORPID": "ww01", "WECOM_PROVIDER_SECRET": "s"}),
    ],
)
def test_the_environment_names_a_suite_or_a_provider(kind: Any, environ: dict[str, str]):
    more = (lambda: "ticket",) if kind is SuiteCredential else ()
    assert kind.from_env(*more, environ=environ).base_url == "https://qyapi.weixin.qq.com"
    missing = sorted(environ)[-1]
    with pytest.raises(ValueError, match=f"{missing} is not set"):
        kind.from_env(*more, environ={**environ, missing: " "})
