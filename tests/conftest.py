"""Between two tests nothing is remembered, and no test is told anything by the environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wecom_auth.testing import reset


@pytest.fixture(autouse=True)
def _forget_everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WECOM_STORE", raising=False)
    yield
    reset()
