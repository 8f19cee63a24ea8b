"""Reading an answer: what rejects a token, what does not, and `raise_for_errcode`."""

from __future__ import annotations

import gzip
import json
import pickle
from typing import Any

import pytest
import requests
from ways import CORP, SECRET, Client, all_ways, platform, warm

from wecom_auth import (
    APIError,
    WeComAuth,
    attach,
    raise_for_errcode,
)
from wecom_auth._clients import outcomes
from wecom_auth._http import peeking
from wecom_auth._http import verdict as answers
from wecom_auth._http.peeking import BODY_LIMIT
from wecom_auth.testing import FakeWeCom, Request

JSON = {"Content-Type": "application/json; charset=UTF-8"}
DEAD = b'{"ip_list":[],"errcode":42001,"errmsg":"access_token expired"}'
ZIPPED = {**JSON, "Content-Encoding": "gzip"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
FILE = {**JSON, "Content-Disposition": 'attachment; filename="a.json"'}
PAGE = {"Content-Type": "text/html"}

Case = tuple[int, dict[str, str], bytes]

REJECTIONS: dict[str, Case] = {
    "errcode not first": (200, JSON, DEAD),
    "40014": (200, JSON, b'{"errcode":40014,"errmsg":"invalid access_token"}'),
    "spaced": (200, JSON, b' \r\n{ "errcode" : 42001 }\n'),
    "a header and the body": (200, {**JSON, "Error-Code": "42001"}, DEAD),
    "a header of another case": (200, {**JSON, "error-code": "42001"}, DEAD),
    "a header that is no number": (200, {**JSON, "Error-Code": "none"}, DEAD),
    "gzip": (200, ZIPPED, DEAD),
    "chunked": (200, CHUNKED, DEAD),
    "gzip, chunked": (200, {**CHUNKED, **ZIPPED}, DEAD),
    "a byte order mark": (200, JSON, b"\xef\xbb\xbf" + DEAD),
    "a type of another spelling": (200, {"Content-Type": "TEXT/JSON"}, DEAD),
    "bytes that are no UTF-8": (200, JSON, b'{"errcode":42001,"errmsg":"\xd6\xd0\xce\xc4"}'),
    "a page, told by its header": (200, {**PAGE, "Error-Code": "42001"}, DEAD),
    "other items with errcodes": (200, JSON, b'{"items":[{"errcode":0}],"errcode":42001}'),
}
WITHOUT_STREAM: dict[str, Case] = {
    "a page": (200, PAGE, DEAD),
    "no type": (200, {}, DEAD),
}
NO_REJECTIONS: dict[str, Case] = {
    "success": (200, JSON, b'{"errcode":0,"errmsg":"ok"}'),
    "nested": (200, JSON, b'{"errcode":0,"customer":[{"errcode":40014},{"errcode":42001}]}'),
    "nested, no errcode on top": (200, JSON, b'{"result":{"errcode":42001}}'),
    "a list": (200, JSON, b'[{"errcode":42001}]'),
    "text that names it": (200, JSON, b'{"errcode":0,"errmsg":"was 42001, errcode"}'),
    "a JSON file": (200, FILE, DEAD),
    "a JSON file with a header": (200, {**FILE, "Error-Code": "42001"}, DEAD),
    "part of a file": (206, JSON, DEAD),
    "a header that says 0": (200, {**JSON, "Error-Code": "0"}, DEAD),
    "a header that says 40058": (200, {**JSON, "Error-Code": "40058"}, DEAD),
    "a header alone": (200, {**JSON, "Error-Code": "42001"}, b"{}"),
    "401": (401, JSON, DEAD),
    "502": (502, JSON, DEAD),
    "a word": (200, JSON, b'{"errcode":"42001"}'),
    "a fraction": (200, JSON, b'{"errcode":42001.0}'),
    "true": (200, JSON, b'{"errcode":true,"n":42001}'),
    "null": (200, JSON, b'{"errcode":null,"n":42001}'),
    "permission": (200, JSON, b'{"errcode":48002,"errmsg":"42001"}'),
    "the secret": (200, JSON, b'{"errcode":40001}'),
    "no token matter": (200, JSON, b'{"errcode":42007}'),
    "empty": (200, JSON, b""),
    "cut off": (200, JSON, DEAD[:-1]),
    "long": (200, JSON, DEAD[:-1] + b" " * BODY_LIMIT + b"}"),
    "long, gzip": (200, ZIPPED, DEAD[:-1] + b" " * 9_000_000 + b"}"),
}


def asked(way: str, case: Case, stream: bool) -> tuple[requests.Response, bytes, int]:
    """The answer that the caller gets, and how often the platform was asked.

    The first answer is the case's, and the token ends as it is given; the second is a success.
    """
    calls: list[str] = []
    with platform() as (fake, app):

        def odd(request: Request) -> Any:
            calls.append(request.target)
            if len(calls) > 1:
                return {"errcode": 0, "errmsg": "healed"}
            fake.revoke()
            return case

        fake.route("odd", odd)
        response = Client(way, app).get("odd", stream=stream)
        return response, response.content, len(calls)


@all_ways()
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", REJECTIONS.values(), ids=REJECTIONS)
def test_a_rejection_is_seen(way: str, case: Case, stream: bool) -> None:
    response, _, calls = asked(way, case, stream)
    assert (calls, response.json()["errmsg"]) == (2, "healed")


@all_ways()
@pytest.mark.parametrize("case", WITHOUT_STREAM.values(), ids=WITHOUT_STREAM)
def test_a_rejection_that_does_not_look_like_one(way: str, case: Case) -> None:
    _, content, calls = asked(way, case, stream=False)
    # A decorated function's response may be one that is still being streamed.
    assert calls == 2
    _, content, calls = asked(way, case, stream=True)
    assert (calls, content) == (1, DEAD), "a stream that is not JSON is never touched"


@all_ways()
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", NO_REJECTIONS.values(), ids=NO_REJECTIONS)
def test_what_is_no_rejection_is_given_back_whole(way: str, case: Case, stream: bool) -> None:
    response, content, calls = asked(way, case, stream)
    assert calls == 1
    assert (response.status_code, content) == (case[0], case[2])


def test_control_a_search_in_the_text_sees_rejections_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "errcode_of", lambda answer: 42001)
    monkeypatch.setattr(answers, "_is_file", lambda response: False)
    for name in ("nested", "a JSON file", "text that names it"):
        assert asked("attach", NO_REJECTIONS[name], stream=False)[2] == 2


