"""What happens rarely with requests, `attach` and the decorator."""

from __future__ import annotations

import asyncio
import gzip
import io
import types
from http.client import HTTPResponse
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from ways import CORP, SECRET, Client, head, platform, raw_server, warm

from wecom_auth import AppCredential, ExternalToken, Retry, attach, with_access_token
from wecom_auth._clients.outcomes import Unreadable, errcode_of
from wecom_auth._clients.requests import peek
from wecom_auth._clients.requests.answer import _release
from wecom_auth._clients.requests.hide import clean_echo
from wecom_auth._clients.requests.send import has_passed

APP = AppCredential(CORP, SECRET)
CODES = frozenset({40014})


# --- attach ---


def test_what_goes_with_a_function_goes_with_a_function_only() -> None:
    with pytest.raises(ValueError, match="base_url= goes with a function"):
        attach(requests.Session(), APP, base_url="https://a.example")
    session = attach(requests.Session(), APP)
    with pytest.raises(ValueError, match="attached already"):
        attach(session, lambda request: APP)


def test_a_client_that_only_inherits_from_one_we_know_is_refused() -> None:
    module = types.ModuleType("niquests")
    inherited = type("Session", (), {"__module__": "niquests"})
    module.AsyncSession = type("AsyncSession", (inherited,), {"__module__": "niquests"})  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot attach to AsyncSession"):
        attach(module.AsyncSession(), APP)


# --- the decorator ---


class Once(io.BytesIO):
    def seek(self, *_: Any) -> int:
        raise OSError("cannot be put back")


def test_a_coroutine_whose_file_cannot_be_put_back_is_not_called_again() -> None:
    calls: list[str] = []

    @with_access_token(ExternalToken(iter(["T1", "T2"]).__next__), retry=Retry({45033}, attempts=2))
    async def send(file: Any, access_token: str = "") -> dict[str, Any]:
        calls.append(access_token)
        return {"errcode": 40014}

    assert asyncio.run(send(Once(b"text"))) == {"errcode": 40014}
    assert calls == ["T1"]


def test_a_look_at_an_answer_of_urllib_that_breaks_is_the_readers() -> None:
    class Sock:
        def makefile(self, mode: str) -> Any:
            return io.BufferedReader(Broken(head(9)))

    said = HTTPResponse(Sock())  # type: ignore[arg-type]
    said.begin()
    with pytest.raises(Unreadable):
        errcode_of(said, CODES)


class Broken(io.RawIOBase):
    """A connection that breaks after the head."""

    def __init__(self, text: bytes) -> None:
        self.text = io.BytesIO(text)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self.text.readinto(buffer)
        if not read:
            raise ConnectionResetError("gone")
        return read


# --- requests ---


def test_a_rejected_stream_that_breaks_is_left_to_its_reader() -> None:
    class Raw:
        def read(self, decode_content: bool) -> bytes:
            raise ConnectionResetError("gone")

    response = requests.Response()
    response.raw = raw = Raw()
    _release(response)
    assert response.raw is raw


def test_a_cookie_without_a_value_stays_without_one() -> None:
    response = requests.Response()
    response.cookies.set_cookie(requests.cookies.create_cookie("empty", None))  # type: ignore[no-untyped-call]
    response.cookies.set_cookie(requests.cookies.create_cookie("url", "/?access_token=T0KEN"))  # type: ignore[no-untyped-call]
    clean_echo(response, "access_token", ["T0KEN"])
    values = {cookie.name: cookie.value for cookie in response.cookies}
    assert values["empty"] is None
    assert "T0KEN" not in str(values["url"])


def test_a_passage_of_another_path_is_another() -> None:
    from wecom_auth._clients.requests import send

    adapter = HTTPAdapter()
    mark = send._passage.set((adapter, adapter, "https://a.example/one?x=1", None))
    try:
        assert has_passed(adapter, "https://a.example/one")
        assert not has_passed(adapter, "https://a.example/two")
    finally:
        send._passage.reset(mark)


def test_a_stream_that_breaks_under_the_look_breaks_for_its_reader() -> None:
    given_back = peek._GivenBack(
        b"ab", ConnectionResetError("gone"), io.BufferedReader(Broken(b""))
    )
    reader = io.BufferedReader(given_back)
    assert reader.read(2) == b"ab"
    with pytest.raises(ConnectionResetError):
        reader.read(1)


def test_a_stream_over_a_connection_that_breaks_is_looked_at_as_far_as_it_came() -> None:
    class Sock:
        def makefile(self, mode: str) -> Any:
            return io.BufferedReader(Broken(head(99) + b'{"err'))

    fp = HTTPResponse(Sock())  # type: ignore[arg-type]
    fp.begin()
    raw = types.SimpleNamespace(_fp=fp, headers=fp.headers, length_remaining=99)
    assert peek.peek_raw(raw) is None
    assert fp.read(5) == b'{"err'
    with pytest.raises(ConnectionResetError):
        fp.read()


def test_a_stream_that_was_looked_at_can_be_waited_for() -> None:
    with raw_server(head(None) + b'{"a": ' + b"[1] " * 9000) as url:
        answer = requests.get(url, stream=True)
        assert peek.peek(answer) is not None or answer.raw._fp.fp is not None
        assert answer.raw._fp.fp.fileno() >= 0
        answer.close()


def test_what_follows_a_gzip_is_told_from_it() -> None:
    whole = gzip.compress(b'{"errcode": ') + gzip.compress(b"40014}")
    assert peek.decode(whole, "gzip") == b'{"errcode": 40014}'


@pytest.mark.parametrize("way", ["attach"])
def test_an_answer_is_looked_at_over_a_real_connection(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.revoke()
        with client.get("user/get?userid=a", stream=True) as answer:
            assert answer.json()["errcode"] == 0
