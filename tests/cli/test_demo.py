"""The demo tells the truth: every step passes, and fails when its mechanism is switched off."""

import json
import logging
import os
import re
import subprocess
import sys

import pytest

from wecom_auth._call import replay
from wecom_auth._clients import decorator
from wecom_auth._credential import credentials
from wecom_auth._http import verdict as answers
from wecom_auth._source import flight as flights
from wecom_auth._source.state import Flight, State
from wecom_auth.cli import demo
from wecom_auth.cli.demo import report, stage, story
from wecom_auth.stores.memory import MemoryStore

SECRETS = re.compile(r"[A-Za-z0-9_-]{100,}|demo-secret|not-the-secret|secret-of-")
"""What would be a token (they have 214 characters) or a secret of the story."""


def play(step):
    title = next(title for title, function in story.STORY if function is step)
    with stage.set_up() as there:
        return there.play(title, step)


# --- the whole story ---


def test_every_expectation_holds(capsys, caplog):
    assert demo.demo_command() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    for title, _ in story.STORY:
        assert sum(line.startswith(title) and "  ok  " in line for line in lines) == 1
    assert f"{len(story.STORY)} of {len(story.STORY)} steps went as promised" in lines[-1]
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
    assert [step["step"] for step in told["steps"]] == [title for title, _ in story.STORY]
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
    with stage.set_up():
        assert (os.environ["WECOM_STORE"], os.environ["no_proxy"]) == ("", "127.0.0.1")
        assert log.propagate is False
    assert os.environ["WECOM_STORE"] == "file:"
    assert "no_proxy" not in os.environ
    assert (log.propagate, log.handlers) == (True, [])


# --- a step with its mechanism switched off ---


def every_caller_leads(state, limit, force):
    token = None if force else state.current()
    if token is not None:
        return token, False
    state.count("waits")  # the step goes on when all have come
    state.flight = Flight(limit)
    return state.flight, True


def join_in_the_foreground(state, send):
    flights.join(state, 10, send, force=True)


def discard_without_comparing(self, key, value=None):
    with self.lock:
        return self.cache.pop(key, None) is not None


def set_off(target, name, replacement):
    return lambda monkeypatch: monkeypatch.setattr(target, name, replacement)


NO_CACHE = set_off(MemoryStore, "load", lambda self, key: None)
NO_RESEND = set_off(replay, "heal", lambda source, rejected, answer, *rest, **options: answer)
RESENDS_FOR_LONG = set_off(replay, "RESENDS", 4)
NO_SINGLE_FLIGHT = set_off(flights, "board", every_caller_leads)
NO_COMPARE = set_off(MemoryStore, "discard", discard_without_comparing)
NO_REWIND = set_off(replay, "_rewind", lambda request: True)
NO_PUTTING_BACK = set_off(decorator, "put_back", lambda stood: True)
FILES_ARE_READ = set_off(answers, "_is_file", lambda response: False)
KEY_BY_CORPID = set_off(credentials, "_key", lambda base_url, corpid, secret: base_url + corpid)
NO_FAILURE_MEMORY = set_off(State, "remember", lambda self, failure: None)
NO_BUDGET = set_off(State, "may_fetch", lambda self: True)
NO_WARNING = set_off(State, "warn", lambda self, trouble, message: None)
NO_REFRESH_BEHIND = set_off(flights, "refresh_behind", lambda state, send: None)
REFRESH_IN_FRONT = set_off(flights, "refresh_behind", join_in_the_foreground)

CONTROLS = [
    (story.three_ways, NO_CACHE, "gettoken calls: 3 instead of 1"),
    (story.expired, NO_RESEND, "errcode: 42001 instead of 0"),
    (story.cold_start, NO_SINGLE_FLIGHT, r"gettoken calls: \d\d instead of 1"),
    (story.revoked, NO_SINGLE_FLIGHT, r"gettoken calls: \d\d instead of 1"),
    (story.late_rejections, NO_COMPARE, r"gettoken calls: \d+ instead of 1"),
    (story.upload, NO_REWIND, "ReadTimeout"),
    (story.upload, NO_PUTTING_BACK, "errcode: 40006 instead of 0"),
    (story.download, NO_RESEND, "SHA-256 of what arrived"),
    (story.download, FILES_ARE_READ, "gettoken calls: 2 instead of 1"),
    (story.two_apps, KEY_BY_CORPID, "whose token the call carried: 'sales' instead of 'staff'"),
    (story.wrong_secret, NO_FAILURE_MEMORY, "gettoken calls: 20 instead of 1"),
    (story.rejects_for_ever, NO_BUDGET, r"gettoken calls: \d{3} instead of at most 10"),
    (story.rejects_for_ever, RESENDS_FOR_LONG, "requests a call: 5 instead of at most 2"),
    (story.rejects_for_ever, NO_WARNING, "warnings of it: 0 instead of 1"),
    (story.outage, NO_REFRESH_BEHIND, "refreshes that failed: 0 instead of 1"),
    (story.outage, REFRESH_IN_FRONT, "TokenUnavailable"),
]


@pytest.mark.parametrize(("step", "switch_off", "problem"), CONTROLS)
def test_a_step_fails_without_its_mechanism(step, switch_off, problem, monkeypatch):
    if switch_off is NO_REWIND:
        monkeypatch.setattr(stage.Stage, "timeout", 1.0)  # what is not rewound hangs that long
    switch_off(monkeypatch)
    played = play(step)
    assert not played.ok
    assert any(re.search(problem, each) for each in played.problems), played.problems
    assert not any(SECRETS.search(each) for each in played.problems)


def test_every_step_has_a_control():
    assert {step for step, _, _ in CONTROLS} == {step for _, step in story.STORY}


# --- what a failure looks like ---


def test_a_failed_step_is_told_and_decides_the_exit_code(monkeypatch, capsys):
    def fails(there):
        for number in range(7):
            there.expect(f"number {number}", number, -1)
        return "never said"

    monkeypatch.setattr(demo, "STORY", [story.STORY[0], ("it fails", fails)])
    assert demo.demo_command() == 1
    out = capsys.readouterr().out
    assert re.search("^it fails .*  FAIL$", out, re.MULTILINE)
    assert "number 4: 4 instead of -1" in out
    assert "number 5" not in out
    assert "and 2 more" in out
    assert "never said" not in out
    assert "1 of 2 steps went as promised" in out
    assert demo.demo_command(as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_an_exception_fails_its_step_and_shows_no_token():
    def raises(there):
        raise ValueError("https://h/p?access_token=abc&userid=zhangsan \u4f60")

    with stage.set_up() as there:
        played = there.play("it raises", raises)
    assert played.problems == ("ValueError: https://h/p?access_token=***&userid=zhangsan \u4f60",)
    report.line(played)


def test_waiting_ends(monkeypatch):
    monkeypatch.setattr(stage.Stage, "timeout", 0.01)
    with stage.set_up() as there, pytest.raises(TimeoutError):
        there.until(lambda: False)
