"""The README is the front door: every code block in it runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from wecom_auth.testing import FakeWeCom, reset

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
APP = ("ww0123456789abcdef", "corpsecret")
BY_CI = ("pip install", "python -m pytest", ".ci/run")
"""Commands that make environments or run these tests: CI runs them."""


def blocks(*languages):
    found = BLOCK.findall(README.read_text("utf-8"))
    return [text for language, text in found if language in languages]


def commands():
    lines = "".join(blocks("console")).replace("\\\n", " ").splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [part.strip() for line in commands for part in line.partition(" #")[0].split("&&")]


def test_every_block_is_of_a_kind_that_is_tested_here():
    assert {language for language, _ in BLOCK.findall(README.read_text("utf-8"))} <= {
        "console",
        "python",
    }


def test_python_blocks_run_in_their_order(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    reset()
    namespace = {"__name__": "readme"}
    fake = FakeWeCom()
    with fake.mocked():
        for number, text in enumerate(blocks("python")):
            exec(compile(text, f"README.md, block {number + 1}", "exec"), namespace)
    fake.assert_delivered("text")


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_run(command, tmp_path):
    if command.startswith(BY_CI):
        pytest.skip("CI runs this one: it makes an environment, or runs these tests")
    ...
