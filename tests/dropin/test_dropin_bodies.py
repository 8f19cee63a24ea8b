"""Bodies over a real socket: an answer is given back as it came, and a file is sent again whole."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from threading import Event
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trio
from legacy import CORP, SECRET, message
from ways import chunked, head, raw_server

from wecom_auth import AppCredential, install
from wecom_auth.testing import FakeWeCom

SHORT = b'{"errcode": 0, "n": 42001}'
LONG = json.dumps({"errcode": 42001, "list": ["x" * 100] * 200}).encode()
ZIPPED = gzip.compress(SHORT)


ANSWERS = {
    "short": head(len(SHORT)) + SHORT,
    "long": head(len(LONG)) + LONG,
    "to the end": head(None) + SHORT,
    "long, to the end": head(None) + LONG,
    "chunked": chunked(SHORT[:9], SHORT[9:]),
    "chunked and long": chunked(LONG[:9000], LONG[9000:]),
    "gzip": head(len(ZIPPED), "Content-Encoding: gzip") + ZIPPED,
    "no gzip": head(len(SHORT), "Content-Encoding: gzip") + SHORT,
    "a file": head(16, "Content-Disposition: attachment") + b'{"errcode":42001}'[:16],
    "empty": head(0),
    "another status": head(len(SHORT), status="500 Oops") + SHORT,
    "cut short": head(len(SHORT) + 99) + SHORT,
    "cut short in a chunk": chunked(SHORT, end=b"ff\r\nabc"),
    "long, cut short in a chunk": chunked(LONG, end=b"ff\r\nabc"),
}

TLS = ssl.create_default_context()
"""To make one takes longer than a call."""

ERRORS = (
    httpx.HTTPError,
    httpx2.HTTPError,
    aiohttp.ClientError,
    urllib.error.URLError,
    HTTPException,
    OSError,
)


def _sync(library: Any) -> Callable[[str], bytes]:
    def read(url: str) -> bytes:
        with library.stream("GET", url, verify=TLS) as answer:
            return b"".join(answer.iter_raw())

    return read


def _async(library: Any, run: Any) -> Callable[[str], bytes]:
    async def main(url: str) -> bytes:
        async with (
            library.AsyncClient(verify=TLS) as client,
            client.stream("GET", url) as answer,
        ):
            return b"".join([piece async for piece in answer.aiter_raw()])

    return lambda url: run(main, url)


def _by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        found: bytes = answer.read(3) + answer.read()
    return found


async def _by_aiohttp(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.content.read()


def _asyncio(main: Any, *args: Any) -> Any:
    return asyncio.run(main(*args))


READS: dict[str, Callable[[str], bytes]] = {
    "httpx": _sync(httpx),
    "httpx async": _async(httpx, _asyncio),
    "httpx2 trio": _async(httpx2, trio.run),
    "urllib": _by_urllib,
    "aiohttp": lambda url: _asyncio(_by_aiohttp, url),
}


def outcome(client: str, url: str) -> object:
    """What the caller gets: the body, or the error."""
    try:
        return READS[client](url)
    except ERRORS as error:
        return type(error)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("client", READS)
def test_any_answer_comes_back_as_without_it(client: str, answer: str) -> None:
    with raw_server(ANSWERS[answer]) as server:
        url = f"{server}/cgi-bin/user/get?access_token=T"
        plain = outcome(client, url)
        with install(sole_app=AppCredential(CORP, SECRET, base_url=server)):
            assert outcome(client, url) == plain


@pytest.mark.parametrize("client", ["httpx", "httpx async", "urllib", "aiohttp"])
def test_a_stream_reaches_its_reader_as_it_comes(client: str) -> None:
    """No more of it is waited for than a rejection is long."""
    hold = Event()
    with raw_server(head(None) + LONG[:9000], hold=hold) as server:
        url = f"{server}/cgi-bin/user/get?access_token=T"
        with install(sole_app=AppCredential(CORP, SECRET, base_url=server)):
            assert (START[client](url), hold.is_set()) == (LONG[:9], False)


async def _start_by_aiohttp(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return await answer.content.readexactly(9)


async def _start_async(url: str) -> bytes:
    async with httpx.AsyncClient(verify=TLS) as client, client.stream("GET", url) as answer:
        return await anext(answer.aiter_raw(9))


def _start_by_httpx(url: str) -> bytes:
    with httpx.stream("GET", url, verify=TLS) as answer:
        return next(answer.iter_raw(9))


def _start_by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        found: bytes = answer.read(9)
    return found


START: dict[str, Callable[[str], bytes]] = {
    "httpx": _start_by_httpx,
    "httpx async": lambda url: asyncio.run(_start_async(url)),
    "urllib": _start_by_urllib,
    "aiohttp": lambda url: asyncio.run(_start_by_aiohttp(url)),
}


# --- bodies that are sent ---


@pytest.fixture
def dead(fake: FakeWeCom) -> Iterator[str]:
    """The end of the URL of a call whose token is dead, while it is installed."""
    with fake.serve() as url, install(sole_app=AppCredential(CORP, SECRET, base_url=url)):
        fake.issue(CORP, SECRET)
        yield f"{url}/cgi-bin/{{}}access_token=dead"


class Once(io.BytesIO):
    """A file that says where it stands, and cannot be put back there."""

    def seek(self, *_: Any) -> int:
        raise OSError("cannot be put back")


SENDS: dict[str, Callable[[str, Any], Any]] = {
    "requests": lambda url, body: requests.post(url, data=body).json(),
    "httpx": lambda url, body: httpx.post(url, content=body, headers=_SIZE, verify=TLS).json(),
    "urllib": lambda url, body: json.load(
        urllib.request.urlopen(urllib.request.Request(url, body, _SIZE))
    ),
    "aiohttp": lambda url, body: asyncio.run(_post(url, body)),
}
_SIZE = {"Content-Length": str(len(json.dumps(message("x"))))}


async def _post(url: str, body: Any) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        return await answer.json()


@pytest.mark.parametrize("client", SENDS)
def test_the_first_answer_stands_where_a_file_cannot_be_put_back(
    client: str, dead: str, fake: FakeWeCom
) -> None:
    body = Once(json.dumps(message("x")).encode())
    assert SENDS[client](dead.format("message/send?"), body)["errcode"] == 40014
    assert [each.path for each in fake.journal].count("message/send") == 1


@pytest.mark.parametrize("form", [dict, list])
def test_a_file_in_a_form_of_aiohttp_is_sent_whole_or_not_again(
    form: Any, dead: str, fake: FakeWeCom
) -> None:
    file = io.BytesIO(b"content" * 99)
    data = form({"media": file}.items())
    code = asyncio.run(_post(dead.format("media/upload?type=file&"), data))["errcode"]
    assert [each.content for each in fake.uploads] == ([b"content" * 99] if code == 0 else [])


def test_a_form_that_aiohttp_builds_once_is_not_sent_again(dead: str, fake: FakeWeCom) -> None:
    data = aiohttp.FormData({"a": "b"})
    assert asyncio.run(_post(dead.format("user/get?userid=a&"), data))["errcode"] == 40014
