"""`raise_for_errcode` over each library's answer, and over parsed JSON; one set of answers."""

from __future__ import annotations

import json
import pickle
import urllib.request
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests

from wecom_auth import APIError, AppCredential, attach, raise_for_errcode
from wecom_auth.testing import FakeWeCom

JSON = {"Content-Type": "application/json; charset=UTF-8"}
PAGE = {"Content-Type": "text/html"}
URL = "https://h.example/cgi-bin/user/get?access_token=mine-12345678&userid=a"

CASES: dict[str, tuple[int, dict[str, str], bytes, int | str | None]] = {
    "success": (200, JSON, b'{"errcode":0,"errmsg":"ok"}', None),
    "refused": (200, JSON, b'{"errcode":60111,"errmsg":"no such user"}', 60111),
    "a word": (200, JSON, b'{"errcode":"0"}', "not_wecom"),
    "no errcode": (200, JSON, b'{"a":1}', "not_wecom"),
    "a list": (200, JSON, b"[]", "not_wecom"),
    "a page": (200, PAGE, b"<html>sign in</html>", "portal"),
    "nothing": (200, {}, b"", "not_wecom"),
    "a bad gateway": (502, PAGE, b"<html>", "bad_gateway"),
    "a bad gateway with an errcode": (502, JSON, b'{"errcode":-1}', -1),
    "a file": (200, {**JSON, "Content-Disposition": "attachment"}, b'{"errcode":60111}', None),
    "a header that clears it": (200, {**JSON, "Error-Code": "0"}, b'{"a":1}', None),
    "text": (200, {"Content-Type": "text/plain"}, b"hello", None),
    "a redirect": (302, {**PAGE, "Location": "/x"}, b"<html>", None),
}


def of_requests(status: int, headers: dict[str, str], body: bytes, url: str) -> Any:
    response = requests.Response()
    response.status_code, response._content = status, body
    response.headers.update(headers)
    response.request = requests.Request("GET", url).prepare()
    response.url = url
    return response


def of_httpx(library: Any) -> Callable[..., Any]:
    def make(status: int, headers: dict[str, str], body: bytes, url: str) -> Any:
        request = library.Request("GET", url)
        return library.Response(status, headers=headers, content=body, request=request)

    return make


MAKERS = {"requests": of_requests, "httpx": of_httpx(httpx), "httpx2": of_httpx(httpx2)}
libraries = pytest.mark.parametrize("library", [httpx, httpx2])


def told(answer: Any) -> int | str | None:
    """Return the errcode or the cause that is raised for this answer, or None."""
    try:
        assert raise_for_errcode(answer) is answer
    except APIError as error:
        return error.cause if error.errcode is None else error.errcode
    return None


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("case", CASES)
def test_all_libraries_are_decided_alike(maker: str, case: str) -> None:
    status, headers, body, expected = CASES[case]
    assert told(MAKERS[maker](status, headers, body, URL)) == expected


@pytest.mark.parametrize("case", ["success", "refused", "a word", "no errcode"])
def test_parsed_json_is_decided_as_its_answer(case: str) -> None:
    *_, body, expected = CASES[case]
    assert told(json.loads(body)) == expected


def test_the_error_of_a_mapping_says_what_to_do() -> None:
    with pytest.raises(APIError, match=r"the call: errcode 60020: .*trusted IPs"):
        raise_for_errcode({"errcode": 60020, "errmsg": "not allow to access"})
    with pytest.raises(APIError, match="not the platform's answer"):
        raise_for_errcode({})


@pytest.mark.parametrize("maker", MAKERS)
def test_the_error_shows_no_token(maker: str) -> None:
    echo = {**JSON, "Location": URL, "X-Asked": "mine-12345678"}
    answer = MAKERS[maker](200, echo, b'{"errcode":40058,"errmsg":"mine-12345678"}', URL)
    with pytest.raises(APIError, match=r"^GET /cgi-bin/user/get: errcode 40058") as caught:
        raise_for_errcode(answer)
    error: Any = caught.value
    assert error.response is answer
    shown: Any = (error, error.args, vars(error), error.request.url, error.response.headers)
    assert "mine-12345678" not in repr(shown)
    assert "mine-12345678" not in f"{error.response.url} {error.errmsg}"
    assert str(error.request.url).endswith("user/get?userid=a")
    assert pickle.loads(pickle.dumps(error)).errcode == 40058


@libraries
def test_one_made_by_hand_has_no_request(library: Any) -> None:
    with pytest.raises(APIError, match="the call: errcode 60111"):
        raise_for_errcode(library.Response(200, json={"errcode": 60111}))


@libraries
def test_a_stream_is_never_read(library: Any) -> None:
    read: list[bytes] = []

    class Body(library.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Any:
            read.append(b"x")
            yield b'{"errcode":60111}'

    streamed = library.Response(200, headers=JSON, stream=Body())
    assert raise_for_errcode(streamed) is streamed
    assert not read
    streamed.read()  # the control: once it is read, it is looked at
    assert told(streamed) == 60111
    gone = library.Response(200, headers=JSON, stream=Body())
    list(gone.iter_bytes())
    assert raise_for_errcode(gone) is gone


@libraries
def test_what_an_upload_streamed_is_not_asked_for(library: Any) -> None:
    request = library.Request("POST", URL, content=iter([b"a"]))
    answer = library.Response(200, json={"errcode": 301002}, request=request)
    assert told(answer) == 301002


@pytest.mark.parametrize("maker", MAKERS)
def test_an_agent_that_is_not_there_is_named(maker: str) -> None:
    answer = MAKERS[maker](200, JSON, b'{"errcode":301002}', URL)
    if maker == "requests":
        answer.request = requests.Request("POST", URL, json={"agentid": 7}).prepare()
    else:
        library = httpx if maker == "httpx" else httpx2
        answer.request = library.Request("POST", URL, json={"agentid": 7})
    with pytest.raises(APIError) as caught:
        raise_for_errcode(answer)
    assert caught.value.cause == "agent_unknown"


@pytest.mark.parametrize("wrong", [httpx.Client, httpx.URL, aiohttp.ClientResponse, object])
def test_what_is_no_answer_is_refused(wrong: type) -> None:
    thing: Any = object.__new__(wrong)
    with pytest.raises(TypeError, match="or the parsed JSON of another client"):
        raise_for_errcode(thing)


@libraries
def test_over_the_wire_by_each_client(library: Any) -> None:
    fake = FakeWeCom()
    with fake.serve() as base:
        app = AppCredential("ww0001", "app-secret", base_url=base)
        url = f"{base}/cgi-bin/user/get?userid=a"
        opener = attach(urllib.request.build_opener(), app)
        with attach(library.Client(timeout=20), app) as client:
            assert raise_for_errcode(client.get(url)).json()["errcode"] == 0
            fake.fail(60111, path="user/get")
            assert told(client.get(url)) == 60111
        fake.fail(60111, path="user/get")
        with opener.open(url, timeout=20) as response:
            assert told(json.load(response)) == 60111
