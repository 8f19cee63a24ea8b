"""The demo tells the truth: every step passes, and fails when its mechanism is switched off."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from wecom_auth import MemoryStore, TokenSource, attach
from wecom_auth.cli import demo

SECRETS = re.compile(r"[A-Za-z0-9_-]{100,}|demo-secret|not-the-secret|secret-of-")
"""What would be a token (they have 214 characters) or a secret of the story."""


STEPS = {function: (title, calls) for title, function, calls in demo.STORY}


def play(step):
    title, calls = STEPS.get(step, ("it fails", 1))
    with demo.platform() as (fake, url):
        return demo.play(demo.Stage(fake, url, 1), title, step, calls)


# --- the whole story ---


def test_every_expectation_holds(capsys, caplog):
    assert demo.demo_command() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    for title, _, _ in demo.STORY:
        assert sum(line.startswith(title) and "  ok  " in line for line in lines) == 1
    assert f"{len(demo.STORY)} of {len(demo.STORY)} steps went as promised" in lines[-1]
    assert len(demo.STORY) <= 8
    assert max(map(len, lines)) <= 100, "wider than a console"
    assert out.isascii()
    assert not SECRETS.search(out)
    assert err == ""
    assert not caplog.records, "the warnings it provokes are part of the story"


def test_json_for_machines(capsys):
    assert demo.demo_command(as_json=True) == 0
    out, _ = capsys.readouterr()
    told = json.loads(out)
    assert told["ok"] is True
    assert [step["step"] for step in told["steps"]] == [title for title, _, _ in demo.STORY]
    assert all(step["ok"] and step["problems"] == [] for step in told["steps"])
    by_title = {step["step"]: step for step in told["steps"]}
    assert by_title["revoked (40014) under 32 threads"]["gettoken"] == 1
    assert by_title["revoked (40014) under 32 threads"]["requests"] == 64
    assert not SECRETS.search(out)


def test_a_gbk_console_a_proxy_and_a_store_of_the_users():
    """The demo needs neither of the two, and the first shows all of it."""
    run = subprocess.run(
        [sys.executable, "-m", "wecom_auth", "demo"],
        env={
            **os.environ,
            "PYTHONIOENCODING": "gbk",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "WECOM_STORE": "redis://127.0.0.1:9",
        },
        capture_output=True,
        timeout=120,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert "went as promised" in run.stdout.decode("gbk")


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("WECOM_STORE", "file:")
    monkeypatch.delenv("no_proxy", raising=False)
    log = logging.getLogger("wecom_auth")
    with demo.platform():
        assert (os.environ["WECOM_STORE"], os.environ["no_proxy"]) == ("", "127.0.0.1")
        assert log.disabled
    assert os.environ["WECOM_STORE"] == "file:"
    assert "no_proxy" not in os.environ
    assert (log.disabled, log.handlers) == (False, [])


# --- a step with its mechanism switched off, by the public interface ---


def set_off(target, name, replacement):
    return lambda monkeypatch: monkeypatch.setattr(target, name, replacement)


def alone(session, app):
    """As if nothing were shared: each session with a memory of its own."""
    return attach(session, TokenSource(app, store=MemoryStore()))


NO_MEMORY = set_off(MemoryStore, "load", lambda self, key: None)
NO_RESEND = set_off(TokenSource, "replace", lambda self, rejected, *rest, **options: None)
NOTHING_SHARED = set_off(demo, "attach", alone)


class Stream(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self):
        return False

    def seek(self, *where):
        raise io.UnsupportedOperation("seek")


NO_REWIND = set_off(demo, "io", SimpleNamespace(BytesIO=Stream))

CONTROLS = [
    (demo.three_ways, NO_MEMORY, "gettoken calls: 3 instead of 1"),
    (demo.expired, NO_RESEND, "errcode: 42001 instead of 0"),
    (demo.cold_start, NOTHING_SHARED, "gettoken calls: 32 instead of 1"),
    (demo.revoked, NO_RESEND, "TimeoutError: what other threads should have done"),
    (demo.files, NO_RESEND, "errcode: 40014 instead of 0"),
    (demo.files, NO_REWIND, "errcode: 40014 instead of 0"),
    (demo.wrong_secret, NOTHING_SHARED, "gettoken calls: 20 instead of 1"),
    (demo.outage, NO_MEMORY, "TokenUnavailable"),
    (demo.suites_day, NO_RESEND, "errcode: 40014 instead of 0"),
]


@pytest.mark.parametrize(("step", "switch_off", "problem"), CONTROLS)
def test_a_step_fails_without_its_mechanism(step, switch_off, problem, monkeypatch):
    monkeypatch.setattr(demo, "WAIT", 1.0)
    switch_off(monkeypatch)
    played = play(step)
    assert not played["ok"]
    assert any(re.search(problem, each) for each in played["problems"]), played["problems"]
    assert not any(SECRETS.search(each) for each in played["problems"])


def test_every_step_has_a_control():
    assert {step for step, _, _ in CONTROLS} == STEPS.keys()


# --- what a failure looks like ---


def test_a_failed_step_is_told_and_decides_the_exit_code(monkeypatch, capsys):
    def fails(there):
        for number in range(7):
            there.expect(f"number {number}", number, -1)
        return "never said"

    monkeypatch.setattr(demo, "STORY", [demo.STORY[0], ("it fails", fails, 1)])
    assert demo.demo_command() == 1
    out = capsys.readouterr().out
    assert re.search("^it fails .*  FAIL$", out, re.MULTILINE)
    assert "number 4: 4 instead of -1" in out
    assert "number 5" not in out
    assert "never said" not in out
    assert "1 of 2 steps went as promised" in out
    assert demo.demo_command(as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_an_exception_fails_its_step_and_shows_no_token():
    def raises(there):
        raise ValueError("https://h/p?access_token=abc&userid=zhangsan \u4f60")

    problems = ["ValueError: https://h/p?access_token=***&userid=zhangsan \u4f60"]
    assert play(raises)["problems"] == problems


def test_waiting_ends(monkeypatch):
    monkeypatch.setattr(demo, "WAIT", 0.01)
    played = play(lambda there: there.wait_for_all(there.fake.hold("gettoken")))
    assert "TimeoutError: what other threads should have done" in played["problems"][0]
