"""`with_access_token`: a function in its caller's own words, called again with a live token."""

from __future__ import annotations

import asyncio
import codecs
import functools
import gc
import inspect
import io
import itertools
import json
import os
import pydoc
import socket
import tempfile
import threading
import traceback
import urllib.request
import weakref
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import aiohttp
import anyio
import httpx
import pytest
import requests
import trio
import urllib3
from ways import CORP, SECRET, platform

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    ExternalToken,
    TokenSource,
    WeComAuth,
    attach,
    install,
    raise_for_errcode,
    with_access_token,
)
from wecom_auth._call.arguments import positions
from wecom_auth._clients import decorator
from wecom_auth._clients.outcomes import errcode_of

CODES = frozenset({40014, 42001})
DEAD = {"errcode": 42001, "errmsg": "expired"}


class Owner:
    """Someone who keeps tokens t1, t2, …; the next one when he is told that one was rejected."""

    def __init__(self) -> None:
        self.number = 1
        self.app = ExternalToken(lambda: f"t{self.number}", self.rejected)

    def rejected(self, value: str) -> None:
        self.number += 1


@pytest.fixture
def app() -> ExternalToken:
    return Owner().app


class Coded(Exception):
    """What an SDK raises."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("the SDK's own words")
        vars(self).update(attributes)


def answer(body: bytes = b'{"errcode":42001}', **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content, response._content_consumed = 200, body, True
    response.headers.update({"Content-Type": "application/json", **headers})
    return response


# --- what it hands in ---


def test_the_token_is_handed_in(app: ExternalToken) -> None:
    @with_access_token(app)
    def user(userid: str, access_token: str = "") -> tuple[str, str]:
        """The user."""
        return userid, access_token

    assert user("a") == user(userid="a") == ("a", "t1")
    assert user("a", "") == user("a", access_token="") == ("a", "t1"), "an empty one is none"
    assert (user.__name__, user.__doc__) == ("user", "The user.")
    assert str(inspect.signature(user)) == "(userid: 'str') -> 'tuple[str, str]'"
    assert "access_token" not in pydoc.render_doc(user)


def test_a_token_of_the_callers_wins_and_none_is_fetched() -> None:
    @with_access_token(ExternalToken(lambda: pytest.fail("asked")))
    def user(userid: str, access_token: str = "", *, more: int = 0) -> Any:
        return DEAD | {"token": access_token}

    assert user("a", "mine")["token"] == user("a", access_token="mine")["token"] == "mine"
    assert user("a", "mine", more=5)["token"] == "mine"


def test_other_shapes_of_a_parameter(app: ExternalToken) -> None:
    @with_access_token(app, param="token")
    def by_name(*args: int, token: str = "") -> Any:
        return args, token

    @with_access_token(app)
    def in_the_rest(**kwargs: Any) -> Any:
        return kwargs

    @with_access_token(app)
    def without_default(userid: str, access_token: str) -> Any:
        return access_token

    assert by_name(1, 2) == ((1, 2), "t1")
    assert in_the_rest(a=1) == {"a": 1, "access_token": "t1"}
    assert in_the_rest(access_token="mine") == {"access_token": "mine"}
    assert without_default("a") == "t1"  # type: ignore[call-arg]


def test_the_callers_dict_is_not_changed(app: ExternalToken) -> None:
    @with_access_token(app)
    def user(**kwargs: Any) -> Any:
        return kwargs.pop("access_token")

    options = {"a": 1}
    assert user(**options) == "t1"
    assert options == {"a": 1}


class Api:
    """A user's client."""

    def __init__(self, app: ExternalToken) -> None:
        self.source = TokenSource(app)

    shared = Owner().app

    @with_access_token(lambda self, *_, **__: self.source)
    def method(self, userid: str, access_token: str = "") -> Any:
        return DEAD | {"token": access_token} if access_token == "t1" else access_token

    @with_access_token(lambda self, *_, **__: self.source)
    async def coroutine(self, userid: str, access_token: str = "") -> Any:
        return DEAD if access_token == "t1" else access_token

    @classmethod
    @with_access_token(lambda cls, *_, **__: cls.shared)
    def of_the_class(cls, access_token: str = "") -> str:
        return f"{cls.__name__} {access_token}"

    @staticmethod
    @with_access_token(shared)
    def static(userid: str, access_token: str = "") -> str:
        return f"{userid} {access_token}"


def test_methods(app: ExternalToken) -> None:
    api = Api(app)
    assert api.method("a") == "t2"
    assert api.method(userid="a") == "t2"
    assert Api.of_the_class() == "Api t1"
    assert Api.static("a") == api.static("a") == "a t1"
    assert asyncio.run(Api(Owner().app).coroutine("a")) == "t2"
    assert with_access_token(Owner().app)(api.static)("b") == "b t1"


