"""A dead token in existing code: what is made of it, and what is not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from legacy import CORP, SECRET, Legacy, message

from wecom_auth import (
    AppCredential,
    WeComAuth,
    attach,
    install,
)
from wecom_auth._dropin import flow, hooks
from wecom_auth._dropin import owner as owners
from wecom_auth._dropin.inline import InlineSource
from wecom_auth._dropin.ledger import Ledger, ledger
from wecom_auth.stores import FileStore
from wecom_auth.testing import FakeWeCom, Request, reset


def app(client: Legacy, corpid: str = CORP, secret: str = SECRET) -> AppCredential:
    return AppCredential(corpid, secret, base_url=client.url)


def sent(fake: FakeWeCom) -> list[str]:
    return [each["text"]["content"] for each in fake.messages]


# --- once, and then before sending ---


def test_a_token_kept_for_many_lives_costs_one_rejection(client: Legacy, fake: FakeWeCom) -> None:
    with install() as installed:
        before = installed.statistics.healed
        client.fetch()
        for life in range(8):  # as many as the budget for rejections allows at once
            fake.revoke()
            assert client.send(f"{life} a")["errcode"] == 0
            assert client.send(f"{life} b")["errcode"] == 0
        assert installed.statistics.healed - before == 16
    assert len(set(sent(fake))) == len(sent(fake)) == 16
    assert fake.gettoken_calls == 9
    # The first time its own is rejected, then ours: each life costs one.
    assert fake.rejections == 8


def test_control_without_translation_each_call_is_rejected_first(
    client: Legacy, fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlineSource, "has_rejected", lambda *_: False)
    monkeypatch.setattr(flow._Healing, "_note_dead", lambda *_: None)
    with install():
        client.fetch()
        fake.revoke()
        for _ in range(5):
            assert client.send("x")["errcode"] == 0
    assert fake.rejections == 5


def test_a_live_token_is_sent_as_it_is_though_a_newer_one_is_known(
    client: Legacy, fake: FakeWeCom
) -> None:
    with install():
        old = client.fetch()
        InlineSource(app(client)).invalidate(old)  # as a caller of another endpoint would
        fake.revoke(CORP, "nobody's")
        client.send("x")
    assert fake.rejections == 0


def test_at_most_two_sends_where_the_platform_rejects_for_ever(
    client: Legacy, fake: FakeWeCom
) -> None:
    fake.mode = "rotate"
    with install() as installed:
        client.fetch()
        before = installed.statistics.healed
        with fake.fail("reject", path="message/send"):
            for _ in range(50):
                assert client.send("x")["errcode"] == 40014
        assert installed.statistics.healed == before
    calls = [call for call in fake.journal if call.path == "message/send"]
    assert len(calls) <= 100
    assert fake.gettoken_calls <= 1 + 11 + 1  # the budget of the source


def test_one_endpoint_that_always_rejects_and_another_that_is_fine(
    client: Legacy, fake: FakeWeCom
) -> None:
    """The platform hands out the same token again, so it is not taken for dead."""
    with install(), fake.fail("reject", path="user/get"):
        client.fetch()
        for _ in range(20):
            url = f"{client.url}/cgi-bin/user/get?userid=a&access_token={client.token}"
            assert requests.get(url).json()["errcode"] == 40014
            assert client.send("x")["errcode"] == 0
    assert len(sent(fake)) == 20


def test_own_retry_loops_go_on_working(client: Legacy, fake: FakeWeCom) -> None:
    fake.mode = "rotate"

    def send_with_retries(text: str) -> None:
        for _ in range(3):
            if client.send(text)["errcode"] not in (40014, 42001):
                return
            client.fetch()
        raise AssertionError("not delivered")

    with install():
        client.fetch()
        with fake.fail("reject", path="message/send", times=2):  # healing does not help
            send_with_retries("x")
    assert sent(fake) == ["x"]


# --- what its sender sees ---


def test_its_sender_sees_no_token_but_its_own(client: Legacy, fake: FakeWeCom) -> None:
    with install():
        own = client.fetch()
        fake.revoke()
        url = f"{client.url}/cgi-bin/user/get?userid=a&access_token={own}"
        for _ in ("replaced", "translated"):
            response = requests.get(url)
            ours = fake.token(CORP, SECRET)
            assert ours
            assert ours != own
            assert (response.url, response.request.url) == (url, url)
            assert ours not in str(response.raw.__dict__) + str(response.request.__dict__)


@pytest.mark.parametrize("when", ["replaced", "translated"])
def test_an_error_shows_no_token_but_its_own(when: str, client: Legacy, fake: FakeWeCom) -> None:
    with install():
        own = client.fetch()
        fake.revoke()
        if when == "translated":
            client.send("x")
        drops = fake.fail("drop", path="message/send", when="before", times=1)
        if when == "replaced":
            drops.stop()
            fake.route("message/send", dropping_all_but(own), check_token=False)
        with pytest.raises(requests.ConnectionError) as caught:
            client.send("x")
    ours = fake.token(CORP, SECRET)
    assert ours
    assert ours != own
    shown = f"{caught.value!r} {caught.value.args} {caught.value.request.url}"
    assert ours not in shown
    assert caught.value.__context__ is None
    assert caught.value.request.url.endswith(own)


def dropping_all_but(token: str) -> Any:
    def answer(request: Request) -> dict[str, Any]:
        if request.params["access_token"] != token:
            from wecom_auth.testing._platform.wire import DroppedError

            raise DroppedError
        return {"errcode": 40014, "errmsg": "invalid access_token"}

    return answer


def test_a_redirect_that_echoes_the_query_is_followed_as_ever(
    client: Legacy, fake: FakeWeCom
) -> None:
    def moved(request: Request) -> tuple[int, dict[str, str], bytes]:
        return 307, {"Location": f"/cgi-bin/message/send?{request.query}"}, b""

    fake.route("old/send", moved)
    with install():
        own = client.fetch()
        fake.revoke()
        for _ in ("replaced", "translated"):
            response = requests.post(
                f"{client.url}/cgi-bin/old/send?access_token={own}", json=message("x")
            )
            assert response.json()["errcode"] == 0
            assert own in response.history[0].headers["Location"]
            assert response.url.endswith(own)
    assert sent(fake) == ["x", "x"]
    assert fake.gettoken_calls == 2


def test_hooks_that_send_again_are_healed_too(client: Legacy, fake: FakeWeCom) -> None:
    with install():
        client.fetch()

        def again(response: requests.Response, **options: Any) -> requests.Response:
            fake.revoke()
            return response.connection.send(response.request, **options)

        response = requests.get(
            f"{client.url}/cgi-bin/user/get?userid=a&access_token={client.token}",
            hooks={"response": again},
        )
        assert response.json()["errcode"] == 0


# --- several, at once ---


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
def test_threads_that_fetch_for_each_message(mode: Any, client: Legacy, fake: FakeWeCom) -> None:
    """One gettoken for each life of a token, no message twice, none lost."""
    fake.mode = mode

    def work(number: int) -> None:
        mine = Legacy(client.url)
        for part in range(2):
            mine.fetch()
            assert mine.send(f"{number}.{part}")["errcode"] == 0

    with install(), ThreadPoolExecutor(8) as pool:
        for life in range(1, 4):
            for done in [pool.submit(work, life * 100 + number) for number in range(8)]:
                done.result()
            assert fake.gettoken_calls == life
            fake.revoke()
    assert len(sent(fake)) == len(set(sent(fake))) == 3 * 8 * 2


def test_control_without_it_they_end_each_others_tokens(client: Legacy, fake: FakeWeCom) -> None:
    fake.mode = "rotate"
    others = [Legacy(client.url) for _ in range(4)]
    for each in others:
        each.fetch()
    assert [each.send("x")["errcode"] for each in others] == [40014, 40014, 40014, 0]


def test_revoked_under_sixteen_threads(client: Legacy, fake: FakeWeCom) -> None:
    with install(), ThreadPoolExecutor(16) as pool:
        client.fetch()
        with fake.hold("message/send") as hold:
            sending = [pool.submit(client.send, f"{n}") for n in range(16)]
            hold.wait_for(16)
            fake.revoke()
            hold.release()
        assert all(each.result()["errcode"] == 0 for each in sending)
    assert sorted(sent(fake)) == sorted(f"{n}" for n in range(16))
    assert fake.gettoken_calls == 2


def test_beside_attach_and_session_auth_one_gettoken_and_two_sends(
    client: Legacy, fake: FakeWeCom
) -> None:
    attached, authorised = attach(requests.Session(), app(client)), requests.Session()
    authorised.auth = WeComAuth(app(client))
    url = f"{client.url}/cgi-bin/user/get?userid=a"
    with install():
        assert authorised.get(url).json()["errcode"] == 0  # its gettoken goes by us, not through
        assert attached.get(url).json()["errcode"] == 0
        client.fetch()
        assert fake.gettoken_calls == 1
        # The legacy code's gettoken over a session that is attached:
        params = {"corpid": CORP, "corpsecret": SECRET}
        answer = attached.get(f"{client.url}/cgi-bin/gettoken", params=params).json()
        assert answer["access_token"] == client.token
        for call in (
            lambda: authorised.get(url),
            lambda: attached.get(url),
            lambda: requests.get(f"{url}&access_token={client.token}"),
        ):
            fake.revoke()
            fake.reset_journal()
            response = call()
            assert response.json()["errcode"] == 0
            paths = [each.path for each in fake.journal]
            assert sorted(paths) == ["gettoken", "user/get", "user/get"]


def test_a_cold_start_in_all_three_ways_at_once(client: Legacy, fake: FakeWeCom) -> None:
    attached, authorised = attach(requests.Session(), app(client)), requests.Session()
    authorised.auth = WeComAuth(app(client))
    url = f"{client.url}/cgi-bin/user/get?userid=a"

    def legacy() -> requests.Response:
        mine = Legacy(client.url)
        return requests.get(f"{url}&access_token={mine.fetch()}")

    ways = [lambda: attached.get(url), lambda: authorised.get(url), legacy]
    with install(), ThreadPoolExecutor(9) as pool, fake.hold("gettoken") as hold:
        calls = [pool.submit(way) for way in ways * 3]
        hold.wait_for(1)
        hold.release()
        assert all(each.result(30).json()["errcode"] == 0 for each in calls)
    assert fake.gettoken_calls == 1


def test_several_apps_are_kept_apart(client: Legacy, fake: FakeWeCom) -> None:
    others = [Legacy(client.url, secret=f"secret {n}") for n in range(3)]
    with install():
        for each in others:
            each.fetch()
        assert len({each.token for each in others}) == 3
        fake.revoke(CORP, "secret 1")
        for n, each in enumerate(others):
            assert each.send(f"{n}")["errcode"] == 0
            assert fake.token(CORP, f"secret {n}") == each.token or n == 1
    assert fake.gettoken_calls == 4


def test_more_apps_than_sources_are_kept(
    client: Legacy, fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "_SOURCES", 2)
    apps = [Legacy(client.url, secret=f"secret {n}") for n in range(5)]
    with install():
        for each in [*apps, *apps]:
            each.fetch()
        current = hooks.owners()
        assert current is not None
        assert len(current._sources) <= 2
    assert fake.gettoken_calls == 5  # what is known of a token is not kept there


# --- tokens from elsewhere ---


def foreign(fake: FakeWeCom, corpid: str = CORP, secret: str = SECRET) -> str:
    """A token that another process fetched, and that is dead now."""
    token = fake.issue(corpid, secret)
    fake.revoke(corpid, secret)
    return token


def test_the_sole_app_heals_what_was_not_handed_out_here(client: Legacy, fake: FakeWeCom) -> None:
    client.token = foreign(fake)
    with install(sole_app=app(client)):
        assert client.send("a")["errcode"] == 0
        assert client.send("b")["errcode"] == 0
    assert (fake.rejections, fake.gettoken_calls) == (1, 1)


def test_a_statement_counts_while_its_installation_does(client: Legacy, fake: FakeWeCom) -> None:
    client.token = foreign(fake)
    with install():
        with install(sole_app=app(client)):
            assert client.send("a")["errcode"] == 0
        assert client.send("b")["errcode"] == 40014
        with install(sole_app=app(client)):
            assert client.send("c")["errcode"] == 0


@pytest.mark.parametrize("given", [0, 1, 2])
def test_what_is_not_known_is_left_alone_and_said_once(
    given: int, client: Legacy, fake: FakeWeCom, caplog: pytest.LogCaptureFixture
) -> None:
    """`credentials=` brings secrets; it does not say whose a token is."""
    client.token = foreign(fake)
    with install(credentials=[app(client, CORP, f"{n}") for n in range(given)]):
        ledger.learn(app(client, "learned"), {})  # so that the host is one of ours
        for _ in range(3):
            assert client.send("x")["errcode"] == 40014
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == 1
    assert "sole_app=" in said[0]
    assert "claim(token, app)" in said[0]
    assert client.token not in said[0]
    assert fake.gettoken_calls == 0


def test_another_host_is_none_of_ours(client: Legacy, fake: FakeWeCom) -> None:
    """The official accounts' API has the same paths and errcodes."""
    client.token = foreign(fake)
    other = AppCredential(CORP, SECRET, base_url="https://gateway.example")
    with install(sole_app=other):
        assert client.send("x")["errcode"] == 40014
        Legacy(client.url).fetch()
        elsewhere = "http://localhost" + client.url.removeprefix("http://127.0.0.1")
        own = handed_out(client)
        fake.revoke()
        url = f"{elsewhere}/cgi-bin/user/get?userid=a&access_token={own}"
        assert requests.get(url).json()["errcode"] == 40014
    assert fake.gettoken_calls == 1


