"""`wecom-auth check` where the platform is odd, and `wecom-auth run` without a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from ways import closed_door

from wecom_auth import cli
from wecom_auth.cli import run
from wecom_auth.cli.check import asking
from wecom_auth.testing import FakeWeCom


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWeCom]:
    for name in [*os.environ]:
        if name.startswith("WECOM_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    fake = FakeWeCom()
    with fake.serve() as url:
        given = {"CORPID": "ww0123456789abcdef", "CORPSECRET": "s" * 43, "BASE_URL": url}
        for name, value in given.items():
            monkeypatch.setenv(f"WECOM_{name}", value)
        yield fake


def test_an_app_that_is_switched_off_is_named(fake: FakeWeCom, capsys: Any) -> None:
    fake.route("agent/get", {"errcode": 0, "close": 1}, check_token=False)
    assert cli.main(["check", "--agent", "1000002"]) == 1
    assert "disabled" in capsys.readouterr().out


def test_an_answer_of_an_old_gateway_has_no_errcode(fake: FakeWeCom) -> None:
    old = {"access_token": fake.issue("ww0123456789abcdef", "s" * 43), "expires_in": 7200}
    fake.route("gettoken", old, check_token=False)
    assert cli.main(["check"]) == 0


def test_of_a_long_page_no_more_is_read_than_helps(
    fake: FakeWeCom, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(asking, "_LARGEST", 10_000)
    page = (200, {"Content-Type": "text/html"}, b"<html>" + b"x" * 300_000)
    fake.route("gettoken", page, check_token=False)
    assert cli.main(["check"]) == 3
    assert "web page" in capsys.readouterr().out


def test_a_clock_that_cannot_be_asked_for_is_not_off() -> None:
    asker: Any = object.__new__(asking.Asker)
    asker._limit = 5
    with closed_door() as url:
        assert asker._clock_is_off(url) is False


def test_a_store_that_is_blank_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(run, "_become", lambda argv, environ: seen.append(environ) or 0)
    monkeypatch.delenv("WECOM_STORE", raising=False)
    assert run.run_command(["alert.py"], store=" ") == 0
    assert "WECOM_STORE" not in seen[0]