def test_the_length_says_that_it_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "peek", lambda response: pytest.fail("looked at"))
    case = (200, JSON, DEAD + b" " * BODY_LIMIT)
    assert asked("attach", case, stream=True)[1:] == (case[2], 1)


def test_a_length_of_many_digits_is_no_crash() -> None:
    response = requests.Response()
    response.status_code, response.raw = 200, None
    response.headers.update({**JSON, "Content-Length": "9" * 5000})
    assert answers.rejection(response, frozenset({42001}), stream=True) is None


def test_deep_json_is_no_crash() -> None:
    assert answers.parse(b'{"errcode":42001,"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}") == {}


# --- raise_for_errcode ---


@all_ways()
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hook", [False, True])
def test_an_errcode_is_raised(way: str, stream: bool, hook: bool) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.fail(40058, path="user/get")
        options: dict[str, Any] = {"hooks": {"response": raise_for_errcode}} if hook else {}
        with pytest.raises(APIError) as caught:
            raise_for_errcode(client.get("user/get?userid=a", stream=stream, **options))
        error = caught.value
        assert (error.errcode, error.help_url) == (
            40058,
            "https://open.work.weixin.qq.com/devtool/query?e=40058",
        )
        assert str(error).startswith("GET /cgi-bin/user/get: errcode 40058: invalid Request")
        assert error.response is not None
        assert error.response.json()["errcode"] == 40058, "still to be read"
        token = str(fake.token(CORP, SECRET)).encode()
        for thing in (error, pickle.loads(pickle.dumps(error))):
            assert token not in pickle.dumps(thing)
            assert token.decode() not in repr((thing, thing.args, vars(thing)))


@all_ways()
@pytest.mark.parametrize("hook", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_hook_does_not_stand_in_the_way_of_healing(way: str, stream: bool, hook: bool) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.revoke()
        options: dict[str, Any] = {"hooks": {"response": raise_for_errcode}} if hook else {}
        response = client.get("user/get?userid=a", stream=stream, **options)
        assert raise_for_errcode(response) is response
        assert response.json()["userid"] == "a"


def made(case: Case, stream: bool = True) -> requests.Response:
    fake = FakeWeCom()
    fake.route("odd", case, check_token=False)
    with fake.serve() as url:
        response = requests.get(f"{url}/cgi-bin/odd", stream=True, timeout=20)
        if not stream:
            _ = response.content
        return response


PASS = [
    "success",
    "nested",
    "nested, no errcode on top",
    "a list",
    "a JSON file",
    "a header that says 0",
    "empty",
    "cut off",
    "null",
    "a word",
]


@pytest.mark.parametrize("name", PASS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_passes(name: str, stream: bool) -> None:
    case = NO_REJECTIONS[name]
    response = made(case)
    assert raise_for_errcode(response, stream=stream) is response
    assert response.content == case[2]


@pytest.mark.parametrize("name", ["401", "502", "part of a file"])
def test_any_status_with_an_errcode_raises(name: str) -> None:
    with pytest.raises(APIError):
        raise_for_errcode(made(NO_REJECTIONS[name]))


def test_a_large_answer_that_was_read_is_looked_at() -> None:
    body = json.dumps({"list": list(range(10_000)), "errcode": 60111}).encode()
    with pytest.raises(APIError, match="60111"):
        raise_for_errcode(made((200, JSON, body), stream=False))
    assert raise_for_errcode(made((200, JSON, body))).content == body


def test_what_was_streamed_away_passes() -> None:
    response = made((200, JSON, DEAD))
    assert b"".join(response.iter_content(7)) == DEAD
    assert raise_for_errcode(response) is response
    assert answers.rejection(response, frozenset({42001}), stream=True) is None
    assert not outcomes.rejects(response, frozenset({42001}))


def test_a_response_made_by_hand() -> None:
    response = requests.Response()
    response.status_code, response._content = 200, DEAD
    with pytest.raises(APIError, match="the call: errcode 42001: access_token expired"):
        raise_for_errcode(response)
    assert answers.rejection(response, frozenset({42001})) == 42001


def test_a_response_without_an_auth_is_shown_without_its_token() -> None:
    """`raise_for_errcode` is of use alone, where the caller puts the token in by hand."""
    fake = FakeWeCom()
    with fake.serve() as url:
        response = requests.get(f"{url}/cgi-bin/user/get?access_token=mine-1234", timeout=20)
    with pytest.raises(APIError) as caught:
        raise_for_errcode(response)
    assert b"mine-1234" not in pickle.dumps(caught.value)
    assert response.request.url == f"{url}/cgi-bin/user/get"


def test_an_errmsg_that_repeats_the_token_is_masked() -> None:
    body = b'{"errcode":40058,"errmsg":"bad url ?access_token=abc-123&x=1"}'
    with pytest.raises(APIError) as caught:
        raise_for_errcode(made((200, JSON, body)))
    assert "abc-123" not in f"{caught.value} {caught.value.errmsg}"


@pytest.mark.parametrize("wrong", [{"errcode": 40014}, None, "x", b"{}"])
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a requests\.Response"):
        raise_for_errcode(wrong)


def test_the_code_says_what_to_do() -> None:
    response = made((200, JSON, b'{"errcode":60020,"errmsg":"not allow to access"}'))
    with pytest.raises(APIError, match="trusted IPs") as caught:
        raise_for_errcode(response)
    assert "trusted IPs" in caught.value.advice


def test_the_hook_of_a_session_with_an_auth_and_with_attach() -> None:
    with platform() as (fake, app):
        url = f"{app.base_url}/cgi-bin/user/get"
        for session in (attach(requests.Session(), app), requests.Session()):
            session.auth = session.auth or (
                None if "_SessionAdapter" in repr(session.adapters) else WeComAuth(app)
            )
            session.hooks["response"].append(raise_for_errcode)
            with pytest.raises(APIError, match="40058"):
                session.get(url)
        assert fake.gettoken_calls == 1


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")
    assert len(bomb) > BODY_LIMIT
    response = made((200, ZIPPED, bomb))
    assert raise_for_errcode(response) is response
    assert peeking._decode(bomb[:BODY_LIMIT], "gzip") is None
    assert peeking._decode(b"not gzip", "gzip") is None
    assert peeking._decode(b"plain", None) == b"plain"