def test_the_source_may_depend_on_the_call() -> None:
    apps = {"a": Owner().app, "b": Owner().app}

    @with_access_token(lambda corp, **_: apps[corp])
    def call(corp: str, access_token: str = "") -> Any:
        return DEAD if (corp, access_token) == ("b", "t1") else access_token

    assert [call("a"), call("b"), call(corp="a"), call("b")] == ["t1", "t2", "t1", "t2"]


def test_one_source_for_many_functions(app: ExternalToken) -> None:
    source = TokenSource(app)
    functions = [with_access_token(each)(token) for each in (source, app, TokenSource(app))]
    assert [function() for function in functions] == ["t1"] * 3
    assert source.statistics.fetches == 1


def token(access_token: str = "") -> str:
    return access_token


# --- what says that it is dead ---

SAYING: dict[str, Any] = {
    "a dict": {"errcode": 42001},
    "a mapping": MappingProxyType({"errcode": 40014}),
    "a status and JSON": (200, {"errcode": 42001}),
    "a response and JSON": (answer(b"{}"), {"errcode": 42001}),
    "an object": SimpleNamespace(errcode=42001, errmsg="expired"),
    "a urllib3 response": urllib3.HTTPResponse(b'{"errcode":42001}', status=200),
    "a urllib3 stream": urllib3.HTTPResponse(
        io.BytesIO(b'{"errcode":42001}'),
        {"Content-Type": "application/json"},
        status=200,
        preload_content=False,
    ),
    "a response": answer(),
    "an httpx response": httpx.Response(200, json={"errcode": 42001}),
    "errcode": Coded(errcode=42001),
    "err_code": Coded(err_code=40014),
    "code": Coded(code=42001),
    "a response in an error": Coded(response=answer()),
    "an httpx response in an error": Coded(response=httpx.Response(200, json={"errcode": 42001})),
    "a mapping in an error": Coded(response={"errcode": 42001}),
    "a code that is none, and a response": Coded(code=None, response=answer()),
    "our own": APIError("x", errcode=42001),
}
SILENT: dict[str, Any] = {
    "None": None,
    "text": "errcode 42001",
    "bytes": b'{"errcode":42001}',
    "a number": 42001,
    "a list": [{"errcode": 42001}],
    "a long tuple": ({"errcode": 42001}, 1, 2, 3),
    "an object": object(),
    "success": {"errcode": 0},
    "no errcode": {"code": 42001},
    "a word": {"errcode": "42001"},
    "true": {"errcode": True},
    "another": {"errcode": 40001},
    "a file": answer(**{"Content-Disposition": "attachment"}),
    "an httpx file": httpx.Response(
        200, json={"errcode": 42001}, headers={"Content-Disposition": "attachment"}
    ),
    "an httpx page": httpx.Response(404, json={"errcode": 42001}),
    "a large httpx answer": httpx.Response(200, content=b'{"errcode":42001}' + b" " * 9000),
    "an httpx stream": httpx.Response(200, stream=httpx.ByteStream(b'{"errcode":42001}')),
    "an error without code": ValueError("42001"),
    "an error in an error": Coded(response=Coded(errcode=42001)),
    "an HTTP status": Coded(code=404, response=answer()),
    "an error's word": Coded(errcode="42001"),
}


class Awkward:
    """It looks like a response, and is none."""

    headers: Mapping[str, str] = {}
    status_code = 200

    def __init__(self, content: Any) -> None:
        self._content = content

    @property
    def content(self) -> Any:
        if isinstance(self._content, Exception):
            raise self._content
        return self._content


@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_what_says_so(said: Any) -> None:
    assert errcode_of(said, CODES)


@pytest.mark.parametrize("said", SILENT.values(), ids=SILENT)
def test_what_does_not(said: Any) -> None:
    assert not errcode_of(said, CODES)


def test_what_only_looks_like_a_response() -> None:
    assert errcode_of(Awkward(b'{"errcode":42001}'), CODES)
    assert not errcode_of(Awkward("text"), CODES)
    assert not errcode_of(Awkward(RuntimeError("not read yet")), CODES)


@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_it_is_called_again_once(said: Any, app: ExternalToken) -> None:
    tokens: list[str] = []

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        tokens.append(access_token)
        return say(said) if access_token == "t1" else "alive"

    assert call() == "alive"
    assert tokens == ["t1", "t2"]


@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_rejected_again_it_is_what_was_said_last(said: Any, app: ExternalToken) -> None:
    tokens: list[str] = []

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        tokens.append(access_token)
        return say(said)

    assert outcome(call) is said
    assert tokens == ["t1", "t2"]


@pytest.mark.parametrize("said", SILENT.values(), ids=SILENT)
def test_anything_else_is_handed_over(said: Any, app: ExternalToken) -> None:
    calls: list[str] = []

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        calls.append(access_token)
        return say(said)

    assert outcome(call) is said
    assert calls == ["t1"]


