"""The recipes for existing code, run as their readers would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from wecom_auth._dropin import installation as dropin
from wecom_auth.testing import FakeWeCom

TESTS = Path(__file__).parents[1]
RECIPES = TESTS.parent / "recipes"
CORPID, SECRET = "ww0123456789abcdef", "the-secret-of-the-app"


@pytest.fixture
def fake() -> FakeWeCom:
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    return fake


@pytest.fixture
def environ(fake: FakeWeCom) -> Iterator[dict[str, str]]:
    with fake.serve() as url:
        theirs = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
        ours = {"WECOM_CORPID": CORPID, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": url}
        yield {**theirs, **ours, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def python(environ: dict[str, str], *command: Any, **more: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**environ, **more},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert SECRET not in ran.stdout + ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def test_zabbix_alert(fake: FakeWeCom, environ: dict[str, str], tmp_path: Path) -> None:
    script = RECIPES / "zabbix_alert.py"
    run = ["-m", "wecom_auth", "run", "--store", f"file://{tmp_path}/wecom", script]
    for number in range(2):
        alert = ["zhangsan", f"Problem {number}", "Disk is full: /"]
        assert python(environ, *run, *alert) == (0, "ok\n", "")
    assert fake.gettoken_calls == 1
    fake.assert_delivered("text", text={"content": "Problem 1\nDisk is full: /"}, times=1)
    fake.revoke()
    assert python(environ, *run, "zhangsan", "Problem 2", "again") == (0, "ok\n", "")
    assert (fake.gettoken_calls, len(fake.messages)) == (2, 3)
    python(environ, script, "zhangsan", "Problem 3", "without")
    assert fake.gettoken_calls == 3  # the control: it fetches one of its own


def test_cron_with_store(fake: FakeWeCom, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    environ["WECOM_CORPSECRET_FILE"] = str(tmp_path / "secret")
    del environ["WECOM_CORPSECRET"]
    run = ["-m", "wecom_auth", "run", "--store", f"file://{tmp_path}/store", "--stats"]
    said = [python(environ, *run, RECIPES / "cron_with_store.py", "0") for _ in range(2)]
    assert [each[:2] for each in said] == [(0, "")] * 2
    assert [each[2].split()[1] for each in said] == ["0", "1"]
    assert fake.gettoken_calls == 1
    assert len(fake.messages) == 2
    code, _, error = python(environ, *run, RECIPES / "cron_with_store.py", "101")
    assert (code, error.split()[1]) == (0, "0")
    assert len(fake.messages) == 2


def test_flask_app(
    fake: FakeWeCom, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flask", reason="pip install '.[dev]' brings it")
    monkeypatch.syspath_prepend(str(RECIPES))
    for name in ("WECOM_CORPID", "WECOM_CORPSECRET", "WECOM_BASE_URL"):
        monkeypatch.setenv(name, environ[name])
    monkeypatch.setenv("WECOM_AGENTID", "1000002")
    browser = import_module("flask_app").create_app().test_client()

    def notify() -> int:
        return int(browser.post("/notify/zhangsan", data={"text": "done"}).status_code)

    try:
        assert notify() == 200
        fake.revoke()
        assert [notify(), notify()] == [200, 200]
        fake.assert_delivered("text", touser="zhangsan", times=3)
        assert (fake.gettoken_calls, fake.rejections) == (2, 1)
    finally:
        for owners in dropin._active:
            dropin._end(owners)
    fake.revoke()
    assert notify() == 502  # the control


def test_wechatpy_client(fake: FakeWeCom, environ: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("wechatpy", reason="pip install '.[dev]' brings it")
    environ["FAKE_WECOM"] = environ.pop("WECOM_BASE_URL")
    environ["PYTHONPATH"] = f"{TESTS / 'detoured'}{os.pathsep}{environ['PYTHONPATH']}"
    command = [RECIPES / "wechatpy_client.py", "zhangsan", "构建成功"]
    for _ in range(2):
        code, said, _ = python(environ, *command, WECOM_STORE=f"file://{tmp_path}/store")
        assert (code, said) == (0, "ok\n")
    fake.assert_delivered("text", touser="zhangsan", text={"content": "构建成功"}, times=2)
    assert fake.gettoken_calls == 1
    python(environ, *command)
    assert fake.gettoken_calls == 2  # the control: without the store each process fetches
