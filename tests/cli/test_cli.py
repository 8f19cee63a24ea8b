"""The command line: what it prints, its exit codes, and what it hands on to whom."""

import io
import json
import os
import re
import subprocess
import sys
import time
from types import ModuleType

import pytest

from wecom_auth import (
    AppCredential,
    MemoryStore,
    TokenSource,
    cli,
)
from wecom_auth.cli import demo
from wecom_auth.cli import fake as serve_command
from wecom_auth.cli.console import say
from wecom_auth.testing import FakeWeCom, reset

CORPID, SECRET = "ww0123456789abcdef", "s3cret-of-the-app"


@pytest.fixture
def fake(monkeypatch):
    """A platform, and an environment that names it."""
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    with fake.serve() as url:
        monkeypatch.setenv("WECOM_CORPID", CORPID)
        monkeypatch.setenv("WECOM_CORPSECRET", SECRET)
        monkeypatch.setenv("WECOM_BASE_URL", url)
        yield fake


# --- token ---


def test_token_is_masked_and_tells_its_life(fake, capsys):
    assert cli.main(["token"]) == 0
    out, err = capsys.readouterr()
    value = fake.token(CORPID, SECRET)
    assert f"{value[:4]}... (214 characters)" in out
    assert "7139 s left (1 h 58 min)" in out
    assert CORPID in out
    assert value not in out + err
    assert SECRET not in out + err


def test_show_prints_the_token_and_nothing_else(fake, capsys):
    assert cli.main(["token", "--show"]) == 0
    assert capsys.readouterr() == (fake.token(CORPID, SECRET) + "\n", "")


def test_two_commands_on_one_store_share_a_token(fake, tmp_path, capsys):
    command = [sys.executable, "-m", "wecom_auth", "token", "--show", "--store"]
    store = f"file://{tmp_path}/tokens"
    runs = [subprocess.run([*command, store], capture_output=True, text=True) for _ in range(2)]
    assert [run.stdout for run in runs] == [fake.token(CORPID, SECRET) + "\n"] * 2
    assert [run.returncode for run in runs] == [0, 0]
    assert fake.gettoken_calls == 1


def test_two_commands_without_a_store_do_not(fake):
    command = [sys.executable, "-m", "wecom_auth", "token"]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
    assert fake.gettoken_calls == 2


def failure(capsys, expected_code):
    assert cli.main(["token"]) == expected_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("wecom-auth token: ")
    assert "Traceback" not in err
    assert SECRET not in err
    return err


def test_a_missing_variable_is_named(fake, monkeypatch, capsys):
    monkeypatch.delenv("WECOM_CORPID")
    assert "WECOM_CORPID is not set" in failure(capsys, 2)


def test_a_wrong_store_is_named(fake, monkeypatch, capsys):
    monkeypatch.setenv("WECOM_STORE", "/var/tokens")
    assert "WECOM_STORE" in failure(capsys, 2)


def test_a_missing_extra_is_named(fake, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv("WECOM_STORE", "redis://127.0.0.1:9/0")
    assert "wecom-auth[redis]" in failure(capsys, 2)


def test_a_refusal_comes_with_advice_and_the_help_page(fake, monkeypatch, capsys):
    monkeypatch.setenv("WECOM_CORPSECRET", SECRET + "x")
    err = failure(capsys, 1)
    assert "40001" in err
    assert "\n  the platform refuses the secret (40001): copy the Secret from" in err
    assert "\n  https://open.work.weixin.qq.com/devtool/query?e=40001" in err


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [("drop", "closed the connection without an answer"), ("hang", "gave no answer within")],
)
def test_a_platform_that_is_not_reached(fake, monkeypatch, capsys, trouble, advice):
    monkeypatch.setattr("wecom_auth._source.source.TIME_LIMIT", 0.5)
    with fake.fail(trouble):
        assert re.search(rf"\n  127.0.0.1:\d+ .*{advice}", failure(capsys, 1))


