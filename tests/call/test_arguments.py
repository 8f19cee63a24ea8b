"""The files among a call's arguments: found, put back, or a reason to make no second call."""

import io
import itertools
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from wecom_auth._call.arguments import Positions, positions, put_back


def file(position: int = 0) -> io.BytesIO:
    body = io.BytesIO(b"a body")
    body.seek(position)
    return body


def found(*args: Any, **kwargs: Any) -> Positions:
    there = positions(args, kwargs)
    assert there is not None
    return there


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


class Uploader:
    def __init__(self, body: Any) -> None:
        self.body = body


@pytest.mark.parametrize(
    "around",
    [
        lambda body: body,
        lambda body: {"media": ("a.png", body)},
        lambda body: deque([None, 1, "text", (body,)]),
        lambda body: nested(body, 8),
        lambda body: [body, *range(63)],
        lambda body: [*range(63), body],
        Uploader,
        lambda body: [MagicMock(), body],
    ],
)
@pytest.mark.parametrize("keyword", [False, True])
def test_a_file_is_put_back_to_where_it_stood(around: Any, keyword: bool) -> None:
    body = file(position=2)
    there = found(files=around(body)) if keyword else found(1, around(body))
    body.read()
    assert put_back(there)
    assert body.read() == b"body"


@pytest.mark.parametrize("position", [0, 63])
def test_a_collection_that_goes_on_after_a_file_may_hold_another(position: int) -> None:
    items: list[Any] = [None] * 65
    items[position] = file()
    assert positions((items,), {}) is None


def test_a_long_collection_is_data() -> None:
    assert found([None] * 64 + [file()]) == []
    assert len(found(file(), ["data"] * 65)) == 1


def test_what_lies_too_deep_is_data() -> None:
    assert found(nested(file(), 9)) == []


def reader() -> Iterator[bytes]:
    yield b"a body"


class Pipe(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


class AsyncFile:
    async def seek(self, position: int) -> None: ...

    async def tell(self) -> int:
        return 0


class TellsLater:
    def seek(self, position: int) -> None: ...

    async def tell(self) -> int:
        return 0


class OnlyRead:
    def read(self) -> bytes:
        return b""


@pytest.mark.parametrize("make", [reader, Pipe, AsyncFile, TellsLater, OnlyRead])
def test_what_cannot_be_put_back_is_sent_once(make: Any) -> None:
    assert positions((make(),), {}) is None
    assert positions(([make()],), {}) is None


@pytest.mark.parametrize("make", [reader, Pipe])
def test_on_an_argument_too(make: Any) -> None:
    assert positions((Uploader(make()),), {}) is None


def closed() -> io.BytesIO:
    body = file()
    body.close()
    return body


@pytest.mark.parametrize("make", [itertools.count, lambda: itertools.cycle([1]), closed])
def test_what_a_client_keeps_for_itself_is_left_alone(make: Any) -> None:
    assert found(Uploader(make())) == []


def test_a_log_open_for_writing_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        assert found(Uploader(log)) == []
    with (tmp_path / "log").open("w+") as both:
        assert positions((Uploader(both),), {}) is None
    with (tmp_path / "log").open() as read:
        assert len(found(Uploader(read))) == 1
    with tempfile.NamedTemporaryFile() as temporary, tempfile.SpooledTemporaryFile() as spooled:
        assert len(found(Uploader(temporary), Uploader(spooled))) == 2


def test_a_detached_file_is_no_second_call() -> None:
    text = io.TextIOWrapper(file())
    text.detach()
    assert positions((Uploader(text),), {}) is None


def test_a_file_closed_meanwhile_cannot_be_put_back() -> None:
    body = file()
    there = found(body)
    body.close()
    assert not put_back(there)
    assert put_back(None)
    assert put_back([])
