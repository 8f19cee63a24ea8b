"""`attach` and `WeComAdapter`: whose adapter sends, with which token, what its errors tell."""

from __future__ import annotations

import copy
import pickle
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import Timeout
from urllib3.util import Retry
from ways import (
    CORP,
    HIDING_WAYS,
    SECRET,
    Client,
    all_ways,
    closed_door,
    platform,
    raw_server,
    warm,
)

from wecom_auth import (
    AppCredential,
    CredentialError,
    ExternalToken,
    MemoryStore,
    TokenSource,
    TokenUnavailable,
    WeComAdapter,
    WeComAuth,
    attach,
)
from wecom_auth._clients.requests import adapter, hide
from wecom_auth._clients.requests.send import call_limit
from wecom_auth.testing import FakeWeCom


def get(session: requests.Session, app: AppCredential, **options: Any) -> Any:
    options.setdefault("timeout", 20)
    return session.get(f"{app.base_url}/cgi-bin/user/get?userid=a", **options).json()


class Noting(HTTPAdapter):
    """A user's adapter: it notes what it sends, and how."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.options: list[dict[str, Any]] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request.path_url.partition("?")[0].rpartition("/")[2])
        self.options.append(options)
        return super().send(request, **options)


# --- attaching ---


def test_attach_gives_the_session_back() -> None:
    session = requests.Session()
    assert attach(session, AppCredential("ww1", "s")) is session


class OwnWay(requests.Session):
    """Passes by what is mounted."""

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        return HTTPAdapter()


def test_a_session_that_passes_by_what_is_mounted_is_told() -> None:
    """Else every call would go out without a token, and the platform say 41001."""
    with platform() as (_, app):
        with pytest.raises(ValueError, match=r"OwnWay has a get_adapter of its own.*WeComAuth"):
            attach(OwnWay(), app)
        session = OwnWay()
        session.auth = WeComAuth(app)
        assert get(session, app)["errcode"] == 0


def test_a_deep_copy_of_a_session_shares_the_memory_of_its_source() -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app, store=MemoryStore())
        assert get(session, app)["errcode"] == get(copy.deepcopy(session), app)["errcode"] == 0
        assert fake.gettoken_calls == 1


@pytest.mark.parametrize("again", [lambda app: app, TokenSource], ids=["credential", "source"])
def test_attaching_the_same_credential_again_does_nothing(again: Callable[[Any], Any]) -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app)
        before = dict(session.adapters)
        attach(session, again(AppCredential(CORP, SECRET, base_url=app.base_url + "/cgi-bin/")))
        assert dict(session.adapters) == before
        get(session, app)
        fake.revoke()
        fake.reset_journal()
        assert get(session, app)["errcode"] == 0
        assert [call.path for call in fake.journal] == ["user/get", "gettoken", "user/get"]


def test_the_same_credential_with_another_store_is_refused() -> None:
    with platform() as (_, app):
        store = MemoryStore()
        session = attach(requests.Session(), app, store=store)
        for again in (app, TokenSource(app), TokenSource(app, store=store)):
            attach(session, again)
        for another in (TokenSource(app, store=MemoryStore()), app):
            given = MemoryStore() if another is app else None
            with pytest.raises(ValueError, match="attached already, with another store"):
                attach(session, another, store=given)


def test_another_credential_is_refused() -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app)
        other = AppCredential(CORP, "another-secret", base_url=app.base_url)
        with pytest.raises(ValueError, match="one client for each credential") as caught:
            attach(session, other)
        assert "another-secret" not in str(caught.value)
        assert get(session, app)["errcode"] == 0
        assert fake.token(CORP, "another-secret") is None, "and nothing was changed"


def test_two_apps_in_two_sessions() -> None:
    with platform() as (fake, app):
        other = AppCredential("ww0002", "another", base_url=app.base_url)
        ours, theirs = attach(requests.Session(), app), attach(requests.Session(), other)
        for _ in range(2):
            get(ours, app)
            get(theirs, other)
        corps = [call.corpid for call in fake.journal if call.path == "user/get"]
        assert corps == [CORP, "ww0002"] * 2
        assert fake.gettoken_calls == 2


@pytest.mark.parametrize("first", [0, 1])
def test_two_apps_on_two_prefixes_of_one_session(first: int) -> None:
    with platform() as (fake, app):
        base = app.base_url
        apps = [
            AppCredential("ww1", "s", base_url=f"{base}/wecom"),
            AppCredential("ww2", "s", base_url=f"{base}/other"),
        ]
        session = requests.Session()
        attach(session, apps[first])
        attach(session, apps[1 - first])
        for each in apps:
            assert get(session, each)["errcode"] == 0
        assert [c.corpid for c in fake.journal if c.path == "user/get"] == ["ww1", "ww2"]


def test_an_auth_for_one_request_wins_over_the_adapter() -> None:
    with platform(mode="rotate") as (fake, app):
        other = AppCredential("ww0002", "another", base_url=app.base_url)
        session = attach(requests.Session(), app)
        for auth in (WeComAuth(other), WeComAuth(other)):
            assert get(session, app, auth=auth)["errcode"] == 0
            fake.revoke()
        fake.reset_journal()
        assert get(session, app, auth=WeComAuth(other))["errcode"] == 0
        asked = [(call.path, call.errcode) for call in fake.journal]
        assert asked == [("user/get", 40014), ("gettoken", 0), ("user/get", 0)], "one resend"
        assert fake.token(CORP, SECRET) is None, "the adapter stayed out"
        fake.fail("reject")
        fake.reset_journal()
        assert get(session, app, auth=WeComAuth(other))["errcode"] == 40014
        assert [call.path for call in fake.journal if call.path != "gettoken"] == ["user/get"] * 2


def test_auth_and_attach_of_one_credential_make_one_resend() -> None:
    with platform(mode="rotate") as (fake, app):
        session = attach(requests.Session(), app)
        session.auth = WeComAuth(app)
        get(session, app)
        fake.fail("reject")
        fake.reset_journal()
        assert get(session, app)["errcode"] == 40014
        assert [call.path for call in fake.journal].count("user/get") == 2


def test_control_without_asking_whose_call_it_is_the_wrong_app_makes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "is_authorised", lambda request: False)
    with platform() as (fake, app):
        other = AppCredential("ww0002", "another", base_url=app.base_url)
        get(attach(requests.Session(), app), app, auth=WeComAuth(other))
        assert fake.journal[-1].corpid == CORP


# --- whose adapter sends ---


def test_the_adapter_of_the_session_goes_on_sending_gettoken_too() -> None:
    with platform() as (_fake, app):
        session, inner = requests.Session(), Noting()
        session.mount("http://", inner)
        get(attach(session, app), app, verify=False, timeout=(3, 4))
        assert inner.sent == ["gettoken", "get"]
        assert [options["verify"] for options in inner.options] == [False, False]
        assert inner.options[1]["timeout"] == (3, 4)
        exchange = inner.options[0]["timeout"]
        assert 0 < exchange.connect_timeout < exchange.read_timeout <= 7


def test_a_later_mount_still_counts() -> None:
    with platform() as (_fake, app):
        session, inner = attach(requests.Session(), app), Noting()
        session.mount("http://", inner)
        get(session, app)
        assert inner.sent == ["gettoken", "get"]


@pytest.mark.parametrize("path", ["", "/cgi-bin", "/cgi-bin/", "/cgi-bin/user/"])
def test_a_longer_mount_before_attach_is_kept(path: str) -> None:
    with platform() as (_fake, app):
        session, inner = requests.Session(), Noting()
        session.mount(app.base_url + path, inner)
        assert get(attach(session, app), app)["errcode"] == 0
        assert "get" in inner.sent


def test_a_session_without_adapters() -> None:
    with platform() as (_fake, app):
        session = requests.Session()
        session.adapters.clear()
        assert get(attach(session, app), app)["errcode"] == 0


def test_a_mount_in_our_place_takes_us_off() -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app)
        session.mount(f"{app.base_url}/", HTTPAdapter())
        assert get(session, app)["errcode"] == 41001
        assert get(attach(session, app), app)["errcode"] == 0
        assert fake.gettoken_calls == 1


def test_other_hosts_keep_their_adapter() -> None:
    with platform() as (_fake, app), FakeWeCom().serve() as elsewhere:
        session, inner = requests.Session(), Noting()
        session.mount(elsewhere, inner)
        attach(session, app).get(f"{elsewhere}/cgi-bin/user/get")
        assert inner.sent == ["get"]
        assert isinstance(session.get_adapter(f"{elsewhere}/x"), Noting)


def test_mounted_over_more_than_the_platform_it_lets_the_rest_pass() -> None:
    with platform() as (fake, app):
        session = requests.Session()
        session.mount("http://", WeComAdapter(app))
        assert get(session, app)["errcode"] == 0
        other = FakeWeCom()
        with other.serve() as elsewhere:
            url = f"{elsewhere}/cgi-bin/user/get?access_token=theirs&a=%20"
            response = session.get(url)
            assert response.url == url
            assert other.journal[0].query == "access_token=***&a=%20"
        assert fake.gettoken_calls == 1


def test_closing_the_session_closes_the_inner_adapter() -> None:
    closed: list[str] = []

    class Closing(HTTPAdapter):
        def close(self) -> None:
            closed.append("inner")

    with requests.Session() as session:
        ours = WeComAdapter(AppCredential("c", "s"), Closing())
        session.mount("https://qyapi.weixin.qq.com/", ours)
    assert closed == ["inner"]
    attach(requests.Session(), AppCredential("c", "s")).close()


def test_a_store_goes_with_a_credential() -> None:
    with platform() as (fake, app):
        own = MemoryStore()
        get(attach(requests.Session(), app, store=own), app)
        get(attach(requests.Session(), app), app)
        assert fake.gettoken_calls == 2
        with pytest.raises(ValueError, match="give store= to TokenSource"):
            attach(requests.Session(), TokenSource(app), store=own)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (None, AppCredential("c", "s")),
            r"cannot attach to NoneType: it can be requests\.Session",
        ),
        ((requests, AppCredential("c", "s")), "cannot attach to module"),
        ((requests.Session(), "corpid"), "credential must be"),
        ((requests.Session(), None), "credential must be"),
        ((requests.Session(), AppCredential), "credential must be"),
    ],
)
def test_attach_refuses_what_it_does_not_know(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        attach(*arguments)


@pytest.mark.parametrize("inner", ["http", HTTPAdapter, 5])
def test_an_inner_adapter_must_be_one(inner: Any) -> None:
    with pytest.raises(TypeError, match="inner must be a requests adapter"):
        WeComAdapter(AppCredential("c", "s"), inner)


def test_repr_without_a_secret() -> None:
    shown = repr(attach(requests.Session(), AppCredential("ww1", "hidden")).adapters)
    assert "ww1" in shown
    assert "hidden" not in shown


# --- errors ---


def holds(error: BaseException, token: str) -> list[str]:
    """Where an exception and all that hangs on it tell the token."""
    places = {
        "text": str(error),
        "repr": repr(error),
        "args": repr(error.args),
        "attributes": repr(vars(error)),
        "url": str(getattr(getattr(error, "request", None), "url", "")),
        "traceback": "".join(traceback.format_exception(error)),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "copy": repr(vars(copy.copy(error))),
    }
    found = [name for name, text in places.items() if token in text]
    for other in (error.__cause__, error.__context__):
        found += [] if other is None else holds(other, token)
    return found


class Switch(HTTPAdapter):
    """A user's adapter that can be told to knock at a closed door."""

    nowhere = ""
    instead = ""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        if self.instead:
            request = request.copy()
            request.url = f"{self.instead}{request.path_url}"
        return super().send(request, **options)


