"""Each recipe runs as its reader would run it, and the platform's journal tells what it did."""

import os
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest
from redis import Redis
from stores.redis_server import RedisServer

from wecom_auth.testing import FakeWeCom

TESTS = Path(__file__).parent
RECIPES = TESTS.parent / "recipes"
CORPID, SECRET = "ww0123456789abcdef", "the-secret-of-the-app"


@pytest.fixture
def fake():
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    return fake


@pytest.fixture
def cook(fake):
    """Runs a recipe in a process of its own; gives its result."""
    with fake.serve() as url:
        ours = {"WECOM_CORPID": CORPID, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": url}
        theirs = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}

        def cook(name, *arguments, **environment):
            run = subprocess.run(
                [sys.executable, "-W", "error", RECIPES / name, *arguments],
                env={**theirs, "PYTHONIOENCODING": "utf-8", **ours, **environment},
                capture_output=True,
                encoding="utf-8",
                timeout=60,
            )
            assert SECRET not in run.stdout + run.stderr
            return run

        cook.url = url
        yield cook


def served(run):
    """What a recipe printed that went well."""
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_quick_start(cook, fake):
    assert served(cook("quick_start.py", "zhangsan", "构建成功")) == "ok\n"
    fake.assert_delivered("text", touser="zhangsan", text={"content": "构建成功"}, times=1)
    assert fake.gettoken_calls == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [("ip-not-trusted", "trusted IP"), (81013, "none of the receivers"), ("outage", "HTTP 502")],
)
def test_quick_start_says_so_where_a_message_is_lost(cook, fake, fault, told):
    fake.fail(fault, path="message/send")
    run = cook("quick_start.py", "zhangsan", "lost")
    assert run.returncode == 1
    assert told in run.stderr


def test_attach_to_a_session(cook, fake, tmp_path):
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7 " + bytes(range(256)) * 1000)
    with ThreadPoolExecutor(1) as kitchen, fake.hold("media/upload") as hold:
        cooking = kitchen.submit(cook, "attach_to_a_session.py", report, "zhangsan")
        hold.wait_for(1, 60)
        fake.revoke()
        hold.release()
        assert served(cooking.result()) == "ok\n"
    fake.assert_uploaded("report.pdf", sha256=sha256(report.read_bytes()).hexdigest(), times=1)
    media_id = fake.uploads[0].media_id
    fake.assert_delivered("file", touser="zhangsan", file={"media_id": media_id}, times=1)
    agents = {call.headers["User-Agent"] for call in fake.journal if call.path != "gettoken"}
    assert agents == {"reports/1.0"}, "the session's own headers stay"
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)


def test_several_apps(cook, fake):
    corpid, secret = "ww-of-the-address-book", "the-secret-of-the-address-book"
    fake.app(corpid, secret)
    contacts = {"CORPID": corpid, "CORPSECRET": secret, "BASE_URL": cook.url}
    environment = {f"CONTACTS_{name}": value for name, value in contacts.items()}
    assert served(cook("several_apps.py", "2", "closed today", **environment)) == "ok\n"
    fake.assert_delivered("text", touser="alice|bob", times=1)
    owners = {call.path: call.corpid for call in fake.journal if call.path != "gettoken"}
    assert owners == {"user/simplelist": corpid, "message/send": CORPID}
    assert fake.gettoken_calls == 2


def test_decorate_functions(cook, fake):
    assert served(cook("decorate_functions.py", "zhangsan", "lisi")) == (
        "departments: Fake Team\nmembers: Zhangsan Lisi\n"
    )
    assert fake.gettoken_calls == 1
    assert [call.corpid for call in fake.journal if call.path != "gettoken"] == [CORPID] * 3


def test_raise_on_errcode(cook, fake):
    assert served(cook("raise_on_errcode.py", "zhangsan")) == "Zhangsan\n"


def test_raise_on_errcode_of_a_call(cook, fake):
    with fake.fail(60011, path="user/get"):
        run = cook("raise_on_errcode.py", "zhangsan")
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.startswith("60011: ")
    assert "outside the app's visible range" in run.stdout
    assert "https://open.work.weixin.qq.com/devtool/query?e=60011" in run.stdout


def test_raise_on_errcode_of_gettoken(cook, fake):
    run = cook("raise_on_errcode.py", "zhangsan", WECOM_CORPSECRET="wrong")
    assert (run.returncode, run.stdout) == (1, "")
    assert "check the configuration" in run.stderr
    assert "40001" in run.stderr


# --- nothing is lost in silence ---

