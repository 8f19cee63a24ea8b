"""A rejected call of httpx arrives whole at the second try, or its rejection is given back."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx_ways import LIBRARIES, Talk, World, for_all, taken

from wecom_auth.testing import Server

WHOLE = b"The quick brown fox " * 5_000


def advanced(content: bytes, start: int) -> io.BytesIO:
    file = io.BytesIO(content)
    file.seek(start)
    return file


def on_disk(folder: Path, start: int = 0) -> Any:
    path = folder / "report.bin"
    path.write_bytes(WHOLE)
    file = path.open("rb")
    file.seek(start)
    return file


def pipe() -> Any:
    reading, writing = os.pipe()
    os.write(writing, WHOLE[:1000])
    os.close(writing)
    return os.fdopen(reading, "rb")


def pieces() -> Iterator[bytes]:
    yield WHOLE[:7]
    yield WHOLE[7:]


async def apieces() -> AsyncIterator[bytes]:
    yield WHOLE[:7]
    yield WHOLE[7:]


class Once:
    """An iterator that has no position, and is used up after one walk."""

    def __init__(self) -> None:
        self._pieces = iter([WHOLE])

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *where: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


class OneWay(io.BytesIO):
    """Cannot be put back when it is wanted."""

    is_gone = False

    def seek(self, *where: int) -> int:
        if self.is_gone:
            raise ValueError("I/O operation on closed file")
        return super().seek(*where)


PLAIN: dict[str, tuple[Callable[[], dict[str, Any]], bytes]] = {
    "json": (lambda: {"json": [1]}, b"[1]"),
    "bytes": (lambda: {"content": WHOLE}, WHOLE),
    "str": (lambda: {"content": "你好"}, "你好".encode()),
    "form": (lambda: {"data": {"a": "1"}}, b"a=1"),
    "nothing": (dict, b""),
}

FILES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda folder: ("a.bin", WHOLE),
    "open file": lambda folder: on_disk(folder),
    "advanced file": lambda folder: on_disk(folder, 300),
    "BytesIO": lambda folder: ("a.bin", io.BytesIO(WHOLE)),
    "advanced BytesIO": lambda folder: ("a.bin", advanced(WHOLE, 300)),
}


async def revoked(talk: Talk, **options: Any) -> Any:
    """Make a call whose token has just been revoked."""
    await talk.warm()
    talk.world.fake.revoke()
    return (await talk.post("take", **options)).json()["errcode"]


@for_all()
def test_a_plain_body_arrives_whole_once(world: World):
    async def body(talk: Talk) -> list[int]:
        return [await revoked(talk, **options()) for options, _ in PLAIN.values()]

    with taken(world.fake) as bodies:
        assert world.run(body) == [0] * len(PLAIN)
    assert bodies == [arrives for _, arrives in PLAIN.values()]
    assert world.fake.rejections == len(PLAIN)


@for_all()
def test_multipart_arrives_whole_once(world: World, tmp_path: Path):
    async def body(talk: Talk) -> None:
        for made in FILES.values():
            await talk.warm()
            world.fake.revoke()
            file = made(tmp_path)
            answer = await talk.post("media/upload?type=file", files={"media": file})
            assert answer.json()["errcode"] == 0
            if not isinstance(file, tuple):
                file.close()

    world.run(body)
    assert [upload.content for upload in world.fake.uploads] == [WHOLE] * len(FILES)


@for_all(modes=("sync",))
@pytest.mark.parametrize("kind", ["file", "BytesIO", "list"])
def test_a_file_arrives_from_where_it_stood(world: World, kind: str, tmp_path: Path):
    file = on_disk(tmp_path) if kind == "file" else io.BytesIO(WHOLE)
    # httpx, and httpx2 until late, state the length of the whole file, wherever it stands.
    knows = hasattr(world.library._utils, "peek_filelike_remaining_length")
    start = 300 if knows and kind != "list" else 0
    file.seek(start)
    with taken(world.fake) as bodies, file:
        content = [WHOLE[:7], WHOLE[7:]] if kind == "list" else file
        assert world.run(lambda talk: revoked(talk, content=content)) == 0
    assert bodies == [WHOLE[start:]]


@for_all()
def test_a_body_that_cannot_go_again_gives_the_rejection_back(world: World):
    async def body(talk: Talk) -> None:
        for made in (pieces, Once) if world.is_sync else (apieces,):
            assert await revoked(talk, content=made()) == 40014
            assert bodies == []
            assert (await talk.post("take", content=made())).json()["errcode"] == 0
            assert bodies.pop() == WHOLE

    with taken(world.fake) as bodies:
        world.run(body)
    assert world.fake.gettoken_calls == 3 if world.is_sync else 2  # the dead ones were dropped


@for_all(modes=("sync",))
def test_multipart_over_a_pipe_is_never_sent_short(world: World):
    with taken(world.fake) as bodies, pipe() as piped:
        for file in (Unseekable(WHOLE), piped):
            options: dict[str, Any] = {"files": {"media": ("a.bin", file)}}
            options["headers"] = {"Transfer-Encoding": "chunked"}
            assert world.run(lambda talk, o=options: revoked(talk, **o)) == 40014
    assert bodies == []


@for_all(modes=("sync",))
def test_a_file_that_is_not_put_back_gives_the_rejection_back(world: World):
    file = OneWay(WHOLE)

    def reject(request: Any) -> dict[str, Any]:
        file.is_gone = True
        return {"errcode": 42001}

    world.fake.route("take", reject)
    assert world.run(lambda talk: revoked_not(talk, content=file)) == 42001


async def revoked_not(talk: Talk, **options: Any) -> Any:
    return (await talk.post("take", **options)).json()["errcode"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_control_an_auth_that_sends_again_loses_the_answer(library: Any, wecom_server: Server):
    class Naive(library.Auth):  # type: ignore[misc]
        def auth_flow(self, request: Any) -> Any:
            yield request
            yield request

    url = f"{wecom_server.url}/cgi-bin/take"
    for content in (pieces(), io.BytesIO(WHOLE)):
        with (
            library.Client(trust_env=False) as client,
            pytest.raises(Exception, match=r"Too little data|already been streamed"),
        ):
            client.post(url, content=content, auth=Naive())