def test_json_is_for_other_programs(fake, capsys):
    assert cli.main(["token", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"access_token", "expires_at"}
    assert told["access_token"] == fake.token(CORPID, SECRET)
    assert 7130 <= told["expires_at"] - time.time() <= 7140


@pytest.mark.parametrize("form", ["--show", "--json"])
@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_a_rejected_token_is_dropped_and_another_one_printed(
    fake, monkeypatch, capsys, tmp_path, form, way
):
    monkeypatch.setenv("WECOM_STORE", f"file://{tmp_path}/tokens")
    assert cli.main(["token", "--show"]) == 0
    dead = capsys.readouterr().out.strip()
    fake.revoke()
    reset()  # as in another process: the dead token is in the store only
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{dead}\n"))
    assert cli.main(["token", form, "--rejected", "-" if way == "stdin" else dead]) == 0
    fresh = fake.token(CORPID, SECRET)
    assert fresh in capsys.readouterr().out
    assert fresh != dead
    assert fake.gettoken_calls == 2
    reset()
    assert cli.main(["token", "--show", "--rejected", dead]) == 0
    assert capsys.readouterr().out.strip() == fresh
    assert fake.gettoken_calls == 2, "a neighbour has replaced it already"


def test_control_without_rejected_the_dead_token_comes_out_of_the_store(
    fake, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("WECOM_STORE", f"file://{tmp_path}/tokens")
    assert cli.main(["token", "--show"]) == 0
    fake.revoke()
    reset()
    assert cli.main(["token", "--show"]) == 0
    assert len(set(capsys.readouterr().out.split())) == 1


def test_a_token_that_the_platform_gives_out_again_is_not_fresh(fake, capsys):
    assert cli.main(["token", "--show"]) == 0
    same = capsys.readouterr().out.strip()
    assert cli.main(["token", "--show", "--rejected", same]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "gives out the same token again" in err
    assert same not in err


@pytest.mark.parametrize("rejected", ["", " ", "-"])
def test_rejected_wants_a_token(fake, monkeypatch, capsys, rejected):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.main(["token", "--rejected", rejected]) == 2
    assert "--rejected names no token" in capsys.readouterr().err
    assert fake.gettoken_calls == 0


def test_the_life_that_a_token_has_left():
    now = [1000.0]
    clock = {"monotonic": lambda: now[0], "wall": lambda: now[0]}
    with FakeWeCom().serve() as url:
        app = AppCredential(CORPID, SECRET, base_url=url)
        source = TokenSource(app, store=MemoryStore(**clock))
        token = source.get()
    assert source.remaining(token) == 7140
    now[0] += 7000
    assert source.remaining(token) == 140
    now[0] += 7000
    assert source.remaining(token) == 0


# --- demo, run, fake: who is called with what ---


@pytest.mark.parametrize(("arguments", "as_json"), [([], False), (["--json"], True)])
def test_demo_hands_on_its_exit_code(monkeypatch, arguments, as_json):
    asked = []
    monkeypatch.setattr(demo, "demo_command", lambda as_json: asked.append(as_json) or 7)
    assert cli.main(["demo", *arguments]) == 7
    assert asked == [as_json]


def test_ctrl_c_is_no_traceback(monkeypatch):
    def interrupted(as_json):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "demo_command", interrupted)
    assert cli.main(["demo"]) == 130


def test_a_reader_that_has_seen_enough():
    command = [sys.executable, "-m", "wecom_auth", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        assert demo.stdout.readline().startswith(b"A fake WeCom platform")
        demo.stdout.close()
        assert demo.stderr.read() == b""
        assert demo.wait(60) == 141


@pytest.fixture
def ran(monkeypatch):
    """What `run` hands on."""
    calls = []

    def run_command(argv, *, store, stats, sole_app):
        calls.append((argv, store, stats, *(["sole app"] if sole_app else [])))
        return 3

    stub = ModuleType("wecom_auth.cli.run")
    stub.run_command = run_command
    monkeypatch.setitem(sys.modules, "wecom_auth.cli.run", stub)
    return calls


@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        (["a.py"], (["a.py"], None, False)),
        (["a.py", "--store", "x", "--stats"], (["a.py", "--store", "x", "--stats"], None, False)),
        (["a.py", "-h", "--", "-m"], (["a.py", "-h", "--", "-m"], None, False)),
        (["a.py", "--version", ""], (["a.py", "--version", ""], None, False)),
        (["--sole-app", "a.py", "--sole-app"], (["a.py", "--sole-app"], None, False, "sole app")),
        (["--stats", "a.py", "--stats"], (["a.py", "--stats"], None, True)),
        (["--store", "file:", "a.py"], (["a.py"], "file:", False)),
        (["--store=file:", "--stats", "a.py", "b"], (["a.py", "b"], "file:", True)),
        (["-m", "alert", "--its", "--"], (["-m", "alert", "--its", "--"], None, False)),
        (["--stats", "-malert", "x"], (["-malert", "x"], None, True)),
        (["--", "a.py", "--", "b"], (["a.py", "--", "b"], None, False)),
    ],
)
def test_what_is_behind_the_scripts_name_is_the_scripts(ran, arguments, handed_on):
    assert cli.main(["run", *arguments]) == 3
    assert ran == [handed_on]


@pytest.mark.parametrize("arguments", [[], ["--stats"], ["--", "-x"], ["-x", "a.py"], ["-", "a"]])
def test_run_without_a_script(ran, arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["run", *arguments])
    assert left.value.code == 2
    assert "name a script to run, or -m and a module" in capsys.readouterr().err
    assert ran == []


def test_fake_is_served_where_it_is_wanted(monkeypatch):
    asked = []
    monkeypatch.setattr(serve_command, "fake_command", lambda *where: asked.append(where) or 0)
    assert cli.main(["fake"]) == 0
    assert cli.main(["fake", "--port", "8080", "--host", "::1"]) == 0
    assert asked == [(0, "127.0.0.1"), (8080, "::1")]


@pytest.mark.parametrize("port", ["-1", "65536", "http", ""])
def test_fake_wants_a_port(port, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["fake", f"--port={port}"])
    assert left.value.code == 2
    assert "is no port" in capsys.readouterr().err


# --- help, version, and the way in ---


@pytest.mark.parametrize("command", ["", "demo", "check", "token", "run", "fake"])
def test_help_reads_well_on_any_console(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([*command.split(), "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.startswith(f"usage: wecom-auth {command}".rstrip())
    assert max(map(len, out.splitlines())) <= 80, out


def test_help_shows_the_environment(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    for name in ("WECOM_CORPSECRET_FILE", "WECOM_BASE_URL", "WECOM_STORE", "WECOM_LANG"):
        assert name in out


def test_run_takes_a_short_h(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "--stats", "-h"])
    assert left.value.code == 0
    assert "script.py | -m module" in capsys.readouterr().out


def test_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["wecom-auth", "--version"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("wecom-auth 0.")


def test_nothing_is_no_command(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([])
    assert left.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_starting_up_imports_no_command():
    """Control: the same look after a command was used does find it."""
    program = (
        "import sys; from wecom_auth import cli\n"
        "def loaded(): return sorted(m for m in sys.modules if m.startswith(\n"
        "    ('wecom_auth.cli.demo', 'wecom_auth.testing', 'wecom_auth.cli.token', 'redis',"
        " 'filelock')))\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: print('AFTER HELP', loaded())\n"
        "cli.main(['token']); print('AFTER TOKEN', loaded())\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "AFTER HELP []\n" in run.stdout
    assert "AFTER TOKEN ['wecom_auth.cli.token']\n" in run.stdout


@pytest.mark.parametrize(
    ("encoding", "shown"), [("gbk", "好 \\u20ac"), ("ascii", "\\u597d \\u20ac"), ("utf-8", "好 €")]
)
def test_any_console_shows_any_text(encoding, shown):
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from wecom_auth.cli.console import say; say('\\u597d \\u20ac')",
        ],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode(encoding).rstrip() == shown.replace("\\u20ac", shown.split()[1])


def test_saying_it_to_stderr(capsys):
    say("no", error=True)
    assert capsys.readouterr() == ("", "no\n")
