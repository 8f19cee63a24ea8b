"""Clients published on PyPI, unmodified, with and without the drop-in."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from detour import detour
from legacy import CORP, SECRET

from wecom_auth import install
from wecom_auth.testing import FakeWeCom

Send = Callable[[str], object]

TESTS = Path(__file__).parents[1]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWeCom]:
    fake = FakeWeCom()
    with fake.serve() as url:
        detour(url, monkeypatch.setattr)
        yield fake


def published(name: str) -> Any:
    """The client; where CI runs it has to be there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are old
        if os.environ.get("CI"):
            return import_module(name)
        return pytest.importorskip(name, reason="pip install '.[dev]' brings the clients")


def wechatpy(_: Path) -> Send:
    """A Session-based SDK. Four workers: each has a client, as it would in its own process."""
    module = published("wechatpy.enterprise")
    workers = [module.WeChatClient(CORP, SECRET) for _ in range(4)]

    def send(text: str) -> None:
        workers.append(workers.pop(0))
        workers[-1].message.send_text(1, "alice", text)

    return send


def qywx_app_message(_: Path) -> Send:
    """Module-level requests, and a gettoken for every message."""
    client = published("qywx_app_message.qywx_app_message").qywx_app_message(CORP, 1, SECRET)

    def send(text: str) -> None:
        client.send_text(text)

    return send


def wecom_lite(directory: Path) -> Send:
    """Keeps its token in a file for 7260 seconds."""
    module, logger = published("wecom_lite.client"), published("wecom_lite.logger")
    client = module.WeChat(str(directory / "token.conf"), logger.Logger(str(directory)))

    def send(text: str) -> None:
        client.send_text(text)

    return send


def weworkhelper(_: Path) -> Send:
    """Fetches once, in its constructor, and never again."""
    client = published("weworkhelper.WeworkHelper").WeworkHelper(CORP, SECRET, 1)

    def send(text: str) -> None:
        client.send(text)

    return send


def planetlink(_: Path) -> Send:
    """Keeps its token until 300 seconds before expires_in."""
    client = published("PlanetLink.bot").WxBot(CORP, SECRET, 1)

    def send(text: str) -> None:
        client.send_text(text)

    return send


CLIENTS = [wechatpy, qywx_app_message, wecom_lite, weworkhelper, planetlink]


@pytest.fixture(autouse=True)
def _settings_of_wecom_lite(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"CORP_ID": CORP, "SECRET": SECRET, "AGENT_ID": "1", "TOUSER": "alice"}
    for name, value in settings.items():
        monkeypatch.setenv(f"WECOM_{name}", value)


HALF = 4
"""So many messages before the revocation, and so many after it: one of each worker."""


def send_all(make: Callable[[Path], Send], fake: FakeWeCom, directory: Path) -> None:
    send = make(directory)
    for number in range(HALF):
        send(f"message {number}")
    fake.revoke()
    for number in range(HALF, 2 * HALF):
        try:
            send(f"message {number}")
        except Exception as error:
            assert "40014" in str(error)  # noqa: PT017 (lost, and its client says so)


def delivered(fake: FakeWeCom) -> list[str]:
    return sorted(each["text"]["content"] for each in fake.messages)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_message_arrives_with_two_gettoken(
    client: Callable[[Path], Send], fake: FakeWeCom, tmp_path: Path
) -> None:
    with install():
        send_all(client, fake, tmp_path)
    assert len(delivered(fake)) == len(set(delivered(fake))) == 2 * HALF
    assert fake.gettoken_calls == 2


@pytest.mark.parametrize("client", CLIENTS)
def test_control_without_it_they_lose_messages_or_fetch_too_often(
    client: Callable[[Path], Send], fake: FakeWeCom, tmp_path: Path
) -> None:
    send_all(client, fake, tmp_path)
    lost, fetched = 2 * HALF - len(delivered(fake)), fake.gettoken_calls
    expected = {
        "wechatpy": (0, 8),
        "qywx_app_message": (0, 2 * HALF),
        "wecom_lite": (HALF, 1),
        "weworkhelper": (HALF, 1),
        "planetlink": (HALF, 1),
    }
    assert (lost, fetched) == expected[client.__name__]


THREADS = 8


def test_threads_of_one_that_fetches_for_each_message(fake: FakeWeCom, tmp_path: Path) -> None:
    def work(number: int) -> None:
        send = qywx_app_message(tmp_path)
        for part in range(2):
            send(f"{number}.{part}")

    with install(), ThreadPoolExecutor(THREADS) as pool:
        for life in (1, 2):
            for done in [pool.submit(work, life * 100 + number) for number in range(THREADS)]:
                done.result()
            assert fake.gettoken_calls == life
            fake.revoke()
    assert len(delivered(fake)) == len(set(delivered(fake))) == 2 * 2 * THREADS


# --- in new processes ---

CRON_JOB = """
import sys
from wecom_lite.client import WeChat
from wecom_lite.logger import Logger

directory, *texts = sys.argv[1:]
client = WeChat(directory + "/token.conf", Logger(directory))
for text in texts:
    client.send_text(text)
"""


@pytest.mark.parametrize("healed", [True, False])
def test_a_token_in_a_file_meets_a_new_process_after_the_revocation(
    healed: bool, tmp_path: Path
) -> None:
    """False is the control: the file is believed for 7260 seconds."""
    published("wecom_lite")
    (tmp_path / "job.py").write_text(CRON_JOB)
    fake = FakeWeCom()
    with fake.serve() as url:
        theirs = {name: os.environ[name] for name in os.environ if "WECOM_STORE" not in name}
        ours = ["-m", "wecom_auth", "run", "--store", f"file://{tmp_path}/store"]

        def job(*texts: str) -> None:
            subprocess.run(
                [sys.executable, *(ours if healed else []), "job.py", tmp_path, *texts],
                cwd=tmp_path,
                env={
                    **theirs,
                    "FAKE_WECOM": url,
                    "PYTHONPATH": os.pathsep.join([str(TESTS / "detoured"), *sys.path]),
                },
                check=True,
                timeout=60,
            )

        job("message 0", "message 1")
        fake.revoke()
        job("message 2", "message 3")
    found = delivered(fake)
    if healed:
        assert len(found) == len(set(found)) == 4
        assert fake.gettoken_calls == 2
    else:
        assert len(found) == 2
