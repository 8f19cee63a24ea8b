from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from wecom_auth.testing import FakeWeCom, Reply, Request

from .conftest import CORP, SECRET, Wecom


def ask(fake: FakeWeCom, target: str, method: str = "GET") -> int | None:
    return fake.handle(Request(method, target)).errcode


def test_any_credentials_are_an_app_until_one_is_declared(fake: FakeWeCom):
    target = "/cgi-bin/gettoken?corpid=c&corpsecret=s"
    assert ask(fake, target) == 0
    fake.app("other", "x")
    assert ask(fake, target) == 40013
    fake.app("c", "another")
    assert ask(fake, target) == 40001
    fake.app("c", "s")
    assert ask(fake, target) == 0


def test_token_is_the_live_one_or_none(fake: FakeWeCom):
    assert fake.token(CORP, SECRET) is None
    issued = fake.issue(CORP, SECRET)
    assert fake.token(CORP, SECRET) == issued
    fake.revoke()
    assert fake.token(CORP, SECRET) is None
    assert fake.gettoken_calls == 0


@pytest.mark.parametrize("end", ["expire", "revoke"])
def test_ending_is_limited_to_a_corp_or_an_app(fake: FakeWeCom, end: str):
    apps = [("a", "1"), ("a", "2"), ("b", "1")]
    for app in apps:
        fake.issue(*app)
    assert getattr(fake, end)("a", "2") == 1
    assert [fake.token(*app) is None for app in apps] == [False, True, False]
    assert getattr(fake, end)("a") == 1
    assert [fake.token(*app) is None for app in apps] == [True, True, False]
    assert getattr(fake, end)() == 1
    assert getattr(fake, end)() == 0


def test_tokens_are_the_same_in_every_run():
    first, second = FakeWeCom(), FakeWeCom()
    assert first.issue("c", "s") == second.issue("c", "s")


def test_time_stands_still_unless_a_clock_is_given():
    now = [0.0]
    fake = FakeWeCom(token_life=6, clock=lambda: now[0])
    token = fake.issue("c", "s")
    now[0] = 5.0
    assert fake.token("c", "s") == token
    fake.advance(1)
    assert fake.token("c", "s") is None


def test_the_life_may_change_for_tokens_to_come(wecom: Wecom):
    wecom.fake.token_life = 60
    assert wecom.fake.token_life == 60
    token = wecom.gettoken()
    assert token["expires_in"] == 60
    wecom.fake.advance(60)
    assert wecom.send(token["access_token"])["errcode"] == 42001


def test_mode_is_told(fake: FakeWeCom):
    assert fake.mode == "repeat"
    assert FakeWeCom(mode="rotate").mode == "rotate"


def test_bad_arguments_are_refused_at_once():
    with pytest.raises(ValueError, match="token_life is in seconds and must be positive, not 0"):
        FakeWeCom(token_life=0)
    fake = FakeWeCom()
    with pytest.raises(ValueError, match="must be positive, not -1"):
        fake.token_life = -1
    with pytest.raises(ValueError, match="'rotate' or 'countdown', not 'both'"):
        FakeWeCom(mode="both")  # type: ignore[arg-type]


def test_rotate_under_32_threads_leaves_one_live_token(fake: FakeWeCom):
    fake.mode = "rotate"
    with ThreadPoolExecutor(32) as pool:
        issued: list[str] = list(pool.map(lambda _: fake.issue("c", "s"), range(320)))
    assert len(set(issued)) == 320
    alive = [t for t in issued if ask(fake, f"/cgi-bin/get_api_domain_ip?access_token={t}") == 0]
    assert alive == [fake.token("c", "s")]


def test_of_a_repeated_parameter_the_first_counts(fake: FakeWeCom):
    token = fake.issue("c", "s")
    path = "/cgi-bin/get_api_domain_ip"
    assert ask(fake, f"{path}?access_token={token}&access_token=dead") == 0
    assert ask(fake, f"/cgi-bin/x?access_token=dead&access_token={token}") == 40014


