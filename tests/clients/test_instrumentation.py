"""OpenTelemetry's own instrumentation of each client: no span of `attach` holds a token.

pip install opentelemetry-instrumentation-{requests,httpx,aiohttp-client,urllib}
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from importlib import import_module
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from wecom_auth import AppCredential, WeComAuth, attach
from wecom_auth.httpx import WeComAuth as HttpxAuth
from wecom_auth.testing import FakeWeCom

pytest.importorskip("opentelemetry.sdk")
SECRET = "the-apps-own-secret"


def by_requests(app: AppCredential, url: str) -> int:
    with attach(requests.Session(), app) as session:
        return int(session.get(url, timeout=20).json()["errcode"])


def by_httpx(app: AppCredential, url: str) -> int:
    with attach(httpx.Client(timeout=20), app) as client:
        return int(client.get(url).json()["errcode"])


def by_urllib(app: AppCredential, url: str) -> int:
    with attach(urllib.request.build_opener(), app).open(url, timeout=20) as response:
        return int(json.load(response)["errcode"])


def by_aiohttp(app: AppCredential, url: str) -> int:
    async def call() -> int:
        async with attach(aiohttp.ClientSession(), app) as session, session.get(url) as response:
            return int((await response.json())["errcode"])

    return asyncio.run(call())


def by_auth_of_requests(app: AppCredential, url: str) -> int:
    return int(requests.get(url, auth=WeComAuth(app), timeout=20).json()["errcode"])


def by_auth_of_httpx(app: AppCredential, url: str) -> int:
    return int(httpx.get(url, auth=HttpxAuth(app), timeout=20).json()["errcode"])


ATTACHED = {
    "requests.RequestsInstrumentor": by_requests,
    "httpx.HTTPXClientInstrumentor": by_httpx,
    "urllib.URLLibInstrumentor": by_urllib,
    "aiohttp_client.AioHttpClientInstrumentor": by_aiohttp,
}


def spans_of(name: str, call: Callable[[AppCredential, str], int]) -> tuple[str, list[str]]:
    """Return all spans of some calls as text, and what none of them may hold."""
    sdk = import_module("opentelemetry.sdk.trace")
    export = import_module("opentelemetry.sdk.trace.export")
    memory = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    module, _, kind = name.partition(".")
    found = pytest.importorskip(f"opentelemetry.instrumentation.{module}")
    instrumentor, spans = getattr(found, kind)(), memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    instrumentor.instrument(tracer_provider=provider)
    fake, tokens = FakeWeCom(), []
    try:
        with fake.serve() as base:
            app = AppCredential("ww0001", SECRET, base_url=base)
            for _ in range(2):  # a token that is fetched; one that is rejected
                assert call(app, f"{base}/cgi-bin/user/get?userid=a") == 0
                tokens.append(str(fake.token("ww0001", SECRET)))
                fake.revoke()
    finally:
        instrumentor.uninstrument()
    text = "".join(each.to_json() for each in spans.get_finished_spans())
    assert "/cgi-bin/user/get" in text, "the calls have their spans"
    return text, tokens


@pytest.mark.parametrize("name", ATTACHED)
def test_no_span_of_attach_holds_a_token_or_a_secret(name: str) -> None:
    text, tokens = spans_of(name, ATTACHED[name])
    assert [each for each in (SECRET, *tokens) if each in text] == []


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("requests.RequestsInstrumentor", by_auth_of_requests),
        ("httpx.HTTPXClientInstrumentor", by_auth_of_httpx),
    ],
)
def test_control_a_span_of_auth_holds_what_the_library_shows(name: str, call: Any) -> None:
    """As the README's table of security says; what it fetches a token with stays unseen."""
    text, tokens = spans_of(name, call)
    assert any(each in text for each in tokens)
    assert SECRET not in text
