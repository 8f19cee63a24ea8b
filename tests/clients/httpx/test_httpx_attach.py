"""`attach`, `WeComAuth` and the transports of httpx: what they keep, refuse, and hide."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import subprocess
import sys
import traceback
from typing import Any

import httpx
import httpx2
import pytest
from httpx_ways import CORP, LIBRARIES, SECRET, Talk, World, for_all, run
from ways import closed_door

import wecom_auth
from wecom_auth import (
    AppCredential,
    CredentialError,
    ExternalToken,
    TokenSource,
    TokenUnavailable,
    WeComError,
    attach,
)
from wecom_auth.httpx import AsyncWeComTransport, WeComAuth, WeComTransport
from wecom_auth.testing import Server

CANARY = "CANARY/sec+ret=0123456789abcdefghijklmnop"
both = pytest.mark.parametrize("library", LIBRARIES)


# --- what is kept ---


@both
def test_the_client_keeps_what_it_has(library: Any, wecom_server: Server):
    """Its transport, mounts (a None too), headers and hooks; and it is the same object."""
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    seen: list[str] = []

    class Mine(library.HTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            seen.append(f"{request.url.path} {request.headers['X-Mine']}")
            return super().handle_request(request)

    mine = Mine()
    mounts = {"all://elsewhere.example": None, "all://127.0.0.1": mine}
    client = library.Client(mounts=mounts, headers={"X-Mine": "yes"}, trust_env=False)
    assert attach(client, app) is client
    assert list(client._mounts.values())[-1] is None or None in client._mounts.values()
    with client:
        assert client.get(f"{wecom_server.url}/cgi-bin/user/get?userid=a").json()["errcode"] == 0
    assert seen == ["/cgi-bin/gettoken yes", "/cgi-bin/user/get yes"]


@both
def test_attaching_again_two_apps_and_another_scope(library: Any, wecom_server: Server):
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    client = attach(library.Client(), app)
    transport = client._transport
    assert attach(client, app)._transport is transport
    with pytest.raises(ValueError, match="another credential's tokens"):
        attach(client, AppCredential(CORP, "another", base_url=wecom_server.url))
    attach(client, AppCredential(CORP, SECRET, base_url="https://gateway.example"))
    assert len(client._transport.route.sources) == 2
    client.close()


@both
def test_a_function_chooses_for_each_request(library: Any, wecom_server: Server):
    asked: list[str] = []

    def choose(request: Any) -> Any:
        asked.append(request.url.path)
        return AppCredential(CORP, SECRET, base_url=wecom_server.url)

    with attach(library.Client(trust_env=False), choose, base_url=wecom_server.url) as client:
        assert client.get(f"{wecom_server.url}/cgi-bin/user/get?userid=a").json()["errcode"] == 0
    assert asked == ["/cgi-bin/user/get"]


@both
def test_ours_goes_innermost(library: Any, wecom_server: Server):
    """A caching transport around the client's own never sees the token, and keys without it."""
    kept: dict[str, Any] = {}

    class Caching(library.BaseTransport):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def close(self) -> None:
            self.inner.close()

        def handle_request(self, request: Any) -> Any:
            key = str(request.url)
            if key not in kept:
                answer = self.inner.handle_request(request)
                kept[key] = (answer.status_code, answer.headers, answer.read())
            status, headers, content = kept[key]
            return library.Response(status, headers=headers, content=content)

    caching = Caching(Caching(library.HTTPTransport()))
    app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    url = f"{wecom_server.url}/cgi-bin/user/get?userid=a"
    with attach(library.Client(transport=caching), app) as client:
        assert attach(client, app)._transport is caching
        for _ in range(2):
            assert client.get(url).json()["errcode"] == 0
    assert list(kept) == [url]
    assert len(wecom_server.fake.journal) == 2


@both
def test_a_mock_transport_sees_the_token(library: Any):
    """Where the transport is not the library's own, the URL is the one that goes out."""
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(str(request.url))
        return library.Response(200, json={"errcode": 0})

    app = ExternalToken(lambda: "T+K")
    url = "https://qyapi.weixin.qq.com/cgi-bin/user/get?a=%20b"
    with attach(library.Client(transport=library.MockTransport(answer)), app) as client:
        assert str(client.get(url).url) == url
        client.get(url.partition("?")[0], params={"access_token": "theirs"})
    base = "https://qyapi.weixin.qq.com/cgi-bin/user/get"
    assert seen == [f"{url}&access_token=T%2BK", f"{base}?access_token=T%2BK"]