def refused(fake: FakeWeCom, inner: Switch) -> dict[str, Any]:
    inner.instead = inner.nowhere
    return {}


def proxied(fake: FakeWeCom, inner: Switch) -> dict[str, Any]:
    return {"proxies": {"http": inner.nowhere}}


def hanging(fake: FakeWeCom, inner: Switch) -> dict[str, Any]:
    fake.fail("hang", path="user/get")
    return {"timeout": 0.2}


def dropped(fake: FakeWeCom, inner: Switch) -> dict[str, Any]:
    fake.fail("drop", path="user/get")
    return {}


def tried_again(fake: FakeWeCom, inner: Switch) -> dict[str, Any]:
    inner.max_retries = Retry(2, backoff_factor=0)
    return dropped(fake, inner)


TROUBLES = {
    "refused": (refused, requests.ConnectionError),
    "proxy": (proxied, requests.exceptions.ProxyError),
    "read timeout": (hanging, requests.ReadTimeout),
    "dropped": (dropped, requests.ConnectionError),
    "dropped again and again": (tried_again, requests.ConnectionError),
}


@contextmanager
def troubled(way: str) -> Iterator[tuple[FakeWeCom, Client, Switch]]:
    with platform(mode="rotate") as (fake, app), closed_door() as nowhere:
        session, inner = requests.Session(), Switch()
        inner.nowhere = nowhere
        session.mount("http://", inner)
        client = Client(way, app, session)
        warm(client)
        try:
            yield fake, client, inner
        finally:
            fake.let_go()


