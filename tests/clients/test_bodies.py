"""A rejected upload arrives whole at the second try, or has none. Never empty, never hung."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from covering import covering
from requests_toolbelt import MultipartEncoder
from ways import SESSION_WAYS, WAYS, Client, Taken, all_ways, platform, warm

from wecom_auth import TokenSource, WeComAuth, with_access_token
from wecom_auth._call import arguments
from wecom_auth._clients import decorator
from wecom_auth._clients.requests import call as replay
from wecom_auth.testing import FakeWeCom

WHOLE = b"The quick brown fox " * 5_000  # more than one write of a socket


class Reiterable:
    """What can be iterated again and again, but does not say where it stands."""

    def __iter__(self) -> Iterator[bytes]:
        yield WHOLE


def advanced(file: Any) -> Any:
    """An open file of which the caller has read the start."""
    file.write(b"header" + WHOLE)
    file.seek(6)
    return file


class Desk(ExitStack):
    """Files of a test, closed after it."""

    folder: Path

    def on_disk(self) -> Any:
        return self.enter_context(advanced((self.folder / "report.bin").open("w+b")))

    def spooled(self) -> Any:
        return self.enter_context(advanced(tempfile.SpooledTemporaryFile()))

    def temporary(self) -> Any:
        return self.enter_context(advanced(tempfile.NamedTemporaryFile()))

    def piped(self) -> Any:
        """A stream that cannot be put back; small enough for the pipe to take it at once."""
        reading, writing = os.pipe()
        os.write(writing, WHOLE[:1000])
        os.close(writing)
        return self.enter_context(os.fdopen(reading, "rb"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk() as files:
        files.folder = tmp_path
        yield files


Make = Callable[[Desk], dict[str, Any]]

REPLAYED: dict[str, Make] = {
    "bytes": lambda _: {"data": WHOLE},
    "str": lambda _: {"data": WHOLE.decode()},
    "bytearray": lambda _: {"data": bytearray(WHOLE)},
    "memoryview": lambda _: {"data": memoryview(WHOLE)},
    "file": lambda desk: {"data": desk.on_disk()},
    "BytesIO": lambda _: {"data": advanced(io.BytesIO())},
    "spooled": lambda desk: {"data": desk.spooled()},
    "temporary": lambda desk: {"data": desk.temporary()},
    "files, open": lambda desk: {"files": {"media": desk.on_disk()}},
    "files, named": lambda desk: {"files": {"media": ("a.txt", desk.on_disk())}},
    "files, listed": lambda desk: {
        "files": [("media", ("a.txt", desk.on_disk(), "text/plain", {"X": "1"}))]
    },
    "files, bytes": lambda _: {"files": {"media": ("a.txt", WHOLE)}},
    "files, BytesIO": lambda _: {"files": {"media": advanced(io.BytesIO())}},
    "files and data": lambda desk: {"files": {"media": desk.on_disk()}, "data": {"a": "1"}},
    "json": lambda _: {"json": {"text": WHOLE.decode()}},
    "form": lambda _: {"data": {"text": WHOLE.decode()}},
}
NOT_REPLAYED: dict[str, Make] = {
    "generator": lambda _: {"data": (piece for piece in [WHOLE, WHOLE])},
    "iterator": lambda _: {"data": iter([WHOLE, WHOLE])},
    "pipe": lambda desk: {"data": desk.piped()},
    "encoder": lambda _: {"data": MultipartEncoder({"media": ("a.txt", WHOLE, "text/plain")})},
}


def end(fake: FakeWeCom) -> None:
    fake.revoke()
    fake.reset_journal()


@covering(way=WAYS, make=REPLAYED, peeked={"whole": False, "streamed": True})
def test_the_body_arrives_whole(way: str, make: Make, peeked: bool, desk: Desk) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        end(fake)
        options = make(desk)
        assert client.upload(**options, stream=peeked).json()["errcode"] == 0
        (body,) = taken.bodies
        assert WHOLE in body or WHOLE.replace(b" ", b"+") in body
        assert b"header" not in body
        first, again = [call for call in fake.journal if call.path == "take"]
        assert (first.errcode, again.errcode) == (40014, 0)
        assert first.body == again.body or "form-data" in first.headers["Content-Type"]
        assert again.headers["Content-Length"] == str(len(body))


@all_ways()
@pytest.mark.parametrize("make", NOT_REPLAYED.values(), ids=NOT_REPLAYED)
def test_what_cannot_be_put_back_is_not_sent_again(way: str, make: Make, desk: Desk) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        end(fake)
        answer = client.upload(**make(desk)).json()
        assert answer["errcode"] == 40014, "the platform's own answer"
        assert taken.bodies == []
        assert len([c for c in fake.journal if c.path == "take"]) == 1
        assert client.upload(**make(desk)).json()["errcode"] == 0, "the next call has a token"
        assert len(taken.bodies) == 1
        assert taken.bodies[0]


@all_ways(*SESSION_WAYS)
def test_what_can_be_iterated_again_but_not_put_back_is_not_sent_again(way: str) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        end(fake)
        assert client.upload(data=Reiterable()).json()["errcode"] == 40014
        assert taken.bodies == []


class ClosesItself(io.BytesIO):
    """A file that some library closes when it has been read."""

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        if not piece:
            self.close()
        return piece


class Unseekable(io.BytesIO):
    """It tells where it stands and, once it has been read, cannot be put back there."""

    def read(self, size: int | None = -1) -> bytes:
        self.begun = True
        return super().read(size)

    def seek(self, *to: Any) -> int:
        if hasattr(self, "begun"):
            raise io.UnsupportedOperation("seek")
        return super().seek(*to)


@all_ways()
@pytest.mark.parametrize("kind", [ClosesItself, Unseekable])
def test_a_file_that_will_not_go_back(way: str, kind: type[io.BytesIO]) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        end(fake)
        assert client.upload(data=kind(WHOLE)).json()["errcode"] == 40014
        assert taken.bodies == []


def test_the_way_back_is_to_where_it_stood_and_not_to_the_start(desk: Desk) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client("attach", app)
        warm(client)
        end(fake)
        file = desk.on_disk()
        client.upload(data=file)
        assert file.tell() == 6 + len(WHOLE), "as plain requests leaves it"
        assert taken.bodies == [WHOLE]


@all_ways()
def test_a_file_is_not_touched_when_nothing_is_resent(way: str, desk: Desk) -> None:
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        file = desk.on_disk()
        assert client.upload(data=file).json()["errcode"] == 0
        assert file.tell() == 6 + len(WHOLE)
        file.seek(6)
        fake.fail(500)
        assert client.upload(data=file).json()["errcode"] == 500
        assert file.tell() == 6 + len(WHOLE)
        assert taken.bodies == [WHOLE]


@all_ways()
def test_no_fresh_token_leaves_the_file_where_requests_left_it(way: str, desk: Desk) -> None:
    with platform() as (fake, app):
        Taken(fake)
        client = Client(way, app)
        warm(client)
        end(fake)
        fake.fail(40001, path="gettoken")
        file = desk.on_disk()
        assert client.upload(data=file).json()["errcode"] == 40014
        assert file.tell() == 6 + len(WHOLE)


@all_ways()
def test_the_first_upload_of_all_is_whole(way: str, desk: Desk) -> None:
    """gettoken comes between the caller's call and the body."""
    with platform() as (fake, app):
        taken = Taken(fake)
        Client(way, app).upload(data=desk.on_disk())
        assert taken.bodies == [WHOLE]
        assert fake.rejections == 0


