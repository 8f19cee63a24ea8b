"""The gate itself: no skip passes it, its files are up to date, its helpers say what is true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
CI = HERE.parent / ".ci"
SKIPS = {
    "a_test": "import pytest\ndef test(): pytest.skip('x')\n",
    "a_file": "import pytest\npytest.importorskip('no_such_module')\n",
    "a_fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('x')\ndef test(f): ...\n",
}


def clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")}


def run(*command: object, **environment: str) -> int:
    return subprocess.run(
        [sys.executable, *map(str, command)], env={**clean(), **environment}, capture_output=True
    ).returncode


def red(suite: Path, **environment: str) -> list[str]:
    """The files of this suite that have a red test, or are red as a whole."""
    options = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "-ra"]
    options += ["--import-mode=importlib", "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=suite,
        env={**clean(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert "3 passed" in done.stdout or "4 passed" in done.stdout, done.stdout
    return sorted(set(re.findall(r"^(?:FAILED|ERROR) ([^:\s]+)", done.stdout, re.MULTILINE)))


def test_under_ci_a_skip_is_a_failure(tmp_path: Path) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    for kind, code in SKIPS.items():
        for name in ("test_it.py", "clients/test_niquests.py"):
            file = tmp_path / kind / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{code}\ndef test_more(): ...\n")
    assert red(tmp_path) == []
    assert red(tmp_path, CI="true") == [f"{kind}/test_it.py" for kind in sorted(SKIPS)]


def test_the_bill_of_materials_is_up_to_date() -> None:
    assert run(CI / "sbom.py", "--check") == 0, "run: python .ci/sbom.py"


def test_every_package_of_users_has_a_lower_bound() -> None:
    assert run(CI / "lowest.py", "file", "redis", "httpx", "aiohttp", "testing") == 0
    assert run(CI / "lowest.py", "dev") != 0, "control: tools without a bound are refused"


def test_one_version_everywhere() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == version("wecom-auth")
