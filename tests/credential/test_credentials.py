"""What is exchanged for a token: refused early where it cannot work, and shown without secrets."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from tokenside import CORP, HOST, SECRET, Clock, call, program

from wecom_auth import (
    AppCredential,
    Credential,
    CredentialError,
    ExternalToken,
    TokenSource,
    TokenUnavailable,
    WeComAdapter,
    WeComError,
    attach,
)
from wecom_auth._credential.credentials import EXTERNAL_LIFE
from wecom_auth.testing import FakeWeCom


def app(**changes: Any) -> AppCredential:
    return AppCredential(**{"corpid": CORP, "corpsecret": SECRET, **changes})


# --- AppCredential ---


@pytest.mark.parametrize("name", ["corpid", "corpsecret"])
@pytest.mark.parametrize(
    ("bad", "kind", "text"),
    [
        (None, TypeError, "must be a str, not None"),
        (b"ww01", TypeError, "must be a str, not bytes"),
        (7, TypeError, "must be a str, not int"),
        ("", ValueError, "is empty: is the variable or setting it comes from set"),
        (" \t\n", ValueError, "is empty"),
        ("se\udcff\udcfecret", ValueError, "holds bytes that are not UTF-8: set it again"),
    ],
)
def test_what_cannot_work_is_refused(name: str, bad: Any, kind: type[Exception], text: str):
    with pytest.raises(kind, match=f"^{name} {text}"):
        app(**{name: bad})


def test_blanks_around_are_dropped():
    assert app(corpid=f" {CORP}\n", corpsecret=f"{SECRET}\r\n") == app()


def test_it_is_what_it_names():
    assert app() == app()
    assert hash(app()) == hash(app())
    for other in (app(corpid="ww2"), app(corpsecret="x"), app(base_url="https://gateway.example")):
        assert other != app()
        assert other.key != app().key
    assert app() != "an app"
    assert app() != ExternalToken(str)


def test_no_two_credentials_share_a_key():
    """Length-prefixed: a letter that moves from one part to the next makes another key."""
    assert app(corpid="ww0", corpsecret="1s").key != app(corpid="ww01", corpsecret="s").key
    one = app(base_url="https://h/1", corpid="1:2")
    assert one.key != app(base_url="https://h", corpid="/1:1:2").key


def test_neither_key_nor_repr_shows_the_secret():
    for shown in (app().key, repr(app()), str(app()), f"{app()}"):
        assert SECRET not in shown
        assert SECRET[:6] not in shown
    assert repr(app()) == f"AppCredential(corpid='{CORP}', base_url='{HOST}')"


@pytest.mark.parametrize("name", ["corpid", "base_url", "key", "_secret", "parameter", "new"])
def test_it_is_immutable(name: str):
    credential = app()
    with pytest.raises(AttributeError, match="AppCredential is immutable"):
        setattr(credential, name, "other")
    with pytest.raises(AttributeError, match="AppCredential is immutable"):
        delattr(credential, name)
    assert credential == app()


COPIES = [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]


@pytest.mark.parametrize("how", COPIES)
def test_it_is_copied_and_pickled(how: Callable[[Any], Any], tmp_path: Path):
    plain = app(base_url="http://gateway.example/wecom", allow_http=True)
    assert how(plain) == plain
    assert how(plain).corpsecret == SECRET
    (tmp_path / "secret").write_text("first")
    of_file = AppCredential.from_env(
        environ={"WECOM_CORPID": CORP, "WECOM_SECRET_FILE": str(tmp_path / "secret")}
    )
    (tmp_path / "secret").write_text("second")
    assert how(of_file).corpsecret == "second"


# --- from_env ---


def env(**more: str) -> AppCredential:
    return AppCredential.from_env(environ=more)


@pytest.mark.parametrize("corpid", ["WECOM_CORPID", "WECOM_CORP_ID"])
@pytest.mark.parametrize("secret", ["WECOM_CORPSECRET", "WECOM_SECRET", "WECOM_CORP_SECRET"])
def test_every_spelling_of_the_environment(corpid: str, secret: str, tmp_path: Path):
    assert env(**{corpid: CORP, secret: SECRET}) == app()
    (tmp_path / "id").write_text(f"\ufeff{CORP}\r\n", "utf-8")
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    files = {f"{corpid}_FILE": str(tmp_path / "id"), f"{secret}_FILE": str(tmp_path / "secret")}
    assert env(**files) == app()


def test_it_reads_the_process_environment_and_another_prefix(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALERTS_CORPID", CORP)
    monkeypatch.setenv("ALERTS_SECRET", SECRET)
    monkeypatch.setenv("ALERTS_BASE_URL", "https://gateway.example/wecom/cgi-bin/")
    with pytest.raises(TypeError, match="prefix must be a str, not int"):
        AppCredential.from_env(3)  # type: ignore[arg-type]
    assert AppCredential.from_env("ALERTS_") == app(base_url="https://gateway.example/wecom")


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({}, "WECOM_CORPID is not set .*WECOM_CORP_ID, WECOM_CORPID_FILE"),
        ({"WECOM_CORPID": CORP}, "WECOM_CORPSECRET is not set .*WECOM_SECRET"),
        ({"WECOM_CORPID": "  ", "WECOM_SECRET": "s"}, "WECOM_CORPID is not set"),
        (
            {"WECOM_CORPID": CORP, "WECOM_SECRET_FILE": "/no/such"},
            "WECOM_SECRET_FILE: cannot read /no/such",
        ),
        ({"WECOM_BASE_URL": "gateway"}, "WECOM_BASE_URL: base_url must be like"),
        (
            {"WECOM_BASE_URL": "http://gateway.example"},
            "WECOM_BASE_URL: .*plain http.* WECOM_ALLOW_HTTP=1",
        ),
        ({"WECOM_BASE_URL": "http://g.example", "WECOM_ALLOW_HTTP": "0"}, "plain http"),
        ({"WECOM_ALLOW_HTTP": "maybe"}, "WECOM_ALLOW_HTTP must be 1 or 0"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(environ: dict[str, str], text: str):
    if "WECOM_CORPID" not in environ and environ:
        environ = {"WECOM_CORPID": CORP, "WECOM_CORPSECRET": SECRET, **environ}
    with pytest.raises(ValueError, match=text) as caught:
        env(**environ)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("switch", ["1", "true", "YES", "on"])
def test_plain_http_where_it_is_asked_for(switch: str):
    more = {"WECOM_BASE_URL": "http://gateway.example", "WECOM_ALLOW_HTTP": switch}
    assert env(WECOM_CORPID="c", WECOM_SECRET="s", **more).base_url == "http://gateway.example"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_that_holds_nothing_is_named(content: bytes, tmp_path: Path):
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"WECOM_SECRET_FILE: .*secret") as caught:
        env(WECOM_CORPID=CORP, WECOM_SECRET_FILE=str(path))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("damage", ["removed", "emptied", "binary", "directory"])
def test_a_secret_file_that_breaks_later_leaves_the_secret(damage: str, tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text(SECRET)
    credential = env(WECOM_CORPID=CORP, WECOM_SECRET_FILE=str(path))
    path.write_bytes({"emptied": b"", "binary": b"\xff\xfe\x00"}.get(damage, b"x"))
    if damage in ("removed", "directory"):
        path.unlink()
    if damage == "directory":
        path.mkdir()
    assert credential.corpsecret == SECRET


def test_the_rotated_secret_stays_out_of_errors(tmp_path: Path):
    path, clock, fake = tmp_path / "secret", Clock(), FakeWeCom()
    path.write_text("first")
    credential = env(WECOM_CORPID=CORP, WECOM_SECRET_FILE=str(path))
    path.write_text("the-rotated-one")
    fake.route("gettoken", {"errcode": 40001, "errmsg": "no: the-rotated-one"}, check_token=False)
    with pytest.raises(CredentialError) as caught:
        program(fake, clock, credential=credential).get()
    assert "the-rotated-one" not in str(caught.value) + caught.value.errmsg


# --- ExternalToken ---


class Owner:
    """A service that keeps the token, and is told of rejections."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.told = list(answers), 0, []

    def get(self) -> Any:
        self.asked += 1
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def credential(self) -> ExternalToken:
        return ExternalToken(self.get, self.told.append)


