"""The public interface type-checks, and so does code that uses it wrongly not."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_public_interface_as_mypy_sees_it() -> None:
    api = pytest.importorskip("mypy.api")
    report, problems, status = api.run(["--strict", str(HERE / "typing_check.py")])
    assert (status, problems) == (0, ""), report
