"""No token and no secret anywhere that a person or a log can see, whatever goes wrong."""

import ast
import copy
import http.client
import logging
import pickle
import subprocess
import sys
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import requests
from leakhunt import Hunt, LogTrap
from leakworld import (
    ANSWERED,
    CORP,
    DECORATED,
    HIDING,
    MESSAGE,
    SECRET,
    SHOWING,
    UNANSWERED,
    UNASKED,
    Trouble,
    Way,
    World,
    by_attach,
    by_auth,
    by_both,
    by_session_auth,
    by_source,
    connection_dropped,
    connection_refused,
    invalid_proxy,
    nothing,
    read_timeout,
    redirect_not_followed,
    rejected_and_then_refused,
    rejected_for_ever,
    rejected_once,
    store_down,
    streaming,
    too_many_redirects,
)
from tenacity import nap
from urllib3 import HTTPResponse

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    ExternalToken,
    FileStore,
    TokenSource,
    TokenUnavailable,
    WeComAdapter,
    WeComAuth,
    attach,
    install,
    mask_urllib3_logs,
    raise_for_errcode,
)
from wecom_auth._clients.requests import adapter as adapter_module
from wecom_auth._clients.requests import hide
from wecom_auth._clients.requests import send as sending
from wecom_auth._credential import exchange as exchange_module
from wecom_auth.cli import main
from wecom_auth.testing import FakeWeCom, reset
from wecom_auth.testing._platform import tokens as fake_tokens


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    issued: list[str] = []

    def value(app: object, serial: int) -> str:
        issued.append(f"CANARY-tok/{serial}+en=".ljust(60, "x"))
        return issued[-1]

    monkeypatch.setattr(fake_tokens, "_value", value)
    monkeypatch.setattr(nap, "time", SimpleNamespace(sleep=lambda seconds: None))
    reset()
    fake = FakeWeCom()
    fake.app(CORP, SECRET)
    server = fake.serve()
    server.start()
    yield World(fake, server, issued, Hunt(lambda: [SECRET, *issued]), base_url=server.url)
    fake.let_go()
    reset()
    server.stop()
    mask_urllib3_logs()


def observe(world: World, way: Way, trouble: Trouble, *, warm: bool) -> Any:
    """Do it, and show the hunt all that it leaves behind; gives the answer or the error."""
    hunt = world.hunt
    with trouble(world), LogTrap(hunt):
        source = world.source(warm=warm)
        try:
            outcome = way(world, source)
        except requests.RequestException as error:
            outcome = error
            hunt.show_error(error)
        else:
            hunt.show_object("result", outcome)
        if isinstance(outcome, requests.Response):
            show_response(hunt, outcome)
    hunt.show_object("source", source)
    hunt.show_object("statistics", source.statistics)
    hunt.show_object("auth", repr(WeComAuth(source)))
    hunt.show_object("adapter", repr(WeComAdapter(source)))
    return outcome


def show_response(hunt: Hunt, response: requests.Response) -> None:
    for raising in (raise_for_errcode, requests.Response.raise_for_status):
        try:
            raising(response)
        except requests.RequestException as error:
            hunt.show_error(error)
    hunt.show_pickle("response", response)
    hunt.show_object("response", response)
    for old in response.history:
        hunt.show_object("history", old)


def names(value: Any) -> str | None:
    return getattr(value, "__name__", None)


SHOWN: list[tuple[Way, Trouble]] = [
    (way, trouble)
    for way in (by_auth, by_session_auth, by_both)
    for trouble in (too_many_redirects, redirect_not_followed)
]
"""The auth class has to leave the token where requests follows a redirect from."""

HIDDEN = [(way, trouble) for way in (*HIDING, *SHOWING) for trouble in ANSWERED]


