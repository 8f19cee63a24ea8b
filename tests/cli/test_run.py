"""`wecom-auth run`: a script as python runs it, with the drop-in on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from legacy import Legacy

from wecom_auth import AppCredential
from wecom_auth._dropin import hooks
from wecom_auth._dropin import installation as dropin
from wecom_auth._dropin.ledger import ledger
from wecom_auth.cli import run as running
from wecom_auth.testing import FakeWeCom

HOOK = Path(running.__file__).parent / "hook"

LEGACY = """
import os, requests
base = os.environ["FAKE"]
def fetch():
    return requests.get(base + "/cgi-bin/gettoken?corpid=c&corpsecret=s").json()["access_token"]
def send(text, token=None):
    body = {"touser": "a", "msgtype": "text", "agentid": 1, "text": {"content": text}}
    url = base + "/cgi-bin/message/send?access_token=" + (token or fetch())
    return requests.post(url, json=body).json()["errcode"]
"""


def storm(*values: Any) -> Any:
    """One more case of what the others show; each costs a start of Python or four."""
    return pytest.param(*values, marks=pytest.mark.storm)


class Kitchen:
    """Runs scripts in a directory of their own, over a fake platform."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
        paths = [each for each in sys.path if each]
        self.environ |= {"FAKE": url, "PYTHONPATH": os.pathsep.join(paths)}
        self.write("legacy_client.py", LEGACY)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def run(self, *command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "wecom_auth", "run", *command, **options)

    def python(
        self, *command: Any, environ: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.directory,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            **options,
        )


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def kitchen(fake: FakeWeCom, tmp_path: Path) -> Iterator[Kitchen]:
    with fake.serve() as url:
        yield Kitchen(tmp_path, url)


# --- as python does it ---

TELL = """
import json, os, signal, sys
def f(): pass
print(json.dumps([
    sys.argv, sys.path, __name__, __file__, __package__, sys.stdin.read(), sys.flags.safe_path,
    sys.modules["__main__"].f is f, str(signal.getsignal(signal.SIGINT)), sorted(globals()),
    str(__spec__ and __spec__.name), [m for m in sys.modules if m.split(".")[0] == "wecom_auth"],
    "requests" in sys.modules,
]))
sys.exit(7)
"""


@pytest.mark.parametrize(
    "how", [["tell.py"], storm(["./tell.py"]), storm(["-m", "tell"]), ["-m", "package.tell"]]
)
def test_a_script_cannot_tell_the_difference(how: list[str], kitchen: Kitchen) -> None:
    kitchen.write("tell.py", TELL)
    kitchen.write("package/tell.py", TELL)
    arguments = [*how, "-m", "--store", "x y", "", "--", "-h"]
    plain = kitchen.python(*arguments, input="typed in\n")
    ours = kitchen.run(*arguments, input="typed in\n")
    assert (ours.returncode, ours.stdout, ours.stderr) == (7, plain.stdout, plain.stderr)
    assert json.loads(ours.stdout)[5] == "typed in\n"


@pytest.mark.parametrize(
    "body",
    [
        "import requests\n1 / 0",
        "import no_such_module",
        "def",
        *map(storm, ["1 / 0", "raise SystemExit('over')", "pass"]),
    ],
)
def test_endings_and_tracebacks_are_pythons_own(body: str, kitchen: Kitchen) -> None:
    kitchen.write("script.py", f"{body}\n")
    plain, ours = kitchen.python("script.py"), kitchen.run("script.py")
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )


def test_no_such_script(kitchen: Kitchen) -> None:
    plain, ours = kitchen.python("absent.py"), kitchen.run("absent.py")
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)
    assert ours.returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="signals are another thing there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_script(number: int, kitchen: Kitchen) -> None:
    kitchen.write(
        "script.py",
        """
        import signal, sys, threading
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            print("ready", flush=True)
            threading.Event().wait(60)
        except KeyboardInterrupt:
            sys.exit(8)
        """,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "wecom_auth", "run", "script.py"],
        cwd=kitchen.directory,
        env=kitchen.environ,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(60) == {signal.SIGTERM: 9, signal.SIGINT: 8}[signal.Signals(number)]


# --- with the drop-in ---