@both
def test_a_mock_of_the_whole_platform_sees_the_exchange(library: Any):
    def answer(request: Any) -> Any:
        if request.url.path.endswith("gettoken"):
            assert request.url.params["corpsecret"] == SECRET
            assert request.url.params["mine"] == "1"
            return library.Response(200, json={"errcode": 0, "access_token": "T"})
        return library.Response(200, json={"errcode": 0, "t": request.url.params["access_token"]})

    async def aanswer(request: Any) -> Any:
        return answer(request)

    url, app = "https://qyapi.weixin.qq.com/cgi-bin/user/get", AppCredential(CORP, SECRET)
    options = {"params": {"mine": "1"}, "auth": ("user", "pass")}
    with attach(library.Client(transport=library.MockTransport(answer), **options), app) as client:
        assert client.get(url).json()["t"] == "T"
    wecom_auth.testing.reset()

    async def call() -> None:
        transport = library.MockTransport(aanswer)
        async with attach(library.AsyncClient(transport=transport, **options), app) as client:
            assert (await client.get(url)).json()["t"] == "T"

    asyncio.run(call())


# --- what is refused, in words ---


def test_what_is_no_client_or_transport_is_refused():
    with pytest.raises(TypeError, match=r"httpx\.AsyncClient, httpx2\.Client"):
        attach(object(), ExternalToken(lambda: "T"))
    with pytest.raises(TypeError, match="transport with handle_async_request"):
        AsyncWeComTransport(ExternalToken(lambda: "T"), httpx.HTTPTransport())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="credential must be"):
        WeComAuth("secret")  # type: ignore[arg-type]


@both
def test_the_auth_of_requests_says_which_to_use(library: Any):
    auth: Any = wecom_auth.WeComAuth(ExternalToken(lambda: "T"))
    with pytest.raises(TypeError, match=r"use wecom_auth\.httpx\.WeComAuth"):
        library.get("https://qyapi.weixin.qq.com/cgi-bin/user/get", auth=auth)


def test_ours_are_of_both_libraries():
    app = ExternalToken(lambda: "T")
    assert isinstance(WeComAuth(app), httpx.Auth)
    assert isinstance(WeComAuth(app), httpx2.Auth)
    assert isinstance(WeComTransport(app), httpx.BaseTransport | httpx2.BaseTransport)
    assert WeComAuth(app) == WeComAuth(app)
    assert pickle.loads(pickle.dumps(WeComAuth(AppCredential(CORP, "s")))).source


