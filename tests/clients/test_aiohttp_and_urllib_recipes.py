"""The recipes over urllib and aiohttp, run as their readers run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ways import CORP, SECRET, platform

RECIPES = Path(__file__).parents[2] / "recipes"


def cook(url: str, name: str, *arguments: str) -> Any:
    theirs = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
    ours = {"WECOM_CORPID": CORP, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": url}
    run = subprocess.run(
        [sys.executable, "-W", "error", RECIPES / name, *arguments],
        env={**theirs, **ours, "NO_PROXY": "127.0.0.1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert SECRET not in run.stdout + run.stderr
    return run.returncode, run.stdout, run.stderr


def test_urllib_alert() -> None:
    with platform() as (fake, app):
        fake.app(CORP, SECRET)
        assert cook(app.base_url, "urllib_alert.py", "alice", "磁盘满了") == (0, "ok\n", "")
        fake.assert_delivered("text", touser="alice", text={"content": "磁盘满了"}, times=1)
        fake.fail(81013, path="message/send")
        status, said, _ = cook(app.base_url, "urllib_alert.py", "alice", "x")
        assert status == 1
        assert "81013" in said
        fake.app(CORP, "another")
        fake.heal()


def test_urllib_alert_without_a_token() -> None:
    with platform() as (fake, app):
        fake.app(CORP, "another")
        status, said, complaint = cook(app.base_url, "urllib_alert.py", "alice", "x")
        assert (status, said) == (1, "")
        assert "40001" in complaint


def test_aiohttp_bot() -> None:
    with platform() as (fake, app):
        fake.app(CORP, SECRET)
        members = ["alice", "bob", "carol"]
        status, said, complaint = cook(app.base_url, "aiohttp_bot.py", *members)
        assert (status, complaint) == (0, "")
        assert said == "ok ok ok\nok ok ok\n"
        for member in members:
            fake.assert_delivered("text", touser=member, times=1)
            fake.assert_delivered("image", touser=member, times=1)
        assert fake.gettoken_calls == 1
