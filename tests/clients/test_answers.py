"""Reading an answer: what rejects a token, what does not, and `raise_for_errcode`."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from typing import Any

import pytest
import requests
from covering import covering
from ways import CORP, SECRET, WAYS, Client, all_ways, platform, warm

from wecom_auth import (
    APIError,
    WeComAuth,
    attach,
    raise_for_errcode,
)
from wecom_auth._clients import outcomes
from wecom_auth._clients.requests import answer as answers
from wecom_auth._clients.requests import peek as peeking
from wecom_auth._http.verdict import BODY_LIMIT, parse
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
    "long, gzip": (200, ZIPPED, DEAD[:-1] + b" " * 2_000_000 + b"}"),
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


@covering(way=WAYS, stream=[False, True], case=REJECTIONS)
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


@covering(way=WAYS, stream=[False, True], case=NO_REJECTIONS)
def test_what_is_no_rejection_is_given_back_whole(way: str, case: Case, stream: bool) -> None:
    response, content, calls = asked(way, case, stream)
    assert calls == 1
    assert (response.status_code, content) == (case[0], case[2])


DISPOSITIONS = {
    "inline": 42001,
    "INLINE ": 42001,
    "inline;filename=f.txt": 42001,
    'inline; filename="f.txt"': 42001,
    'inline; filename="log.json"': None,
    "attachment": None,
    'attachment; filename="f.txt"': None,
}


@covering(way=WAYS, stream=[False, True], disposition=list(DISPOSITIONS))
def test_json_that_a_proxy_marks_as_inline_is_no_file(
    way: str, disposition: str, stream: bool
) -> None:
    """Spring marks JSON so, and names it f.txt; a file with a name of its own is one."""
    _, _, calls = asked(way, (200, {**JSON, "Content-Disposition": disposition}, DEAD), stream)
    assert calls == (1 if DISPOSITIONS[disposition] is None else 2)


def test_control_a_search_in_the_text_sees_rejections_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_text(body: bytes | None, codes: frozenset[int], headers: Any) -> int | None:
        return 42001 if b"42001" in (body or b"") else None

    monkeypatch.setattr(answers, "errcode_in", by_text)
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
    assert answers.verdict(response, frozenset({42001}), stream=True) is None


def test_deep_json_is_no_crash() -> None:
    assert parse(b'{"errcode":42001,"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}") == {}


# --- raise_for_errcode ---


@covering(way=WAYS, stream=[False, True], hook=[False, True])
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


@covering(way=WAYS, hook=[False, True], stream=[False, True])
def test_a_hook_does_not_stand_in_the_way_of_healing(way: str, stream: bool, hook: bool) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.revoke()
        options: dict[str, Any] = {"hooks": {"response": raise_for_errcode}} if hook else {}
        response = client.get("user/get?userid=a", stream=stream, **options)
        assert raise_for_errcode(response) is response
        assert response.json()["userid"] == "a"


def made(
    case: Case, stream: bool = True, path: str = "odd", method: str = "GET", **options: Any
) -> requests.Response:
    fake = FakeWeCom()
    fake.route(path, case, check_token=False)
    options |= {"stream": True, "timeout": 20}
    with fake.serve() as url:
        response = requests.request(method, f"{url}/cgi-bin/{path}", **options)
        if not stream:
            _ = response.content
        return response


PNG = {"Content-Type": "image/png"}
PASS: dict[str, Case] = {
    **{name: NO_REJECTIONS[name] for name in ("success", "nested", "a JSON file")},
    "a header that says 0": NO_REJECTIONS["a header that says 0"],
    "an empty JSON file": (200, FILE, b""),
    "a web page as a file": (200, {**PAGE, **FILE, **PAGE}, b"<html>"),
    "a picture": (200, PNG, b"\x89PNG"),
    "an empty picture": (200, PNG, b""),
    "text": (200, {"Content-Type": "text/plain"}, b"ok"),
    "bytes of no type": (200, {}, b"\x89PNG"),
    "JSON that is called a page": (200, PAGE, b'{"errcode":0,"errmsg":"ok"}'),
    "part of a JSON file": (206, JSON, b'{"list":'),
    "a redirect": (302, {**PAGE, "Location": "/elsewhere"}, b"<html>moved</html>"),
}
FOREIGN: dict[str, tuple[str, Case]] = {
    "502": ("bad_gateway", (502, PAGE, b"<html><h1>502 Bad Gateway</h1></html>")),
    "503 empty": ("bad_gateway", (503, {}, b"")),
    "502 with a header": ("bad_gateway", (502, {**PAGE, "Error-Code": "0"}, b"<html>")),
    "404": ("not_found", (404, PAGE, b"<html>no such page</html>")),
    "403": ("forbidden", (403, {"Content-Type": "text/plain"}, b"denied")),
    "407": ("proxy_auth", (407, {}, b"")),
    "400": ("portal", (400, PAGE, b"<html>plain HTTP request to HTTPS port</html>")),
    "400 in plain text": ("not_wecom", (400, {"Content-Type": "text/plain"}, b"bad")),
    "413 in JSON": ("not_wecom", (413, JSON, b'{"error":"too large"}')),
    "a file that failed": ("bad_gateway", (500, FILE, b"{}")),
    "a sign-in page": ("portal", (200, PAGE, b"<!doctype html>{]")),
    "a page of no type": ("portal", (200, {}, b" <html>")),
    "empty": ("not_wecom", (200, JSON, b"")),
    "empty, no type": ("not_wecom", (200, {}, b"")),
    **{
        name: ("not_wecom", NO_REJECTIONS[name])
        for name in ("a list", "cut off", "null", "a word", "nested, no errcode on top")
    },
}


@pytest.mark.parametrize("case", PASS.values(), ids=PASS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_passes(case: Case, stream: bool) -> None:
    response = made(case, stream=stream, allow_redirects=False)
    assert raise_for_errcode(response, stream=stream) is response
    assert response.content == case[2]


@pytest.mark.parametrize(("cause", "case"), FOREIGN.values(), ids=FOREIGN)
def test_an_answer_that_is_not_the_platforms_is_raised(cause: str, case: Case) -> None:
    with pytest.raises(APIError, match="a proxy answered, not the platform") as caught:
        raise_for_errcode(made(case, stream=False))
    error = caught.value
    assert (error.cause, error.errcode, error.help_url) == (cause, None, None)
    assert "127.0.0.1:" in error.advice or cause == "proxy_auth"
    assert error.advice in str(error)
    assert error.advice_zh != error.advice
    assert error.response is not None
    assert error.response.content == case[2], "still to be read"


@pytest.mark.parametrize("name", [name for name, (_, case) in FOREIGN.items() if case[0] == 200])
def test_a_stream_that_nobody_has_read_is_left_alone(name: str) -> None:
    _, case = FOREIGN[name]
    response = made(case)
    assert raise_for_errcode(response) is response
    assert response.content == case[2]


@pytest.mark.parametrize("path", ["gettoken", "service/get_suite_token", "corpgroup/corp/gettoken"])
def test_an_exchange_has_an_errcode_on_failure_only(path: str) -> None:
    success = (200, JSON, b'{"suite_access_token":"t","expires_in":7200}')
    assert raise_for_errcode(made(success, stream=False, path=path)).ok
    with pytest.raises(APIError):
        raise_for_errcode(made(FOREIGN["a sign-in page"][1], stream=False, path=path))


def test_the_answer_to_a_head_request_has_no_body() -> None:
    assert raise_for_errcode(made(NO_REJECTIONS["success"], stream=False, method="HEAD")).ok


@pytest.mark.parametrize("fault", ["outage", "garbage"])
@all_ways()
def test_a_page_in_the_platforms_place_is_raised_by_the_hook(way: str, fault: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        warm(client)
        fake.fail(fault, path="message/send")
        with pytest.raises(APIError) as caught:
            client.post("message/send", json={}, hooks={"response": raise_for_errcode})
        token = str(fake.token(CORP, SECRET))
        assert token not in repr((caught.value, vars(caught.value)))


def test_the_hook_lets_a_redirect_be_followed() -> None:
    fake = FakeWeCom()
    fake.route("old", (302, {**PAGE, "Location": "new"}, b"<html>moved</html>"), check_token=False)
    fake.route("new", NO_REJECTIONS["success"], check_token=False)
    with fake.serve() as url:
        hooks = {"response": raise_for_errcode}
        assert requests.get(f"{url}/cgi-bin/old", hooks=hooks, timeout=20).json()["errcode"] == 0


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
    assert answers.verdict(response, frozenset({42001}), stream=True) is None
    assert not outcomes.errcode_of(response, frozenset({42001}))


def test_a_response_made_by_hand() -> None:
    response = requests.Response()
    response.status_code, response._content = 200, DEAD
    with pytest.raises(APIError, match="the call: errcode 42001: access_token expired"):
        raise_for_errcode(response)
    assert answers.verdict(response, frozenset({42001})) == 42001


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


@pytest.mark.parametrize("wrong", [None, "x", b"{}"])
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be a Response of requests"):
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
    assert peeking.decode(bomb[:BODY_LIMIT], "gzip") is None
    assert peeking.decode(b"not gzip", "gzip") is None
    assert peeking.decode(b"not deflate", "deflate") is None
    assert peeking.decode(zlib.compress(b"plain"), "deflate") == b"plain"
    assert peeking.decode(b"plain", None) == b"plain"
