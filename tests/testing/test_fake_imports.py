from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import wecom_auth.testing as kit


def python(code: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


HEAVY = "{'responses', 'pytest', 'wecom_auth.testing._fake', 'http.server'} & set(sys.modules)"


@pytest.mark.parametrize("module", ["wecom_auth", "wecom_auth.testing"])
def test_importing_brings_in_neither_the_fake_nor_responses_nor_pytest(module: str):
    assert python(f"import sys, {module}; print({HEAVY})").strip() == "set()"


def test_serve_needs_neither_responses_nor_pytest():
    code = """
import sys
sys.modules["responses"] = sys.modules["pytest"] = None
import requests
from wecom_auth.testing import FakeWeCom
with FakeWeCom().serve() as url:
    print(requests.get(f"{url}/cgi-bin/x").json()["errcode"])
"""
    assert python(code).strip() == "41001"


def test_mocked_without_responses_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "responses", None)
    monkeypatch.delitem(sys.modules, "wecom_auth.testing._fronts.requests", raising=False)
    with pytest.raises(ImportError, match=r'pip install "wecom-auth\[testing\]"'):
        kit.FakeWeCom().mocked()


def test_every_public_name_is_there():
    assert kit.__all__ == dir(kit)
    for name in kit.__all__:
        assert getattr(kit, name).__name__ == name


def _imports(file: Path, root: Path) -> set[str]:
    """The modules of the kit that a file imports, at its top or later."""
    package = file.relative_to(root).parent.parts
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and 0 < node.level <= len(package) + 1:
            base = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
            here = "/".join(part for part in base if part)
            found |= {f"{here}/{alias.name}".lstrip("/") for alias in node.names} | {here}
    return found


def test_no_module_imports_itself_by_way_of_others_and_private_ones_say_so():
    root = Path(kit.__file__).parent
    files = {str(f.relative_to(root).with_suffix("")): f for f in root.rglob("*.py")}
    assert {name for name in files if not name.startswith("_")} == {"plugin"}
    graph = {
        name: _imports(file, root) & files.keys()
        for name, file in files.items()
        if not name.endswith("__init__")
    }
    TopologicalSorter(graph).prepare()  # which raises CycleError


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'wecom_auth\.testing' has no attribute 'nothing'"):
        _ = kit.nothing