@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_without_retry_the_token_is_handed_in_and_that_is_all(
    said: Any, asynchronous: bool, app: ExternalToken
) -> None:
    calls: list[str] = []

    def call(access_token: str = "") -> Any:
        calls.append(access_token)
        return say(said)

    async def acall(access_token: str = "") -> Any:
        return call(access_token)

    given: Any = acall if asynchronous else call
    decorated = with_access_token(app, retry=False)(given)
    run = (lambda: asyncio.run(decorated())) if asynchronous else decorated
    assert outcome(run) is said
    assert calls == ["t1"]


def say(said: Any) -> Any:
    if isinstance(said, Exception):
        raise said
    return said


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


def test_no_other_token_gives_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    app = ExternalToken(lambda: "always-the-same")

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        return DEAD

    assert call() is DEAD
    assert "always-the-same" not in caplog.text


def test_no_token_at_all_is_raised_before_the_call() -> None:
    with platform() as (fake, app):
        fake.app(CORP, "right")

        @with_access_token(app)
        def call(access_token: str = "") -> Any:
            pytest.fail("called")

        with pytest.raises(CredentialError, match="40001"):
            call()


# --- exceptions are the function's own ---


def test_an_exception_keeps_its_identity_its_cause_and_its_traceback(app: ExternalToken) -> None:
    first, cause = Coded(errcode=42001), KeyError("cause")
    last = Coded(errcode=42001)
    given = iter([first, last])

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        raise next(given) from cause

    with pytest.raises(Coded) as caught:
        call()
    assert caught.value is last
    assert last.__cause__ is cause
    assert last.__context__ is None, "the first one is no part of the story"
    names = [frame.name for frame in traceback.extract_tb(last.__traceback__)]
    assert names[-1] == "call"
    assert "t1" not in repr(last.args)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_passes(kind: type[BaseException], app: ExternalToken) -> None:
    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        raise kind

    with pytest.raises(kind):
        call()


def test_an_exception_is_not_kept_alive(app: ExternalToken) -> None:
    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        raise Coded(errcode=1)

    gc.collect()
    gc.disable()
    try:
        try:
            call()
        except Coded as error:
            kept = weakref.ref(error)
        assert kept() is None, "error, traceback and frame hold each other"
    finally:
        gc.enable()


def test_raise_for_errcode_inside_the_function() -> None:
    with platform() as (fake, app):

        @with_access_token(app)
        def call(access_token: str = "") -> Any:
            url = f"{app.base_url}/cgi-bin/user/get"
            response = requests.get(url, params={"access_token": access_token, "userid": "a"})
            return raise_for_errcode(response).json()

        call()
        fake.revoke()
        assert call()["userid"] == "a"
        fake.fail(40058, path="user/get")
        with pytest.raises(APIError, match="40058") as caught:
            call()
        assert str(fake.token(CORP, SECRET)) not in str(caught.value)


# --- async ---


def test_a_coroutine_function() -> None:
    with platform() as (fake, app):

        @with_access_token(app)
        async def user(userid: str, access_token: str = "") -> httpx.Response:
            async with httpx.AsyncClient(trust_env=False) as client:
                params = {"access_token": access_token, "userid": userid}
                return await client.get(f"{app.base_url}/cgi-bin/user/get", params=params)

        async def story() -> list[Any]:
            before = await user("a")
            fake.revoke()
            return [before.json(), *[r.json() for r in await asyncio.gather(*map(user, "bcde"))]]

        assert inspect.iscoroutinefunction(user)
        assert [each["userid"] for each in asyncio.run(story())] == list("abcde")
        assert fake.gettoken_calls == 2


@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_a_coroutine_is_called_again_once(said: Any) -> None:
    tokens: list[str] = []

    @with_access_token(Owner().app)
    async def call(access_token: str = "") -> Any:
        tokens.append(access_token)
        return say(said) if access_token == "t1" else "alive"

    assert asyncio.run(call()) == "alive"
    assert tokens == ["t1", "t2"]


def test_a_coroutine_that_cannot_be_called_again_does_not_stall_the_loop() -> None:
    """Its token is dropped; the next call has the owner told, in a thread, before it asks."""
    threads: list[threading.Thread] = []
    app = ExternalToken(lambda: "t1", lambda value: threads.append(threading.current_thread()))

    @with_access_token(app)
    async def call(rows: Any, access_token: str = "") -> Any:
        return DEAD

    assert asyncio.run(call(iter([1]))) is DEAD
    assert threads == []
    asyncio.run(call(iter([1])))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


class AsyncFile:
    """A file as aiofiles and anyio open it; `tell` or `seek` may also be plain."""

    def __init__(self, *plain: str) -> None:
        self._file = io.BytesIO(b"picture")
        for name in plain:
            setattr(self, name, getattr(self._file, name))

    async def read(self) -> bytes:
        return self._file.read()

    async def seek(self, position: int) -> int:
        return self._file.seek(position)

    async def tell(self) -> int:
        return self._file.tell()