def handed_out(client: Legacy) -> str:
    token = InlineSource(app(client)).peek()
    assert token is not None
    return token.value


@pytest.mark.parametrize("stream", [False, True])
def test_answers_that_reject_nothing_come_back_as_they_are(
    stream: bool, client: Legacy, fake: FakeWeCom
) -> None:
    client.token = fake.issue(CORP, SECRET)
    with install(sole_app=app(client)):
        url = f"{client.url}/cgi-bin/user/get?userid=a&access_token={client.token}"
        assert requests.get(url, stream=stream).json()["errcode"] == 0


# --- across processes ---


def new_process() -> None:
    """All that a process knows by itself is gone."""
    reset()


def test_a_neighbours_token_is_known_through_the_store(
    client: Legacy, fake: FakeWeCom, tmp_path: Path
) -> None:
    """Of two apps: by the store it can be told whose it is."""
    apps = [app(client), app(client, secret="another")]
    with install(credentials=apps, store=FileStore(tmp_path / "store")):
        client.fetch()
        fake.revoke()
        new_process()
        assert client.send("x")["errcode"] == 0
        assert client.send("y")["errcode"] == 0
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)
    assert fake.token(CORP, "another") is None


def test_control_without_the_store_it_is_not(client: Legacy, fake: FakeWeCom) -> None:
    apps = [app(client), app(client, secret="another")]
    with install(credentials=apps):
        client.fetch()
        fake.revoke()
        new_process()
        assert client.send("x")["errcode"] == 40014