SENDING = {
    "quick_start.py": ("zhangsan", "hi"),
    "attach_to_a_session.py": ("report.pdf", "zhangsan"),
    "several_apps.py": ("2", "hi"),
    "decorate_functions.py": ("zhangsan",),
    "raise_on_errcode.py": ("zhangsan",),
    "zabbix_alert.py": ("zhangsan", "Problem", "disk"),
    "cron_with_store.py": ("0",),
    "sqlite_store.py": (),
    "wechatpy_client.py": ("zhangsan", "hi"),
}


@pytest.mark.parametrize("fault", ["ip-not-trusted", 81013, 45009, "reject", "outage", "hang"])
@pytest.mark.parametrize("name", SENDING)
def test_a_refused_call_is_never_silent(name, fault, fake, monkeypatch, tmp_path):
    """Each recipe as a program, in this process: it raises, or exits with something but 0."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *SENDING[name]])
    with fake.mocked():
        for prefix in ("WECOM_", "CONTACTS_"):
            monkeypatch.setenv(f"{prefix}CORPID", CORPID)
            monkeypatch.setenv(f"{prefix}CORPSECRET", SECRET)
        monkeypatch.setenv("HOME", str(tmp_path))
        for path in ("message/send", "media/upload", "user/get", "user/simplelist"):
            fake.fail(fault, path=path)  # not gettoken, which every recipe would notice
        fake.fail(fault, path="department/list")
        with pytest.raises((Exception, SystemExit)) as told:
            runpy.run_path(str(RECIPES / name), run_name="__main__")
    assert getattr(told.value, "code", 1) not in (0, None)
    assert not isinstance(told.value, KeyError | TypeError | AttributeError), "which says nothing"


# --- a token from Redis, next to a service that keeps it there ---


@pytest.fixture
def redis():
    server = RedisServer()
    with Redis.from_url(server.url, decode_responses=True) as client:
        client.url = server.url
        yield client
    server.kill()


class Service:
    """What the Java service does: whenever its key is gone it fetches a token and writes it."""

    def __init__(self, fake, redis, seconds=7200):
        self.written = []
        self._fake, self._redis, self._seconds = fake, redis, seconds
        self._left = Event()
        self._thread = Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._left.set()
        self._thread.join()

    def _serve(self):
        while not self._left.wait(0.02):
            if not self._redis.exists("WX_CP_ACCESS_TOKEN"):
                self.written.append(self._fake.issue(CORPID, SECRET))
                self._redis.set("WX_CP_ACCESS_TOKEN", self.written[-1], ex=self._seconds)


@pytest.mark.parametrize("seconds", [7200, None])
def test_token_from_redis(cook, fake, redis, seconds):
    with Service(fake, redis, seconds) as service:
        run = cook("token_from_redis.py", "zhangsan", "done", REDIS_URL=redis.url)
    assert served(run) == "ok\n"
    fake.assert_delivered("text", touser="zhangsan", times=1)
    assert (fake.gettoken_calls, len(service.written)) == (0, 1)


def test_token_from_redis_that_is_rejected(cook, fake, redis):
    redis.set("WX_CP_ACCESS_TOKEN", fake.issue(CORPID, SECRET))
    fake.revoke()
    with Service(fake, redis) as service:
        run = cook("token_from_redis.py", "zhangsan", "done", REDIS_URL=redis.url)
    assert served(run) == "ok\n"
    fake.assert_delivered("text", touser="zhangsan", times=1)
    assert (fake.gettoken_calls, fake.rejections, len(service.written)) == (0, 1, 1)


def test_token_from_redis_without_the_service(cook, fake, redis):
    """Control: without the service there is no token, and the text says whom to look for."""
    run = cook("token_from_redis.py", "zhangsan", "done", REDIS_URL=redis.url)
    assert run.returncode == 1
    assert "is the service that writes it running?" in run.stderr
    assert fake.messages == []


# --- all of them ---


def names():
    files = [path for path in RECIPES.iterdir() if not path.name.startswith((".", "__"))]
    return sorted(path.name for path in files if path.name != "README.md")


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_tested_and_listed(name):
    tests = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    stem = re.escape(name.partition(".")[0])
    assert re.search(rf"""["']{stem}(\.\w+)?["']""", tests), f"no test runs {name}"
    line = rf"^\| \[{re.escape(name)}/?\]\({re.escape(name)}/?\) \| \S.* \|$"
    index = (RECIPES / "README.md").read_text("utf-8")
    assert re.search(line, index, re.MULTILINE), f"recipes/README.md has no line for {name}"


def test_what_is_listed_is_there():
    index = (RECIPES / "README.md").read_text("utf-8")
    assert sorted(name.rstrip("/") for name in re.findall(r"^\| \[(\S+)\]", index, re.M)) == names()
