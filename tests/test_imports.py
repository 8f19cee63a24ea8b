"""What an import brings along, and which room knows which."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wecom_auth

ROOT = Path(wecom_auth.__file__).parent
EXTRAS = {
    *("responses", "pytest", "redis", "filelock", "platformdirs", "httpx", "aiohttp"),
    *("httpx2", "niquests", "trio", "anyio", "gevent", "eventlet", "hypothesis"),
}
THEIRS = {"httpx2", "niquests", "trio", "gevent", "eventlet"}
"""Imported only where the user has done so: no extra of ours brings them."""

COMPANIONS = {"aiohttp": {"multidict", "yarl"}}
"""What a declared package is made of, and brings along for its users."""

ORDER = [
    {"_advice", "errors", "_clock", "_lazy", "_log"},
    {"_http"},
    {"_credential"},
    {"stores"},
    {"_source"},
    {"_call"},
    {"_clients"},
    {"httpx", "aiohttp", "urllib"},
    {"_dropin"},
    {"testing"},
    {"cli"},
]
"""Imports run one way: a room knows those above it in this list, none below."""

FLOOR = {name: number for number, names in enumerate(ORDER) for name in names}


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nimport json; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(run(code)))


def test_the_package_needs_no_extra_and_brings_no_fake():
    names = sorted(set(wecom_auth.__all__) - {"FileStore", "RedisStore"})
    modules = loaded(f"from wecom_auth import {', '.join(names)}")
    assert "wecom_auth._source.source" in modules
    assert not {name.partition(".")[0] for name in modules} & EXTRAS
    assert not {name for name in modules if name.startswith("wecom_auth.testing")}
    assert not {name for name in modules if name.startswith("wecom_auth.cli.demo")}
    assert not modules & {"wecom_auth.stores.file", "wecom_auth.cli"}


def test_control_an_extra_that_is_imported_is_seen():
    assert "filelock" in loaded("import wecom_auth; wecom_auth.FileStore('/nowhere')")


def test_importing_has_no_side_effect():
    code = """
import logging, socket, threading, sys
def refuse(*_): raise AssertionError("a socket at import")
socket.socket.connect = refuse
from wecom_auth import *
assert threading.active_count() == 1
assert not logging.getLogger("urllib3.connectionpool").filters
assert not logging.getLogger("wecom_auth").handlers
assert not logging.getLogger().handlers
"""
    run(code)


def test_every_public_name_is_there_and_documented():
    for name in wecom_auth.__all__:
        assert getattr(wecom_auth, name).__doc__, name
        assert name in dir(wecom_auth)
    assert wecom_auth.__version__
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = wecom_auth.nonsense


def modules(room: str) -> list[Path]:
    there = ROOT / room
    return sorted(there.rglob("*.py")) if there.is_dir() else [there.with_suffix(".py")]


def known_by(module: Path) -> set[str]:
    """The rooms of the package that this module imports, at its top or in a function."""
    depth = len(module.relative_to(ROOT).parts)
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("wecom_auth."):
            found.add(str(node.module).removeprefix("wecom_auth."))
    return {name.partition(".")[0] for name in found if name}


def others(module: Path) -> set[str]:
    """The packages of other people that this module imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.partition(".")[0] for name in found} - {"wecom_auth", *sys.stdlib_module_names}


def declared() -> set[str]:
    """The packages that a user's installation brings, with extras or without."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [line for name in {*extras} - {"dev", "bench"} for line in extras[name]]
    named = {re.split(r"[^\w-]", line)[0] for line in [*project["dependencies"], *lines]}
    return named.union(*(COMPANIONS.get(name, ()) for name in named))


def test_every_package_that_is_imported_is_declared():
    imported = set().union(*(others(module) for module in ROOT.rglob("*.py")))
    assert {"requests", "urllib3", "redis"} <= imported, "control: the walk sees imports"
    assert "aiohttp" in declared()
    assert imported - THEIRS <= declared()


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_imports_run_one_way(room: str):
    known = set().union(*(known_by(module) for module in modules(room)))
    assert not {name for name in known if FLOOR.get(name, -1) > FLOOR[room]}


def test_every_room_has_its_floor():
    rooms = {each.stem for each in ROOT.iterdir() if each.suffix == ".py" or each.is_dir()}
    assert rooms - {"__init__", "__main__", "__pycache__"} == FLOOR.keys()


def test_control_the_walk_sees_imports():
    assert {"_call", "_credential", "_source"} <= known_by(ROOT / "_clients" / "decorator.py")
    assert {"_call", "_clients", "_source"} <= known_by(ROOT / "httpx.py")