def test_a_neighbours_token_whose_app_is_not_known_here_is_left_alone(
    client: Legacy, fake: FakeWeCom, tmp_path: Path
) -> None:
    with install(store=FileStore(tmp_path / "store")):
        client.fetch()
        fake.revoke()
        new_process()
        ledger.learn(app(client, "another"), {})
        assert client.send("x")["errcode"] == 40014


def test_a_new_process_gets_its_token_from_the_store(
    client: Legacy, fake: FakeWeCom, tmp_path: Path
) -> None:
    with install(store=f"file://{tmp_path}/store"):
        for _ in range(5):
            client.fetch()
            assert client.send("x")["errcode"] == 0
            new_process()
    assert fake.gettoken_calls == 1


def test_the_store_holds_no_secret(client: Legacy, fake: FakeWeCom, tmp_path: Path) -> None:
    with install(store=FileStore(tmp_path / "store")):
        token = client.fetch()
    kept = [file.read_text() for file in (tmp_path / "store").glob("*.json")]
    assert not any(SECRET in text for text in kept)
    by_hash = [text for text in kept if "handed:" in text]
    assert len(by_hash) == 1
    assert token not in by_hash[0]


def test_a_store_that_is_away_breaks_nothing(client: Legacy, fake: FakeWeCom) -> None:
    with install(store=FileStore(os.devnull), credentials=[app(client)]):
        client.fetch()
        fake.revoke()
        assert client.send("x")["errcode"] == 0
        client.token = foreign(fake)
        assert client.send("x")["errcode"] == 40014