@all_ways()
def test_media_upload_over_a_revocation(way: str, desk: Desk) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.revoke()
        file = desk.on_disk()
        answer = client.post("media/upload?type=file", files={"media": ("r.bin", file)})
        assert answer.json()["errcode"] == 0
        assert [upload.content for upload in fake.uploads] == [WHOLE]


@all_ways(*SESSION_WAYS)
def test_a_prepared_upload_sent_again_and_again(way: str) -> None:
    """Prepared with an auth it holds an old token, which is replaced at each send."""
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        request = requests.Request("POST", f"{app.base_url}/cgi-bin/take", data=b"twice")
        if way == "auth=":
            request.auth = WeComAuth(app)
        prepared = client.session.prepare_request(request)
        assert client.session.send(prepared).json()["errcode"] == 0
        fake.revoke()
        for _ in range(3):
            assert client.session.send(prepared).json()["errcode"] == 0
        assert taken.bodies == [b"twice"] * 4
        assert fake.gettoken_calls == 2


def test_a_stale_request_whose_second_token_is_dead_too_is_not_stuck() -> None:
    """Two requests a call at most, so one send is lost; the next has a fresh token."""
    with platform() as (fake, app):
        taken, client = Taken(fake), Client("auth=", app)
        auth, url = WeComAuth(app), f"{app.base_url}/cgi-bin/take"
        stale = client.session.prepare_request(requests.Request("POST", url, auth=auth))
        for _ in range(2):
            fake.revoke()
            client.session.send(stale)
        assert client.session.send(stale).json()["errcode"] == 0
        assert len(taken.bodies) == 2


