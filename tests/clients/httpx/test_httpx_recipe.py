"""The FastAPI recipe: fifty notifications at once, a revoked token in between, a wrong secret."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from httpx_ways import CORP, SECRET

from wecom_auth.testing import Server

pytest.importorskip("fastapi")
RECIPE = Path(__file__).parents[3] / "recipes" / "fastapi_httpx.py"


@pytest.fixture
def service(wecom_server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    ours = {"CORPID": CORP, "CORPSECRET": SECRET, "BASE_URL": wecom_server.url}
    for name, value in ours.items():
        monkeypatch.setenv(f"WECOM_{name}", value)
    spec = importlib.util.spec_from_file_location("fastapi_httpx", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fastapi_httpx", module)  # FastAPI reads its annotations
    spec.loader.exec_module(module)
    return module.service


async def notify(service: Any, times: int) -> list[httpx2.Response]:
    """Call the service in process, its lifespan around it."""
    async with service.router.lifespan_context(service) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await service({**scope, "state": dict(state)}, receive, send)

        transport = httpx2.ASGITransport(with_state)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            calls = [client.post("/notify/alice?text=hi") for _ in range(times)]
            return list(await asyncio.gather(*calls))


def test_fifty_at_once_and_a_revoked_token(service: Any, wecom_server: Server):
    for exchanges in (1, 2):
        answers = asyncio.run(notify(service, 50))
        assert {answer.json()["errcode"] for answer in answers} == {0}
        assert wecom_server.fake.gettoken_calls == exchanges
        wecom_server.fake.revoke()
    wecom_server.fake.assert_delivered("text", times=100)


def test_a_refused_credential_is_said(service: Any, wecom_server: Server):
    wecom_server.fake.app(CORP, "another secret")
    (answer,) = asyncio.run(notify(service, 1))
    assert answer.status_code == 502
    assert "40001" in answer.json()["errmsg"]
    assert SECRET not in answer.text
