"""The public interface as type checkers, editors and frameworks see it."""

from __future__ import annotations

import inspect
import json
import pydoc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wecom_auth
from wecom_auth import AppCredential, stores, testing, with_access_token

PROGRAM = Path(__file__).with_name("typing_check.py")
RULES = {
    "typeCheckingMode": "standard",
    "pythonVersion": "3.11",
    "reportUnnecessaryTypeIgnoreComment": "error",  # a wrong use that is accepted is an error
}


def mypy(directory: Path) -> list[str]:
    """Return what `mypy --strict` reports."""
    api = pytest.importorskip("mypy.api")
    report, problems, _ = api.run(["--strict", "--no-error-summary", str(PROGRAM)])
    assert problems == ""
    return report.splitlines()


def pyright(directory: Path) -> list[str]:
    """Return what basedpyright reports: pyright in a wheel, where its own package needs npm."""
    pytest.importorskip("basedpyright")
    settings = directory / "pyrightconfig.json"
    settings.write_text(json.dumps({**RULES, "include": [str(PROGRAM)]}))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--project", str(settings)]
    done = subprocess.run([*command, "--pythonpath", sys.executable], capture_output=True)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    return [str(each) for each in found["generalDiagnostics"]]


@pytest.mark.parametrize("check", [mypy, pytest.param(pyright, marks=pytest.mark.storm)])
def test_a_users_program_is_accepted_and_its_mistakes_are_found(
    check: Callable[[Path], list[str]], tmp_path: Path
):
    assert check(tmp_path) == []


@pytest.mark.parametrize("package", [wecom_auth, stores, testing])
def test_dir_lists_the_public_names_once(package: Any):
    names = [name for name in dir(package) if not name.startswith("_")]
    assert names == sorted(package.__all__)
    assert len(dir(package)) == len(set(dir(package)))


# --- a decorated function, as frameworks publish it ---

app = AppCredential("ww0123456789abcdef", "corpsecret")


@with_access_token(app)
def user(userid: str, access_token: str = "") -> dict[str, str]:
    """Read a member."""
    return {"userid": userid}


@with_access_token(app)
async def department(id: int, *, access_token: str = "") -> dict[str, int]:
    """Read a department."""
    return {"id": id}


@pytest.mark.parametrize(("function", "shown"), [(user, ["userid"]), (department, ["id"])])
def test_a_decorated_function_shows_no_token_parameter(function: Any, shown: list[str]):
    assert list(inspect.signature(function).parameters) == shown


def test_help_shows_what_a_caller_gives():
    text = pydoc.render_doc(user, renderer=pydoc.plaintext)
    assert "user(userid: " in text
    assert "access_token" not in text
    assert "Read a member." in text


def test_fastapi_publishes_no_token_parameter():
    fastapi = pytest.importorskip("fastapi")
    site = fastapi.FastAPI()
    site.get("/user")(user)
    site.get("/department")(department)
    paths = site.openapi()["paths"]
    names = {path: [p["name"] for p in each["get"]["parameters"]] for path, each in paths.items()}
    assert names == {"/user": ["userid"], "/department": ["id"]}
