"""`wecom-auth check`: each cause of the table, staged; the first line names the thing to change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trouble
from ways import raw_server

from wecom_auth import AppCredential, TokenSource, TokenUnavailable, cli
from wecom_auth._advice import CALLS, CAUSES, advise
from wecom_auth.cli import check
from wecom_auth.cli.check import report
from wecom_auth.stores import FileStore
from wecom_auth.testing import FakeWeCom, reset

CORPID, SECRET = "ww0123456789abcdef", "s3cret-of-the-app_Zx0123456789abcdefghijklm"
APP = {"agentid": 1000002, "name": "Alerts"}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
JSON = "application/json; charset=UTF-8"


@dataclass
class Stage:
    """A fake platform with one app, and an environment that names it."""

    fake: FakeWeCom
    url: str
    monkeypatch: pytest.MonkeyPatch
    tmp_path: Path
    stack: ExitStack
    hidden: list[str] = field(default_factory=lambda: [SECRET])

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def unset(self, *names: str) -> None:
        for name in names:
            self.monkeypatch.delenv(name, raising=False)

    def secret(self, value: str) -> None:
        self.set(WECOM_CORPSECRET=value)
        self.hidden.append(value)

    def file(self, content: bytes) -> str:
        path = self.tmp_path / "secret"
        path.write_bytes(content)
        self.unset("WECOM_CORPSECRET")
        self.set(WECOM_CORPSECRET_FILE=str(path))
        return str(path)

    def at(self, place: AbstractContextManager[str]) -> str:
        url = self.stack.enter_context(place)
        self.set(WECOM_BASE_URL=url)
        return url.partition("://")[2]

    def answers(self, status: int, content_type: str, body: bytes, *lines: str) -> None:
        head = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", *lines]
        head += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        self.at(raw_server("\r\n".join(head).encode() + body))

    def says(self, path: str, code: int, errmsg: str = "", **fields: Any) -> None:
        """The platform's answer to one call, whatever the token."""
        answer = {"errcode": code, "errmsg": errmsg or f"words about {code}", **fields}
        self.fake.route(path, answer, check_token=False)

    def here_is_the_platform(self) -> None:
        """No base URL is set: the calls go to what counts as the platform's own host."""
        self.unset("WECOM_BASE_URL")
        for room in ("wecom_auth._credential.environment", "wecom_auth.cli.check.settings"):
            self.monkeypatch.setattr(f"{room}.PLATFORM", self.url)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    for name in os.environ:
        if name.startswith("WECOM_") or name.lower() in PROXIES or name.endswith("CA_BUNDLE"):
            monkeypatch.delenv(name)
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    with ExitStack() as stack:
        url = stack.enter_context(fake.serve())
        stack.callback(fake.let_go)
        here = Stage(fake, url, monkeypatch, tmp_path, stack)
        here.set(WECOM_CORPID=CORPID, WECOM_CORPSECRET=SECRET, WECOM_BASE_URL=url)
        here.says("agent/list", 0, agentlist=[APP])
        here.says("agent/get", 0, **APP, close=0, **visible("zhangsan"))
        yield here


def visible(*members: str) -> dict[str, Any]:
    users = [{"userid": member} for member in members]
    empty: dict[str, Any] = {"allow_partys": {"partyid": []}, "allow_tags": {"tagid": []}}
    return {"allow_userinfos": {"user": users}, **empty}


Case = tuple[str, Callable[[Stage], object], str]
"""The cause, what makes it so, and what the first line must name in either language."""

AGENT = ["--agent", "1000002"]
NOT_TRUSTED = "not allow to access from your ip, hint: [1], from ip: 203.0.113.7, more info at x"
V6 = NOT_TRUSTED.replace("203.0.113.7", "2001:db8::7")


def proxy(stage: Stage, url: str) -> None:
    stage.set(WECOM_BASE_URL="http://gateway.example", WECOM_ALLOW_HTTP="1", http_proxy=url)
    stage.hidden.append("pass-word")


