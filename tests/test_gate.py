"""The gate itself: no skip passes it, its files are up to date, its helpers say what is true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CI = HERE.parent / ".ci"
SKIPS = {
    "a test": "import pytest\ndef test(): pytest.skip('x')\n",
    "a file": "import pytest\npytest.importorskip('no_such_module')\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('x')\ndef test(f): ...\n",
}


def run(*command: object, **environment: str) -> int:
    theirs = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")}
    return subprocess.run(
        [sys.executable, *map(str, command)], env={**theirs, **environment}, capture_output=True
    ).returncode


@pytest.mark.parametrize("code", SKIPS.values(), ids=SKIPS)
def test_under_ci_a_skip_is_a_failure(code: str, tmp_path: Path) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    file = tmp_path / "test_it.py"
    file.write_text(f"{code}\ndef test_more(): ...\n")
    options = ("-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path)
    assert run(*options, file) in (0, 5)
    assert run(*options, file, CI="true") not in (0, 5)
    excused = tmp_path / "clients" / "test_niquests.py"
    excused.parent.mkdir()
    file.rename(excused)
    assert run(*options, excused, CI="true") in (0, 5)


def test_the_bill_of_materials_is_up_to_date() -> None:
    assert run(CI / "sbom.py", "--check") == 0, "run: python .ci/sbom.py"


def test_every_package_of_users_has_a_lower_bound() -> None:
    assert run(CI / "lowest.py", "file", "redis", "httpx", "aiohttp", "testing") == 0
    assert run(CI / "lowest.py", "dev") != 0, "control: tools without a bound are refused"


def test_one_version_everywhere() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == version("wecom-auth")