def source(owner: Owner, clock: Clock) -> TokenSource:
    return TokenSource(owner.credential(), store=clock.store())


@pytest.mark.parametrize(
    ("answer", "value", "life"),
    [
        ("token", "token", EXTERNAL_LIFE),
        (" token\n", "token", EXTERNAL_LIFE),
        (b"token", "token", EXTERNAL_LIFE),
        (("token", 100), "token", 100),
        ((b"token", "100"), "token", 100),
        (("token", 10**9), "token", 7200),
        (("token", None), "token", EXTERNAL_LIFE),
        (("token", -3), "token", EXTERNAL_LIFE),
        (("token", float("nan")), "token", EXTERNAL_LIFE),
    ],
)
def test_what_the_owner_may_answer(answer: Any, value: str, life: float):
    clock = Clock()
    owner = Owner(answer, "the next one")
    mine = source(owner, clock)
    token = mine.get()
    assert token.value == value
    clock.pass_by(life * 0.69)
    assert mine.get() is token
    assert owner.asked == 1
    clock.pass_by(life)
    assert mine.get().value == "the next one"


@pytest.mark.parametrize(
    "bad", [None, "", "  ", 7, (), ("a", 1, 2), ["token"], {"t": 1}, b"", "\ud800"]
)
def test_what_is_no_token_is_a_clear_error(bad: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wecom_auth._source.fetch.TRIES", 1)
    owner = Owner(bad, "token")
    mine = source(owner, Clock())
    with pytest.raises(TokenUnavailable, match="a non-empty token, or a token and the seconds"):
        mine.get()
    assert mine.get().value == "token"


@pytest.mark.parametrize("error", [OSError("redis is down, access_token=abc"), KeyError("wecom")])
def test_an_owner_that_fails_is_a_clear_error(error: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wecom_auth._source.fetch.TRIES", 1)
    with pytest.raises(TokenUnavailable, match=r"ExternalToken: get\(\) raised") as caught:
        source(Owner(error), Clock()).get()
    assert type(error).__name__ in str(caught.value)
    assert "abc" not in str(caught.value)
    assert caught.value.__context__ is caught.value.__cause__ is None


def test_what_an_owner_raises_of_ours_is_handed_on():
    with pytest.raises(CredentialError, match="revoked by the admin"):
        source(Owner(CredentialError("revoked by the admin", errcode=40001)), Clock()).get()


def test_an_owner_that_fails_for_a_moment_is_asked_again():
    owner = Owner(OSError(), "token")
    assert source(owner, Clock()).get().value == "token"
    assert owner.asked == 2


def test_the_owner_is_told_once_and_asked_again():
    clock, owner = Clock(), Owner("dead", "fresh")
    mine = source(owner, clock)
    old = mine.get()
    for _ in range(5):
        fresh = mine.replace(old)
        assert fresh is not None
        assert fresh.value == "fresh"
    assert owner.told == ["dead"]


def test_the_same_value_again_is_no_resend_and_no_second_notice():
    clock, owner = Clock(), Owner("dead")
    mine = source(owner, clock)
    for _ in range(1000):
        assert mine.replace(mine.get()) is None
        clock.pass_by(0.1)
    assert owner.told == ["dead"]
    assert owner.asked <= 20
    assert mine.statistics.resends == 0


def test_an_owner_that_cannot_be_told_harms_nobody(caplog: pytest.LogCaptureFixture):
    def refuse(value: str) -> None:
        raise OSError(f"access_token={value}")

    owner = Owner("dead-token", "fresh")
    mine = TokenSource(ExternalToken(owner.get, refuse))
    fresh = mine.replace(mine.get())
    assert fresh is not None
    assert "on_rejected raised OSError" in caplog.text
    assert "dead-token" not in caplog.text


def test_no_gettoken_is_ever_made():
    fake, clock = FakeWeCom(), Clock()
    fake.app(CORP, SECRET)
    owner = Owner(fake.issue(CORP, SECRET))
    mine = program(fake, clock, credential=owner.credential())
    assert call(fake, mine) == 0
    fake.revoke()
    owner.answers = [fake.issue(CORP, SECRET)]
    assert call(fake, mine) == 0
    assert fake.gettoken_calls == 0
    assert owner.asked == 2


@pytest.mark.parametrize("bad", ["token", None, 7])
def test_get_must_be_a_function(bad: Any):
    with pytest.raises(TypeError, match="get must be a plain function"):
        ExternalToken(bad)


async def _coroutine() -> str:
    return "token"


def test_coroutine_functions_are_refused():
    with pytest.raises(TypeError, match="get must be a plain function, not a coroutine function"):
        ExternalToken(_coroutine)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_rejected must be a plain function, not a coroutine"):
        ExternalToken(str, _coroutine)  # type: ignore[arg-type]


def test_an_object_without_a_hash_is_refused_with_the_fix():
    @dataclass
    class Central:
        url: str

        def __call__(self) -> str:
            return "token"

    with pytest.raises(TypeError, match=r"get must be hashable, and Central.*dataclass"):
        ExternalToken(Central("https://tokens.example"))
    assert TokenSource(ExternalToken(Central("https://tokens.example").__call__)).get()


def test_its_identity_is_its_functions():
    owner = Owner("token")
    assert owner.credential() == owner.credential()
    assert hash(owner.credential()) == hash(owner.credential())
    assert TokenSource(owner.credential()) == TokenSource(owner.credential())
    assert owner.credential() != Owner("token").credential()
    assert owner.credential() != ExternalToken(owner.get, base_url="https://gateway.example")
    assert ExternalToken(str) != app()
    assert "Owner.get" in repr(owner.credential())


def test_two_owners_do_not_get_each_others_token():
    one, two = (TokenSource(Owner(value).credential()) for value in ("one", "two"))
    assert (one.get().value, two.get().value) == ("one", "two")


@pytest.mark.parametrize("how", COPIES)
def test_an_external_token_is_copied_and_pickled(how: Callable[[Any], Any]):
    credential = ExternalToken(str.upper, base_url="http://gateway.example", allow_http=True)  # type: ignore[arg-type]
    assert how(credential) == credential


def test_a_deep_copy_asks_the_same_owner():
    """A client often holds a lock, which cannot be copied; a plain session can be."""

    class Client:
        def __init__(self) -> None:
            self._lock = threading.Lock()

        def get(self) -> str:
            return "token"

    session = attach(requests.Session(), credential := ExternalToken(Client().get))
    adapter = copy.deepcopy(session).get_adapter(f"{HOST}/")
    assert isinstance(adapter, WeComAdapter)
    assert adapter.source == TokenSource(credential)


def test_a_shared_store_is_not_for_it():
    class Store:
        load = compare_and_set = lock = staticmethod(lambda *_: None)

    with pytest.raises(ValueError, match="its owner keeps it"):
        TokenSource(ExternalToken(str), store=Store())


# --- a kind of the user's own ---


def test_a_kind_of_ones_own():
    class Suite(Credential):
        __slots__ = ()
        parameter = "suite_access_token"

        def __init__(self) -> None:
            self._name(HOST, "suite:1")

        def obtain(self, send: Any, limit: float) -> Any:
            raise WeComError("not today")

    with pytest.raises(WeComError, match="not today"):
        TokenSource(Suite()).get()
    assert Suite() == Suite()
    with pytest.raises(TypeError, match="abstract"):
        Credential()  # type: ignore[abstract]
