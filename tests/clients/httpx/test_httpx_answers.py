"""Answers of httpx that were looked into come back whole; redirects take no token elsewhere."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from httpx_ways import CORP, SECRET, Talk, World, for_all, run
from ways import head, raw_server

from wecom_auth import AppCredential, ExternalToken, attach
from wecom_auth._http.verdict import BODY_LIMIT
from wecom_auth.httpx import WeComAuth
from wecom_auth.testing import FakeWeCom, Request

JSON = {"Content-Type": "application/json"}
SIZES = (0, 200, BODY_LIMIT, BODY_LIMIT + 1, 100_000)
CODINGS: list[tuple[dict[str, str], Callable[[bytes], bytes]]] = [
    (JSON, bytes),
    ({**JSON, "Transfer-Encoding": "chunked"}, bytes),
    ({**JSON, "Content-Encoding": "gzip"}, gzip.compress),
    ({**JSON, "Content-Encoding": "deflate"}, zlib.compress),
    ({**JSON, "Content-Encoding": "x-own"}, bytes),
]


def body_of(size: int) -> bytes:
    return b"".join(b'{"errcode":0,"n":%d}\n' % n for n in range(size // 17 + 1))[:size]


@for_all()
def test_every_answer_comes_back_whole(world: World):
    async def body(talk: Talk) -> None:
        await talk.warm()
        for size in SIZES:
            for headers, code in CODINGS:
                content = body_of(size)
                gzipped = "gzip" in headers.values()  # which the fake does by itself
                world.fake.route("data", (200, headers, content if gzipped else code(content)))
                assert (await talk.get("data")).content == content, (size, headers)
                for raw in (False, True):
                    answer = await talk.open("data")
                    got = await talk.read(answer, raw=raw)
                    if raw and code is not bytes and got:
                        got = zlib.decompress(got, 47)
                    assert got == content, (size, headers)
                    assert answer.elapsed.total_seconds() > 0

    world.run(body)
    assert world.fake.gettoken_calls == 1


@for_all()
def test_a_rejection_is_found_however_it_comes(world: World):
    """Compressed, in chunks, without the header: the call is made again."""
    asked: list[str] = []
    headers = [JSON]
    world.fake.mode = "rotate"

    def answer(request: Request) -> Any:
        asked.append(request.params["access_token"])
        if len(asked) % 2:
            return 200, headers[0], b'{"errcode":40014,"errmsg":"invalid"}'
        return {"errcode": 0}

    world.fake.route("data", answer, check_token=False)

    async def body(talk: Talk, is_stream: bool) -> None:
        await talk.warm()
        if is_stream:
            opened = await talk.open("data")
            assert json.loads(await talk.read(opened)) == {"errcode": 0}
        else:
            assert (await talk.get("data")).json() == {"errcode": 0}

    for headers[0], _ in CODINGS[:3]:
        for is_stream in (False, True):
            world.run(lambda talk, s=is_stream: body(talk, s))
    assert len(asked) == 12


@for_all()
def test_what_is_no_rejection_is_left_alone(world: World):
    """A file and a part of one that hold the code, and a status that is not 200."""
    text = b'{"errcode":42001,"errmsg":"as in a report about tokens"}'
    answers = [
        (200, {**JSON, "Content-Disposition": 'attachment; filename="a.json"'}, text),
        (206, {**JSON, "Content-Range": "bytes 0-54/900"}, text),
        (502, JSON, text),
        (200, {**JSON, "Error-Code": "0"}, text),
        (200, JSON, b'{"errcode":0,"list":[{"errcode":42001}]}'),
    ]

    async def body(talk: Talk) -> None:
        for status, headers, content in answers:
            world.fake.route("data", (status, headers, content))
            answer = await talk.get("data")
            assert (answer.status_code, answer.content) == (status, content)

    world.run(body)
    assert (world.fake.gettoken_calls, len(world.fake.journal)) == (1, 1 + len(answers))


@for_all()
def test_a_stream_is_not_read_ahead(world: World):
    """The server keeps the rest back: the answer is there all the same."""
    more, start = Event(), b'{"a":"' + b"x" * (BODY_LIMIT + 10)
    whole = head(len(start) + 4) + start
    with raw_server(whole, hold=more) as url:
        app = ExternalToken(lambda: "TOKEN", base_url=url)

        async def whole_run() -> None:
            kind = world.library.Client if world.is_sync else world.library.AsyncClient
            options = {"timeout": 20, "trust_env": False, "verify": False}
            if world.way == "auth":
                client = kind(auth=WeComAuth(app), **options)
            else:
                client = attach(kind(**options), app)
            talk = Talk(world, client)
            world.server, kept = type("Elsewhere", (), {"url": url})(), world.server  # type: ignore[assignment]
            try:
                answer = await talk.open("data")
                assert not more.is_set()
                more.set()
                with pytest.raises(world.library.RemoteProtocolError):
                    await talk.read(answer)  # cut short, as it came
            finally:
                world.server = kept
                await talk.close()

        run(world.mode, whole_run)


@for_all()
def test_a_body_cut_short_while_it_is_looked_into_is_the_readers_error(world: World):
    with raw_server(head(50) + b'{"errcode":') as url:
        app = ExternalToken(lambda: "TOKEN", base_url=url)

        async def whole() -> None:
            kind = world.library.Client if world.is_sync else world.library.AsyncClient
            client = attach(kind(trust_env=False), app)
            talk = Talk(world, client)
            with pytest.raises(world.library.RemoteProtocolError, match="without sending complete"):
                await talk.get(f"{url}/cgi-bin/data")
            await talk.close()

        run(world.mode, whole)


# --- redirects ---


def redirecting(fake: FakeWeCom, to: str) -> None:
    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        token = request.params["access_token"]
        return 302, {"Location": to.format(token=token, query=request.query)}, b""

    fake.route("go", answer)


@for_all()
def test_a_redirect_on_the_same_host_works(world: World):
    async def body(talk: Talk) -> None:
        world.fake.route("tag/list", {"errcode": 0, "errmsg": "ok"})
        for location in (
            "/cgi-bin/user/get?userid=a",
            f"{world.server.url}/cgi-bin/tag/list",
        ):
            redirecting(world.fake, location)
            answer = await talk.get("go", follow_redirects=True)
            assert answer.json()["errcode"] == 0
            assert "access_token" not in str(answer.url)
            for each in [answer, *answer.history]:
                assert "access_token" not in f"{each.url}{each.request.url}"

    world.run(body)
    assert world.fake.gettoken_calls == 1


@for_all(ways=("attach",))
@pytest.mark.parametrize("to", ["/login", "/login?{query}", "/login?r={token}#{token}"])
def test_no_token_reaches_another_host_or_path(world: World, to: str):
    """Not even where the platform, or a proxy before it, echoes the token in its Location."""
    seen: list[str] = []

    def login(request: Request) -> dict[str, Any]:
        seen.append(request.target)
        return {"errcode": 42001}

    other = FakeWeCom()
    other.route("/login", login, check_token=False)

    async def body(talk: Talk) -> None:
        redirecting(world.fake, elsewhere + to)
        answer = await talk.get("go", follow_redirects=True)
        token = world.fake.token(CORP, SECRET)
        assert answer.json() == {"errcode": 42001}
        for each in [answer, *answer.history]:
            assert str(token) not in f"{each.url} {each.headers} {each.next_request}"

    with other.serve() as elsewhere:
        world.run(body)
        assert len(seen) == 1
        assert str(world.fake.token(CORP, SECRET)) not in seen[0]
    assert world.fake.gettoken_calls == 1


@for_all(ways=("auth",))
def test_an_auth_takes_no_token_to_another_host(world: World):
    seen: list[str] = []
    other = FakeWeCom()
    other.route("/login", lambda r: seen.append(r.target) or {"errcode": 42001}, check_token=False)
    with other.serve() as elsewhere:
        redirecting(world.fake, f"{elsewhere}/login")
        answer = world.run(lambda talk: talk.get("go", follow_redirects=True))
    assert (answer.json(), seen) == ({"errcode": 42001}, ["/login"])


@for_all()
def test_other_hosts_and_paths_get_no_token(world: World):
    prefixed = AppCredential(CORP, SECRET, base_url=f"{world.server.url}/gateway")
    seen: list[str] = []
    for path in ("/cgi-bin/user/get", "/gateway/cgi-bin/user/get", "/gateway/../x"):
        world.fake.route(path, lambda r: seen.append(r.target) or {"errcode": 0}, check_token=False)

    async def whole() -> None:
        kind = world.library.Client if world.is_sync else world.library.AsyncClient
        client = kind(trust_env=False)
        talk = Talk(world, client)
        options = {"auth": WeComAuth(prefixed)} if world.way == "auth" else {}
        if world.way != "auth":
            attach(client, prefixed)
        for path in ("user/get", f"{world.server.url}/gateway/cgi-bin/user/get"):
            await talk.get(path, **options)
        await talk.close()

    world.fake.route(
        "/gateway/cgi-bin/gettoken", {"errcode": 0, "access_token": "T"}, check_token=False
    )
    run(world.mode, whole)
    assert ["access_token" in target for target in seen] == [False, True]