@all_ways(*HIDING_WAYS)
@pytest.mark.parametrize("healed", [False, True])
@pytest.mark.parametrize(("prepare", "kind"), TROUBLES.values(), ids=TROUBLES)
def test_an_error_tells_no_token(way: str, healed: bool, prepare: Any, kind: Any) -> None:
    with troubled(way) as (fake, client, inner):
        first = str(fake.token(CORP, SECRET))
        options = prepare(fake, inner)
        if healed:
            fake.fail(42001, times=1, path="user/get")
        with pytest.raises(requests.RequestException) as caught:
            client.get("user/get?userid=alice", **options)
        error = caught.value
        assert type(error) is kind
        assert holds(error, first) == holds(error, str(fake.token(CORP, SECRET))) == []
        assert error.request is not None
        assert error.request.url == f"{client.app.base_url}/cgi-bin/user/get?userid=alice"
        assert error.response is None
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin)) == (type(error), str(error))


def test_control_plain_requests_tells_it() -> None:
    with troubled("auth=") as (fake, client, inner):
        dropped(fake, inner)
        with pytest.raises(requests.ConnectionError) as caught:
            client.get("user/get")
        assert "url" in holds(caught.value, str(fake.token(CORP, SECRET)))


def test_control_an_error_raised_inside_the_except_block_keeps_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def inside(inner: Any, visible: Any, options: Any, request: Any, by: Any) -> Any:
        try:
            return inner.send(request, **options)
        except requests.RequestException as error:
            raise hide.clean_error(error, visible) from None

    monkeypatch.setattr(adapter, "send_clean", inside)
    with troubled("attach") as (fake, client, inner):
        dropped(fake, inner)
        with pytest.raises(requests.ConnectionError) as caught:
            client.get("user/get")
        assert holds(caught.value, str(fake.token(CORP, SECRET)))


