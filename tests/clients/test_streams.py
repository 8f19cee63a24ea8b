"""A stream that was looked into is given back whole, and a large one is never read ahead."""

from __future__ import annotations

import gc
import gzip
import io
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import permutations
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests
import urllib3
from covering import covering
from requests.adapters import BaseAdapter
from ways import SESSION_WAYS, Client, all_ways, head, platform, raw_server, warm

from wecom_auth import ExternalToken, WeComAuth, attach
from wecom_auth._clients.requests import answer as answers
from wecom_auth._clients.requests import peek as peeking
from wecom_auth._http.verdict import BODY_LIMIT

JSON = {"Content-Type": "application/json"}


def body_of(size: int) -> bytes:
    """JSON lines of so many bytes, in which no piece is like another."""
    lines = b"".join(b'{"errcode":0,"n":%d}\n' % n for n in range(size // 17 + 1))
    return lines[:size]


SIZES = {
    "empty": 0,
    "small": 200,
    "to the limit": BODY_LIMIT,
    "one over": BODY_LIMIT + 1,
    "large": 30_000,
}
CODINGS: dict[str, tuple[dict[str, str], Callable[[bytes], bytes]]] = {
    "plain": (JSON, bytes),
    "chunked": ({**JSON, "Transfer-Encoding": "chunked"}, bytes),
    "gzip": ({**JSON, "Content-Encoding": "gzip"}, gzip.compress),
    "gzip, chunked": (
        {**JSON, "Content-Encoding": "gzip", "Transfer-Encoding": "chunked"},
        gzip.compress,
    ),
    "deflate": ({**JSON, "Content-Encoding": "deflate"}, zlib.compress),
    "unknown": ({**JSON, "Content-Encoding": "x-own"}, bytes),
}


def pieces_then_rest(response: requests.Response) -> Any:
    with response:
        first = response.raw.read(5, decode_content=False)
        return first + response.raw.read(decode_content=False)


def into(response: requests.Response) -> Any:
    buffer = bytearray(64)
    count = response.raw.readinto(buffer)
    return bytes(buffer[:count])


def closed_early(response: requests.Response) -> Any:
    with response:
        return next(response.iter_content(10), b"")[:1]


def as_file(response: requests.Response) -> Any:
    """As `shutil.copyfileobj(response.raw, file)` does."""
    response.raw.decode_content = True
    return list(iter(lambda: response.raw.read(4096), b""))


READERS: dict[str, Callable[[requests.Response], Any]] = {
    "content": lambda r: r.content,
    "text": lambda r: r.text,
    "by bytes": lambda r: b"".join(r.iter_content(1)),
    "by pieces": lambda r: b"".join(r.iter_content(1000)),
    "as it comes": lambda r: b"".join(r.iter_content(None)),
    "lines": lambda r: list(r.iter_lines()),
    "decoded text": lambda r: "".join(r.iter_content(777, decode_unicode=True)),
    "raw.read()": lambda r: r.raw.read(),
    "raw.read, encoded": lambda r: r.raw.read(decode_content=False),
    "raw.read, decoded": lambda r: r.raw.read(decode_content=True),
    "raw.read by pieces": lambda r: list(iter(lambda: r.raw.read(1000), b"")),
    "raw.read1": lambda r: b"".join(iter(lambda: r.raw.read1(1000), b"")),
    "raw.stream": lambda r: b"".join(r.raw.stream(1000, decode_content=True)),
    "raw.stream, encoded": lambda r: b"".join(r.raw.stream(1000, decode_content=False)),
    "raw.readinto": into,
    "a piece, then the rest": pieces_then_rest,
    "as a file": as_file,
    "closed early": closed_early,
    "its headers": lambda r: (dict(r.raw.headers), r.raw.status, r.raw.reason, r.raw.version),
    "its URL": lambda r: (r.raw.url.partition("?")[0], r.raw.geturl()[:9], r.raw.retries.total),
}


@contextmanager
def both(way: str, answer: Any) -> Iterator[tuple[requests.Response, requests.Response]]:
    """The same stream by plain requests and by one of the ways."""
    with platform() as (fake, app):
        fake.route("odd", answer, check_token=False)
        plain = requests.get(f"{app.base_url}/cgi-bin/odd", stream=True, timeout=20)
        with plain, Client(way, app).get("odd", stream=True) as ours:
            yield plain, ours


@covering(read=READERS, coding=CODINGS, size=SIZES)
def test_a_stream_reads_as_with_plain_requests(
    read: Callable[[requests.Response], Any], coding: tuple[dict[str, str], Any], size: int
) -> None:
    headers, encode = coding
    with both("attach", (200, headers, encode(body_of(size)))) as (plain, ours):
        assert read(ours) == read(plain)


@all_ways()
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_stream_by_every_way(way: str, read: Callable[[requests.Response], Any]) -> None:
    with both(way, (200, JSON, body_of(300))) as (plain, ours):
        assert read(ours) == read(plain)
        ours.close()
        assert ours.raw.closed


def test_control_without_giving_back_the_start_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(response: requests.Response) -> bytes:
        return bytes(response.raw.read(BODY_LIMIT + 1, decode_content=False))

    monkeypatch.setattr(answers, "peek", greedy)
    with both("attach", (200, JSON, body_of(300))) as (plain, ours):
        assert plain.content == body_of(300)
        assert ours.content == b""


@all_ways()
def test_a_streamed_download_over_a_revocation(way: str) -> None:
    with platform() as (fake, app):
        content = bytes(range(256)) * 4_000
        media = fake.add_media(content, "a.json", "application/json")
        client = Client(way, app)
        warm(client)
        fake.revoke()
        with client.get(f"media/get?media_id={media}", stream=True) as response:
            assert b"".join(response.iter_content(4096)) == content
        part = client.get(f"media/get?media_id={media}", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])


@all_ways()
def test_a_json_file_that_holds_42001(way: str) -> None:
    with platform() as (fake, app):
        content = b'{"errcode":42001,"errmsg":"a line of a log"}'
        media = fake.add_media(content, "log.json", "application/json")
        for stream in (False, True):
            response = Client(way, app).get(f"media/get?media_id={media}", stream=stream)
            assert response.content == content
        assert fake.gettoken_calls == 1


# --- memory ---

LARGE = b"[" + b"0," * 4_000_000 + b"0]"
ZIPPED = gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")
"""10 MB of JSON in 10 KB."""

BODIES: dict[str, tuple[dict[str, str], bytes]] = {
    "8 MB of JSON": (JSON, LARGE),
    "8 MB of anything": ({"Content-Type": "video/mp4"}, LARGE),
    "8 MB in a file": ({**JSON, "Content-Disposition": "attachment"}, LARGE),
    "10 MB in 10 KB": ({**JSON, "Content-Encoding": "gzip"}, ZIPPED),
}


@contextmanager
def measured() -> Iterator[Callable[[], int]]:
    """The most memory that Python has taken since, in bytes."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def most_memory(way: str, headers: dict[str, str], body: bytes) -> int:
    with platform() as (fake, app):
        fake.route("odd", (200, headers, body))
        client = Client(way, app)
        warm(client)
        with measured() as most, client.get("odd", stream=True) as response:
            for _ in range(10):
                response.raw.read(1000, decode_content=False)
            return most()


@all_ways()
@pytest.mark.parametrize(("headers", "body"), BODIES.values(), ids=BODIES)
def test_a_large_stream_is_not_read_ahead(way: str, headers: dict[str, str], body: bytes) -> None:
    assert most_memory(way, headers, body) < 2_000_000


def test_control_an_answer_that_is_simply_read_takes_all_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "_glance", lambda response, codes: response.content)
    assert most_memory("attach", *BODIES["8 MB of anything"]) > 7_000_000
    assert most_memory("attach", *BODIES["10 MB in 10 KB"]) > 9_000_000


@all_ways()
def test_a_zipped_answer_without_stream_is_whole(way: str) -> None:
    with platform() as (fake, app):
        fake.route("odd", (200, {**JSON, "Content-Encoding": "gzip"}, ZIPPED))
        assert len(ZIPPED) < 11_000
        assert len(Client(way, app).get("odd").content) == 10_000_003


# --- what goes wrong in the middle ---


def by(way: str, url: str) -> Callable[..., requests.Response]:
    credential = ExternalToken(lambda: "tok-1234", base_url=url)
    if way == "auth=":
        return lambda **options: requests.get(
            f"{url}/cgi-bin/odd", auth=WeComAuth(credential), **{"timeout": 20, **options}
        )
    session = attach(requests.Session(), credential)
    return lambda **options: session.get(f"{url}/cgi-bin/odd", **{"timeout": 20, **options})


def outcome(call: Callable[[], Any]) -> Any:
    """What it brings, or the kind of error; and whether that tells the token."""
    try:
        return call()
    except requests.RequestException as error:
        return type(error), "tok-1234" in repr((error, error.args, vars(error)))


BROKEN = {
    "less than promised": head(500) + b'{"errcode":0}',
    "far less than promised": head(50_000) + body_of(20_000),
    "a chunk cut off": head(None, "Transfer-Encoding: chunked") + b'40\r\n{"errcode":0',
    "no last chunk": head(None, "Transfer-Encoding: chunked") + b'd\r\n{"errcode":0}\r\n',
    "a chunk of no size": head(None, "Transfer-Encoding: chunked") + b"zz\r\n{}",
    "gzip that is none": head(13, "Content-Encoding: gzip") + b'{"errcode":0}',
    "gzip cut off": head(30, "Content-Encoding: gzip") + gzip.compress(body_of(900))[:30],
    "to the end of the connection": head(None) + b'{"errcode":0}',
    "a rejection cut off": head(500) + b'{"errcode":42001,"errmsg":"',
}


@pytest.mark.parametrize("way", ["auth=", "attach"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_breaks_as_with_plain_requests(
    way: str, stream: bool, answer: bytes
) -> None:
    with raw_server(answer) as url:

        def read(get: Callable[..., requests.Response]) -> Any:
            response = get(stream=stream)
            return b"".join(response.iter_content(64))

        plain = outcome(lambda: read(lambda **o: requests.get(f"{url}/cgi-bin/odd", **o)))
        assert outcome(lambda: read(by(way, url))) == plain


def test_what_came_before_the_break_is_given_back() -> None:
    def before(response: requests.Response) -> bytes:
        got: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            got.extend(response.iter_content(4))
        return b"".join(got)

    with raw_server(BROKEN["far less than promised"]) as url:
        plain = before(requests.get(f"{url}/cgi-bin/odd", stream=True, timeout=20))
        assert len(plain) > BODY_LIMIT
        assert before(by("attach", url)(stream=True)) == plain


@pytest.mark.parametrize("name", ["a chunk cut off", "a chunk of no size", "a rejection cut off"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_answer_closes_in_any_order_of_finalisation(name: str, order: tuple[int, ...]) -> None:
    """The garbage collector closes what it finds, and may find the parts before the whole."""
    with raw_server(BROKEN[name]) as url:
        plain = requests.get(f"{url}/cgi-bin/odd", stream=True, timeout=20)
        plain.raw._fp.fp.close()
        response = by("attach", url)(stream=True)
        buffer = response.raw._fp.fp
        assert isinstance(buffer.raw, peeking._GivenBack), "control: this one was looked into"
        parts = [buffer, buffer.raw, buffer.raw._source]
        for place in order:
            parts[place].close()
        assert [part.closed for part in parts] == [True, True, True]
        assert closing(response) == closing(plain)


def closing(response: requests.Response) -> str:
    """Close what http.client and urllib3 made; return what they say of parts that are closed."""
    try:
        response.raw._fp.close()
        response.raw.close()
    except ValueError as error:
        return str(error)
    return ""


def test_by_read1_too_what_came_before_the_break_comes_first() -> None:
    with raw_server(BROKEN["a rejection cut off"]) as url:
        response = by("attach", url)(stream=True)
        assert response.raw.read1(1000) == b'{"errcode":42001,"errmsg":"'
        with pytest.raises(urllib3.exceptions.ProtocolError):
            response.raw.read1(1000)


@pytest.mark.parametrize("way", ["auth=", "attach"])
def test_a_body_that_does_not_come_times_out_when_it_is_read(way: str) -> None:
    """Without `stream` inside the call, as requests does it; with `stream`, when it is read."""
    with raw_server(head(500) + b'{"errcode":0}', hold=Event()) as url:
        call = by(way, url)
        with pytest.raises(requests.ConnectionError, match="Read timed out") as caught:
            call(timeout=0.2)
        assert "tok-1234" not in repr((caught.value, caught.value.args, vars(caught.value)))
        response = call(timeout=0.2, stream=True)
        with pytest.raises(requests.ConnectionError, match="Read timed out"):
            _ = response.content


def test_the_second_answer_may_break_too() -> None:
    dead = b'{"errcode":42001,"errmsg":"expired"}'
    with (
        platform() as (_fake, _app),
        raw_server(head(len(dead)) + dead, head(500) + b'{"errcode":0}') as url,
    ):
        tokens = iter(["first-token", "second-token"])
        credential = ExternalToken(lambda: next(tokens), base_url=url)
        session = attach(requests.Session(), credential)
        with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
            session.get(f"{url}/cgi-bin/odd")
        assert "second-token" not in repr((caught.value, caught.value.args))


def test_json_of_a_stream() -> None:
    with both("attach", (200, JSON, json.dumps({"errcode": 0, "名": "字"}).encode())) as (_, ours):
        assert ours.json() == {"errcode": 0, "名": "字"}


@all_ways(*SESSION_WAYS)
def test_what_is_no_urllib3_response_is_left_alone(way: str) -> None:
    """An adapter of somebody's own may give anything that reads."""

    class Canned(BaseAdapter):
        def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
            response = requests.Response()
            response.status_code, response.url = 200, str(request.url)
            response.headers["Content-Type"] = "application/json"
            response.request, response.raw = request, io.BytesIO(b'{"errcode":0}')
            return response

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("http://", Canned())
    credential = ExternalToken(lambda: "tok", base_url="http://127.0.0.1:1")
    client = Client(way, credential, session)  # type: ignore[arg-type]
    assert client.get("odd", stream=True).json() == {"errcode": 0}


# --- as it comes ---

STARTS = {
    "errcode first": b'{"errcode":0,"rows":[{"n":1},',
    "rows first": b'{"rows":[{"n":1},',
    "a line": b'{"n":1}\n',
    "a list": b'[{"n":1},',
    "no JSON": b"event: message\n",
}


@contextmanager
def dripping(start: bytes, rest: bytes, go_on: Event) -> Iterator[str]:
    """A server that sends the start of a chunked body, and the rest when it is told to."""

    class Drip(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(head(None, "Transfer-Encoding: chunked"))
            self.request.sendall(b"%x\r\n%s\r\n" % (len(start), start))
            if go_on.wait(20):
                self.request.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))

    with ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            go_on.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("way", ["auth=", "attach"])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_what_has_arrived_of_a_slow_stream_is_given(way: str, start: bytes) -> None:
    go_on = Event()
    with dripping(start, b'{"n":2}]}', go_on) as url:
        pieces = by(way, url)(stream=True).iter_content(None)
        assert next(pieces) == start
        go_on.set()
        assert b"".join(pieces) == b'{"n":2}]}'


