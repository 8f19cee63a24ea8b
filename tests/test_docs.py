"""What people copy from the README and the recipes checks its answers, and ends in time."""

import ast
import re
from pathlib import Path

import pytest
from copied import calls_in, changed, complaints

HERE = Path(__file__).parent.parent
README = HERE / "README.md"
PAGES = [README, HERE / "recipes" / "README.md"]
FENCE = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = 730
"""Both languages, and every block in them."""


def blocks() -> list[str]:
    """Return the code of both READMEs, block by block; of a change, the code after it."""
    found = [each for path in PAGES for each in FENCE.findall(path.read_text("utf-8"))]
    return [changed(text) if kind == "diff" else text for kind, text in found]


def recipes() -> list[Path]:
    return sorted(path for path in (HERE / "recipes").rglob("*.py") if "test_" not in path.name)


@pytest.mark.parametrize("text", blocks(), ids=lambda text: text[:40].replace("\n", " "))
def test_a_block_of_the_readme_checks_its_answers(text: str) -> None:
    assert complaints(text, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) == []


@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.name)
def test_a_recipe_checks_its_answers(path: Path) -> None:
    assert complaints(path.read_text("utf-8")) == []


NEWER = "prometheus_metrics opentelemetry_events structlog_events provider_callback js_sdk_page"


@pytest.mark.parametrize("name", [*NEWER.split(), "token_service", "token_client"])
def test_a_recipe_fits_a_page(name: str) -> None:
    assert len((HERE / "recipes" / f"{name}.py").read_text("utf-8").splitlines()) <= 60


def test_there_is_something_to_check() -> None:
    assert sum(len(calls_in(ast.parse(text))) for text in blocks() if "await" not in text) >= 10
    assert sum(len(calls_in(ast.parse(path.read_text("utf-8")))) for path in recipes()) >= 15


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= LINES


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.parent.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    for path, _, anchor in (each.partition("#") for each in targets if "://" not in each):
        there = page.parent / path if path else page
        assert there.exists(), path
        assert not anchor or anchor in anchors(there), anchor


GOOD = {
    "inside": "raise_for_errcode(session.get(url, timeout=9))",
    "after": "answer = session.get(url, timeout=9)\nraise_for_errcode(answer)",
    "by the code": "a = session.get(url, timeout=9).json()\nif a['errcode']: raise SystemExit(a)",
    "by get": "a = session.get(url, timeout=9).json()\nprint(a.get('errcode'))",
    "as a hook": (
        "session.hooks['response'].append(raise_for_errcode)\nsession.get(url, timeout=9)"
    ),
    "by the caller": "def f():\n  return session.get(url, timeout=9)\nraise_for_errcode(f())",
    "in a with": "with session.get(url, timeout=9) as a:\n  raise_for_errcode(a)",
    "awaited": (
        "async def f():\n  async with client.get(url, timeout=9) as r:\n"
        "    a = await r.json()\n  if a['errcode']: raise SystemExit(a)"
    ),
    "no call": "known = names.get('errcode')\nsource.get()\nopen('file')",
    "a message": "body = {'msgtype': 'text', 'agentid': 1}",
}
BAD = {
    "not looked at": "session.get(url, timeout=9)",
    "printed only": "print(session.get(url, timeout=9).json())",
    "another one is": (
        "a = session.get(url, timeout=9)\na = session.get(url, timeout=9)\nraise_for_errcode(a)"
    ),
    "in a function": (
        "def f():\n  a = session.get(url, timeout=9)\n"
        "  return 1\na = session.get(url, timeout=9)\nraise_for_errcode(a)"
    ),
    "not by the caller": "def f():\n  return session.get(url, timeout=9)\nf()",
    "by no caller": "def f():\n  return session.get(url, timeout=9)",
    "any receiver": "anything.post('https://qyapi.weixin.qq.com/cgi-bin/x', timeout=9)",
    "no timeout": "raise_for_errcode(requests.get(url))",
    "no agentid": "body = {'msgtype': 'text', 'touser': 'x'}",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_control_good_code_passes(text: str) -> None:
    assert complaints(text) == []


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_control_bad_code_is_found(text: str) -> None:
    assert len(complaints(text)) == 1
