"""The recipes that observe: Prometheus, OpenTelemetry, structlog, each as its reader runs it."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from leakhunt import Hunt
from test_recipes import RECIPES

from wecom_auth.testing import FakeWeCom
from wecom_auth.testing._platform import tokens

CORPID, SECRET = "ww0123456789abcdef", "CANARY/sec+ret=0123456789abcdef"
TOKEN = "CANARY-tok/en+=".ljust(60, "x")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeWeCom:
    monkeypatch.setattr(tokens, "_value", lambda app, serial: TOKEN)
    fake = FakeWeCom()
    fake.app(CORPID, SECRET)
    return fake


@pytest.fixture
def start(fake: FakeWeCom) -> Iterator[Start]:
    """Start a recipe; what it does on the way in, in `first`, comes before it."""
    with fake.serve() as url:
        ours = {"WECOM_CORPID": CORPID, "WECOM_CORPSECRET": SECRET, "WECOM_BASE_URL": url}
        theirs = {k: v for k, v in os.environ.items() if not k.startswith("WECOM_")}
        paths = os.pathsep.join([str(RECIPES), *filter(None, sys.path)])

        def start(name: str, first: str = "pass", **more: str) -> "subprocess.Popen[str]":
            code = f"import runpy, sys; sys.argv = ['{name}', 'zhangsan']; {first}"
            code += f"; runpy.run_module('{name}', run_name='__main__')"
            return subprocess.Popen(
                [sys.executable, "-c", code],
                env={**theirs, **ours, "PYTHONPATH": paths, **more},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        yield start


def leaks(*texts: str) -> list[str]:
    found = Hunt(lambda: [SECRET, TOKEN])
    for text in texts:
        found.show("output", text.encode())
    return found.leaks()


EVENTS_ARE_DONE = (
    "import atexit, time; from wecom_auth._source import process;"
    "atexit.register(lambda: [time.sleep(0.01) for _ in range(500) if process.events._queue])"
)
"""The program would end before the thread that calls the hooks has come round."""


def test_prometheus(start: Start, fake: FakeWeCom) -> None:
    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start("prometheus_metrics", METRICS_PORT=str(port)) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "Zhangsan\n"
        seen = _metrics(port, r'wecom_auth_events_total\{errcode="",event="fetched"\} 1\.0')
        ends = re.search(r"wecom_auth_token_ends_seconds\{(.*)\} (\S+)", seen)
        assert ends is not None
        assert CORPID in ends[1]
        assert float(ends[2]) == pytest.approx(time.time() + 7200, abs=100)
        assert running.communicate("\n", 30)[1] == ""
    assert running.returncode == 0
    assert leaks(seen) == []


def _metrics(port: int, pattern: str) -> str:
    text, end = "", time.monotonic() + 20
    while not re.search(pattern, text):
        assert time.monotonic() < end, text
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    return text


def spans(text: str) -> list[dict[str, Any]]:
    """Return the spans that the console exporter printed, one JSON object after the other."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        if rest.startswith("{"):
            span, end = decoder.raw_decode(rest)
            found.append(span)
        else:
            end = len(rest.partition("\n")[0])
        rest = rest[end:].strip()
    return found


def test_opentelemetry(start: Start, fake: FakeWeCom) -> None:
    pytest.importorskip("opentelemetry.instrumentation.requests")
    out, error = start("opentelemetry_events", EVENTS_ARE_DONE).communicate(timeout=60)
    assert "Zhangsan" in out, error
    found = {span["name"]: span["attributes"] for span in spans(out)}
    assert found["wecom_auth fetched"]["wecom_auth.seconds"] == pytest.approx(7200, abs=60)
    urls = [value for name, value in found["GET"].items() if "url" in name]
    assert any("access_token=***" in value for value in urls), found["GET"]
    assert leaks(out, error) == []


def test_control_without_the_scrubber_the_token_is_in_the_span(start: Start) -> None:
    pytest.importorskip("opentelemetry.instrumentation.requests")
    unscrubbed = "import wecom_auth; wecom_auth.redact = lambda text: text"
    out, error = start("opentelemetry_events", unscrubbed).communicate(timeout=60)
    assert "Zhangsan" in out, error
    assert leaks(out)


def test_structlog(start: Start, fake: FakeWeCom) -> None:
    pytest.importorskip("structlog")
    out, error = start("structlog_events", EVENTS_ARE_DONE).communicate(timeout=60)
    assert out == "Zhangsan\n", error
    lines = [json.loads(line) for line in error.splitlines()]
    fetched = next(line for line in lines if line["event"] == "fetched")
    assert fetched["seconds"] == pytest.approx(7200, abs=60)
    assert fetched["level"] == "info"
    assert {"wecom_auth", "wecom_auth.events"} <= {line["logger"] for line in lines}
    assert leaks(out, error) == []


def test_structlog_of_a_refusal(start: Start, fake: FakeWeCom) -> None:
    pytest.importorskip("structlog")
    fake.fail(40001, path="gettoken")
    out, error = start("structlog_events", EVENTS_ARE_DONE).communicate(timeout=60)
    lines = [json.loads(line) for line in error.splitlines() if line.startswith("{")]
    refused = next(line for line in lines if line["event"] == "refused")
    assert (refused["errcode"], refused["level"]) == (40001, "warning")
    assert leaks(out, error) == []