def tunnel(stage: Stage, status: int) -> None:
    """A proxy that refuses to open a tunnel."""
    stage.set(WECOM_BASE_URL="https://gateway.example")
    url = stage.stack.enter_context(raw_server(f"HTTP/1.1 {status} No\r\n\r\n".encode()))
    stage.set(https_proxy=url.replace("://", "://user:pass-word@"))
    stage.hidden.append("pass-word")


def file_denied(stage: Stage) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError

    stage.file(b"x")
    stage.monkeypatch.setattr("wecom_auth._credential.environment.read_secret_file", refuse)


def swapped(stage: Stage) -> None:
    stage.set(WECOM_CORPID=SECRET, WECOM_CORPSECRET=CORPID)


def odd_corpid(stage: Stage, corpid: str) -> None:
    stage.set(WECOM_CORPID=corpid)


def wrong_twice(stage: Stage) -> None:
    """The platform looks at the corpid first."""
    odd_corpid(stage, "ww0000000000000000")
    stage.secret("t0ken" * 43)


def unreachable(stage: Stage, number: int) -> None:
    """What the kernel says where there is no route; a test machine may have one anywhere."""

    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(number, "no way")

    stage.set(WECOM_BASE_URL="http://127.0.0.1:9")
    stage.monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)


def connect_times_out(stage: Stage) -> None:
    def wait(*args: Any, **options: Any) -> None:
        raise TimeoutError("timed out")

    stage.set(WECOM_BASE_URL="http://127.0.0.1:9")
    stage.monkeypatch.setattr("urllib3.util.connection.create_connection", wait)


def tls(stage: Stage, name: str, *, trusted: bool = True, date: str = "") -> None:
    stage.at(trouble.tls(name, date=date))
    if trusted:
        stage.set(REQUESTS_CA_BUNDLE=trouble.certificate(name))


