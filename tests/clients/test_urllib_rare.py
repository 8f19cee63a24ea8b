"""What happens rarely with urllib: errors, fragments, answers that a look meets half-way."""

from __future__ import annotations

import io
import urllib.error
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.request import BaseHandler, ProxyHandler, Request, build_opener
from urllib.response import addinfourl

import pytest
from loopback import GET, with_token
from ways import head, platform, raw_server

from wecom_auth import attach
from wecom_auth._clients.urllib import peek
from wecom_auth._clients.urllib.wire import is_outgoing
from wecom_auth._clients.urllib.wire import with_token as at_url
from wecom_auth.urllib import WeComHandler

CODES = frozenset({40014})


def opener(app: Any, *handlers: Any) -> Any:
    return attach(build_opener(ProxyHandler({}), *handlers), app)


class Raises(BaseHandler):
    """A handler below ours that raises an answer instead of returning it."""

    handler_order = 499

    def http_open(self, request: Any) -> Any:
        if "user/get" not in request.full_url:
            return None
        raise urllib.error.HTTPError(request.full_url, 500, "oops", Message(), io.BytesIO(b"oops"))


def test_an_error_shows_no_token_whoever_raises_it() -> None:
    with platform() as (_, app):
        client = opener(app, Raises())
        with pytest.raises(urllib.error.HTTPError) as caught:
            client.open(f"{app.base_url}/cgi-bin/user/get?userid=a", timeout=20)
        with caught.value as error:
            assert {error.url, error.filename} == {f"{app.base_url}/cgi-bin/user/get?userid=a"}


def test_an_opener_in_which_nobody_sends_answers_with_none() -> None:
    client = opener(with_token("http://127.0.0.1:9"))
    for handlers in client.handle_open.values():
        handlers[:] = [each for each in handlers if type(each).__name__ != "HTTPHandler"]
    with pytest.raises(urllib.error.URLError, match="unknown url type"):
        client.open(f"http://127.0.0.1:9/{GET}", timeout=20)


class Once(io.BytesIO):
    def seek(self, *_: Any) -> int:
        raise OSError("cannot be put back")


def test_the_first_answer_stands_where_a_file_cannot_be_put_back() -> None:
    with platform() as (fake, app):
        client = opener(app)
        client.open(f"{app.base_url}/{GET}", timeout=20).close()
        fake.revoke()
        request = Request(f"{app.base_url}/cgi-bin/take", Once(b"{}"), {"Content-Length": "2"})
        with client.open(request, timeout=20) as answer:
            assert b"40014" in answer.read()


def test_a_fragment_goes_to_a_proxy_with_the_token_before_it() -> None:
    request = Request("http://a.example/cgi-bin/x?a=b#part")
    request.set_proxy("proxy.example:80", "http")
    outgoing = at_url(request, "access_token", "T")
    assert outgoing.selector == "http://a.example/cgi-bin/x?a=b&access_token=T#part"
    assert outgoing.full_url == "http://a.example/cgi-bin/x?a=b&access_token=T#part"
    assert is_outgoing(outgoing)


# --- looking ---


def answer(text: bytes, error: Exception | None = None) -> HTTPResponse:
    """An answer whose connection fails after these bytes."""

    class Connection(io.RawIOBase):
        left = io.BytesIO(text)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            read = self.left.readinto(buffer)
            if not read and error is not None:
                raise error
            return read

        def fileno(self) -> int:
            return 42

    class Sock:
        def makefile(self, mode: str) -> Any:
            return io.BufferedReader(Connection())

    response = HTTPResponse(Sock())  # type: ignore[arg-type]
    response.begin()
    return response


CHUNKED = head(None, "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "start",
    [head(99), CHUNKED + b"5\r\n", head(None)],
    ids=["by length", "in chunks", "to the end"],
)
def test_a_connection_that_breaks_breaks_for_the_reader(start: bytes) -> None:
    response = answer(start + b'{"err', ConnectionResetError("gone"))
    assert peek.look(response, CODES) is None
    assert response.read(2) == b'{"'
    with pytest.raises(ConnectionResetError):
        response.read()


def test_chunks_that_are_none_are_met_by_the_reader() -> None:
    response = answer(CHUNKED + b"oops\r\n")
    assert peek.look(response, CODES) is None
    with pytest.raises((HTTPException, ValueError)):
        response.read()


def test_a_body_that_was_looked_at_can_be_waited_for() -> None:
    response = answer(head(None) + b"{" + b"x" * 9000)
    assert peek.look(response, CODES) is None
    assert response.fileno() == 42
    assert len(response.read()) == 9001


def test_an_answer_without_a_body_is_nothing() -> None:
    response = answer(head(0))
    response.close()
    assert peek.look(response, CODES) is None
    assert peek.body_of(response) is None


REJECTED = b'{"errcode": 40014}'


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


class Broken(io.BytesIO):
    def tell(self) -> int:
        raise OSError("no file")


@pytest.mark.parametrize(
    ("body", "code"), [(io.BytesIO, 40014), (Pipe, None), (Broken, None)], ids=str
)
def test_an_answer_that_somebody_made_up_stays_readable(body: Any, code: int | None) -> None:
    headers = Message()
    headers["Content-Type"] = "application/json"
    response = addinfourl(body(REJECTED), headers, "http://a.example/", 200)
    assert peek.look(response, CODES) == code
    assert response.read() == REJECTED


def test_the_headers_are_found_in_any_case() -> None:
    response = answer(head(len(REJECTED)).lower().replace(b"http/1.1 200 ok", b"HTTP/1.1 200 OK"))
    response.headers.replace_header("content-type", "text/html")
    assert peek.look(response, CODES) is None
    assert not response.isclosed()


def test_a_stalled_body_is_the_readers_to_wait_for() -> None:
    response = answer(CHUNKED + b"5\r\n{", TimeoutError("slow"))
    assert peek.look(response, CODES) is None
    with pytest.raises(TimeoutError):
        response.read()


def test_chunks_over_a_real_connection_are_given_back() -> None:
    """With their trailers."""
    text = CHUNKED + b'12\r\n{"errcode": 40058}\r\n0\r\nX-Trailer: 1\r\n\r\n'
    with raw_server(text) as url, opener(with_token(url)).open(f"{url}/{GET}", timeout=20) as said:
        assert said.read() == b'{"errcode": 40058}'


def test_two_handlers_of_one_app_send_a_call_once() -> None:
    with platform() as (fake, app):
        client = build_opener(ProxyHandler({}), WeComHandler(app), WeComHandler(app))
        url = f"{app.base_url}/cgi-bin/user/get?userid=a"
        for _ in range(2):
            with client.open(url, timeout=10) as answer:
                assert b'"errcode": 0' in answer.read()
            fake.revoke()
        assert fake.gettoken_calls == 2