@pytest.mark.parametrize("way", ["auth=", "attach"])
@pytest.mark.parametrize("cut", [1, 12, 18, 30])
def test_a_rejection_that_comes_in_two_pieces_is_seen(way: str, cut: int) -> None:
    body, go_on, tokens = b'{"errcode":42001,"errmsg":"expired"}', Event(), iter(["t-1", "t-2"])
    go_on.set()
    with dripping(body[:cut], body[cut:], go_on) as url:
        asked: list[str] = []
        app = ExternalToken(lambda: asked.append(next(tokens)) or asked[-1], base_url=url)
        options = {"auth": WeComAuth(app)} if way == "auth=" else {}
        session = requests.Session() if options else attach(requests.Session(), app)
        assert session.get(f"{url}/cgi-bin/odd", stream=True, **options).content == body
        assert asked == ["t-1", "t-2"]


@all_ways(*SESSION_WAYS)
def test_a_rejected_stream_that_is_final_can_be_read_in_every_way(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        fake.fail("reject")
        raw = client.get("user/get?userid=a", stream=True).raw.read(decode_content=True)
        assert json.loads(raw)["errcode"] == 40014
        pieces = client.get("user/get?userid=a", stream=True).iter_content(7)
        assert json.loads(b"".join(pieces))["errcode"] == 40014


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("way", ["auth=", "attach"])
def test_a_broken_answer_is_collected_without_a_word(way: str, answer: bytes) -> None:
    """Python 3.13 said: Exception ignored ... I/O operation on closed file."""
    with raw_server(answer) as url:

        def job() -> None:
            try:
                by(way, url)(stream=True).content  # noqa: B018
            except requests.RequestException as error:
                kept: list[Any] = [error]
                kept.append(kept)  # as logging, a Future or a retry keeps it

        job()
        gc.collect()  # a warning is an error here
