"""The README is the front door: every block in it runs, and none loses a message in silence."""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

# Every client is imported: the fake answers those that the program has imported by then.
import aiohttp  # noqa: F401
import httpx  # noqa: F401
import httpx2  # noqa: F401
import pytest
from copied import changed

from wecom_auth.testing import FakeWeCom, reset

README = Path(__file__).parent.parent / "README.md"
MOVING_OVER = README.parent / "recipes" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_BY_CI = ("pip ", "python -m pytest", "python -m tests.")
"""Commands that make an environment or run these tests: they are CI's."""

FAULTS = ["ip-not-trusted", 81013, 45009, "reject", "outage", "hang"]
TOLD = r"60020|81013|45009|40014|502|[Tt]imed? ?out"
GATEWAY = "https://gateway.example.com"

ALERT = """
import os, sys, requests
base = os.environ["WECOM_BASE_URL"]
app = {"corpid": os.environ["WECOM_CORPID"], "corpsecret": os.environ["WECOM_CORPSECRET"]}
token = requests.get(base + "/cgi-bin/gettoken", params=app, timeout=9).json()["access_token"]
body = {"touser": "@all", "msgtype": "text", "agentid": 1, "text": {"content": sys.argv[-1]}}
url = base + "/cgi-bin/message/send?access_token=" + token
answer = requests.post(url, json=body, timeout=9).json()
sys.exit(answer["errcode"])
"""


def blocks(language: str, path: Path = README) -> list[str]:
    found = BLOCK.findall(path.read_text("utf-8"))
    return [text for kind, text in found if kind == language]


def code() -> list[tuple[str, str]]:
    """Return the blocks by name, and of each change in "Moving over" the code after it."""
    changes = [changed(text) for text in blocks("diff", MOVING_OVER)]
    ours = [(f"README.md, block {n}", text) for n, text in enumerate(blocks("python"), 1)]
    return [*ours, *((f"moving over, {n}", text) for n, text in enumerate(changes, 1))]


def commands() -> list[str]:
    lines = "".join(blocks("console")).splitlines()
    typed = [line.removeprefix("$ ").partition("  #")[0] for line in lines if line[:2] == "$ "]
    each = [command.strip() for line in typed for command in line.split("&&")]
    return [command for command in each if not command.startswith(RUN_BY_CI)]


def run(name: str, text: str, names: dict[str, object]) -> None:
    """Run a block; one that awaits, in an event loop of its own."""
    compiled = compile(text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)


@contextmanager
def platform():
    """Answer in the place of the platform, and of the gateway that one block invents."""
    fake, gateway = FakeWeCom(), FakeWeCom()

    def grant(platform: FakeWeCom, corpid: str):
        token = {"access_token": platform.issue(corpid, "secret"), "expires_in": 7200}
        return lambda request: {"errcode": 0, **token}

    fake.route("service/get_corp_token", grant(fake, "wwcustomer"), check_token=False)
    gateway.route("gateway/token", grant(gateway, "node"), check_token=False)
    gateway.route("user/list_id", {"errcode": 0, "dept_user": []})
    with fake.mocked(), gateway.mocked(GATEWAY):
        yield fake, gateway


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """The directory of somebody who tries the README."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7 " + bytes(range(256)))
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))

    def set_up():  # the fake sets the environment's own aside
        monkeypatch.setenv("WECOM_CORPID", "ww0123456789abcdef")
        monkeypatch.setenv("WECOM_CORPSECRET", "corpsecret")

    return set_up


def test_every_block_is_of_a_kind_that_is_looked_at():
    kinds = {kind for kind, _ in BLOCK.findall(README.read_text("utf-8"))}
    assert kinds == {"console", "python", "text"}


def test_python_blocks_run_in_their_order(at_home):
    names: dict[str, object] = {"__name__": "readme"}
    with platform() as (fake, gateway):
        at_home()
        for name, text in code():
            run(name, text, names)
    fake.assert_delivered("text")
    assert fake.gettoken_calls == 2, "one token for all blocks, one more in a store"
    assert Path("copy.pdf").read_bytes() == Path("report.pdf").read_bytes()
    assert gateway.gettoken_calls == 0


def calls(*fakes: FakeWeCom) -> set[str]:
    skip = ("gettoken", "get_suite_token", "get_corp_token", "gateway/token", "ticket")
    paths = {call.path for fake in fakes for call in fake.journal}
    return {path for path in paths if not path.endswith(skip)}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_block_loses_a_call_in_silence(at_home, fault):
    names: dict[str, object] = {"__name__": "readme"}
    silent = []
    with platform() as fakes:
        at_home()
        for name, text in code():
            for fake in fakes:
                fake.reset_journal()
            run(name, text, before := dict(names))
            called = calls(*fakes)
            for fake in fakes:
                for path in called:
                    fake.fail(fault, path=path)
            if called and not told(name, text, dict(names)):
                silent.append(name)
            for fake in fakes:
                fake.heal()
            reset()
            names = before
    assert silent == []


def test_control_a_block_that_does_not_look_loses_it(at_home):
    text = "import requests\nrequests.post(url, json=body, params={'access_token': 'x'}, timeout=9)"
    names = {"url": "https://qyapi.weixin.qq.com/cgi-bin/message/send", "body": {}}
    with FakeWeCom().mocked():
        assert not told("control", text, names)


def told(name: str, text: str, names: dict[str, object]) -> bool:
    """Return whether the block says what has gone wrong: by an exception, or in print."""
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            run(name, text, names)
    except Exception:
        return True
    return re.search(TOLD, printed.getvalue()) is not None


def test_the_tests_in_python_blocks_pass(fake_wecom, at_home):
    names: dict[str, object] = {"__name__": "readme"}
    at_home()
    for name, text in code()[:2]:
        run(name, text, names)
    for name, text in code():
        if "def test_" in text:
            run(name, text, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        fake_wecom.reset_journal()
        reset()
        test(fake_wecom)


@pytest.mark.parametrize("command", commands())
def test_commands_run(command, wecom_server, tmp_path):
    (tmp_path / "alert.py").write_text(ALERT)
    app = {"agentid": 1000002, "name": "Alerts", "close": 0, "allow_partys": {"partyid": [1]}}
    wecom_server.fake.route("agent/list", {"errcode": 0, "agentlist": [app]})
    wecom_server.fake.route("agent/get", {"errcode": 0, **app})
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "WECOM_CORPID": "ww0123456789abcdef",
        "WECOM_CORPSECRET": "corpsecret",
        "WECOM_BASE_URL": wecom_server.url,
        "token": "a-token-that-was-rejected",
        "REDIS_URL": "",
    }
    if command.startswith("wecom-auth fake"):
        command = f"timeout --signal=INT 1 {command}"  # it runs until Ctrl+C
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=environment, capture_output=True, timeout=60
    )
    assert done.returncode in (0, 124), done.stderr.decode() + done.stdout.decode()
