"""Answers that nobody should send: no crash, no wrong verdict, no body taken away."""

import gzip
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
import requests
from covering import generated
from fuzz import check as fuzz_check
from fuzz import model
from fuzz.answers import CODES, JSON, Answer, bomb
from fuzz.check import Report, check, run
from fuzz.model import Verdict, verdict
from hypothesis import strategies as st
from requests.adapters import BaseAdapter

from wecom_auth import (
    APIError,
    AppCredential,
    TokenSource,
    TokenUnavailable,
    WeComError,
    raise_for_errcode,
)
from wecom_auth._clients.requests import answer as answers
from wecom_auth._credential.exchange import exchange
from wecom_auth._credential.kind import APP
from wecom_auth._http.verdict import BODY_LIMIT, parse
from wecom_auth._source.transport import by_adapter
from wecom_auth.testing import FakeWeCom

MANY = 1_500
GETTOKEN = "http://127.0.0.1:1/cgi-bin/gettoken"


class Saying(BaseAdapter):
    """Has one answer to everything."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self._response = response

    def send(self, *args: Any, **options: Any) -> requests.Response:
        return self._response

    def close(self) -> None: ...


BODIES = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=60).map(lambda b: b'{"errcode":42001,"a":"' + b + b'"}'),
    st.builds(
        lambda code, rest: b'{"errcode":%s%s}' % (code, rest),
        st.sampled_from([b"42001", b"40014", b"0", b'"42001"', b"4.2001e4", b"null", b"[42001]"]),
        st.sampled_from([b"", b",", b',"a":1', b',"errcode":0', b" ", b"\x00", b'}{"a":1']),
    ),
)
HEADER = st.sampled_from(
    ["Content-Type", "Error-Code", "Content-Disposition", "Content-Length", "Content-Encoding", "X"]
)
VALUE = st.one_of(
    st.sampled_from(["0", "42001", JSON, "text/html", "gzip", "identity", "9" * 30, "", "\u0664"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)
ANSWERS = st.builds(
    lambda body, headers, status, stream: Answer("any", body, body, status, headers, stream),
    BODIES,
    st.dictionaries(HEADER, VALUE, max_size=4),
    st.sampled_from([200, 200, 200, 206, 302, 404, 500]),
    st.booleans(),
)


def test_a_fuzz_run_finds_nothing() -> None:
    report = run(seed=2, answers=MANY)
    assert report.good, "\n".join(report.lines())
    assert report.share >= 0.30
    assert len(report.kinds) > 15, "every maker had its turn"


@generated(ANSWERS, full=500)
def test_arbitrary_answers(answer: Answer) -> None:
    report = Report()
    check(answer, report)
    assert report.good, report.lines()


@generated(ANSWERS, full=300)
def test_raise_for_errcode_raises_nothing_else(answer: Answer) -> None:
    expected = fuzz_check.read(answer)
    try:
        response = answer.response()
    except requests.RequestException:
        return
    with suppress(APIError):
        assert raise_for_errcode(response, stream=answer.stream) is response
    if isinstance(expected, bytes):
        assert b"".join(response.iter_content(100)) == expected


@generated(st.one_of(BODIES, st.binary(max_size=40).map(lambda b: b * 400)), full=300)
def test_parse_gives_a_dict_whatever_it_is_given(body: bytes) -> None:
    assert isinstance(parse(body), dict)


TOKEN_BODIES = st.builds(
    lambda token, code, life: (
        b'{"access_token":%s,"errcode":%s,"expires_in":%s}' % (token, code, life)
    ),
    st.sampled_from([b'"abc"', b'" abc "', b'""', b'" "', b"null", b"1", b'["abc"]', b'"\\u4f01"']),
    st.sampled_from([b"0", b"-1", b"40001", b"45009", b'"0"', b"null", b"0.0", b"1e999", b"{}"]),
    st.sampled_from([b"7200", b'"7200"', b"0", b"-5", b"1e9", b"NaN", b"null", b"[]", b"9" * 400]),
)


@generated(
    st.one_of(BODIES, TOKEN_BODIES),
    st.dictionaries(HEADER, VALUE, max_size=3),
    st.sampled_from([200, 302, 404, 502]),
    full=500,
)
def test_gettoken_gives_a_token_or_says_why_not(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = Answer("gettoken", body, body, status, headers, stream=True)
    plain = fuzz_check.read(answer)
    said = model.token(plain) if isinstance(plain, bytes) else None
    with suppress(WeComError):
        grant = exchange(APP, by_adapter(Saying(answer.response()), {}), 10, "GET", GETTOKEN)
        assert 0 < grant.life <= 7200
        assert grant.value == grant.value.strip() != ""
        said = None
    assert said is None, "a good token was refused"


# --- bombs and lies ---


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_decompression_bomb_is_not_unpacked(layers: int) -> None:
    answer = bomb(layers)
    response = answer.response()
    assert peak(lambda: answers.verdict(response, CODES, stream=True)) < 2_000_000
    assert answers.verdict(answer.response(), CODES, stream=True) is None
    control = answer.response()
    assert peak(lambda: control.content) > 10_000_000, "the control: read whole it is large"


def test_a_gettoken_that_is_a_bomb_is_not_unpacked() -> None:
    answer = bomb(1)

    def ask() -> None:
        with pytest.raises(TokenUnavailable):
            exchange(APP, by_adapter(Saying(answer.response()), {}), 10, "GET", GETTOKEN)

    assert peak(ask) < 2_000_000


def peak(run: Callable[[], object]) -> int:
    """Bytes of memory that this took at its worst."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gigabyte_is_promised_and_not_waited_for() -> None:
    fake = FakeWeCom()
    head = {"Content-Type": JSON, "Content-Length": str(2**30)}
    fake.route("user/get", (200, head, b'{"errcode":42001}'), check_token=False)
    with fake.serve() as url, requests.get(f"{url}/cgi-bin/user/get", stream=True) as response:
        assert answers.verdict(response, CODES, stream=True) is None
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            response.content  # noqa: B018


