"""Real servers and workers: gunicorn with greenlets, threads and a preloaded app, and Celery."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests

from wecom_auth.testing import Server

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

SERVERS = (
    "-k gevent --preload -w 4",
    "-k gevent -w 2",
    "-k gthread --threads 16 -w 2",
    "-k gthread --threads 16 -w 2 --preload",
)

APP = """
import os
import requests
from wecom_auth import AppCredential, attach

url = os.environ["PLATFORM"]
app = AppCredential("ww0001", "the-apps-secret", base_url=url)

def send():
    text = {"touser": "alice", "msgtype": "text", "agentid": 1, "text": {"content": "hi"}}
    with attach(requests.Session(), app) as session:
        return session.post(f"{url}/cgi-bin/message/send", json=text, timeout=20).json()["errcode"]

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        return [str(send()).encode()]
    except Exception as error:
        return [repr(error).encode()]
"""

CELERY = """
from celery import Celery
from web import send

app = Celery("jobs", broker="filesystem://", backend="file://%(here)s/results")
app.conf.broker_transport_options = {
    "data_folder_in": "%(here)s/queue", "data_folder_out": "%(here)s/queue",
    "control_folder": "%(here)s/control", "polling_interval": 0.05,
}
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)

@app.task
def job():
    return send()
"""


@contextmanager
def running(command: list[str], here: Path, platform: str, ready: str) -> Iterator[None]:
    """The program, from the moment at which it has said that it is ready."""
    env = {**os.environ, "PLATFORM": platform, "PYTHONUNBUFFERED": "1", "NO_PROXY": "*"}
    env["PYTHONWARNINGS"] = "ignore"
    said, lines = Event(), []
    with (
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=here,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as program,
        ThreadPoolExecutor(1) as pool,
    ):

        def read() -> None:
            for line in program.stdout or ():
                lines.append(line)
                if ready in line:
                    said.set()
            said.set()

        pool.submit(read)
        try:
            assert said.wait(40)
            assert program.poll() is None, "".join(lines)
            yield
        finally:
            program.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def call_all(port: int, calls: int) -> set[str]:
    def call(_: int) -> str:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=40).text

    with ThreadPoolExecutor(32) as pool:
        return set(pool.map(call, range(calls)))


@pytest.mark.parametrize(
    ("calls", "options"),
    [
        (24, "-k gthread --threads 8 -w 2 --preload"),
        *(pytest.param(200, options, marks=pytest.mark.storm) for options in SERVERS),
    ],
)
def test_gunicorn_loses_nothing(wecom_server: Server, tmp_path: Path, options: str, calls: int):
    pytest.importorskip("gunicorn")
    fake, port = wecom_server.fake, free_port()
    (tmp_path / "web.py").write_text(APP)
    command = ["gunicorn", "web:application", "-b", f"127.0.0.1:{port}", *options.split()]
    workers = int(options.partition("-w ")[2][0])
    with running(command, tmp_path, wecom_server.url, "Booting worker"):
        with fake.fail("slow", path="gettoken", seconds=0.3):
            assert call_all(port, calls) == {"0"}
            assert fake.gettoken_calls <= workers
            fake.revoke()
            assert call_all(port, calls) == {"0"}
        assert fake.gettoken_calls <= 2 * workers
    fake.assert_delivered("text", times=2 * calls)


@pytest.mark.parametrize(
    ("pool", "jobs"),
    [
        pytest.param("prefork", 40, marks=pytest.mark.storm),
        pytest.param("gevent", 40, marks=pytest.mark.storm),
    ],
)
def test_celery_loses_nothing(wecom_server: Server, tmp_path: Path, pool: str, jobs: int):
    pytest.importorskip("celery")
    fake = wecom_server.fake
    for name in ("queue", "results", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "web.py").write_text(APP)
    (tmp_path / "jobs.py").write_text(CELERY % {"here": tmp_path})
    processes = "2" if jobs < 8 else "4"
    command = ["celery", "-A", "jobs", "worker", "-P", pool, "-c", processes, "-l", "INFO"]
    order = [sys.executable, "-c", "import jobs; print([j.get(timeout=60, interval=0.05) for j in"]
    order[-1] += f" [jobs.job.delay() for _ in range({jobs})]])"
    env = {**os.environ, "PLATFORM": wecom_server.url, "PYTHONWARNINGS": "ignore"}
    with running(
        [*command, "--without-gossip", "--without-mingle"], tmp_path, wecom_server.url, "ready."
    ):
        for _ in range(2):
            done = subprocess.run(
                order, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90
            )
            assert done.stdout.strip() == str([0] * jobs), done.stderr
            fake.revoke()
    assert fake.gettoken_calls <= 8
    fake.assert_delivered("text", times=2 * jobs)
