"""What happens rarely with httpx: bodies, transports and libraries that are not the usual ones."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from httpx_ways import CORP, LIBRARIES, SECRET, Talk, World, for_all, run

from wecom_auth import AppCredential, attach
from wecom_auth._source import process
from wecom_auth.errors import TokenUnavailable
from wecom_auth.httpx import AsyncWeComTransport, WeComAuth, WeComTransport

every_library = pytest.mark.parametrize("library", LIBRARIES)


class Once(io.BytesIO):
    """A file that says where it stands, and cannot be put back there."""

    def seek(self, *_: Any) -> int:
        raise OSError("cannot be put back")


class Closing(io.BytesIO):
    """A file that is closed as soon as it has been read."""

    def read(self, *args: Any) -> bytes:
        piece = super().read(*args)
        if not piece:
            self.close()
        return piece


@for_all()
def test_the_first_answer_stands_where_a_form_cannot_be_sent_again(world: World) -> None:
    async def body(talk: Talk) -> None:
        await talk.warm()
        world.fake.revoke()
        files = {"media": ("a.txt", Closing(b"text"))}
        answer = await talk.post("media/upload?type=file", files=files)
        assert answer.json()["errcode"] == 40014

    world.run(body)
    assert not world.fake.uploads


@for_all(modes=("sync",))
def test_the_first_answer_stands_where_a_file_cannot_be_put_back(world: World) -> None:
    async def body(talk: Talk) -> None:
        await talk.warm()
        world.fake.revoke()
        answer = await talk.post(
            "message/send", content=Once(b"{}"), headers={"Content-Length": "2"}
        )
        assert answer.json()["errcode"] == 40014

    world.run(body)


# --- transports ---


class Wrapped:
    """A transport of somebody else's around the library's own."""

    def __init__(self, inner: Any, before: Any = None, after: Any = None) -> None:
        self.inner, self.before, self.after = inner, before, after

    def handle_request(self, request: Any) -> Any:
        if self.before:
            self.before(request)
        response = self.inner.handle_request(request)
        if self.after:
            self.after(response)
        return response

    async def handle_async_request(self, request: Any) -> Any:
        if self.before:
            self.before(request)
        response = await self.inner.handle_async_request(request)
        if self.after:
            await self.after(response)
        return response

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.inner.close()

    close = __exit__

    async def aclose(self) -> None:
        await self.inner.aclose()


def wrapped(world: World, **options: Any) -> Any:
    library = world.library
    if world.is_sync:
        kind = type("Kind", (Wrapped, library.BaseTransport), {})
        return kind(library.HTTPTransport(verify=False), **options)
    kind = type("Kind", (Wrapped, library.AsyncBaseTransport), {})
    return kind(library.AsyncHTTPTransport(verify=False), **options)


@for_all(ways=("transport",))
def test_an_error_that_shows_the_token_is_raised_without_it(world: World) -> None:
    def refuse(request: Any) -> None:
        if "user/get" in request.url.path:
            raise world.library.ConnectError(f"cannot reach {request.url}")

    async def body(talk: Talk) -> None:
        await talk.warm()
        with pytest.raises(world.library.ConnectError) as caught:
            await talk.get("user/get?userid=a")
        assert world.fake.token(CORP, SECRET) not in f"{caught.value!r}{caught.value.__context__!r}"
        assert "userid=a" in str(caught.value)

    world.run(body, transport=wrapped(world, before=refuse))


@for_all(ways=("transport",))
def test_an_answer_that_a_transport_has_streamed_away_comes_back_as_it_is(world: World) -> None:
    def read(response: Any) -> None:
        list(response.iter_raw())

    async def aread(response: Any) -> None:
        async for _ in response.aiter_raw():
            pass

    async def body(talk: Talk) -> None:
        await talk.warm()
        inner.after = read if world.is_sync else aread
        world.fake.revoke()
        url = f"{world.server.url}/cgi-bin/user/get"
        request = talk.client.build_request("GET", url)
        answer = talk.client.send(request, stream=True)
        answer = answer if world.is_sync else await answer
        assert answer.status_code == 200
        await talk.end(answer)

    inner = wrapped(world)
    world.run(body, transport=inner)
    assert world.fake.rejections == 1


class Pool:
    """A connection pool that keeps its state elsewhere."""

    def __init__(self, pool: Any) -> None:
        self.__dict__["inner"] = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@for_all(modes=("sync", "asyncio"), ways=("attach",))
def test_an_exchange_over_a_pool_of_another_make(world: World) -> None:
    kind = world.library.HTTPTransport if world.is_sync else world.library.AsyncHTTPTransport
    transport = kind(verify=False)
    transport._pool = Pool(transport._pool)

    async def body(talk: Talk) -> None:
        with world.fake.fail("drop", path="gettoken"), pytest.raises(TokenUnavailable):
            await talk.get("user/get?userid=a")
        assert (await talk.get("user/get?userid=a")).json()["errcode"] == 0

    world.run(body, transport=transport)


@for_all(modes=("sync", "asyncio"), ways=("attach",))
def test_a_long_page_in_place_of_a_token_is_no_token(world: World) -> None:
    page = (200, {"Content-Type": "text/html"}, b"<html>" + b"x" * 99_999)
    world.fake.route("gettoken", page, check_token=False)

    async def body(talk: Talk) -> None:
        with pytest.raises(TokenUnavailable, match="no token in the answer"):
            await talk.get("user/get")

    world.run(body)


@every_library
def test_a_client_that_keeps_its_transports_elsewhere_is_refused(library: Any) -> None:
    client = library.Client(verify=False)
    transport = vars(client).pop("_transport")
    with pytest.raises(TypeError, match="construct it with"):
        attach(client, AppCredential(CORP, SECRET))
    transport.close()


@every_library
def test_transports_that_hold_each_other_are_walked_through_once(library: Any) -> None:
    kind = type("Kind", (library.BaseTransport,), {})
    one, other = kind(), kind()
    one.held, other.held = other, one
    client = attach(library.Client(transport=one), AppCredential(CORP, SECRET))
    assert type(one.held).__name__ == "SyncTransport"
    assert client._transport is one


@for_all(ways=("transport",))
def test_a_client_that_sends_nothing_opens_nothing(world: World) -> None:
    async def within(client: Any) -> None:
        if world.is_sync:
            with client:
                pass
        else:
            async with client:
                pass

    async def both() -> None:
        client = world.client()
        await within(client)
        ours = world.client()._transport  # one that is closed without having been opened
        if world.is_sync:
            ours.close()
        else:
            await ours.aclose()
        assert client._transport._inner is None

    run(world.mode, both)


@pytest.mark.parametrize("kind", [WeComTransport, AsyncWeComTransport])
def test_a_transport_is_copied_and_shows_what_it_is_around(kind: Any) -> None:
    inner = Wrapped(None, before=1)
    ours = copy.copy(kind(AppCredential(CORP, SECRET), inner))
    assert ours.before == 1
    with pytest.raises(AttributeError):
        kind.__new__(kind)._inner  # noqa: B018


# --- auth ---


@for_all(ways=("auth",))
def test_a_token_of_the_callers_gives_way_and_is_said(world: World, caplog: Any) -> None:
    async def body(talk: Talk) -> None:
        answer = await talk.get("user/get?userid=a&access_token=theirs")
        assert answer.json()["errcode"] == 0
        assert "theirs" not in str(answer.url)

    world.run(body)
    assert "access_token" in caplog.text


def test_two_of_one_source_are_equal_and_hash_alike() -> None:
    app = AppCredential(CORP, SECRET)
    one, other = WeComAuth(app), WeComAuth(app)
    assert (one == other) == (hash(one) == hash(other))
    assert one != "another"


@for_all(modes=("sync",), ways=("auth",))
def test_a_redirect_whose_body_is_spent_ends_there(world: World) -> None:
    moved = (307, {"Location": f"{world.server.url}/cgi-bin/user/get"}, b"")
    world.fake.route("old/send", moved)

    async def body(talk: Talk) -> None:
        options = {"content": io.BytesIO(b"{}"), "headers": {"Transfer-Encoding": "chunked"}}
        answer = await talk.post("old/send", follow_redirects=True, **options)
        assert answer.json()["errcode"] == 41001

    world.run(body)


@for_all(modes=("asyncio", "trio"), ways=("attach",))
def test_where_no_thread_starts_the_exchange_is_made_in_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "start_thread", lambda *_: False)

    async def body(talk: Talk) -> None:
        assert (await talk.get("user/get?userid=a")).json()["errcode"] == 0

    world.run(body)
    assert world.fake.gettoken_calls == 1
