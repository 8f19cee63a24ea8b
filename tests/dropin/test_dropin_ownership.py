"""Whose token it is: stated or seen, never inferred. The control is always B: its own answer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import requests
from legacy import CORP, SECRET, Legacy

from wecom_auth import AppCredential, ExternalToken, claim, install
from wecom_auth._dropin.owner import Owners
from wecom_auth.stores import FileStore
from wecom_auth.testing import FakeWeCom, Request, reset

B = ("ww0002", "secret-of-b")


def app(client: Legacy, corpid: str = CORP, secret: str = SECRET) -> AppCredential:
    return AppCredential(corpid, secret, base_url=client.url)


@pytest.fixture
def shows_whose(fake: FakeWeCom) -> None:
    """`user/get` tells which corp's token it was asked with."""

    def whose(request: Request) -> dict[str, Any]:
        token = request.params["access_token"]
        return {"errcode": 0, "corp": "A" if token == fake.token(CORP, SECRET) else "B"}

    fake.route("user/get", whose)


def ask(client: Legacy, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(
        f"{client.url}/cgi-bin/user/get?userid=a&access_token={token}"
    ).json()
    return answer


def dead(fake: FakeWeCom, corpid: str, secret: str) -> str:
    token = fake.issue(corpid, secret)
    fake.revoke(corpid, secret)
    return token


# --- another corp's token ---


@pytest.mark.usefixtures("shows_whose")
@pytest.mark.parametrize("given", ["credentials", "a gettoken", "sole_app after a gettoken of B"])
def test_an_unknown_token_is_never_answered_with_the_data_of_a(
    given: str, client: Legacy, fake: FakeWeCom
) -> None:
    token = dead(fake, "ww0003", "of the third")
    options: dict[str, Any] = {
        "credentials": {"credentials": [app(client)]},
        "a gettoken": {},
        "sole_app after a gettoken of B": {"sole_app": app(client)},
    }[given]
    with install(**options):
        if given != "credentials":
            client.fetch()
        if "of B" in given:
            Legacy(client.url, *B).fetch()
        assert ask(client, token)["errcode"] == 40014


@pytest.mark.usefixtures("shows_whose")
def test_control_the_statement_replaces_it(client: Legacy, fake: FakeWeCom) -> None:
    with install(sole_app=app(client)):
        client.fetch()  # of the same app: it speaks for the statement
        assert ask(client, dead(fake, *B))["corp"] == "A"


@pytest.mark.usefixtures("shows_whose")
@pytest.mark.parametrize("path", ["service/get_corp_token", "corpgroup/corp/gettoken"])
def test_tokens_of_other_exchanges_are_theirs(path: str, client: Legacy, fake: FakeWeCom) -> None:
    """`get_corp_token` gives corp B's token: it is not replaced by A's, whatever is stated."""
    token = fake.issue(*B)
    fake.route(path, {"access_token": token, "expires_in": 7200}, check_token=False)
    with install(sole_app=app(client)):
        answer = requests.post(f"{client.url}/cgi-bin/{path}?suite_access_token=S", json={})
        assert answer.json()["access_token"] == token
        assert ask(client, token)["corp"] == "B"
        fake.revoke(*B)
        assert ask(client, token)["errcode"] == 40014
    with install(sole_app=app(client)):
        assert ask(client, token)["errcode"] == 40014


def test_the_parents_token_of_a_downstream_exchange_is_healed(
    client: Legacy, fake: FakeWeCom
) -> None:
    fake.route("corpgroup/corp/gettoken", {"access_token": "T", "expires_in": 7200})
    with install():
        parent = client.fetch()
        fake.revoke()
        url = f"{client.url}/cgi-bin/corpgroup/corp/gettoken?access_token={parent}"
        assert requests.post(url, json={}).json()["access_token"] == "T"


# --- statements ---


@pytest.mark.parametrize("code", [301002, 48002, 60011, 40014])
@pytest.mark.parametrize("how", ["sole_app", "claim"])
def test_a_replaced_call_that_is_refused_ends_the_statement(
    how: str, code: int, client: Legacy, fake: FakeWeCom, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets B's own rejection, not what A's token is told."""
    token = dead(fake, *B)

    def refuses(request: Request) -> dict[str, Any]:
        own = request.params["access_token"] == token
        return {"errcode": 40014 if own else code, "errmsg": "B's own" if own else "of A"}

    fake.route("user/get", refuses, check_token=False)
    stated = {"sole_app": app(client)} if how == "sole_app" else {}
    with install(**stated):
        if how == "claim":
            claim(token, app(client))
        for _ in range(3):
            assert ask(client, token)["errmsg"] == "B's own"
    ended = [each.getMessage() for each in caplog.records if "no longer counts" in each.message]
    assert len(ended) == 1
    assert how in ended[0]
    assert fake.gettoken_calls == 1


def test_an_outage_is_no_evidence(client: Legacy, fake: FakeWeCom) -> None:
    with install(sole_app=app(client)):
        client.token = dead(fake, CORP, SECRET)
        assert client.send("a")["errcode"] == 0
        fake.revoke()
        with fake.fail("outage", path="gettoken"):
            assert client.send("b")["errcode"] == 40014
        assert client.send("c")["errcode"] == 0


def test_a_claim_is_about_one_token(client: Legacy, fake: FakeWeCom) -> None:
    one, other = dead(fake, CORP, SECRET), dead(fake, *B)
    with install():
        claim(one, app(client))
        assert ask(client, one)["errcode"] == 0
        assert ask(client, other)["errcode"] == 40014
        client.fetch()
        claim(client.token, app(client))  # known already, and better


def test_a_claim_says_what_is_wrong(client: Legacy) -> None:
    for wrong in ("", None):
        with pytest.raises(TypeError, match="non-empty str"):
            claim(wrong, app(client))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a credential, not str"):
        claim("T", "app")  # type: ignore[arg-type]


def test_a_sole_app_stands_alone(client: Legacy) -> None:
    one, other = app(client), app(client, *B)
    with pytest.raises(ValueError, match="no other credential beside it"):
        install(sole_app=one, credentials=[other])
    for first, second in [
        ({"sole_app": one}, {"sole_app": other}),
        ({"sole_app": one}, {"credentials": [other]}),
        ({"credentials": [other]}, {"sole_app": one}),
    ]:
        with install(**first), pytest.raises(ValueError, match="no other"):
            install(**second)  # type: ignore[arg-type]
    with install(sole_app=one, credentials=[one]), install(credentials=[one]):
        pass
    with pytest.raises(TypeError, match="sole_app must be a credential"):
        install(sole_app="app")  # type: ignore[arg-type]


def test_a_sole_app_is_any_credential_whose_token_goes_as_access_token(
    client: Legacy, fake: FakeWeCom
) -> None:
    external = ExternalToken(lambda: fake.issue(CORP, SECRET), base_url=client.url)
    with install(sole_app=external):
        client.token = dead(fake, CORP, SECRET)
        assert client.send("x")["errcode"] == 0
    assert fake.gettoken_calls == 0

    class Suite(AppCredential):
        kind = AppCredential.kind.__class__("suite", "x", parameter="suite_access_token")

    with pytest.raises(ValueError, match="goes as suite_access_token"):
        install(sole_app=Suite("a", "b"))


def test_credentials_bring_the_secret_of_an_owner_that_the_store_knows(
    client: Legacy, fake: FakeWeCom, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileStore(tmp_path / "store")
    with install(store=store):
        client.fetch()
    fake.revoke()
    reset()
    caplog.set_level(logging.WARNING)
    with install(store=store, sole_app=app(client, *B)):  # the store knows better
        assert client.send("a")["errcode"] == 40014
        assert "whose secret is not known here" in caplog.text
    reset()
    with install(store=store, credentials=[app(client)]):
        assert client.send("b")["errcode"] == 0


def test_a_secret_in_a_file_is_the_same_app(client: Legacy, fake: FakeWeCom) -> None:
    in_a_file = AppCredential(CORP, lambda: SECRET, base_url=client.url)
    with install(sole_app=in_a_file):
        client.fetch()
        assert ask(client, dead(fake, "ww0009", "unknown"))["errcode"] == 0


# --- a token that was never had ---


@pytest.mark.parametrize("how", ["None", "none at all"])
def test_a_swallowed_refusal_is_named_once(
    how: str, client: Legacy, fake: FakeWeCom, caplog: pytest.LogCaptureFixture
) -> None:
    fake.app(CORP, "another")
    url = f"{client.url}/cgi-bin/message/send"
    with install():
        for _ in range(3):
            token = client.ask().json().get("access_token")
            params = {"access_token": token} if how == "none at all" else {"access_token": "None"}
            code = requests.post(url, params=params, json={}).json()["errcode"]
            assert code in (40014, 41001)
    said = [each.getMessage() for each in caplog.records if "without a token" in each.message]
    assert len(said) == 1
    for word in (str(code), CORP, "40001", "copy the Secret"):
        assert word in said[0]
    assert SECRET not in caplog.text


def test_control_without_a_refusal_nothing_is_said(
    client: Legacy, caplog: pytest.LogCaptureFixture
) -> None:
    with install():
        requests.post(f"{client.url}/cgi-bin/message/send?access_token=None", json={})
    assert not caplog.records


def test_no_owner_without_an_installation() -> None:
    assert Owners().find("T", "https://qyapi.weixin.qq.com/cgi-bin/user/get") is None