# --- trouble ---


def test_while_gettoken_is_down_the_platforms_own_answer_goes_back(
    client: Legacy, fake: FakeWeCom
) -> None:
    with install():
        client.fetch()
        fake.revoke()
        with fake.fail("drop", path="gettoken"):
            assert client.send("a")["errcode"] == 40014
            assert client.send("b")["errcode"] == 40014  # known to be dead, and nothing better
        assert client.send("c")["errcode"] == 0
    assert sent(fake) == ["c"]


def test_a_network_failure_of_the_call_itself_is_its_own(client: Legacy, fake: FakeWeCom) -> None:
    with install():
        client.fetch()
        fake.fail("drop", path="message/send")
        with pytest.raises(requests.ConnectionError) as caught:
            client.send("x")
        assert client.token in caught.value.request.url
        assert type(caught.value.args[0]).__module__.startswith("urllib3")


# --- tests of the users' own ---


@pytest.mark.parametrize("forget", [True, False])
def test_nothing_carries_over_from_test_to_test_once_reset(forget: bool) -> None:
    """A Django project with install() in its start-up; False is the control."""
    seen = []
    with install():
        for token in ("first", "second"):
            with responses.RequestsMock() as mocked:
                mocked.get(
                    "https://qyapi.weixin.qq.com/cgi-bin/gettoken",
                    json={"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200},
                )
                mocked.assert_all_requests_are_fired = False
                client = Legacy("https://qyapi.weixin.qq.com")
                seen.append(client.fetch())
            if forget:
                reset()
                assert not ledger.learned
                assert not ledger.bases
    assert seen == (["first", "second"] if forget else ["first", "first"])


# --- what is remembered ---


def test_the_least_recently_used_is_forgotten_first() -> None:
    remembered, owner = Ledger(size=2), AppCredential("ww01", "one")
    remembered.own("a", owner)
    remembered.own("b", owner)
    assert remembered.find("a") is not None
    remembered.own("c", owner)
    assert remembered.find("b") is None
    assert remembered.find("a") is not None


def test_no_token_is_remembered_in_clear() -> None:
    remembered = Ledger()
    remembered.give("token in clear", AppCredential("ww01", "one"), 0)
    assert "token in clear" not in str(vars(remembered))


def test_a_token_that_changes_hands_belongs_to_the_last() -> None:
    remembered = Ledger()
    one, two = AppCredential("ww01", "one"), AppCredential("ww01", "two")
    first = remembered.give("a", one, 0)
    first.is_dead = True
    assert remembered.give("a", AppCredential("ww01", "one"), 0) is first
    assert not first.is_dead
    assert remembered.give("a", two, 0).owner == two
