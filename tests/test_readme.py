"""The README is the front door: every code block in it runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wecom_auth.testing import FakeWeCom

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_BY_CI = ("pip install", "python -m pytest", "python -m tests.")
"""Commands that make an environment or run these tests: they are CI's."""

ALERT = """
import os, sys, requests
base = os.environ["WECOM_BASE_URL"]
app = {"corpid": os.environ["WECOM_CORPID"], "corpsecret": os.environ["WECOM_CORPSECRET"]}
token = requests.get(base + "/cgi-bin/gettoken", params=app).json()["access_token"]
body = {"touser": "@all", "msgtype": "text", "text": {"content": " ".join(sys.argv[1:]) or "down"}}
print(requests.post(base + "/cgi-bin/message/send?access_token=" + token, json=body).json())
"""


def blocks(language: str) -> list[str]:
    found = BLOCK.findall(README.read_text("utf-8"))
    return [text for kind, text in found if kind == language]


def commands() -> list[str]:
    lines = "".join(blocks("console")).splitlines()
    typed = [line.removeprefix("$ ").partition("  #")[0] for line in lines if line[:2] == "$ "]
    each = [command.strip() for line in typed for command in line.split("&&")]
    return [command for command in each if not command.startswith(RUN_BY_CI)]


def test_every_block_is_of_a_kind_that_runs_here():
    kinds = {kind for kind, _ in BLOCK.findall(README.read_text("utf-8"))}
    assert kinds == {"console", "python"}


def test_python_blocks_run_in_their_order(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    names: dict[str, object] = {"__name__": "readme"}
    fake = FakeWeCom()
    with fake.mocked():
        for number, text in enumerate(blocks("python"), 1):
            exec(compile(text, f"README.md, python block {number}", "exec"), names)
    fake.assert_delivered("text")
    assert fake.gettoken_calls == 1


def test_the_tests_in_python_blocks_pass(fake_wecom):
    names: dict[str, object] = {"__name__": "readme"}
    found = []
    for text in blocks("python"):
        before = set(names)
        if "def test_" in text or "attach(requests.Session(), app)" in text:
            exec(compile(text, "README.md", "exec"), names)
            found += [names[name] for name in set(names) - before if name.startswith("test_")]
    fake_wecom.reset_journal()
    fake_wecom.expire()
    assert found
    for test in found:
        fake_wecom.reset_journal()
        test(fake_wecom)


@pytest.mark.parametrize("command", commands())
def test_commands_run(command, wecom_server, tmp_path):
    (tmp_path / "alert.py").write_text(ALERT)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "WECOM_CORPID": "ww0123456789abcdef",
        "WECOM_CORPSECRET": "corpsecret",
        "WECOM_BASE_URL": wecom_server.url,
        "REDIS_URL": "",
    }
    if command.startswith("wecom-auth fake"):
        command = f"timeout --signal=INT 3 {command}"  # it runs until Ctrl+C
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=environment, capture_output=True, timeout=60
    )
    assert done.returncode in (0, 124), done.stderr.decode()