def test_control_without_dropping_the_second_token_a_stale_request_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with platform() as (fake, app):
        Taken(fake)
        source, url = TokenSource(app), f"{app.base_url}/cgi-bin/take"
        request = requests.Request("POST", url, auth=WeComAuth(source))
        stale = requests.Session().prepare_request(request)
        first = source.get().value
        drop = TokenSource.invalidate
        monkeypatch.setattr(
            TokenSource, "invalidate", lambda self, v: drop(self, v) if v == first else None
        )
        for _ in range(2):
            fake.revoke()
            requests.Session().send(stale)
        for _ in range(5):
            assert requests.Session().send(stale).json()["errcode"] == 40014


# --- controls ---


def attempt(client: Client, **options: Any) -> str:
    """What became of an upload, in one word."""
    try:
        answer = client.upload(timeout=0.4, **options).json()
    except requests.RequestException as error:
        return type(error).__name__
    return str(answer["errcode"])


@all_ways(*SESSION_WAYS)
def test_control_without_the_rewind_a_file_hangs(
    way: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "rewind", lambda request: True)
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        fake.revoke()
        assert attempt(client, data=desk.on_disk()) in ("ReadTimeout", "ConnectionError")
        assert taken.bodies == []


@all_ways(*SESSION_WAYS)
def test_control_without_the_question_a_generator_arrives_empty(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "is_replayable", lambda request: True)
    monkeypatch.setattr(replay, "rewind", lambda request: True)
    with platform() as (fake, app):
        taken, client = Taken(fake), Client(way, app)
        warm(client)
        fake.revoke()
        assert attempt(client, data=iter([WHOLE])) == "0", "reported as a success"
        assert taken.bodies == [b""]


def test_control_without_the_positions_a_decorated_upload_arrives_empty(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decorator, "positions", lambda args, kwargs: [])
    with platform() as (fake, app):
        taken, client = Taken(fake), Client("decorator", app)
        warm(client)
        fake.revoke()
        assert attempt(client, data=desk.on_disk()) == "0"
        assert taken.bodies == [b""]


def test_control_a_rewind_to_the_start_sends_what_the_caller_had_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_the_start(request: requests.PreparedRequest) -> bool:
        request.body.seek(0)  # type: ignore[union-attr]
        request.headers.pop("Content-Length", None)
        request.headers["Transfer-Encoding"] = "chunked"
        return True

    monkeypatch.setattr(replay, "rewind", to_the_start)
    with platform() as (fake, app):
        taken, client = Taken(fake), Client("attach", app)
        warm(client)
        fake.revoke()
        attempt(client, data=desk.on_disk())
        assert taken.bodies == [b"header" + WHOLE]


# --- the decorator's arguments ---


class Sheet:
    """A user's class that holds a file where nobody looks."""

    def __init__(self, file: Any) -> None:
        self.file = file