def test_a_tls_error_tells_no_token() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\n\r\n", hold=Event()) as url:
        https = url.replace("http://", "https://")
        session = attach(requests.Session(), ExternalToken(lambda: "tok-1234", base_url=https))
        with pytest.raises(requests.exceptions.RequestException) as caught:
            session.get(f"{https}/cgi-bin/user/get?userid=a", timeout=0.5)
        assert holds(caught.value, "tok-1234") == []


@all_ways(*HIDING_WAYS)
def test_no_token_is_an_error_of_the_call(way: str) -> None:
    with platform() as (fake, app):
        fake.app(CORP, "right")
        with pytest.raises(CredentialError, match="40001") as caught:
            Client(way, app).get("user/get")
        assert holds(caught.value, SECRET) == []
        assert [call.path for call in fake.journal] == ["gettoken"]


def test_a_slow_gettoken_is_given_the_calls_own_time() -> None:
    with platform() as (fake, app):
        session = attach(requests.Session(), app)
        with fake.hold("gettoken"), pytest.raises(TokenUnavailable) as caught:
            get(session, app, timeout=0.2)
        assert isinstance(caught.value, requests.Timeout)
        assert get(session, app)["errcode"] == 0


@pytest.mark.parametrize(
    ("timeout", "limit"),
    [
        (None, None),
        (3, 3.0),
        (0.5, 0.5),
        ((3, 4), 7.0),
        ([3, 4], 7.0),
        ((3, None), None),
        ((None, None), None),
        (0, None),
        ("3", None),
        (Timeout(3), 3.0),
        (Timeout(total=3, read=2), 3.0),
        (Timeout(connect=1, read=2), 3.0),
        (Timeout(connect=1), None),
        (Timeout(), None),
    ],
)
def test_the_limit_of_a_call(timeout: Any, limit: float | None) -> None:
    assert call_limit(timeout) == limit