@pytest.mark.parametrize(
    ("way", "trouble"), [pair for pair in HIDDEN if pair not in SHOWN], ids=names
)
def test_an_answered_call_leaks_nothing(
    world: World, way: Way, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = observe(world, way, trouble, warm=True)
    assert isinstance(outcome, ANSWERED[trouble]), outcome
    show_output(world.hunt, capfd)
    assert world.hunt.leaks() == []


@pytest.mark.parametrize("trouble", UNANSWERED, ids=names)
@pytest.mark.parametrize("way", HIDING, ids=names)
def test_a_call_without_an_answer_leaks_nothing(
    world: World, way: Way, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = observe(world, way, trouble, warm=True)
    assert type(outcome) is UNANSWERED[trouble], outcome
    show_output(world.hunt, capfd)
    assert world.hunt.leaks() == []


@pytest.mark.parametrize("trouble", UNASKED, ids=names)
@pytest.mark.parametrize("way", [*HIDING, *SHOWING, *DECORATED, by_source], ids=names)
def test_a_gettoken_that_fails_leaks_nothing(
    world: World, way: Way, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = observe(world, way, trouble, warm=False)
    assert isinstance(outcome, TokenUnavailable | CredentialError), outcome
    show_output(world.hunt, capfd)
    assert world.hunt.leaks() == []


@pytest.mark.parametrize("trouble", [nothing, rejected_once, rejected_for_ever, store_down])
@pytest.mark.parametrize("way", [*DECORATED, by_source], ids=names)
def test_the_other_ways_leak_nothing(
    world: World, way: Way, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = observe(world, way, trouble, warm=False)
    assert not isinstance(outcome, Exception)
    show_output(world.hunt, capfd)
    assert world.hunt.leaks() == []


def show_output(hunt: Hunt, capfd: pytest.CaptureFixture[str]) -> None:
    printed = capfd.readouterr()
    hunt.show("stdout", printed.out)
    hunt.show("stderr", printed.err)


# --- what cannot be closed: the table in the README's SECURITY section, line by line ---


@pytest.mark.parametrize("trouble", UNANSWERED, ids=names)
@pytest.mark.parametrize("way", SHOWING, ids=names)
def test_with_the_auth_class_a_connection_error_shows_the_token_but_never_the_secret(
    world: World, way: Way, trouble: Trouble
) -> None:
    outcome = observe(world, way, trouble, warm=True)
    assert type(outcome) is UNANSWERED[trouble], outcome
    not_in_text = {read_timeout, connection_dropped, invalid_proxy}
    assert ("access_token=" in str(outcome)) is (trouble not in not_in_text)
    assert trouble is invalid_proxy or "access_token=" in outcome.request.url
    assert world.hunt.leaks(of=[SECRET]) == []


@pytest.mark.parametrize(("way", "trouble"), SHOWN, ids=names)
def test_with_the_auth_class_a_redirect_that_is_not_followed_shows_the_token(
    world: World, way: Way, trouble: Trouble
) -> None:
    outcome = observe(world, way, trouble, warm=True)
    assert isinstance(outcome, ANSWERED[trouble]), outcome
    leaks = world.hunt.leaks()
    assert leaks
    assert all("._next" in leak or "ocation" in leak or "pickle" in leak for leak in leaks)
    assert world.hunt.leaks(of=[SECRET]) == []


def test_the_debug_print_of_http_client_shows_the_token(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    observe(world, by_attach, nothing, warm=True)
    show_output(world.hunt, capfd)
    assert all(leak.startswith("stdout") for leak in world.hunt.leaks())
    assert world.hunt.leaks()


def test_a_traceback_with_local_variables_shows_the_token(world: World) -> None:
    outcome = observe(world, by_attach, connection_refused, warm=True)
    assert world.hunt.leaks() == []
    with_locals = traceback.TracebackException.from_exception(outcome, capture_locals=True)
    world.hunt.show("traceback with locals", "".join(with_locals.format()))
    assert world.hunt.leaks()


# --- the rest of what people see ---


def test_importing_changes_no_logger_and_attaching_does() -> None:
    code = (
        "import logging, wecom_auth, requests\n"
        "filters = lambda: [n for n, l in logging.root.manager.loggerDict.items()\n"
        "    if getattr(l, 'filters', None)]\n"
        "wecom_auth.attach; wecom_auth.mask_urllib3_logs; print(filters())\n"
        "app = wecom_auth.AppCredential('c', 's')\n"
        "wecom_auth.attach(requests.Session(), app); print(sorted(filters()))\n"
        "wecom_auth.mask_urllib3_logs(False); print(filters())\n"
        "wecom_auth.attach(requests.Session(), app); print(filters())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, attached, *after = map(ast.literal_eval, run.stdout.splitlines())
    assert (before, after) == ([], [[], []])
    core = [f"{name}.connection" for name in ("httpcore", "httpcore2")]
    assert {"urllib3.connectionpool", "urllib3.util.retry", "httpx", "httpx2", *core} < {*attached}
    assert {name.partition(".")[0].rstrip("23") for name in attached} == {
        "httpcore",
        "httpx",
        "urllib",
    }


def test_platform_words_that_echo_the_query_are_masked(world: World) -> None:
    def echo(request: Any) -> dict[str, Any]:
        return {"errcode": 40058, "errmsg": f"cannot read /cgi-bin/message/send?{request.query}"}

    world.fake.route("message/send", echo)
    answer = by_attach(world, world.source(warm=True))
    with pytest.raises(APIError, match=r"access_token=\*\*\*") as caught:
        raise_for_errcode(answer)
    world.hunt.show("str", str(caught.value))
    world.hunt.show("errmsg", caught.value.errmsg)
    assert world.hunt.leaks() == []


def test_gettoken_words_that_echo_the_secret_are_masked(world: World) -> None:
    world.fake.route("gettoken", lambda r: {"errcode": 40001, "errmsg": f"no {r.query} {SECRET}"})
    outcome = observe(world, by_source, nothing, warm=False)
    assert isinstance(outcome, CredentialError)
    assert world.hunt.leaks() == []


def test_the_owner_of_an_external_token_may_fail_loudly(world: World) -> None:
    def get() -> str:
        raise ConnectionError(f"GET /central?access_token={world.fake.issue(CORP, SECRET)}")

    source = TokenSource(ExternalToken(get, print, base_url=world.base_url))
    with LogTrap(world.hunt), pytest.raises(TokenUnavailable) as caught:
        source.get()
    world.hunt.show_error(caught.value)
    assert world.hunt.leaks() == []


def test_store_keys_and_file_names_hold_neither(world: World, tmp_path: Any) -> None:
    seen = KeyStore()
    observe_store(world, seen)
    assert seen.keys
    world.hunt.show("store keys", " ".join(seen.keys))
    observe_store(world, FileStore(tmp_path / "store"))
    names = [path.name for path in (tmp_path / "store").iterdir()]
    assert names
    world.hunt.show("file names", " ".join(names))
    assert world.hunt.leaks() == []


def observe_store(world: World, store: Any) -> None:
    world.store = store
    observe(world, by_attach, rejected_once, warm=False)
    with world.fake.fail(40001, path="gettoken"):
        observe(world, by_attach, rejected_once, warm=False)


class KeyStore:
    """A shared store in memory that tells under which keys it was asked."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self._texts: dict[str, str] = {}

    def load(self, key: str) -> str | None:
        self.keys.add(key)
        return self._texts.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        if self.load(key) != expected:
            return False
        self._texts[key] = new or ""
        return True

    def lock(self, key: str, timeout: float) -> Any:
        self.keys.add(key)
        return nullcontext(True)


@pytest.mark.parametrize("refused", [False, True])
def test_the_token_command_shows_neither(
    world: World, refused: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_CORPID", CORP)
    monkeypatch.setenv("WECOM_CORPSECRET", SECRET)
    monkeypatch.setenv("WECOM_BASE_URL", world.base_url)
    if refused:
        world.fake.fail(40001, path="gettoken")
    with LogTrap(world.hunt):
        assert main(["token"]) == int(refused)
    show_output(world.hunt, capfd)
    assert world.hunt.leaks() == []
    if not refused:
        main(["token", "--show"])
        show_output(world.hunt, capfd)
        assert world.hunt.leaks(), "the control: asked for, it is printed and found"


@pytest.mark.parametrize("trouble", [rejected_once, rejected_and_then_refused, store_down])
def test_install_shows_no_token_that_the_code_did_not_have_before(
    world: World, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    with install(), world.session() as session:
        params = {"corpid": CORP, "corpsecret": SECRET}
        answer = session.get(f"{world.base_url}/cgi-bin/gettoken", params=params, timeout=10)
        own = answer.json()["access_token"]
        world.options["params"] = {"access_token": own}
        hunt = world.hunt = Hunt(lambda: [each for each in world.issued if each != own])
        world.fake.revoke()
        with trouble(world), LogTrap(hunt):
            for _ in range(2):  # the second is translated
                show_response(hunt, session.post(world.url, json=MESSAGE, **world.options))
        show_output(hunt, capfd)
    assert hunt.leaks() == []


BAD_CREDENTIALS: list[Callable[[], object]] = [
    lambda: AppCredential("", SECRET),
    lambda: AppCredential(SECRET.encode(), SECRET),  # type: ignore[arg-type]
    lambda: AppCredential(CORP, SECRET.encode()),  # type: ignore[arg-type]
    lambda: AppCredential(CORP, SECRET, base_url="http://example.com"),
    lambda: AppCredential(CORP, SECRET, base_url=f"https://user:{SECRET}@example.com"),
    lambda: AppCredential.from_env(environ={"WECOM_CORPSECRET": SECRET}),
    lambda: AppCredential.from_env(environ={"WECOM_CORPID": "c", "WECOM_SECRET_FILE": "/none"}),
    lambda: setattr(AppCredential(CORP, SECRET), "corpsecret", "other"),
    lambda: TokenSource(SECRET),  # type: ignore[arg-type]
    lambda: WeComAuth(SECRET),  # type: ignore[arg-type]
    lambda: attach(requests.Session(), SECRET),  # type: ignore[arg-type]
    lambda: TokenSource(AppCredential(CORP, SECRET), store=f"redis://:{SECRET}@h:port/"),
    lambda: TokenSource(AppCredential(CORP, SECRET)).invalidate(None),  # type: ignore[arg-type]
    lambda: TokenSource(AppCredential(CORP, SECRET)).get(timeout="1"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("mistake", BAD_CREDENTIALS)
def test_a_mistake_is_answered_without_quoting_a_secret(mistake: Callable[[], object]) -> None:
    hunt = Hunt(lambda: [SECRET])
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        mistake()
    hunt.show_error(caught.value)
    assert hunt.leaks() == []


def test_what_may_hold_them_does_not_show_them(world: World) -> None:
    source = world.source(warm=True)
    things = [source, source.credential, source.get(), source.peek(), WeComAuth(source)]
    session = attach(world.session(), source)
    for thing in (*things, session, *session.adapters.values(), source.statistics):
        world.hunt.show(type(thing).__name__, f"{thing!r} {thing!s} {[thing]}")
    assert world.hunt.leaks() == []
    world.hunt.show_pickle("session", session)
    assert world.hunt.leaks(of=[SECRET]), "the pickle of a session has the credential"
    assert world.hunt.leaks(of=world.issued) == [], "but never a token"


def test_a_prepared_request_travels_without_its_credential(world: World) -> None:
    source = world.source(warm=True)
    request = requests.Request("POST", world.url, json=MESSAGE, auth=WeComAuth(source)).prepare()
    world.hunt.show_pickle("prepared request", request)
    assert world.hunt.leaks(of=[SECRET]) == []
    arrived = pickle.loads(pickle.dumps(request))
    with world.session() as session:
        assert session.send(arrived, timeout=10).json()["errcode"] == 0
    world.fake.revoke()
    with world.session() as session:
        copied = copy.deepcopy(request)
        assert session.send(copied, timeout=10).json()["errcode"] == 0, "a copy is still healed"


# --- controls: the mechanism off, and each channel with a leak in it ---


def test_control_without_masking_the_logs_show_it(world: World) -> None:
    mask_urllib3_logs(False)
    observe(world, by_attach, nothing, warm=False)
    leaks = world.hunt.leaks()
    assert world.hunt.leaks(of=[SECRET])
    assert world.hunt.leaks(of=world.issued)
    assert all(leak.startswith("log urllib3") for leak in leaks)


def test_control_without_the_clean_error_it_shows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "clean_error", lambda error, *rest: error)
    observe(world, by_attach, connection_refused, warm=True)
    assert any(leak.startswith("ConnectionError.args") for leak in world.hunt.leaks())


def test_control_raised_inside_the_except_it_shows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(adapter: Any, visible: Any, options: Any, request: Any, by: Any) -> requests.Response:
        try:
            return adapter.send(request, **options)
        except requests.RequestException as error:
            raise hide.clean_error(error, visible) from None

    monkeypatch.setattr(adapter_module, "send_clean", send)
    observe(world, by_attach, connection_refused, warm=True)
    assert any("__context__" in leak for leak in world.hunt.leaks())


def test_control_without_hiding_the_answer_shows_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "hide_token", lambda response, *rest: response)
    observe(world, by_attach, streaming, warm=True)
    leaks = world.hunt.leaks()
    assert any("response.url" in leak for leak in leaks)
    assert any("response.raw" in leak for leak in leaks)


def test_control_without_redaction_the_gettoken_errors_show_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "redact", lambda text, *secrets: text)
    observe(world, by_source, connection_refused, warm=False)
    assert world.hunt.leaks(of=[SECRET])


PLANTED = {
    "msg": lambda hunt, text: logging.getLogger("wecom_auth").debug(text),
    "args": lambda hunt, text: logging.getLogger("wecom_auth").debug("%s", text),
    "formatted": lambda hunt, text: logging.getLogger("x").error("x", exc_info=OSError(text)),
    "traceback": lambda hunt, text: hunt.show_error(_caused(ValueError("x"), OSError(text))),
    ".response.request.body": lambda hunt, text: hunt.show_error(_with_request(text)),
    "__context__": lambda hunt, text: hunt.show_error(_in_context(text)),
    "pickle": lambda hunt, text: hunt.show_pickle("x", [text]),
    "repr": lambda hunt, text: hunt.show_object("x", _Named(text)),
    ".raw": lambda hunt, text: hunt.show_object("response", _with_raw(text)),
    "_slot": lambda hunt, text: hunt.show_object("x", _Slotted(text)),
    "[0]": lambda hunt, text: hunt.show_object("x", [{"a": (text,)}]),
    "keys": lambda hunt, text: hunt.show_object("x", {text: 1}),
    "stdout": lambda hunt, text: print(text),
    "stderr": lambda hunt, text: print(text, file=sys.stderr),
    "store keys": lambda hunt, text: hunt.show("store keys", text),
}


@pytest.mark.parametrize("channel", PLANTED)
def test_control_a_planted_leak_is_found(channel: str, capfd: pytest.CaptureFixture[str]) -> None:
    hunt = Hunt(lambda: [SECRET])
    with LogTrap(hunt):
        PLANTED[channel](hunt, f"before {SECRET} behind")
    show_output(hunt, capfd)
    assert any(channel in leak for leak in hunt.leaks()), hunt.leaks()


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET[:12],
        *(b64encode(b"x" * offset + SECRET.encode() + b"yz").decode() for offset in range(4)),
    ],
)
def test_control_a_leak_is_found_in_every_form(form: str) -> None:
    hunt = Hunt(lambda: [SECRET])
    hunt.show("text", "nothing here")
    assert hunt.leaks() == []
    hunt.show("text", f"before {form} behind")
    assert hunt.leaks()


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _in_context(text: str) -> BaseException:
    try:
        try:
            raise OSError(text)
        except OSError:
            raise ValueError("clean") from None
    except ValueError as error:
        return error


def _with_request(text: str) -> Exception:
    response = requests.Response()
    response.request = requests.Request("POST", "http://h/", data=text).prepare()
    return requests.HTTPError("clean", response=response)


def _with_raw(text: str) -> requests.Response:
    response = requests.Response()
    response.raw = HTTPResponse(request_url=text)
    return response


class _Named:
    def __init__(self, name: str) -> None:
        self._length = len(name)
        self.__class__ = type("_Secret", (_Named,), {"__repr__": lambda self: f"<{name}>"})


class _Slotted:
    __slots__ = ("_slot",)

    def __init__(self, text: str) -> None:
        self._slot = text