def drips(stage: Stage) -> None:
    """An answer that never ends, a byte now and then."""
    ended = Event()

    def talk(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while not ended.wait(0.02):
            connection.sendall(b" ")

    @contextmanager
    def server() -> Iterator[str]:
        with trouble.listening(talk) as where:
            try:
                yield f"http://{where}"
            finally:
                ended.set()

    stage.at(server())


def stale(stage: Stage) -> None:
    stage.fake.fail("reject")


SETTINGS: list[Case] = [
    ("no_corpid", lambda s: s.unset("WECOM_CORPID"), "WECOM_CORPID"),
    ("no_corpid", lambda s: s.set(WECOM_CORPID=" "), "WECOM_CORPID"),
    ("no_secret", lambda s: s.unset("WECOM_CORPSECRET"), "WECOM_CORPSECRET"),
    ("disagree", lambda s: s.set(WECOM_CORP_ID="ww2"), "WECOM_CORP_ID"),
    (
        "file_missing",
        lambda s: s.set(WECOM_CORPSECRET="", WECOM_CORPSECRET_FILE="/no/such"),
        "/no/such",
    ),
    ("file_denied", file_denied, "WECOM_CORPSECRET_FILE"),
    ("file_empty", lambda s: s.file(b"\n"), "WECOM_CORPSECRET_FILE"),
    ("file_lines", lambda s: s.file(b"a\nb\n"), "WECOM_CORPSECRET_FILE"),
    ("file_unreadable", lambda s: s.file(b"\xff\xfe\x00"), "WECOM_CORPSECRET_FILE"),
    ("quotes", lambda s: s.secret(f'"{SECRET}"'), "WECOM_CORPSECRET"),
    ("quotes", lambda s: s.set(WECOM_CORPID=f"'{CORPID}'"), "WECOM_CORPID"),
    ("not_text", lambda s: s.set(WECOM_CORPID="ww\udcff"), "WECOM_CORPID"),
    ("flag", lambda s: s.set(WECOM_ALLOW_HTTP="maybe"), "WECOM_ALLOW_HTTP"),
    ("base_scheme", lambda s: s.set(WECOM_BASE_URL="gateway.example"), "https://"),
    ("base_path", lambda s: s.set(WECOM_BASE_URL="https://h/cgi-bin/gettoken"), "/cgi-bin"),
    ("base_http", lambda s: s.set(WECOM_BASE_URL="http://h.example"), "WECOM_ALLOW_HTTP=1"),
    ("base_bad", lambda s: s.set(WECOM_BASE_URL="https://u:pass@h.example"), "https://***@h"),
    ("store_bad", lambda s: s.set(WECOM_STORE="/var/tokens"), "WECOM_STORE=/var/tokens"),
    (
        "store_bad",
        lambda s: s.set(WECOM_STORE="redis://:pass@127.0.0.1:9/0"),
        "redis://***@127.0.0.1:9/0",
    ),
    ("store_bad", lambda s: s.set(WECOM_STORE="file:///~/tokens"), "~ means nothing in a URL"),
    (
        "tilde",
        lambda s: s.set(WECOM_CORPSECRET="", WECOM_CORPSECRET_FILE="~/s"),
        "WECOM_CORPSECRET_FILE",
    ),
    ("ca_missing", lambda s: s.set(REQUESTS_CA_BUNDLE="/no/such.pem"), "REQUESTS_CA_BUNDLE"),
]

CREDENTIAL: list[Case] = [
    ("secret", lambda s: s.secret(SECRET[::-1]), "40001"),
    ("secret", lambda s: s.says("gettoken", 40091), "40091"),
    ("secret", lambda s: s.secret("ww" + "1" * 16), "40001"),
    ("quotes", lambda s: s.secret(f"“{SECRET}"), "WECOM_CORPSECRET"),
    ("invisible", lambda s: s.secret(f"{SECRET[:9]}\u200b{SECRET[9:]}"), "10"),
    ("invisible", lambda s: s.secret(f"{SECRET[:3]} {SECRET[3:]}"), "4"),
    ("invisible", lambda s: s.secret(f"\ufeff{SECRET}"), "1"),
    ("invisible", lambda s: s.file(f"{SECRET}\u200bx".encode()), "WECOM_CORPSECRET_FILE"),
    ("invisible", lambda s: odd_corpid(s, "ｗｗ0123456789abcdef"), "WECOM_CORPID"),
    ("placeholder", lambda s: s.secret("${CORP_SECRET}"), "${CORP_SECRET}"),
    ("placeholder", lambda s: odd_corpid(s, "your_corpid"), "your_corpid"),
    ("swapped", swapped, "WECOM_CORPID"),
    ("token_as_secret", lambda s: s.secret("t0ken" * 43), "215"),
    ("agentid_as_secret", lambda s: s.secret("1000002"), "AgentId"),
    ("corpid", lambda s: odd_corpid(s, "ww0000000000000000"), "ww0000000000000000"),
    ("corpid", wrong_twice, "ww0000000000000000"),
    ("corpid", lambda s: odd_corpid(s, "not-a-corpid"), "(12 characters)"),
    ("corpid_of_mp", lambda s: odd_corpid(s, "wx0123456789abcdef"), "wx0123456789abcdef"),
    ("disabled", lambda s: s.says("gettoken", 50003), "50003"),
    ("query_lost", lambda s: s.says("gettoken", 41002), "127.0.0.1:"),
    ("query_lost", lambda s: s.says("gettoken", 41004), "41004"),
    ("busy", lambda s: s.fake.fail("busy"), "-1"),
    ("busy", lambda s: s.says("gettoken", 45033), "45033"),
    ("rate", lambda s: s.fake.fail("rate-limited"), "45009"),
    ("other", lambda s: s.says("gettoken", 49999), "49999"),
]

WAY: list[Case] = [
    ("dns", lambda s: s.set(WECOM_BASE_URL="https://wecom.invalid"), "WECOM_BASE_URL"),
    ("refused", lambda s: s.at(trouble.nobody_listens()), "127.0.0.1:"),
    ("no_route", lambda s: unreachable(s, 101), "127.0.0.1:9"),
    ("timeout_connect", connect_times_out, "HTTPS_PROXY"),
    ("timeout_read", lambda s: s.at(trouble.silent()), "0.3"),
    ("timeout_read", drips, "0.3"),
    ("reset", lambda s: s.at(trouble.hanging_up()), "127.0.0.1:"),
    ("tls_ca", lambda s: tls(s, "good", trusted=False), "REQUESTS_CA_BUNDLE"),
    ("tls_name", lambda s: tls(s, "other-name"), "WECOM_BASE_URL"),
    ("tls_expired", lambda s: tls(s, "expired"), "127.0.0.1:"),
    ("tls_clock", lambda s: tls(s, "expired", date=formatdate(1.6e9, usegmt=True)), "20"),
    ("tls_clock", lambda s: tls(s, "not-yet-valid"), "20"),
    ("tls_plain", lambda s: s.at(trouble.plain_http_called_by_https()), "WECOM_BASE_URL"),
    ("proxy_down", lambda s: proxy(s, "http://u:pass-word@127.0.0.1:9"), "http://***@127.0.0.1:9"),
    ("proxy_down", lambda s: proxy(s, "http://u:pass-word#x@h:9"), "http://***@h:9"),
    ("proxy_down", lambda s: proxy(s, "http://u:pass-word@"), "http://***@"),
    ("proxy_down", lambda s: proxy(s, "u:pass-word@127.0.0.1:9"), "http_proxy"),
    ("proxy_auth", lambda s: tunnel(s, 407), "https_proxy"),
    ("forbidden", lambda s: tunnel(s, 403), "403"),
    ("bad_gateway", lambda s: tunnel(s, 503), "503"),
    ("portal", lambda s: s.fake.fail("garbage"), "HTML"),
    ("not_found", lambda s: s.answers(404, "text/html", b"<html>"), "/cgi-bin/gettoken"),
    ("forbidden", lambda s: s.answers(403, "text/html", b"<html>"), "403"),
    ("forbidden", lambda s: s.answers(401, JSON, b"{}"), "401"),
    ("proxy_auth", lambda s: s.answers(407, "text/html", b"<html>"), "407"),
    ("bad_gateway", lambda s: s.fake.fail("outage"), "502"),
    (
        "redirect",
        lambda s: s.answers(302, "text/html", b"", "Location: https://u@h.example/x/cgi-bin/g?y=1"),
        "https://h.example/x",
    ),
    ("not_wecom", lambda s: s.answers(200, JSON, b'{"hello":1}'), "WECOM_BASE_URL"),
    ("not_wecom", lambda s: s.answers(200, JSON, b""), "qyapi.weixin.qq.com"),
]

TOKEN: list[Case] = [
    ("ip_of_proxy", lambda s: s.says("get_api_domain_ip", 60020, NOT_TRUSTED), "203.0.113.7"),
    ("ip_of_proxy", lambda s: s.says("agent/list", 60020, NOT_TRUSTED), "203.0.113.7"),
    ("ip_of_proxy", lambda s: s.says("gettoken", 60020, "no address"), "60020"),
    ("ip_v6", lambda s: s.says("get_api_domain_ip", 60020, V6), "2001:db8::7"),
    ("stale_proxy", stale, "40014"),
    ("stale_proxy", lambda s: s.says("get_api_domain_ip", 42001), "42001"),
    ("token_lost", lambda s: s.says("get_api_domain_ip", 41001), "41001"),
    ("no_right", lambda s: s.says("get_api_domain_ip", 48002), "get_api_domain_ip"),
    ("withdrawn", lambda s: s.says("get_api_domain_ip", 48006), "48006"),
    ("rate", lambda s: s.says("agent/list", 45009), "45009"),
    ("bad_gateway", lambda s: s.fake.fail("outage", path="get_api_domain_ip"), "502"),
    ("other", lambda s: s.says("get_api_domain_ip", 60111), "60111"),
]


def of_no_app(stage: Stage, code: int, listed: int) -> None:
    stage.says("agent/get", code)
    stage.says("agent/list", listed, **({} if listed else {"agentlist": []}))


def of_unknown_app(stage: Stage) -> None:
    stage.says("agent/get", 301002)
    stage.fake.fail("outage", path="agent/list")


APPS: list[Case] = [
    ("agent", lambda s: s.says("agent/get", 301002), "1000002 (Alerts)"),
    ("agent_unknown", of_unknown_app, "301002"),
    ("agent_contacts", lambda s: of_no_app(s, 301002, 0), "1000002"),
    ("agent_contacts", lambda s: of_no_app(s, 48002, 48002), "1000002"),
    ("agent_none", lambda s: s.says("agent/get", 40056), "40056"),
    ("closed", lambda s: s.says("agent/get", 0, **APP, close=1, **visible("a")), "1000002"),
    ("scope_empty", lambda s: s.says("agent/get", 0, **APP, close=0, **visible()), "(Alerts)"),
    ("no_right", lambda s: s.says("agent/get", 48002), "agent/get"),
    ("busy", lambda s: s.says("agent/get", -1), "-1"),
]


def named(*lists: list[Case]) -> Any:
    cases = [case for each in lists for case in each]
    return pytest.mark.parametrize(
        ("cause", "make", "named"), cases, ids=[f"{case[0]}-{case[2]}" for case in cases]
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(["check", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step may take 0.3 s, of which the line speaks."""
    whole = check.check_command
    monkeypatch.setattr(check, "check_command", lambda *args: whole(*args, limit=0.3))


def no_secret_in(stage: Stage, text: str) -> None:
    tokens = [stage.fake.token(CORPID, SECRET)]
    for hidden in [*stage.hidden, *filter(None, tokens)]:
        # A placeholder is shown, it is none.
        assert hidden not in text or hidden == "${CORP_SECRET}"


def says_it_in_both_languages(
    stage: Stage, cause: str, named: str, capsys: pytest.CaptureFixture[str], *more: str
) -> dict[str, Any]:
    code, out = run(capsys, "--json", *more)
    told: dict[str, Any] = json.loads(out)
    assert (told["cause"], told["exit"], told["ok"]) == (cause, code, code == 0)
    lines = {}
    for lang in ("en", "zh"):
        code, text = run(capsys, "--lang", lang, *more)
        lines[lang] = text.splitlines()[0]
        assert code == told["exit"]
        no_secret_in(stage, out + text)
    assert told["advice"] == lines
    assert named in lines["en"]
    assert named in lines["zh"]
    assert not any(brace in text for text in lines.values() for brace in ("{}", "{n}", "None"))
    assert any(char >= "\u4e00" for char in lines["zh"])
    return told


@named(SETTINGS)
def test_a_setting_that_cannot_serve(
    cause: str, make: Any, named: str, stage: Stage, capsys: Any
) -> None:
    make(stage)
    told = says_it_in_both_languages(stage, cause, named, capsys)
    assert told["exit"] == 2
    assert told["steps"] == []
    assert stage.fake.gettoken_calls == 0


@named(CREDENTIAL)
@pytest.mark.usefixtures("short")
def test_a_credential_that_is_refused(
    cause: str, make: Any, named: str, stage: Stage, capsys: Any
) -> None:
    make(stage)
    told = says_it_in_both_languages(stage, cause, named, capsys)
    assert told["exit"] == CAUSES[cause].exit
    assert [step["step"] for step in told["steps"]] == ["settings", "gettoken"]
    assert stage.fake.gettoken_calls == 3, "one a run"


@named(WAY)
@pytest.mark.usefixtures("short")
def test_a_way_that_does_not_lead_to_the_platform(
    cause: str, make: Any, named: str, stage: Stage, capsys: Any
) -> None:
    make(stage)
    told = says_it_in_both_languages(stage, cause, named, capsys)
    assert told["exit"] == CAUSES[cause].exit
    assert told["errcode"] is None
    assert told["steps"][-1]["step"] == "gettoken"


@named(TOKEN)
@pytest.mark.usefixtures("short")
def test_a_token_that_is_refused(
    cause: str, make: Any, named: str, stage: Stage, capsys: Any
) -> None:
    make(stage)
    told = says_it_in_both_languages(stage, cause, named, capsys)
    assert told["exit"] == CAUSES[cause].exit
    if cause.startswith("ip") and named != "60020":
        assert told["ip"] == named


@named(APPS)
@pytest.mark.usefixtures("short")
def test_an_app_that_does_not_fit(
    cause: str, make: Any, named: str, stage: Stage, capsys: Any
) -> None:
    make(stage)
    told = says_it_in_both_languages(stage, cause, named, capsys, *AGENT)
    assert told["exit"] == CAUSES[cause].exit
    assert told["steps"][-1]["step"] == "agent/get"


@pytest.mark.parametrize("agent", ["1000002 ", "Alerts", "", "１０００００２", "-1", SECRET])
def test_an_agentid_that_is_no_number(agent: str, stage: Stage, capsys: Any) -> None:
    told = says_it_in_both_languages(stage, "agent_form", "", capsys, f"--agent={agent}")
    assert told["exit"] == 2
    assert stage.fake.gettoken_calls == 0


def test_the_ip_where_no_proxy_stands_between(stage: Stage, capsys: Any) -> None:
    stage.here_is_the_platform()
    stage.says("get_api_domain_ip", 60020, NOT_TRUSTED)
    says_it_in_both_languages(stage, "ip", "203.0.113.7", capsys)


def test_the_ip_of_a_provider(stage: Stage, capsys: Any) -> None:
    stage.set(WECOM_CORPID="wp0123456789abcdef")
    stage.fake.app("wp0123456789abcdef", SECRET)
    stage.says("get_api_domain_ip", 60020, NOT_TRUSTED)
    says_it_in_both_languages(stage, "ip_provider", "203.0.113.7", capsys)


def test_at_least_forty_causes_are_staged() -> None:
    staged = {case[0] for each in (SETTINGS, CREDENTIAL, WAY, TOKEN, APPS) for case in each}
    staged |= {"agent_form", "ip", "ip_provider", "ok", "ok_partly"}
    assert len(staged) >= 55
    notes = {"permanent_code", "clock_ahead", "clock_behind", "by_proxy", "token_ends", "see_below"}
    of_calls = {"no_token", "token_of_other", "agent_downstream", "ticket_rate"}
    other_kinds = {"not_set"}
    assert CAUSES.keys() - staged - notes - of_calls - other_kinds == {"unreached"}


@pytest.mark.parametrize("path", ["gettoken", "get_api_domain_ip"])
def test_words_of_the_platform_that_repeat_a_secret_are_masked(
    path: str, stage: Stage, capsys: Any
) -> None:
    stage.hidden.append(token := stage.fake.issue(CORPID, SECRET))
    echoed = f", or token {token}" if path != "gettoken" else ""
    stage.says(path, 40001, f"bad corpsecret {SECRET}{echoed}")
    out = run(capsys)[1] + run(capsys, "--json")[1]
    assert "bad corpsecret ***" in out
    no_secret_in(stage, out)


# --- green ---


def test_green_says_what_was_not_tested(stage: Stage, capsys: Any) -> None:
    told = says_it_in_both_languages(stage, "ok_partly", CORPID, capsys)
    assert (told["exit"], told["corpid"], told["agent"]) == (0, CORPID, APP)
    assert [(step["step"], step["errcode"]) for step in told["steps"]] == [
        ("settings", None),
        ("gettoken", 0),
        ("get_api_domain_ip", 0),
        ("agent/list", 0),
    ]
    assert set(told) == {
        *("ok", "cause", "errcode", "exit", "corpid", "agent", "ip"),
        *("advice", "errmsg", "clock_off", "steps"),
    }


def test_green_with_the_app(stage: Stage, capsys: Any) -> None:
    told = says_it_in_both_languages(stage, "ok", "1000002 (Alerts)", capsys, *AGENT)
    assert (told["agent"], told["exit"]) == (APP, 0)
    assert told["steps"][-1] == {"step": "agent/get", "errcode": 0, "ms": told["steps"][-1]["ms"]}


@pytest.mark.parametrize("answer", [48002, 40058, 301002, 404])
def test_what_agent_list_says_is_only_noted(answer: int, stage: Stage, capsys: Any) -> None:
    if answer == 404:
        stage.fake.route("agent/list", (404, {}, b"<html>"), check_token=False)
    else:
        stage.says("agent/list", answer)
    assert run(capsys)[0] == 0
    assert run(capsys, *AGENT)[0] == 0


@pytest.mark.parametrize(("off", "note"), [(-3600, "s ahead"), (3600, "s behind"), (5, "")])
def test_the_clock_is_compared(off: int, note: str, stage: Stage, capsys: Any) -> None:
    date = formatdate(time.time() + off, usegmt=True)
    answer = (200, {"Content-Type": JSON, "Date": date}, b'{"errcode":0,"errmsg":"ok"}')
    stage.fake.route("get_api_domain_ip", answer)
    code, out = run(capsys)
    assert code == 0
    assert note in out
    assert ("the clock is" in out) == bool(note)
    told = json.loads(run(capsys, "--json")[1])
    assert abs(told["clock_off"] + off) <= 2


def test_a_proxy_in_use_is_noted(stage: Stage, capsys: Any) -> None:
    stage.set(WECOM_BASE_URL="http://gateway.example", WECOM_ALLOW_HTTP="1", http_proxy=stage.url)
    code, out = run(capsys)
    assert (code, "by the proxy of http_proxy" in out) == (0, True)
    stage.set(WECOM_BASE_URL=stage.url, no_proxy="127.0.0.1")
    assert "by the proxy" not in run(capsys)[1]


def test_a_token_that_ends_soon_is_noted(stage: Stage, capsys: Any) -> None:
    stage.fake.token_life = 90
    assert "the token lives for another 90 s" in run(capsys)[1]


def test_a_secret_that_sees_many_apps_names_a_few(stage: Stage, capsys: Any) -> None:
    apps = [{"agentid": number, "name": f"App {number}"} for number in range(9)]
    stage.says("agent/list", 0, agentlist=apps)
    stage.says("agent/get", 301002)
    told = says_it_in_both_languages(stage, "agent", "0 (App 0)", capsys, *AGENT)
    assert told["advice"]["en"].endswith("0 (App 0), 1 (App 1), 2 (App 2), ...")
    assert told["agent"] is None


# --- with a store ---


def test_a_token_out_of_the_store_is_no_proof(stage: Stage, capsys: Any) -> None:
    """The old token in the store still works; the secret is wrong by now."""
    store = f"file://{stage.tmp_path}/tokens"
    stage.set(WECOM_STORE=store)
    assert run(capsys)[0] == 0
    assert stage.fake.gettoken_calls == 1
    assert cli.main(["token", "--show"]) == 0
    assert capsys.readouterr().out.strip() == stage.fake.token(CORPID, SECRET)
    assert stage.fake.gettoken_calls == 1, "check has left its token there"
    stage.says("gettoken", 40001)
    assert run(capsys)[0] == 1


def test_a_refusal_in_the_store_is_believed(stage: Stage, capsys: Any) -> None:
    stage.set(WECOM_STORE=f"file://{stage.tmp_path}/tokens")
    stage.secret("another-secret-that-is-wrong")
    assert [run(capsys)[0] for _ in range(3)] == [1, 1, 1]
    assert stage.fake.gettoken_calls == 1
    assert "met before, and asked again in" in run(capsys)[1]
    reset()
    assert cli.main(["token"]) == 1
    assert stage.fake.gettoken_calls == 1


def test_control_without_a_store_each_run_asks(stage: Stage, capsys: Any) -> None:
    stage.secret("another-secret-that-is-wrong")
    assert [run(capsys)[0] for _ in range(3)] == [1, 1, 1]
    assert stage.fake.gettoken_calls == 3


def test_a_rate_limit_in_the_store_is_believed_and_may_pass(stage: Stage, capsys: Any) -> None:
    stage.set(WECOM_STORE=f"file://{stage.tmp_path}/tokens")
    stage.fake.fail("rate-limited", times=1)
    assert [run(capsys)[0] for _ in range(2)] == [3, 3]
    assert stage.fake.gettoken_calls == 1
    with pytest.raises(TokenUnavailable):
        TokenSource(AppCredential.from_env()).get()


def test_a_busy_platform_is_not_remembered(stage: Stage, capsys: Any) -> None:
    stage.set(WECOM_STORE=f"file://{stage.tmp_path}/tokens")
    with stage.fake.fail("busy"):
        assert run(capsys)[0] == 3
    assert run(capsys)[0] == 0


def test_a_store_that_cannot_be_used_is_named(stage: Stage, capsys: Any) -> None:
    def away(self: FileStore, key: str) -> str:
        raise OSError("the disk is gone")

    stage.monkeypatch.setattr(FileStore, "load", away)
    stage.set(WECOM_STORE=f"file://{stage.tmp_path}/tokens")
    says_it_in_both_languages(stage, "store_bad", "the disk is gone", capsys)


# --- language and console ---


@pytest.mark.parametrize(
    ("variables", "wanted", "lang"),
    [
        ({}, None, "en"),
        ({"LANG": "zh_CN.UTF-8"}, None, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, None, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US"}, None, "zh"),
        ({"LC_ALL": "zh_CN", "WECOM_LANG": "en"}, None, "en"),
        ({"WECOM_LANG": "zh"}, None, "zh"),
        ({"WECOM_LANG": "zh"}, "en", "en"),
        ({}, "zh", "zh"),
    ],
)
def test_the_language(
    variables: dict[str, str], wanted: str | None, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "WECOM_LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert report.language(wanted) == lang


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("gbk", "没有设置 WECOM_CORPID"), ("ascii", "WECOM_CORPID is not"), ("latin-1", "WECOM_")],
)
def test_any_console_can_show_it(encoding: str, line: str, stage: Stage) -> None:
    stage.unset("WECOM_CORPID")
    command = [sys.executable, "-m", "wecom_auth", "check", "--lang", "zh"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, b"")
    assert ran.stdout.decode(encoding).startswith(line)


# --- the table ---

FACTS: dict[str, Any] = {
    "name": "WECOM_CORPSECRET_FILE",
    "other": "WECOM_CORP_SECRET",
    "path": "/run/secrets/wecom",
    "value": "https://h.example",
    "why": "",
    "allow": "WECOM_ALLOW_HTTP",
    "corpid": CORPID,
    "host": "qyapi.weixin.qq.com",
    "ip": "203.0.113.7",
    "agent": "1000002",
    "own": "1000002 (Alerts)",
    "code": "40001",
    "n": "10",
    "now": "2026-01-01 12:00",
    "there": "https://h.example",
    "advice": "",
    "base": True,
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_line_is_short_and_no_appeal(cause: str) -> None:
    english, chinese = advise(cause, FACTS), advise(cause, FACTS, "zh")
    assert len(english) <= 130
    assert len(chinese) <= 95, "about 60, and the names"
    assert english.isascii() or cause == "permanent_code"
    for text in (english, chinese):
        assert "\n" not in text
        assert not {"!", "！"} & set(text)
        assert "please" not in text.lower()
        assert text.encode("gbk")


def test_every_errcode_of_the_table_stands_in_its_line() -> None:
    codes = {"ip": "60020", "agent": "301002", "withdrawn": "48006", "corpid": "40013"}
    for cause, code in codes.items():
        assert f"({code})" in advise(cause, FACTS)
        assert code in advise(cause, FACTS, "zh")
    assert CALLS[40001] is CAUSES["secret"]