class Odd(BaseAdapter):
    """An adapter that raises what requests does not know."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> Any:  # type: ignore[override]
        raise ssl.SSLError("not a requests error")

    def close(self) -> None:
        pass


def test_what_is_no_requests_error_comes_through_as_it_is() -> None:
    session = requests.Session()
    session.mount("https://", Odd())
    attach(session, ExternalToken(lambda: "tok"))
    with pytest.raises(ssl.SSLError, match="not a requests error"):
        session.get("https://qyapi.weixin.qq.com/cgi-bin/user/get")


def test_options_given_by_position_reach_an_adapter_that_takes_names_only() -> None:
    with platform() as (_, app):
        inner = Noting()
        request = requests.Request("GET", f"{app.base_url}/cgi-bin/user/get?userid=a").prepare()
        response = WeComAdapter(app, inner).send(request, True, (3, 4), verify=False)
        assert response.json()["errcode"] == 0
        assert inner.sent == ["gettoken", "get"]
        assert inner.options[1] == {"stream": True, "timeout": (3, 4), "verify": False}


@pytest.mark.parametrize(
    ("args", "options"), [((0, 1, True, None, {}, 9), {}), ((False,), {"stream": True})]
)
def test_options_too_many_or_twice(args: Any, options: Any) -> None:
    app = ExternalToken(lambda: "tok")
    request = requests.Request("GET", f"{app.base_url}/cgi-bin/user/get").prepare()
    with pytest.raises(TypeError, match="each once"):
        WeComAdapter(app).send(request, *args, **options)


class Open(requests.RequestException):
    """An error of a user's own, whose text is made of what it knows."""

    def __init__(self, name: str, after: float) -> None:
        super().__init__()
        self.name, self.after = name, after

    def __str__(self) -> str:
        return f"circuit {self.name} open for {self.after} s"


class Breaker(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        raise Open(f"of {request.url}", 3.0)


def test_an_error_of_the_users_own_still_tells_what_it_knows() -> None:
    session = requests.Session()
    session.mount("https://", Breaker())
    attach(session, app := ExternalToken(lambda: "a token, 26 characters long"))
    with pytest.raises(Open) as caught:
        get(session, app)  # type: ignore[arg-type]
    assert caught.value.after == 3.0
    assert str(caught.value).endswith("access_token=*** open for 3.0 s")
    assert "26" not in repr(vars(caught.value))
