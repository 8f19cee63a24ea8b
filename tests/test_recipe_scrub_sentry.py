"""The Sentry recipe, with Sentry's own SDK sending to a server of ours."""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from leakhunt import Hunt

from wecom_auth.testing import FakeWeCom
from wecom_auth.testing._platform import tokens as fake_tokens

pytest.importorskip("sentry_sdk")

RECIPE = Path(__file__).parent.parent / "recipes" / "scrub_sentry.py"
CORP, SECRET = "ww0001", "CANARY/sec+ret=0123456789abcdef"
TOKEN = "CANARY-tok/en+=".ljust(60, "x")
NO_EVENTLET = "import sys; sys.modules['eventlet'] = None; "
"""Sentry imports it where it is installed, and it hides `sendmsg`, which trio looks for."""

UNSCRUBBED = "import runpy, scrub_sentry as s; s.scrub = lambda event, hint=None: event; "


class Tracker:
    """A platform, and an ingest server beside it that keeps what Sentry sends."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[bytes] = []

    def ingest(self, request: Any) -> dict[str, Any]:
        body = request.body
        self.received.append(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
        return {}

    def run(self, code: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("WECOM_", "SENTRY_"))},
            "SENTRY_DSN": re.sub("//", "//key@", self.url) + "/1",
            "SENTRY_TRACES_SAMPLE_RATE": "1.0",
            "WECOM_CORPID": CORP,
            "WECOM_CORPSECRET": SECRET,
            "WECOM_BASE_URL": self.url,
            "PYTHONPATH": str(RECIPE.parent),
        }
        return subprocess.run(
            [sys.executable, "-c", f"{NO_EVENTLET}{code}"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    monkeypatch.setattr(fake_tokens, "_value", lambda app, serial: TOKEN)
    fake = FakeWeCom()
    fake.fail(60011, path="user/get")
    with fake.serve() as url:
        tracker = Tracker(url)
        fake.route("/api/1/envelope/", tracker.ingest, check_token=False)
        yield tracker


def hunt(tracker: Tracker) -> list[str]:
    found = Hunt(lambda: [SECRET, TOKEN])
    for body in tracker.received:
        found.show("event", body)
    return found.leaks()


def test_no_token_reaches_the_tracker(tracker: Tracker) -> None:
    done = tracker.run("import scrub_sentry as s; s.start(); s.report('zhangsan')")
    assert "APIError" in done.stderr
    sent = b"".join(tracker.received)
    assert b"APIError" in sent, "the event arrived"
    assert b"access_token=***" in sent, "with the call among its breadcrumbs"
    assert b"corpsecret=***" in sent
    assert hunt(tracker) == []


@pytest.mark.storm  # the control of the same claim without a process: below
def test_control_without_the_recipe_it_does(tracker: Tracker) -> None:
    tracker.run(f"{UNSCRUBBED} s.start(); s.report('zhangsan')")
    assert b"APIError" in b"".join(tracker.received)
    assert hunt(tracker)


def test_events_of_every_form_are_scrubbed() -> None:
    sys.path.insert(0, str(RECIPE.parent))
    try:
        from scrub_sentry import scrub
    finally:
        sys.path.pop(0)
    event = {
        "message": f"GET /cgi-bin/user/get?access_token={TOKEN}&userid=a",
        "breadcrumbs": {"values": [{"data": {"http.query": f"corpsecret={SECRET}"}}]},
        "frames": ({"vars": {"access_token": TOKEN, "self": f"'corpsecret': '{SECRET}'"}},),
        "request": {"headers": {"Authorization": TOKEN}, "cookies": {"a": 1}},
        "level": 40,
        "extra": None,
        "token_count": 3,
    }
    found = Hunt(lambda: [SECRET, TOKEN])
    found.show("control", repr(event))
    assert found.leaks()
    found = Hunt(lambda: [SECRET, TOKEN])
    clean = scrub(event, {"exc_info": None})
    found.show_object("event", clean)
    assert found.leaks() == []
    assert clean["message"] == "GET /cgi-bin/user/get?access_token=***&userid=a"
    assert (clean["level"], clean["extra"], clean["token_count"]) == (40, None, 3)
