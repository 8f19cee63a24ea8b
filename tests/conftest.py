"""Between two tests nothing is remembered, and no test reads the environment's settings.

Under CI a test that is skipped fails, unless it is excused here by name: a gate that skips what it
promises is green for nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import tenacity.nap

from wecom_auth._source import process
from wecom_auth.testing import reset

EXCUSED = {
    "clients/test_niquests.py": "urllib3-future takes urllib3's place: .ci/run gives it its own",
}
"""Files whose tests may be skipped under CI, and why."""


def pytest_collection_finish() -> None:
    """Take what collection has made out of the collector's sight: it looks at all of it each time.

    Thousands of tests are a million objects; some tests collect, and Python does now and then.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let the collector see it again: hypothesis asks it for the referrers of what it is given."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _forget_everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WECOM_STORE", raising=False)
    yield
    reset()
    process.events.clear()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the tries of an exchange no time passes; what a test claims is what they say."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _no_skip_under_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _no_skip_under_ci((yield))


def _no_skip_under_ci(report: Any) -> Any:
    file = report.nodeid.partition("::")[0]
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if "CI" in os.environ and skipped and not file.endswith(tuple(EXCUSED)):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is skipped, and not excused: {report.longrepr}"
    return report