async def pieces() -> Any:
    yield b"picture"


class OddFile(io.BytesIO):
    """It says where it stands in words of its own."""

    def tell(self) -> Any:
        return "at the start"


async def gather(content: Any) -> bytes:
    if hasattr(content, "__anext__"):
        return b"".join([piece async for piece in content])
    read = content.read()
    return await read if inspect.isawaitable(read) else read  # type: ignore[no-any-return]


ASYNC_STREAMS: dict[str, Callable[[], Any]] = {
    "an async generator": pieces,
    "an async file": AsyncFile,
    "only seek is async": lambda: AsyncFile("tell"),
    "only tell is async": lambda: AsyncFile("seek"),
    "a position that is no number": lambda: OddFile(b"picture"),
}


@pytest.mark.parametrize("make", ASYNC_STREAMS.values(), ids=ASYNC_STREAMS)
def test_what_only_a_coroutine_can_put_back_is_not_sent_again(make: Callable[[], Any]) -> None:
    sent: list[bytes] = []
    owner = Owner()

    @with_access_token(owner.app)
    async def upload(content: Any, access_token: str = "") -> Any:
        sent.append(await gather(content))
        return DEAD if access_token == "t1" else {"errcode": 0}

    assert asyncio.run(upload(make())) is DEAD
    gc.collect()  # a coroutine that nobody awaited would warn, which is an error here
    assert sent == [b"picture"]
    assert asyncio.run(upload(make())) == {"errcode": 0}, "the dead token is dropped"


def fetching() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "wecom-auth"]


@pytest.mark.parametrize("fetched", [False, True])
def test_a_cancelled_coroutine_is_cancelled(fetched: bool, app: ExternalToken) -> None:
    """Also where the token arrives in the same moment."""

    @with_access_token(app)
    async def call(access_token: str = "") -> Any:
        await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        for thread in fetching() if fetched else ():
            thread.join()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)

    asyncio.run(story())


def test_a_coroutine_with_a_token_of_the_callers(app: ExternalToken) -> None:
    decorated = with_access_token(app)(Api.coroutine.__wrapped__)  # type: ignore[attr-defined]
    assert asyncio.run(decorated(None, "a", "mine")) == "mine"


# --- threads ---


def test_many_threads_share_one_fetch() -> None:
    with platform() as (fake, app):

        @with_access_token(app)
        def call(access_token: str = "") -> Any:
            params = {"access_token": access_token, "userid": "a"}
            return requests.get(f"{app.base_url}/cgi-bin/user/get", params=params).json()

        with ThreadPoolExecutor(8) as pool:
            assert {r["errcode"] for r in pool.map(lambda _: call(), range(16))} == {0}
            fake.revoke()
            assert {r["errcode"] for r in pool.map(lambda _: call(), range(16))} == {0}
        assert fake.gettoken_calls == 2


def test_decorated_functions_may_call_each_other(app: ExternalToken) -> None:
    @with_access_token(app)
    def inner(access_token: str = "") -> Any:
        return access_token

    @with_access_token(app)
    def outer(access_token: str = "") -> Any:
        return access_token, inner(), inner(access_token=access_token)

    assert outer() == ("t1", "t1", "t1")


# --- bad input ---


def generator(access_token: str = "") -> Any:
    yield access_token


async def agenerator(access_token: str = "") -> Any:
    yield access_token


def without(userid: str) -> None:
    """It has no place for a token."""


def positional(userid: str, access_token: str = "", /) -> None:
    """It cannot take one by name."""


def gathered(*access_token: str) -> None:
    """It takes many."""


class Callable_:  # noqa: N801
    """An object that can be called."""

    def __call__(self, access_token: str = "") -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (generator, "generator is a generator: it cannot be called again"),
        (agenerator, "agenerator is a generator"),
        (without, r'without needs a parameter for the token: access_token: str = ""'),
        (positional, "positional must take access_token by name"),
        (gathered, "gathered must take access_token by name"),
        (classmethod(token), "below @classmethod"),
        (staticmethod(token), "below @classmethod"),
        (functools.partial(token), "goes on a function or method"),
        (Callable_(), "goes on a function or method"),
        (Api, "goes on a function or method"),
        (None, "goes on a function or method"),
        ("text", "goes on a function or method"),
    ],
)
def test_what_cannot_be_decorated(function: Any, message: str, app: ExternalToken) -> None:
    with pytest.raises(TypeError, match=message):
        with_access_token(app)(function)


@pytest.mark.parametrize("param", ["", "access-token", None, 5])
def test_what_is_no_parameter(param: Any, app: ExternalToken) -> None:
    with pytest.raises(TypeError, match="param must be the name of a parameter"):
        with_access_token(app, param=param)(token)


