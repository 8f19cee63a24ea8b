"""urllib: an answer that was looked into is given back as if nobody had looked."""

from __future__ import annotations

import gzip
import http.client
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any
from urllib.request import OpenerDirector, ProxyHandler, build_opener

import pytest
from loopback import ANSWERS, LONG, SHORT, with_token
from ways import head, platform, raw_server

from wecom_auth import attach
from wecom_auth._clients.urllib import handler as handlers
from wecom_auth._http.verdict import BODY_LIMIT

JSON = "Content-Type: application/json"


@contextmanager
def both(answer: bytes, hold: Event | None = None) -> Iterator[tuple[Any, Any]]:
    """What a bare opener answers and what ours does."""
    with raw_server(answer, hold=hold) as url:
        target = f"{url}/cgi-bin/user/get"
        openers = (
            build_opener(ProxyHandler({})),
            attach(build_opener(ProxyHandler({})), with_token(url)),
        )
        bare, ours = (each.open(target, timeout=10) for each in openers)
        with bare, ours:
            yield bare, ours


def how(read: Any) -> Any:
    """What reading gives, or how it fails."""
    try:
        return read()
    except http.client.HTTPException as error:
        return type(error), error.args, getattr(error, "partial", None)


def pieces(response: Any) -> list[bytes]:
    found = []
    while piece := response.read(700):
        found.append(piece)
    return found


READERS = {
    "read": lambda response: response.read(),
    "by pieces": pieces,
    "by lines": list,
    "read1": lambda response: b"".join(iter(lambda: response.read1(900), b"")),
    "peek first": lambda response: bool(response.peek()) or response.read(),
    "readinto": lambda response: response.readinto(bytearray(500)),
    "length": lambda response: (response.length, response.chunked, response.isclosed()),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_it_reads_as_without_us(answer: bytes, reader: Any) -> None:
    with both(answer) as (bare, ours):
        assert how(lambda: reader(bare)) == how(lambda: reader(ours))
        assert (ours.status, ours.reason, ours.msg, ours.version) == (
            bare.status,
            bare.reason,
            bare.msg,
            bare.version,
        )
        assert ours.getheaders() == bare.getheaders()
        assert type(ours) is type(bare)
        assert ours.url == bare.url


def test_a_network_that_fails_in_the_middle_fails_at_the_reader() -> None:
    hold = Event()
    with raw_server(head(len(SHORT)) + SHORT[:50], hold=hold) as url:
        client = attach(build_opener(ProxyHandler({})), with_token(url))
        with client.open(f"{url}/cgi-bin/user/get", timeout=0.2) as response:
            assert response.read(50) == SHORT[:50]
            with pytest.raises(TimeoutError):
                response.read()


@pytest.mark.parametrize("code", [40014, 42001])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_rejection_is_seen_however_it_comes(code: int, zipped: bool) -> None:
    body = json.dumps({"errcode": code}).encode()
    lines = ["Content-Encoding: gzip"] if zipped else []
    body = gzip.compress(body) if zipped else body
    rejection, good = head(len(body), *lines) + body, head(2) + b"{}"
    grant = json.dumps({"errcode": 0, "access_token": "N" * 30, "expires_in": 7200}).encode()
    with raw_server(rejection, head(len(grant)) + grant, good) as url:
        client = attach(build_opener(ProxyHandler({})), with_token(url))
        with client.open(f"{url}/cgi-bin/user/get", timeout=10) as response:
            assert response.read() == b"{}"


def test_a_download_is_not_read_into_memory() -> None:
    with platform() as (fake, app):
        media = fake.add_media(b"x" * 20_000_000)
        client = attach(build_opener(ProxyHandler({})), app)
        url = f"{app.base_url}/cgi-bin/media/get?media_id={media}"
        client.open(f"{app.base_url}/cgi-bin/get_api_domain_ip", timeout=10).close()
        tracemalloc.start()
        with client.open(url, timeout=30) as response:
            opened = tracemalloc.get_traced_memory()[1]
            size = sum(map(len, iter(lambda: response.read(65536), b"")))
        tracemalloc.stop()
        assert size == 20_000_000
        assert opened < 2_000_000


def test_a_long_json_answer_is_read_no_further_than_a_rejection_is_long() -> None:
    hold = Event()
    answer = head(None) + LONG[: BODY_LIMIT + 2000]
    with raw_server(answer, hold=hold) as url:
        client = attach(build_opener(ProxyHandler({})), with_token(url))
        with client.open(f"{url}/cgi-bin/user/get", timeout=5) as response:
            assert response.read(BODY_LIMIT + 2000) == LONG[: BODY_LIMIT + 2000]


def test_the_control_without_a_look_nothing_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "look", lambda response, codes: None)
    with platform() as (fake, app):
        client: OpenerDirector = attach(build_opener(ProxyHandler({})), app)
        url = f"{app.base_url}/cgi-bin/get_api_domain_ip"
        client.open(url, timeout=10).close()
        fake.revoke()
        assert json.load(client.open(url, timeout=10))["errcode"] == 40014
