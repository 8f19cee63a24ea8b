"""The recipe is run as its reader would run it, and its tests are seen to find a broken client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "test_your_own_client"


OPTIONS = ["-p", "wecom_auth.testing.plugin", "-p", "no:cacheprovider", "--strict-markers"]


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env.pop("PYTEST_ADDOPTS", None)  # those of this run are for its own plugins
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", *OPTIONS]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A stranger's project: nothing of ours in it but the recipe's two files."""
    return Path(shutil.copytree(RECIPE, tmp_path / "project"))


def test_the_recipe_passes(project: Path):
    result = run_pytest(project)
    assert result.returncode == 0, result.stdout
    assert "6 passed" in result.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "found_by"),
    [
        ("{40014, 42001}", "{40014}", "test_an_expired_token_is_replaced"),
        ("{40014, 42001}", "{42001}", "test_a_revoked_token_is_replaced"),
        ("self.token or self._fetch()", "self._fetch()", "test_the_token_is_fetched_once"),
        (
            'if answer["errcode"] in TOKEN_IS_DEAD:',
            "for _ in range(3):",
            "test_a_platform_that_rejects_for_ever_is_asked_twice",
        ),
    ],
)
def test_a_client_that_heals_wrongly_is_found(
    project: Path,
    right: str,
    wrong: str,
    found_by: str,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
):
    client = project / "notifier.py"
    code = client.read_text("utf-8")
    assert right in code
    client.write_text(code.replace(right, wrong), "utf-8")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(project)
    result = pytester.runpytest_inprocess("-c", os.devnull, "--rootdir", ".", *OPTIONS)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"FAILED test_notifier.py::{found_by}*"])


def test_the_client_runs_against_a_platform_from_the_environment(project: Path):
    from wecom_auth.testing import FakeWeCom

    fake = FakeWeCom()
    with fake.serve() as url:
        env = {
            **os.environ,
            "WECOM_CORPID": "ww0001",
            "WECOM_CORPSECRET": "secret",
            "WECOM_AGENTID": "1000002",
            "WECOM_BASE_URL": url,
        }
        command = [sys.executable, "notifier.py", "hello"]
        subprocess.run(command, cwd=project, env=env, check=True, capture_output=True)
    fake.assert_delivered("text", times=1, text={"content": "hello"})


def test_the_client_has_nothing_of_ours():
    code = (RECIPE / "notifier.py").read_text("utf-8")
    assert [line for line in code.splitlines() if "import" in line and "wecom_auth" in line] == []