def test_a_gettoken_that_promises_a_gigabyte_is_a_clear_error() -> None:
    fake = FakeWeCom()
    fake.route("gettoken", (200, {"Content-Length": str(2**30)}, b'{"access_token":"T"'))
    with fake.serve() as url, pytest.raises(TokenUnavailable):
        TokenSource(AppCredential("c", "s", base_url=url)).get()


def test_a_gettoken_that_never_ends_is_given_up_at_the_limit_of_its_size() -> None:
    endless = _Endless()
    response = Answer("x", b"", b"", stream=True).response()
    response.raw._fp = endless
    with pytest.raises(TokenUnavailable):
        exchange(APP, by_adapter(Saying(response), {}), 10, "GET", GETTOKEN)
    assert endless.given <= 4 * BODY_LIMIT


class _Endless(BytesIO):
    given = 0

    def read(self, amount: int | None = None) -> bytes:
        self.given += amount or 0
        return b"x" * (amount or 0)

    read1 = read


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_stream_that_breaks_off_is_not_passed_on_as_whole(encoding: str) -> None:
    body = b'{"errcode":0,"a":"' + b"x" * 500
    wire = gzip.compress(body) if encoding else body
    headers = {"Content-Type": JSON, "Content-Length": "5000"}
    if encoding:
        headers["Content-Encoding"] = encoding
    response = Answer("x", None, wire, headers=headers, stream=True).response()
    assert answers.verdict(response, CODES, stream=True) is None
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        response.content  # noqa: B018


# --- controls: a reader that is wrong is caught ---


def _by_text(response: requests.Response, codes: Any, *, stream: bool) -> int | None:
    return 42001 if b"42001" in (response.content or b"") else None


def _by_header(response: requests.Response, codes: Any, *, stream: bool) -> int | None:
    code = response.headers.get("Error-Code", "")
    return int(code) if code.isdecimal() and len(code) < 9 and int(code) in codes else None


def _by_json(response: requests.Response, codes: Any, *, stream: bool) -> int | None:
    code = response.json().get("errcode")
    return code if code in codes else None


def _taking_the_body(response: requests.Response, codes: Any, *, stream: bool) -> int | None:
    found = answers.verdict(response, codes, stream=stream)
    if stream:
        response.raw.read(10)
    return found


@pytest.mark.parametrize(
    ("reader", "found"),
    [
        (lambda *args, **kwargs: None, "wrong"),
        (_by_text, "wrong"),
        (_by_header, "wrong"),
        (_by_json, "crashes"),
        (_taking_the_body, "changed"),
    ],
)
def test_control_a_wrong_reader_is_caught(
    reader: Any, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz_check, "judge", reader)
    report = run(seed=1, answers=500)
    assert not report.good
    assert getattr(report, found), report.lines()


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"errcode":42001}', {}, Verdict.REJECTED),
        (b'{"ip_list":[],"errcode":40014}', {"error-code": "40014"}, Verdict.REJECTED),
        (b'{"errcode":0,"a":{"errcode":42001}}', {}, Verdict.FINE),
        (b'{"errcode":42001}', {"content-disposition": "x"}, Verdict.FINE),
        (b'{"errcode":0}', {"error-code": "42001"}, Verdict.FINE),
        (b'{"errcode":42001}', {"error-code": "0"}, Verdict.OPEN),
        (b"{}", {"error-code": "42001"}, Verdict.FINE),
        (b"{}", {}, Verdict.FINE),
        (b'{"errcode":42001,"a":NaN}', {}, Verdict.OPEN),
        (b'{"errcode":42001,"errcode":0}', {}, Verdict.OPEN),
    ],
)
def test_the_model_says_what_the_facts_say(
    body: bytes, headers: dict[str, str], expected: Verdict
) -> None:
    assert verdict(200, headers, body, CODES, stream=False) is expected
    assert verdict(500, headers, body, CODES, stream=False) is Verdict.FINE