@pytest.mark.parametrize("retry", [3, 0, None, "yes"])
def test_what_is_no_answer_to_retry(retry: Any, app: ExternalToken) -> None:
    with pytest.raises(TypeError, match="retry must be True, False or a Retry"):
        with_access_token(app, retry=retry)


async def later() -> Any:
    """A source that has to be awaited."""


@pytest.mark.parametrize("source", [None, "corpid", AppCredential, TokenSource, later, {}])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(
        TypeError, match="source must be a TokenSource, a credential, or a function"
    ):
        with_access_token(source)


def test_a_function_that_gives_no_source() -> None:
    call = with_access_token(lambda: "corpid")(token)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="credential must be"):
        call()


def test_the_parentheses_forgotten() -> None:
    with pytest.raises(TypeError, match=r"source is missing: write @with_access_token\(app\)"):
        with_access_token(token)  # type: ignore[arg-type]


def test_a_source_function_without_a_signature_is_asked() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the words are CPython's, and change)
        inspect.signature(getattr)

    @with_access_token(getattr)
    def call(owner: Owner, name: str, access_token: str = "") -> str:
        return access_token

    assert call(Owner(), "app") == "t1"


@pytest.mark.parametrize(
    "mistake",
    [
        lambda leak: with_access_token({"corpsecret": leak}),  # type: ignore[arg-type]
        lambda leak: with_access_token(leak),
        lambda leak: with_access_token(ExternalToken(str), retry=leak),
        lambda leak: with_access_token(ExternalToken(str), param=f"{leak} "),
        lambda leak: with_access_token(ExternalToken(str))(leak),
    ],
)
def test_no_mistake_shows_what_it_was_given(mistake: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as caught:
        mistake("a secret or a token")(token)
    assert "a secret or a token" not in str(caught.value)


def test_control_without_healing_a_dead_token_is_the_callers_matter(
    monkeypatch: pytest.MonkeyPatch, app: ExternalToken
) -> None:
    monkeypatch.setattr(decorator, "drive", lambda *_: decorator._Outcome(DEAD))

    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        return DEAD if access_token == "t1" else "alive"

    assert call() is DEAD


def test_a_coroutine_rejected_again_gives_what_was_said_last() -> None:
    calls: list[str] = []
    owner = Owner()

    @with_access_token(owner.app)
    async def call(access_token: str = "") -> Any:
        calls.append(access_token)
        return DEAD | {"call": len(calls)}

    assert asyncio.run(call())["call"] == 2
    assert calls == ["t1", "t2"]
    asyncio.run(call())
    assert calls[2:] == ["t3", "t4"], "the second one was dropped too"


def test_a_coroutine_without_another_token_gives_what_was_said() -> None:
    @with_access_token(ExternalToken(lambda: "always-the-same"))
    async def call(access_token: str = "") -> Any:
        return DEAD

    assert asyncio.run(call()) is DEAD


class _Uploader:
    def __init__(self, file, log):
        self.file, self.log, self.arrived = file, log, []

    @with_access_token(lambda self: self.source)
    def upload(self, access_token: str = ""):
        self.log.write("tried\n")
        self.arrived.append(self.file.read())
        return {"errcode": 40014 if len(self.arrived) == 1 else 0}


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_on_an_object_is_read_again_whole_and_its_log_stays(in_memory, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(b"...picture")
    with (
        io.BytesIO(b"...picture") if in_memory else path.open("rb") as file,
        (tmp_path / "log").open("w") as log,
    ):
        file.seek(3)
        uploader = _Uploader(file, log)
        tokens = iter(["first", "second"])
        uploader.source = TokenSource(ExternalToken(lambda: next(tokens)))
        assert uploader.upload() == {"errcode": 0}
    assert (tmp_path / "log").read_text() == "tried\ntried\n"
    assert uploader.arrived == [b"picture", b"picture"]


def test_control_without_a_look_at_attributes_the_second_upload_is_empty(monkeypatch):
    monkeypatch.setattr("wecom_auth._call.arguments._note_attributes", lambda *_: True)
    uploader = _Uploader(io.BytesIO(b"picture"), SimpleNamespace(write=print))
    tokens = iter(["first", "second"])
    uploader.source = TokenSource(ExternalToken(lambda: next(tokens)))
    uploader.upload()
    assert uploader.arrived == [b"picture", b""]


class Holder:
    """A user's object that has what it uploads, or its log, as an attribute."""

    def __init__(self, held: Any) -> None:
        self.held, self.closed, self.sent = held, io.BytesIO(), list[Any]()
        self.closed.close()
        self.source = TokenSource(Owner().app)

    @with_access_token(lambda self, *_: self.source)
    def upload(self, access_token: str = "") -> Any:
        self.sent.append(self.held.read() if hasattr(self.held, "read") else list(self.held))
        return DEAD if access_token == "t1" else {"errcode": 0}

    @with_access_token(lambda self, *_: self.source)
    def write(self, line: Any, access_token: str = "") -> Any:
        self.held.write(line)
        return DEAD if access_token == "t1" else {"errcode": 0}

    @with_access_token(lambda self, *_: self.source)
    def count(self, access_token: str = "") -> Any:
        self.sent.append(next(self.held))
        return DEAD if access_token == "t1" else {"errcode": 0}


def on_disk(folder: Path) -> Path:
    path = folder / "picture"
    path.write_bytes(b"...picture")
    return path


def written(file: Any, content: Any = b"...picture", position: int = 3) -> Any:
    file.write(content)
    file.seek(position)
    return file


def temporary(kind: Callable[[], Any]) -> Any:
    return written(kind())


def in_two_bytes_each(folder: Path) -> Any:
    """A text file whose position is more than a number of bytes."""
    path = folder / "text"
    path.write_bytes(codecs.BOM_UTF16_BE + "header\npicture".encode("utf-16-be"))
    file = path.open("r", encoding="utf-16")
    assert file.readline() == "header\n"
    assert file.tell() > 1 << 64
    return file


def in_an_archive(folder: Path) -> Any:
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("picture", b"picture")
    with zipfile.ZipFile(folder / "zip") as archive:
        return archive.open("picture")


HELD: dict[str, Callable[[Path], Any]] = {
    "rb": lambda folder: on_disk(folder).open("rb"),
    "rb, unbuffered": lambda folder: on_disk(folder).open("rb", buffering=0),
    "r": lambda folder: on_disk(folder).open("r"),
    "temporary": lambda _: temporary(tempfile.NamedTemporaryFile),
    "spooled": lambda _: temporary(tempfile.SpooledTemporaryFile),
    "text in two bytes each": in_two_bytes_each,
    "in an archive": in_an_archive,
}


@pytest.mark.parametrize("make", HELD.values(), ids=HELD)
def test_a_held_file_that_is_to_be_read_is_sent_again_whole(
    make: Callable[[Path], Any], tmp_path: Path
) -> None:
    with make(tmp_path) as file:
        holder = Holder(file)
        assert holder.upload() == {"errcode": 0}
    assert len(holder.sent) == 2
    assert holder.sent[0] == holder.sent[1]
    assert holder.sent[0]


def piped(stack: ExitStack) -> Any:
    reading, writing = os.pipe()
    os.write(writing, b"picture")
    os.close(writing)
    return stack.enter_context(os.fdopen(reading, "rb"))


def connected(stack: ExitStack) -> Any:
    """A stream for both ways."""
    ours, theirs = map(stack.enter_context, socket.socketpair())
    theirs.sendall(b"picture")
    theirs.shutdown(socket.SHUT_WR)
    return stack.enter_context(ours.makefile("rwb"))


HELD_ONCE: dict[str, Callable[[ExitStack], Any]] = {
    "a pipe": piped,
    "a connection": connected,
    "an iterator": lambda _: iter([b"picture"]),
    "a generator": lambda _: (piece for piece in [b"picture"]),
}


@pytest.mark.parametrize("make", HELD_ONCE.values(), ids=HELD_ONCE)
def test_a_held_stream_that_cannot_be_put_back_is_not_sent_again(
    make: Callable[[ExitStack], Any],
) -> None:
    with ExitStack() as stack:
        holder = Holder(make(stack))
        assert holder.upload() is DEAD
        assert holder.sent in ([b"picture"], [[b"picture"]])
        assert holder.upload() == {"errcode": 0}, "the dead token is dropped"


def test_a_held_async_generator_is_not_sent_again() -> None:
    assert positions((Holder(pieces()),), {}) is None


def test_a_held_file_that_lost_its_buffer_is_not_asked_twice() -> None:
    text = io.TextIOWrapper(io.BytesIO())
    buffer = text.detach()
    assert positions((Holder(text),), {}) is None
    buffer.close()


LOGS: dict[str, Callable[[Path], Any]] = {
    "w": lambda path: path.open("w"),
    "a": lambda path: path.open("a"),
    "a, each line at once": lambda path: path.open("a", buffering=1),
}
BOTH_WAYS: dict[str, Callable[[Path], Any]] = {
    "w+": lambda path: path.open("w+"),
    "a+": lambda path: path.open("a+"),
    "in memory": lambda _: io.StringIO(),
}


@pytest.mark.parametrize("make", LOGS.values(), ids=LOGS)
def test_a_held_log_keeps_the_lines_of_both_calls(
    make: Callable[[Path], Any], tmp_path: Path
) -> None:
    with make(tmp_path / "log") as log:
        log.write("before\n")
        assert Holder(log).write("tried\n") == {"errcode": 0}
        log.flush()
    assert (tmp_path / "log").read_text() == "before\ntried\ntried\n"


@pytest.mark.parametrize("make", BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_with_a_held_file_for_both_ways_it_is_not_called_again(
    make: Callable[[Path], Any], tmp_path: Path
) -> None:
    """It may be a log, whose line would be lost, or an upload, which would arrive empty."""
    with make(tmp_path / "file") as file:
        holder = Holder(file)
        assert holder.write("tried\n") is DEAD
        assert holder.write("tried\n") == {"errcode": 0}, "the dead token is dropped"
        file.seek(0)
        assert file.read() == "tried\ntried\n"


def test_bytes_put_together_in_memory_are_put_together_anew() -> None:
    holder = Holder(io.BytesIO())
    assert holder.write(b"picture") == {"errcode": 0}
    assert holder.held.getvalue() == b"picture"


@pytest.mark.parametrize("numbers", [itertools.count(1), itertools.cycle([1, 2])])
def test_held_numbers_without_end_are_no_upload(numbers: Any) -> None:
    holder = Holder(numbers)
    assert holder.count() == {"errcode": 0}
    assert holder.sent == [1, 2]


def test_an_exception_raised_from_one_with_an_errcode_is_healed():
    class PlatformError(Exception):
        errcode = 42001

    calls = []
    tokens = iter(["first", "second"])

    @with_access_token(ExternalToken(lambda: next(tokens)))
    def call(access_token=""):
        calls.append(access_token)
        if len(calls) == 1:
            try:
                raise PlatformError
            except PlatformError as error:
                raise RuntimeError("my own") from error
        return "done"

    assert call() == "done"
    assert calls == ["first", "second"]


# --- together with another way to attach ---


def attached(app: AppCredential) -> requests.Session:
    return attach(requests.Session(), app)


def authorising(app: AppCredential) -> requests.Session:
    session = requests.Session()
    session.auth = WeComAuth(app)
    return session


def installed(app: AppCredential) -> requests.Session:
    return requests.Session()


@pytest.mark.parametrize("make", [attached, authorising, installed])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_with_another_way_inside_one_of_them_calls_again(
    make: Callable[[AppCredential], requests.Session],
    asynchronous: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with platform(mode="rotate") as (fake, app), install(credentials=[app]) as installation:
        if make is not installed:
            installation.uninstall()
        session = make(app)

        def call(access_token: str) -> Any:
            url = f"{app.base_url}/cgi-bin/user/get?userid=a"
            return session.get(url, params={"access_token": access_token}).json()

        @with_access_token(app)
        async def later(access_token: str = "") -> Any:
            return await asyncio.to_thread(call, access_token)

        @with_access_token(app)
        def now(access_token: str = "") -> Any:
            return call(access_token)

        def made() -> list[str]:
            fake.reset_journal()
            code = (asyncio.run(later()) if asynchronous else now())["errcode"]
            return [f"{each.path} {each.errcode}" for each in fake.journal] + [f"in all {code}"]

        assert made() == ["gettoken 0", "user/get 0", "in all 0"]
        fake.revoke()
        assert made() == ["user/get 40014", "gettoken 0", "user/get 0", "in all 0"]
        with fake.fail("reject"):
            rejected = made()
        assert [each.split()[0] for each in rejected].count("user/get") == 2
        assert rejected[-1] == "in all 40014"
        assert "access_token of its own" not in caplog.text


def test_another_apps_call_inside_is_no_reason_to_give_up() -> None:
    with platform(mode="rotate") as (fake, app):
        other = AppCredential("ww0002", "another", base_url=app.base_url)
        session, url = attach(requests.Session(), other), f"{app.base_url}/cgi-bin/user/get"

        @with_access_token(app)
        def call(access_token: str = "") -> Any:
            session.get(url, params={"userid": "a"})
            query = {"userid": "a", "access_token": access_token}
            return requests.get(url, params=query).json()

        assert call()["errcode"] == 0
        fake.revoke()
        assert call()["errcode"] == 0


# --- the token's parameter in first place ---


def test_a_parameter_in_first_place_never_takes_the_text_for_a_token(app: ExternalToken) -> None:
    @with_access_token(app)
    def send(access_token: str, content: str) -> Any:
        return access_token, content

    class Api:
        @with_access_token(app)
        def send(self, access_token: str, userid: str, content: str) -> Any:
            return access_token, userid, content

    assert send("disk full") == send(content="disk full") == ("t1", "disk full")  # type: ignore[call-arg]
    assert send("mine", "disk full") == send("mine", content="disk full") == ("mine", "disk full")
    assert send("disk full", access_token="mine") == ("mine", "disk full")  # type: ignore[misc]
    assert send("", "disk full") == ("t1", "disk full")
    assert Api().send("a", "text") == Api().send("a", content="text") == ("t1", "a", "text")  # type: ignore[call-arg]
    assert Api().send("mine", "a", "text") == ("mine", "a", "text")
    assert str(inspect.signature(send)) == "(content: 'str') -> 'Any'"


def optional(access_token: str = "", content: str = "") -> None:
    """Which argument is which cannot be told."""


def optional_later(access_token: str, content: str, agentid: int = 0) -> None:
    """Neither here."""


def in_the_middle(userid: str, access_token: str = "", lang: str = "") -> None:
    """Nor here."""


def before_more(access_token: str, *userids: str) -> None:
    """Nor here."""


@pytest.mark.parametrize("function", [optional, optional_later, in_the_middle, before_more])
def test_where_an_argument_could_be_taken_for_the_token_it_is_refused(
    function: Any, app: ExternalToken
) -> None:
    with pytest.raises(TypeError, match=r"put access_token last, with a default, or behind \*"):
        with_access_token(app)(function)


# --- what other libraries return ---


def urlopened(url: str, token: str) -> Any:
    return urllib.request.urlopen(f"{url}/cgi-bin/user/get?userid=a&access_token={token}")


def by_urllib3(url: str, token: str) -> Any:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", f"{url}/cgi-bin/user/get?userid=a&access_token={token}")


def by_urllib3_streaming(url: str, token: str) -> Any:
    target = f"{url}/cgi-bin/user/get?userid=a&access_token={token}"
    return urllib3.PoolManager().request("GET", target, preload_content=False)


@pytest.mark.parametrize("fetch", [urlopened, by_urllib3, by_urllib3_streaming])
def test_what_urllib_and_urllib3_return_is_looked_into(fetch: Callable[[str, str], Any]) -> None:
    with platform() as (fake, app):

        @with_access_token(app)
        def user(access_token: str = "") -> Any:
            return fetch(app.base_url, access_token)

        user().close()
        fake.revoke()
        response = user()
        with closing(response):
            body = response.data if hasattr(response, "data") else response.read()
            assert json.loads(body)["errcode"] == 0


async def read(response: aiohttp.ClientResponse) -> Any:
    async with response:
        await response.read()
    return response


async def unread(response: aiohttp.ClientResponse) -> Any:
    return response


async def status_and_json(response: aiohttp.ClientResponse) -> Any:
    async with response:
        return response.status, await response.json()


@pytest.mark.parametrize("give", [read, unread, status_and_json])
def test_what_aiohttp_returns_is_looked_into(give: Callable[[Any], Any]) -> None:
    with platform() as (fake, app):

        async def story() -> list[Any]:
            async with aiohttp.ClientSession() as session:

                @with_access_token(app)
                async def user(access_token: str = "") -> Any:
                    params = {"access_token": access_token, "userid": "a"}
                    return await give(
                        await session.get(f"{app.base_url}/cgi-bin/user/get", params=params)
                    )

                await user()
                fake.revoke()
                said = await user()
                return said[1] if isinstance(said, tuple) else await said.json()

        assert asyncio.run(story())["errcode"] == 0


class _Unseen:
    """A response whose body is gone."""

    status, headers = 200, {"Content-Type": "application/json"}


async def _coroutine() -> Any:
    return DEAD


@pytest.mark.parametrize("make", [_Unseen, _coroutine])
def test_what_cannot_be_looked_into_is_said_once(
    make: Callable[[], Any], app: ExternalToken, caplog: pytest.LogCaptureFixture
) -> None:
    @with_access_token(app)
    def call(access_token: str = "") -> Any:
        return make()

    for _ in range(3):
        said = call()
        if inspect.iscoroutine(said):
            said.close()
    fetched, line = caplog.messages
    assert "token fetched" in fetched
    assert "call: a rejected token is not seen in the" in line


# --- event loops ---


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("runner", ["its own", "anyio"])
def test_a_coroutine_under_every_event_loop(backend: str, runner: str) -> None:
    with platform() as (fake, app):

        @with_access_token(app)
        async def user(access_token: str = "") -> Any:
            params = {"access_token": access_token, "userid": "a"}
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{app.base_url}/cgi-bin/user/get", params=params)).json()

        async def story() -> list[Any]:
            codes = [(await user())["errcode"]]
            fake.revoke()
            return [*codes, (await user())["errcode"]]

        if runner == "anyio":
            assert anyio.run(story, backend=backend) == [0, 0]
        else:
            assert (trio.run if backend == "trio" else _asyncio_run)(story) == [0, 0]
        assert fake.gettoken_calls == 2


def _asyncio_run(story: Callable[[], Any]) -> Any:
    return asyncio.run(story())


# --- mocks ---


@pytest.mark.parametrize("kind", [Mock, MagicMock, AsyncMock, lambda: MagicMock(spec=io.BytesIO)])
@pytest.mark.parametrize("held", [False, True])
def test_a_mock_is_no_stream_and_is_not_touched(
    kind: Callable[[], Any], held: bool, app: ExternalToken
) -> None:
    mock, said = kind(), iter([DEAD, {"errcode": 0}])

    @with_access_token(app)
    def call(session: Any, access_token: str = "") -> Any:
        return next(said)

    assert call(SimpleNamespace(session=mock) if held else mock) == {"errcode": 0}
    assert mock.mock_calls == []