def test_start_over_is_as_new_but_no_token_comes_twice(fake: FakeWeCom):
    fake.app("c", "s")
    before = fake.issue("c", "s")
    fake.fail("busy")
    fake.hold(None)
    fake.route("x", {"errcode": 5})
    fake.start_over()
    assert fake.issue("other", "app")
    assert fake.issue("c", "s") != before
    assert ask(fake, f"/cgi-bin/get_api_domain_ip?access_token={fake.token('c', 's')}") == 0
    assert ask(fake, f"/cgi-bin/x?access_token={before}") == 40014
    assert len(fake.journal) == 2


# --- routes ---


def test_a_route_answers_a_dict_as_it_stands(wecom: Wecom):
    wecom.fake.route("a/b", {"errcode": 0, "list": [1]})
    assert wecom.get("a/b", wecom.token()).json() == {"errcode": 0, "list": [1]}
    wecom.fake.route("gettoken", {"access_token": "old", "expires_in": 7200})
    answer = wecom.get("gettoken")
    assert answer.json() == {"access_token": "old", "expires_in": 7200}
    assert "Error-Code" not in answer.headers


def test_a_star_answers_what_the_fake_does_not_know(wecom: Wecom):
    wecom.fake.route("*", {"errcode": 7})
    wecom.fake.route("externalcontact/*", {"errcode": 8})
    wecom.fake.route("externalcontact/get", {"errcode": 9})
    token = wecom.token()
    paths = ("a/b", "externalcontact/list", "externalcontact/get", "get_api_domain_ip")
    assert [wecom.get(p, token).json()["errcode"] for p in paths] == [7, 8, 9, 0]
    assert wecom.get("a/b", "dead").json()["errcode"] == 40014


def test_a_route_may_be_a_function_of_the_request(wecom: Wecom):
    wecom.fake.route("/cgi-bin/echo", lambda request: {"errcode": 0, "got": request.json()})
    assert wecom.post("echo", wecom.token(), {"x": 1}).json()["got"] == {"x": 1}


def test_a_route_may_answer_status_headers_and_body(wecom: Wecom):
    wecom.fake.route("a/b", (302, {"Location": "/elsewhere"}, ""))
    wecom.fake.route("/elsewhere", (200, {"Content-Type": "text/plain"}, b"here"))
    assert wecom.get("a/b", wecom.token()).text == "here"


def test_a_route_may_hand_on_a_reply(fake: FakeWeCom):
    fake.route("a/b", Reply(204), check_token=False)
    assert fake.handle(Request("GET", "/cgi-bin/a/b")) == Reply(204)


def test_a_route_is_checked_for_its_token_unless_told_not_to_be(wecom: Wecom):
    wecom.fake.route("a/b", {"errcode": 0, "mine": True})
    assert wecom.get("a/b", "dead").json()["errcode"] == 40014
    wecom.fake.route("a/b", {"errcode": 0, "mine": True}, check_token=False)
    assert wecom.get("a/b", "dead").json()["mine"]


def test_a_route_that_answers_nonsense_says_what_is_wanted(fake: FakeWeCom):
    fake.route("a/b", lambda request: "text", check_token=False)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match=r"a dict, a Reply or a tuple .* not with str"):
        fake.handle(Request("GET", "/cgi-bin/a/b"))


@pytest.mark.parametrize(
    ("body", "errcode"),
    [(b'{"errcode":5}', 5), (b'{"errcode":"5"}', None), (b"[]", None), (b"x", None)],
)
def test_the_journal_reads_the_errcode_of_a_raw_answer(
    fake: FakeWeCom, body: bytes, errcode: int | None
):
    fake.route("a/b", (200, {}, body), check_token=False)
    assert ask(fake, "/cgi-bin/a/b") == errcode
    large = (200, {}, body + b" " * 10_000)
    fake.route("a/b", large, check_token=False)
    assert ask(fake, "/cgi-bin/a/b") is None


def test_an_already_gzipped_body_is_sent_as_it_is(fake: FakeWeCom):
    body = b"\x1f\x8b already"
    fake.route("a/b", (200, {"content-encoding": "gzip"}, body), check_token=False)
    assert fake.handle(Request("GET", "/cgi-bin/a/b")).body == body


def test_an_empty_object_is_an_answer_too(fake: FakeWeCom):
    fake.route("a/b", {}, check_token=False)
    assert fake.handle(Request("GET", "/cgi-bin/a/b")).body == b"{}"