@pytest.mark.parametrize("present", [(), ("httpx",), ("httpx2",)])
def test_either_library_is_enough_and_neither_is_said(present: tuple[str, ...]):
    code = f"""
import sys
for name in {{"httpx", "httpx2"}} - set({present!r}):
    sys.modules[name] = None
import wecom_auth
assert not {{"httpx", "httpx2"}} & {{n for n, m in sys.modules.items() if m}}
try:
    from wecom_auth.httpx import WeComAuth
except ImportError as error:
    assert "wecom-auth[httpx]" in str(error)
    assert not {present!r}
else:
    import {present[0] if present else "sys"} as library
    assert isinstance(WeComAuth(wecom_auth.ExternalToken(lambda: "T")), library.Auth)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what is raised, and what is seen ---


@for_all(ways=("attach", "auth"))
def test_an_error_of_the_token_is_the_librarys_too(world: World):
    world.fake.app(CORP, "another secret")
    errors: list[WeComError] = []

    async def body(talk: Talk) -> None:
        for _ in range(2):
            with pytest.raises(world.library.HTTPError) as caught:
                await talk.get("user/get?userid=a")
            errors.append(caught.value)

    world.run(body)
    for error in errors:
        assert isinstance(error, CredentialError)
        assert isinstance(error, world.library.RequestError)
        assert error.errcode == 40001
        assert str(error.request.url).endswith("/user/get?userid=a")
        assert error.__cause__ is error.__context__ is None
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.errcode) == (str(error), 40001)
        assert copy.copy(error).errcode == 40001
        assert type(error).__name__ == "CredentialError"


@both
def test_the_network_is_found_by_the_librarys_names(library: Any):
    with closed_door() as url:
        app = AppCredential(CORP, SECRET, base_url=url)
        for way in ("attach", "auth"):
            options = {"auth": WeComAuth(app)} if way == "auth" else {}
            with library.Client(trust_env=False, **options) as client:
                if way == "attach":
                    attach(client, app)
                with pytest.raises(library.ConnectError) as caught:
                    client.get(f"{url}/cgi-bin/user/get?userid=a")
                assert isinstance(caught.value, TokenUnavailable)


@for_all(ways=("attach", "auth", "transport"))
def test_nothing_shows_the_token(world: World, caplog: Any):
    """Logs at DEBUG, answers, histories, requests, errors with cause and context, pickles."""
    caplog.set_level(logging.DEBUG)
    world.fake.app(CORP, CANARY)
    app = AppCredential(CORP, CANARY, base_url=world.server.url)
    seen: list[str] = []
    tokens: set[str] = set()

    def note(answer: Any) -> None:
        for each in [answer, *answer.history]:
            seen.append(f"{each!r} {each.url!r} {each.url} {each.headers} {each.request!r}")
            seen.append(f"{vars(each.request)} {pickle.dumps(each)!r} {each.extensions}")

    def noted(error: BaseException) -> None:
        seen.append(f"{error!r} {vars(error)} {pickle.dumps(error)!r}")
        seen.append("".join(traceback.format_exception(error)))

    async def body() -> None:
        kind = world.library.Client if world.is_sync else world.library.AsyncClient
        options: dict[str, Any] = {"trust_env": False, "timeout": 10, "verify": False}
        if world.way == "auth":
            client = kind(auth=WeComAuth(app), **options)
        elif world.way == "transport":
            ours = WeComTransport if world.is_sync else AsyncWeComTransport
            client = kind(transport=ours(app), **options)
        else:
            client = attach(kind(**options), app)
        talk = Talk(world, client)
        for _ in range(2):
            note(await talk.get("user/get?userid=a"))
            tokens.add(str(world.fake.token(CORP, CANARY)))
            world.fake.revoke()
        world.fake.route("nowhere", (404, {}, b""))
        missing = await talk.get("nowhere")
        note(missing)
        with pytest.raises(world.library.HTTPStatusError) as status:
            missing.raise_for_status()
        noted(status.value)
        tokens.add(str(world.fake.token(CORP, CANARY)))
        world.fake.fail("drop", path="user/get")
        with pytest.raises(world.library.RequestError) as dropped:
            await talk.get("user/get?userid=a")
        noted(dropped.value)
        seen.append(f"{dropped.value.request.url}")
        seen.append(repr(client._transport) + repr(client._auth))
        await talk.close()

    run(world.mode, body)
    seen.extend(record.getMessage() for record in caplog.records)
    text = "\n".join(seen)
    assert len(tokens) >= 2
    assert "HTTP Request: GET" in text
    for secret in [*tokens, CANARY, "CANARY"]:
        assert secret not in text


@both
def test_control_the_library_shows_a_token_in_the_url(library: Any, wecom_server: Server, caplog):
    caplog.set_level(logging.DEBUG)
    wecom_auth.mask_urllib3_logs(False)
    try:
        token = TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url)).get().value
        url = f"{wecom_server.url}/cgi-bin/user/get?access_token={token}"
        assert token in str(library.get(url, trust_env=False).url)
        assert any(token in record.getMessage() for record in caplog.records)
    finally:
        wecom_auth.mask_urllib3_logs()


@both
def test_an_error_that_shows_the_token_is_made_clean(library: Any):
    """As a transport of another's may raise it, which puts the URL into its text."""

    def answer(request: Any) -> Any:
        try:
            raise ValueError(f"no way to {request.url}")
        except ValueError as error:
            raise library.ConnectError(f"cannot reach {request.url}") from error

    token = "T0KEN-" * 8
    client = library.Client(transport=library.MockTransport(answer))
    with (
        attach(client, ExternalToken(lambda: token)),
        pytest.raises(library.ConnectError) as caught,
    ):
        client.get("https://qyapi.weixin.qq.com/cgi-bin/user/get?userid=a")
    assert token not in "".join(traceback.format_exception(caught.value))
    assert token not in str(caught.value.request.url)
    assert "cannot reach https://qyapi" in str(caught.value)


@for_all(modes=("sync",), ways=("attach",))
def test_an_auth_on_an_attached_client_counts_once(world: World):
    with world.client() as client:
        url = f"{world.server.url}/cgi-bin/user/get?userid=a"
        answer = client.get(url, auth=WeComAuth(world.app))
        assert answer.json()["errcode"] == 0
        world.fake.revoke()
        assert client.get(url, auth=WeComAuth(world.app)).json()["errcode"] == 0
    assert [call.query for call in world.fake.journal if call.path == "user/get"] == [
        "userid=a&access_token=***"
    ] * 3


@both
def test_opentelemetry_sees_no_token(library: Any, wecom_server: Server):
    otel = pytest.importorskip("opentelemetry.instrumentation.httpx")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    spans, provider = export.InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    name = "HTTPXClientInstrumentor" if library is httpx else "HTTPX2ClientInstrumentor"
    if not hasattr(otel, name):
        pytest.skip(f"no {name}")
    instrumentor = getattr(otel, name)()
    instrumentor.instrument(tracer_provider=provider)
    try:
        app = AppCredential(CORP, SECRET, base_url=wecom_server.url)
        with attach(library.Client(trust_env=False), app) as client:
            client.get(f"{wecom_server.url}/cgi-bin/user/get?userid=a")
            token = str(wecom_server.fake.token(CORP, SECRET))
            url = f"{wecom_server.url}/cgi-bin/user/get?access_token={token}"
            seen = [str(dict(span.attributes)) for span in spans.get_finished_spans()]
            assert len(seen) == 2
            assert not [each for each in seen if token in each or SECRET in each]
        library.get(url, trust_env=False)  # the control: the library shows what it is given
        assert token in str(dict(spans.get_finished_spans()[-1].attributes))
    finally:
        instrumentor.uninstrument()