def test_a_script_is_healed(kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write(
        "script.py",
        """
        import sys
        from legacy_client import send
        sys.exit(sum(send(text) for text in sys.argv[1:]))
        """,
    )
    assert kitchen.run("script.py", "a", "b", "c").returncode == 0
    assert fake.gettoken_calls == 1
    assert kitchen.python("script.py", "a", "b", "c").returncode == 0
    assert fake.gettoken_calls == 4  # the control


@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
@pytest.mark.parametrize("how", ["fork", "spawn", storm("forkserver")])
def test_in_the_children_of_multiprocessing(how: str, kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write(
        "script.py",
        f"""
        import multiprocessing
        from legacy_client import fetch, send
        def work(texts):
            assert [send(text) for text in texts] == [0] * len(texts)
        if __name__ == "__main__":
            context = multiprocessing.get_context({how!r})
            child = context.Process(target=work, args=(["a", "b", "c"],))
            child.start()
            child.join()
            raise SystemExit(child.exitcode)
        """,
    )
    ran = kitchen.run("--stats", "script.py")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "wecom-auth: 2 gettoken calls saved, 0 calls healed\n"
    assert fake.gettoken_calls == 1


def test_in_python_child_processes(kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write("child.py", "from legacy_client import send\nsend('a'), send('b')\n")
    kitchen.write(
        "script.py",
        """
        import subprocess, sys
        subprocess.run([sys.executable, "child.py"], check=True)
        subprocess.run("exec %s child.py" % sys.executable, shell=True, check=True)
        """,
    )
    ran = kitchen.run("--stats", "script.py")
    assert (ran.returncode, ran.stderr) == (
        0,
        "wecom-auth: 2 gettoken calls saved, 0 calls healed\n",
    )
    assert fake.gettoken_calls == 2


def test_the_limit_children_that_ask_for_isolation(kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write(
        "script.py",
        """
        import subprocess, sys
        send = "import sys; sys.path[:] = %r; import legacy_client as c; c.send('a'); c.send('b')"
        for flag in ("-I", "-E", "-S"):
            subprocess.run([sys.executable, flag, "-c", send % (sys.path,)], check=True)
        """,
    )
    assert kitchen.run("script.py").returncode == 0
    assert fake.gettoken_calls == 3 * 2


def test_a_child_without_wecom_auth_is_left_alone(kitchen: Kitchen) -> None:
    blocked = kitchen.write(
        "script.py",
        """
        import sys
        sys.modules["wecom_auth"] = None  # cannot be imported
        import requests
        print(requests.get.__name__)
        """,
    )
    ours = kitchen.run(blocked)
    assert (ours.stdout, ours.stderr) == ("get\n", "")


def test_requests_is_not_imported_for_a_script_that_does_without(kitchen: Kitchen) -> None:
    kitchen.write("script.py", "import sys\nprint('requests' in sys.modules)\n")
    assert kitchen.run("script.py").stdout == "False\n"


def test_a_script_that_imports_wecom_auth_first(kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write(
        "script.py",
        """
        import wecom_auth
        from legacy_client import send
        assert send("a") == send("b") == 0
        """,
    )
    ran = kitchen.run("script.py")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert fake.gettoken_calls == 1


def test_one_that_only_looks_whether_requests_is_there(kitchen: Kitchen, fake: FakeWeCom) -> None:
    kitchen.write(
        "script.py",
        """
        import importlib.util
        spec = importlib.util.find_spec("requests")
        assert spec.loader.get_filename() == spec.origin
        assert importlib.util.find_spec("no_such_module") is None
        from legacy_client import send
        import requests
        assert type(requests.__loader__).__name__ == "SourceFileLoader"
        assert requests.__spec__.loader is requests.__loader__
        assert send("a") == send("b") == 0
        """,
    )
    ran = kitchen.run("script.py")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert fake.gettoken_calls == 1


def test_a_finder_of_the_old_kind_is_passed_by(kitchen: Kitchen) -> None:
    """Python itself ignores one that has find_module only, as old import hooks do."""
    script = """
        import sys

        class Old:
            def find_module(self, name, path=None):
                return None

        sys.meta_path.insert(0, Old())
        import requests

        print(requests.Session.get_adapter.__module__)
    """
    kitchen.write("script.py", script)
    ran = kitchen.run("script.py")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_without_requests_the_error_is_pythons_own(kitchen: Kitchen) -> None:
    script = kitchen.write(
        "script.py",
        """
        import sys
        sys.path[:] = [each for each in sys.path if "site-packages" not in each]
        import requests
        """,
    )
    plain, ours = kitchen.python(script), kitchen.run(script)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)
    assert "ModuleNotFoundError: No module named 'requests'" in ours.stderr


def test_the_users_own_sitecustomize_still_runs(kitchen: Kitchen) -> None:
    kitchen.write("theirs/sitecustomize.py", "import builtins\nbuiltins.told = 'theirs'\n")
    kitchen.write("script.py", "import sitecustomize\nprint(told, sitecustomize.__file__)\n")
    paths = f"{kitchen.directory / 'theirs'}{os.pathsep}{kitchen.environ['PYTHONPATH']}"
    plain = kitchen.python("script.py", environ={"PYTHONPATH": paths})
    ours = kitchen.run("script.py", environ={"PYTHONPATH": paths})
    assert plain.stdout.startswith("theirs ")
    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)


def test_an_error_in_the_users_own_sitecustomize_is_shown_as_ever(kitchen: Kitchen) -> None:
    kitchen.write("theirs/sitecustomize.py", "import no_such_module\n")
    kitchen.write("script.py", "print('goes on')\n")
    paths = f"{kitchen.directory / 'theirs'}{os.pathsep}{kitchen.environ['PYTHONPATH']}"
    ours = kitchen.run("script.py", environ={"PYTHONPATH": paths})
    assert ours.stdout == "goes on\n"
    assert "No module named 'no_such_module'" in ours.stderr


# --- settings ---


def test_a_store_makes_every_minute_one_gettoken(
    kitchen: Kitchen, fake: FakeWeCom, tmp_path: Path
) -> None:
    kitchen.write("script.py", "from legacy_client import send\nassert send('a') == 0\n")
    store = f"file://{tmp_path}/store"
    for _ in range(2):
        assert kitchen.run("--store", store, "script.py").returncode == 0
    assert fake.gettoken_calls == 1
    assert kitchen.run("script.py", environ={"WECOM_STORE": store}).returncode == 0
    assert fake.gettoken_calls == 1
    assert kitchen.run("script.py").returncode == 0  # the control
    assert fake.gettoken_calls == 2


def test_a_token_from_elsewhere_is_the_sole_apps_if_that_is_said(
    kitchen: Kitchen, fake: FakeWeCom
) -> None:
    kitchen.write(
        "script.py",
        "import sys\nfrom legacy_client import send\nsys.exit(send('a', sys.argv[1]) != 0)\n",
    )
    token = fake.issue("c", "s")
    fake.revoke()
    environ = {"WECOM_CORP_ID": "c", "WECOM_SECRET": "s", "WECOM_BASE_URL": kitchen.environ["FAKE"]}
    ran = kitchen.run("script.py", token, environ=environ)
    assert (ran.returncode, ran.stderr.count("--sole-app")) == (1, 1)  # it has to be said
    healed = "wecom-auth: 0 gettoken calls saved, 1 calls healed\n"
    environ["WECOM_SOLE_APP"] = "1"
    ran = kitchen.run("--stats", "script.py", token, environ=environ)
    assert (ran.returncode, ran.stderr) == (0, healed)


def test_children_inherit_the_sole_app(kitchen: Kitchen, fake: FakeWeCom) -> None:
    token = fake.issue("c", "s")
    fake.revoke()
    kitchen.write("child.py", f"import legacy_client as c\nassert c.send('a', {token!r}) == 0\n")
    kitchen.write(
        "script.py",
        "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'], check=True)\n",
    )
    environ = {"WECOM_CORPID": "c", "WECOM_SECRET": "s", "WECOM_BASE_URL": kitchen.environ["FAKE"]}
    assert kitchen.run("--sole-app", "script.py", environ=environ).returncode == 0


@pytest.mark.parametrize(
    ("how", "environ"),
    [
        ("option", {}),
        ("variable", {"WECOM_CORPID": "c"}),
        storm("option", {"WECOM_CORPID": "c"}),
        storm("variable", {}),
    ],
)
def test_a_sole_app_without_a_credential_is_a_usage_error(
    how: str, environ: dict[str, str], kitchen: Kitchen
) -> None:
    kitchen.write("script.py", "print('ran')\n")
    options = ["--sole-app"] if how == "option" else []
    variable = {} if how == "option" else {"WECOM_SOLE_APP": "1"}
    ran = kitchen.run(*options, "script.py", environ={**environ, **variable})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("wecom-auth run: --sole-app needs the app in the environment: ")


def test_help_names_the_python_that_runs_the_script(kitchen: Kitchen) -> None:
    assert sys.executable in kitchen.run("--help").stdout.replace("\n", "")


CLIENTS = {
    "requests": "import requests\nrequests.get(url)",
    "httpx": "import httpx\nhttpx.get(url)",
    "httpx2": "import httpx2\nhttpx2.get(url)",
    "urllib": "import urllib.request\nurllib.request.urlopen(url)",
    "aiohttp": """
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        await response.read()
asyncio.run(main())
""",
}


@pytest.mark.parametrize(
    "client",
    [
        each if each == "requests" else pytest.param(each, marks=pytest.mark.storm)
        for each in CLIENTS
    ],
)
def test_a_client_is_covered_and_nothing_is_imported_before_the_first_wecom_call(
    client: str, kitchen: Kitchen, fake: FakeWeCom
) -> None:
    fake.route("user/get", {"errcode": 0}, check_token=False)
    lines = ["import os, sys", "base = os.environ['FAKE']", "url = base + '/other'"]
    elsewhere = CLIENTS[client].replace("urlopen(url)", "urlopen(base + '/_fake/state')")
    lines += ["try:", *(f"    {line}" for line in elsewhere.splitlines()), "except OSError: pass"]
    lines += ["print(any(name.startswith('wecom_auth') for name in sys.modules))"]
    lines += ["url = base + '/cgi-bin/gettoken?corpid=c&corpsecret=s'", *([CLIENTS[client]] * 2)]
    lines += ["print(any(name.startswith('wecom_auth') for name in sys.modules))"]
    kitchen.write("script.py", "\n".join(lines))
    ran = kitchen.run("--stats", "script.py")
    assert (ran.returncode, ran.stdout) == (0, "False\nTrue\n"), ran.stderr
    assert ran.stderr == "wecom-auth: 1 gettoken calls saved, 0 calls healed\n"
    assert fake.gettoken_calls == 1


def test_a_client_that_is_imported_after_the_first_wecom_call_is_covered(
    kitchen: Kitchen, fake: FakeWeCom
) -> None:
    fake.route("user/get", {"errcode": 0})
    lines = [
        "import os, requests",
        "url = os.environ['FAKE'] + '/cgi-bin/gettoken?corpid=c&corpsecret=s'",
        "token = requests.get(url).json()['access_token']",
        "def use():  # a token that nobody uses is suspected of being dead",
        "    requests.get(os.environ['FAKE'] + '/cgi-bin/user/get?access_token=' + token)",
        *(f"use()\n{client}" for client in CLIENTS.values()),
    ]
    kitchen.write("script.py", "\n".join(lines))
    ran = kitchen.run("--stats", "script.py")
    assert (ran.returncode, fake.gettoken_calls) == (0, 1), ran.stderr
    assert ran.stderr == f"wecom-auth: {len(CLIENTS)} gettoken calls saved, 0 calls healed\n"


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"WECOM_STORE": "s3://bucket"}, "wecom-auth run: WECOM_STORE: not the URL of a store"),
        storm({"WECOM_STORE": "redis"}, "wecom-auth run: WECOM_STORE: not the URL of a store"),
    ],
)
def test_what_cannot_work_is_told_before_the_script_runs(
    environ: dict[str, str], text: str, kitchen: Kitchen
) -> None:
    kitchen.write("script.py", "print('ran')\n")
    ran = kitchen.run("script.py", environ=environ)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(text)


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"WECOM_CORPID": "c"}, "WECOM_CORPSECRET is not set"),
        storm({"WECOM_CORPSECRET": "s"}, "WECOM_CORPID is not set"),
        storm(
            {"WECOM_CORPID": "c", "WECOM_CORPSECRET_FILE": "absent"},
            "WECOM_CORPSECRET_FILE names",
        ),
    ],
)
def test_half_a_credential_keeps_no_alert_from_going_out(
    environ: dict[str, str], text: str, kitchen: Kitchen
) -> None:
    kitchen.write("script.py", "import requests\nprint('ran')\n")
    ran = kitchen.run("script.py", environ=environ)
    assert (ran.returncode, ran.stdout) == (0, "ran\n")
    assert ran.stderr.startswith(f"wecom-auth run: without a credential of the environment: {text}")


