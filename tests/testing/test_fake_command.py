from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from wecom_auth.cli.fake import fake_command
from wecom_auth.testing import FakeWeCom, Server
from wecom_auth.testing._control import Controls

from .conftest import text

CODE = "from wecom_auth.cli.fake import fake_command; raise SystemExit(fake_command(0))"


@pytest.fixture
def url(fake: FakeWeCom) -> Iterator[str]:
    with Server(fake, "127.0.0.1", 0, Controls(fake)) as url:
        yield url


def control(url: str, name: str, **arguments: Any) -> Any:
    answer = requests.post(f"{url}/_fake/{name}", json=arguments, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def errcode(url: str, call: str = "gettoken?corpid=c&corpsecret=s") -> int:
    return int(requests.get(f"{url}/cgi-bin/{call}", timeout=20).json()["errcode"])


def test_app_declares(url: str):
    assert control(url, "app", corpid="c", corpsecret="other") == {"ok": True}
    assert errcode(url) == 40001


@pytest.mark.parametrize(("name", "answered"), [("expire", 42001), ("revoke", 40014)])
def test_expire_and_revoke_end_tokens(url: str, fake: FakeWeCom, name: str, answered: int):
    call = f"x?access_token={fake.issue('c', 's')}"
    assert control(url, name, corpid="other") == {"ok": True, "ended": 0}
    assert control(url, name) == {"ok": True, "ended": 1}
    assert errcode(url, call) == answered


def test_mode_and_advance(url: str, fake: FakeWeCom):
    control(url, "mode", mode="rotate")
    assert fake.issue("c", "s") != fake.issue("c", "s")
    control(url, "advance", seconds=7200)
    assert fake.token("c", "s") is None


def test_fail_heal_and_reset(url: str, fake: FakeWeCom):
    control(url, "fail", fault="busy", times=1, path="gettoken")
    assert [errcode(url), errcode(url)] == [-1, 0]
    control(url, "fail", fault=48002)
    assert errcode(url) == 48002
    control(url, "heal")
    assert errcode(url) == 0
    control(url, "fail", fault="busy")
    control(url, "reset")
    assert fake.token("c", "s") is None
    assert fake.gettoken_calls == 0
    assert errcode(url) == 0


def test_route_gives_a_path_an_answer_until_reset(url: str):
    control(url, "app", corpid="c", corpsecret="other")
    control(url, "route", path="a/b", answer={"errcode": 5}, check_token=False)
    assert errcode(url, "a/b") == 5
    control(url, "reset")
    assert errcode(url, "a/b") == 41001
    assert errcode(url) == 0


def test_journal_tells_all(url: str, fake: FakeWeCom):
    call = f"{url}/cgi-bin/message/send?access_token={fake.issue('c', 's')}"
    requests.post(call, json=text("x"), timeout=20)
    target = call.replace("message/send", "media/upload") + "&type=file"
    requests.post(target, files={"media": ("a.txt", b"hello")}, timeout=20)
    told = requests.get(f"{url}/_fake/journal", timeout=20).json()
    assert told == control(url, "journal")
    assert told["messages"] == [text("x")]
    assert (told["uploads"][0]["name"], told["uploads"][0]["size"]) == ("a.txt", 5)
    assert (told["gettoken_calls"], told["rejections"]) == (0, 0)
    sent = {"method": "POST", "path": "message/send", "query": "access_token=***", "errcode": 0}
    assert told["calls"][0] == sent


@pytest.mark.parametrize(
    ("method", "name", "body", "text"),
    [
        ("POST", "explode", b"", "no /_fake/explode; there are app, expire, revoke"),
        ("GET", "expire", b"", "/_fake/expire takes POST"),
        ("POST", "expire", b"[]", "must be a JSON object"),
        ("POST", "expire", b"nonsense", "must be a JSON object"),
        ("POST", "expire", b'{"corp": 1}', "corp"),
        ("POST", "fail", b"{}", "no fault None"),
        ("POST", "fail", b'{"fault": "busy", "times": "3"}', "not supported"),
        ("POST", "mode", b'{"mode": "both"}', "'rotate' or 'countdown'"),
    ],
)
def test_a_mistake_is_400_and_says_why(url: str, method: str, name: str, body: bytes, text: str):
    answer = requests.request(method, f"{url}/_fake/{name}", data=body, timeout=20)
    assert (answer.status_code, answer.json()["ok"]) == (400, False)
    assert text in answer.json()["error"]


def test_a_suites_day(url: str, fake: FakeWeCom):
    tenant = {"suite_id": "ww-suite", "corpid": "ww-tenant"}
    control(url, "suite", suite_id="ww-suite", suite_secret="s")
    body = {"suite_id": "ww-suite", "suite_secret": "s"}
    body["suite_ticket"] = control(url, "push_ticket", suite_id="ww-suite")["ticket"]
    got = requests.post(f"{url}/cgi-bin/service/get_suite_token", json=body, timeout=20).json()
    assert got["suite_access_token"]
    first = control(url, "authorise", **tenant)["permanent_code"]
    assert control(url, "reset_permanent_code", **tenant)["permanent_code"] != first
    assert control(url, "auth_code", **tenant)["auth_code"]
    control(url, "cancel", **tenant, errcode=48004)
    control(url, "provider", corpid="ww-provider", provider_secret="p")
    control(url, "share", corpid="ww-down", agentid=7)
    assert control(url, "revoke", kind="suite") == {"ok": True, "ended": 1}
    assert control(url, "expire", kind="suite_ticket") == {"ok": True, "ended": 1}


def test_a_url_that_does_not_take_a_ticket_is_a_mistake(url: str):
    body = {"suite_id": "ww-suite", "url": f"{url}/nowhere"}
    answer = requests.post(f"{url}/_fake/push_ticket", json=body, timeout=20)
    assert answer.status_code == 400
    assert "404" in answer.json()["error"]


def test_control_calls_are_not_in_the_journal(url: str, fake: FakeWeCom):
    control(url, "heal")
    assert fake.journal == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_a_signal_and_ends_cleanly(number: int):
    root = str(Path(__file__).resolve().parents[2])
    program = subprocess.Popen(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        url = program.stdout.readline().split()[6]
        assert errcode(url) == 0
        assert control(url, "expire") == {"ok": True, "ended": 1}
        program.send_signal(number)
        out, err = program.communicate(timeout=20)
    assert (program.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_said_in_one_line(url: str, capsys: pytest.CaptureFixture[str]):
    assert fake_command(int(url.rpartition(":")[2])) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cannot listen on 127.0.0.1:")
    assert err.count("\n") == 1


def test_in_this_process_a_signal_ends_it_and_the_handlers_come_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("wecom_auth.cli.fake.Event", _Interrupted)
    assert fake_command(0) == 0
    assert "listens on http://127.0.0.1:" in capsys.readouterr().out
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class _Interrupted:
    """An event whose second wait is the moment of the signal."""

    def __init__(self) -> None:
        self.waits, self.ended = 0, False

    def set(self) -> None:
        self.ended = True

    def wait(self, timeout: float) -> bool:
        self.waits += 1
        if self.waits == 2:
            signal.raise_signal(signal.SIGTERM)
        return self.ended
