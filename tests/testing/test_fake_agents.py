"""What the fake knows of agents, and bodies and imports that are rare."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import requests

from wecom_auth.testing import FakeWeCom
from wecom_auth.testing._fronts.front import bytes_of
from wecom_auth.testing._fronts.late import LateImports


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("agent/list?", {"errcode": 0}),
        ("agent/get?agentid=7&", {"errcode": 0, "agentid": 7, "name": "Fake"}),
        ("agent/get?agentid=seven&", {"errcode": 40056}),
        ("agent/get?", {"errcode": 40056}),
    ],
)
def test_an_agent_is_known_by_its_number(path: str, said: dict[str, Any]) -> None:
    fake = FakeWeCom()
    with fake.serve() as url:
        token = fake.issue("ww1", "secret")
        answer = requests.get(f"{url}/cgi-bin/{path}access_token={token}").json()
    assert answer.items() >= said.items()
    assert ("agentlist" in answer) == path.startswith("agent/list")


def test_a_body_is_read_whatever_it_is_made_of() -> None:
    assert bytes_of(io.StringIO("text")) == b"text"
    assert bytes_of(iter([b"a", "b", io.BytesIO(b"c")])) == b"abc"


def test_a_library_that_is_not_there_is_looked_for_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    late = LateImports(seen.append)
    monkeypatch.setattr(sys, "path", [])
    for name in ("httpx2", "httpx"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert late.find_spec("httpx2", None) is None
    assert not seen