def reading(value: Any) -> bytes:
    """All bytes of the files in an argument, as a function would send them."""
    if isinstance(value, dict):
        return b"".join(map(reading, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return b"".join(map(reading, value))
    if hasattr(value, "read"):
        piece = value.read()
        return piece if isinstance(piece, bytes) else piece.encode()
    if isinstance(value, bytes):
        return value
    return b"".join(map(repr_of, value)) if hasattr(value, "__next__") else b""


def repr_of(row: Any) -> bytes:
    return repr(row).encode()


def file() -> io.BytesIO:
    return advanced(io.BytesIO())  # type: ignore[no-any-return]


PUT_BACK: dict[str, Callable[[Desk], Any]] = {
    "a file": lambda _: file(),
    "in a dict": lambda _: {"media": file()},
    "in a tuple": lambda _: ("a.txt", file(), "text/plain"),
    "files=": lambda _: {"media": ("a.txt", file())},
    "files= listed": lambda _: [("media", ("a.txt", file())), ("media", ("b.txt", file()))],
    "in options": lambda _: {"options": {"files": [("media", ("a.txt", file()))]}},
    "a set": lambda _: {file(), file()},
    "text": lambda _: advanced_text(),
    "beside data": lambda _: [1, 2.0, None, True, "x", b"y", {"a": [1, 2, 3]}, file()],
}
NOT_PUT_BACK: dict[str, Callable[[Desk], Any]] = {
    "a generator": lambda _: (piece for piece in [b"x"]),
    "an iterator in a dict": lambda _: {"rows": iter([b"x"])},
    "csv.reader": lambda _: csv.reader(["a,b", "c,d"]),
    "csv.DictReader": lambda _: csv.DictReader(["a,b", "c,d"]),
    "map": lambda _: map(str, [1, 2]),
    "a pipe": lambda desk: desk.piped(),
    "an encoder": lambda _: MultipartEncoder({"media": ("a.txt", WHOLE, "text/plain")}),
    "an unseekable": lambda _: Unseekable(WHOLE),
    "a closed file": lambda _: closed(),
    "many files": lambda _: [file() for _ in range(100)],
}


def advanced_text() -> io.StringIO:
    text = io.StringIO("header" + WHOLE.decode())
    text.seek(6)
    return text


def closed() -> io.BytesIO:
    gone = io.BytesIO(WHOLE)
    gone.close()
    return gone


def decorated(app: Any, sent: list[bytes]) -> Any:
    @with_access_token(app)
    def send(*args: Any, access_token: str = "", **kwargs: Any) -> dict[str, Any]:
        values = [*args, *kwargs.values()]
        shut = any(getattr(value, "closed", False) for value in values)
        sent.append(b"" if shut else b"".join(map(reading, values)))
        url = f"{app.base_url}/cgi-bin/take?access_token={access_token}"
        answer: dict[str, Any] = requests.post(url, data=sent[-1], timeout=20).json()
        return answer

    return send


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("make", PUT_BACK.values(), ids=PUT_BACK)
def test_a_decorated_function_finds_its_files_where_they_stood(
    make: Callable[[Desk], Any], by_name: bool, desk: Desk
) -> None:
    with platform() as (fake, app):
        taken, sent = Taken(fake), list[bytes]()
        send = decorated(app, sent)
        send()
        fake.revoke()
        answer = send(content=make(desk)) if by_name else send(make(desk))
        assert answer["errcode"] == 0
        assert len(sent) == 3
        assert sent[1] == sent[2]
        assert taken.bodies[-1].count(WHOLE) >= 1


@pytest.mark.parametrize("make", NOT_PUT_BACK.values(), ids=NOT_PUT_BACK)
def test_a_decorated_function_is_not_called_again_without_its_input(
    make: Callable[[Desk], Any], desk: Desk
) -> None:
    with platform() as (fake, app):
        taken, sent = Taken(fake), list[bytes]()
        send = decorated(app, sent)
        send()
        fake.revoke()
        assert send(make(desk))["errcode"] == 40014
        assert len(sent) == 2
        assert len(taken.bodies) == 1
        assert send(b"next")["errcode"] == 0


def test_a_path_is_opened_again_by_the_function(desk: Desk) -> None:
    assert arguments.positions((desk.folder, object()), {"x": range(3)}) == []


def test_what_an_object_holds_to_be_read_is_put_back() -> None:
    held = file()
    assert arguments.positions((Sheet(held),), {}) == [(held, held.tell())]


def test_control_an_iterator_would_be_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decorator, "positions", lambda args, kwargs: [])
    with platform() as (fake, app):
        taken, sent = Taken(fake), list[bytes]()
        send = decorated(app, sent)
        send()
        fake.revoke()
        assert send(csv.reader(["a,b"]))["errcode"] == 0
        assert taken.bodies[-1] == b""


def test_the_ways_are_all_here() -> None:
    assert set(SESSION_WAYS) < set(WAYS)