def test_settings_that_the_script_spoils_leave_it_without_the_drop_in(kitchen: Kitchen) -> None:
    kitchen.write(
        "script.py",
        "import os\nos.environ['WECOM_STORE'] = 's3://bucket'\nimport legacy_client\n"
        "legacy_client.send('a')\nprint('ran')\n",
    )
    ran = kitchen.run("script.py")
    assert (ran.returncode, ran.stdout) == (0, "ran\n")
    assert ran.stderr.startswith(
        "wecom-auth run: without the drop-in: WECOM_STORE: not the URL of a store"
    )


def test_statistics_of_a_script_that_does_nothing(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.write("script.py", "import os\nif os.fork() == 0: raise SystemExit\nos.wait()\n")
    ran = kitchen.run("--stats", "script.py", environ={"TMPDIR": str(tmp_path)})
    assert ran.stderr == "wecom-auth: 0 gettoken calls saved, 0 calls healed\n"
    assert not list(tmp_path.glob("wecom-auth-*"))


def test_statistics_of_a_run_in_a_run(kitchen: Kitchen) -> None:
    kitchen.write("inner.py", "from legacy_client import send\nsend('a'), send('b')\n")
    kitchen.write(
        "script.py",
        """
        import subprocess, sys
        inner = [sys.executable, "-m", "wecom_auth", "run", "--stats", "inner.py"]
        subprocess.run(inner, check=True)
        """,
    )
    ran = kitchen.run("--stats", "script.py")
    assert ran.stderr.splitlines() == [
        "wecom-auth: 1 gettoken calls saved, 0 calls healed",
        "wecom-auth: 0 gettoken calls saved, 0 calls healed",
    ]


# --- how the process is replaced ---


class BecameError(Exception):
    """This process would be another one now."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    called: list[Any] = []

    def call(*command: Any, **options: Any) -> int:
        called.append((*command, *options.values()))
        return 5

    def become(*command: Any) -> None:
        call(*command)
        raise BecameError

    for name in ("WECOM_STORE", "PYTHONPATH", "WECOM_AUTH_TALLY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(running.os, "execve", become)
    monkeypatch.setattr(running.subprocess, "call", call)
    return called


def test_the_script_takes_the_place_of_this_process(became: list[Any]) -> None:
    with pytest.raises(BecameError):
        running.run_command(["script.py", "x"], store="file:")
    [(path, command, environ)] = became
    assert command == [path, "script.py", "x"] == [sys.executable, "script.py", "x"]
    assert environ["PYTHONPATH"] == str(HOOK)
    assert environ["WECOM_STORE"] == "file:"
    assert "WECOM_AUTH_TALLY" not in environ


def test_where_nothing_can_the_exit_status_is_handed_on(
    became: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "WINDOWS", True)
    monkeypatch.setenv("PYTHONPATH", "theirs")
    assert running.run_command(["-m", "module"], stats=True) == 5
    [(command, environ)] = became
    assert command == [sys.executable, "-m", "module"]
    assert environ["PYTHONPATH"] == f"{HOOK}{os.pathsep}theirs"
    os.unlink(environ["WECOM_AUTH_TALLY"])


def test_a_store_with_a_password_is_handed_on_by_a_file_of_ones_own(
    became: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An environment is shown on debug pages; a file with mode 0600 is not."""
    monkeypatch.setattr(running.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("WECOM_STORE", "file:")
    url = "redis://:the-password@127.0.0.1/0"
    for _ in range(2):
        with pytest.raises(BecameError):
            running.run_command(["script.py"], store=url)
    for *_, environ in became:
        assert "the-password" not in str(environ)
        assert "WECOM_STORE" not in environ
        path = Path(environ["WECOM_STORE_FILE"])
        assert path.read_text() == url
        assert path.stat().st_mode & 0o777 == 0o600
    assert len(list(path.parent.iterdir())) == 1  # a run each minute leaves one
    path.parent.chmod(0o755)
    assert running.run_command(["script.py"], store=url) == 2
    assert len(became) == 2


def test_no_store_that_cannot_be_used(
    became: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert running.run_command(["script.py"], store="s3://bucket") == 2
    assert not became
    assert "wecom-auth run: not the URL of a store" in capsys.readouterr().err


def test_what_start_installs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: FakeWeCom
) -> None:
    """What the hook calls, in this process."""
    with fake.serve() as url:
        for name, value in (("CORPID", "c"), ("CORPSECRET", "s"), ("BASE_URL", url)):
            monkeypatch.setenv(f"WECOM_{name}", value)
        monkeypatch.setattr(ledger, "note", ledger.note)
        running.start()
        monkeypatch.setenv("WECOM_AUTH_TALLY", str(tmp_path / "tally"))
        running.start()
        try:
            current = hooks.owners()
            assert current is not None
            assert [each.key for each in current.credentials] == [
                AppCredential("c", "s", base_url=url).key
            ] * 2
            client = Legacy(url)
            client.fetch()
            client.fetch()
        finally:
            for owners in dropin._active:
                dropin._end(owners)
    assert (tmp_path / "tally").read_text() == "saved\n"
    monkeypatch.setenv("WECOM_AUTH_TALLY", str(tmp_path))
    running._note(str(tmp_path), "saved")  # where it cannot write, it says nothing
