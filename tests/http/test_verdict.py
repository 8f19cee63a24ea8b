"""Which answers are looked into, and what counts as an errcode in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from wecom_auth._http.verdict import BODY_LIMIT, errcode_in, may_hold_errcode, parse

CODES = frozenset({40014, 42001})
JSON = {"Content-Type": "application/json; charset=UTF-8"}
FILE = {"Content-Disposition": 'attachment; filename="a.json"'}


@pytest.mark.parametrize(
    ("headers", "worth"),
    [
        (JSON, True),
        ({"Content-Type": "text/JSON"}, True),
        ({"Content-Type": "text/plain"}, False),
        ({}, False),
        ({"Error-Code": "0"}, False),
        (JSON | {"Error-Code": "0"}, False),
        (JSON | {"Error-Code": "40014"}, True),
        ({"Error-Code": "42001", "Content-Type": "text/plain"}, True),
        (JSON | {"Error-Code": "none"}, True),
        (JSON | FILE, False),
        (JSON | FILE | {"Error-Code": "40014"}, False),
        (JSON | {"Content-Disposition": "inline"}, True),
        (JSON | {"Content-Disposition": 'Inline; filename="f.txt"'}, True),
        (JSON | {"Content-Disposition": "inline; filename=report.json"}, False),
        (JSON | {"Content-Length": str(BODY_LIMIT)}, True),
        (JSON | {"Content-Length": str(BODY_LIMIT + 1)}, False),
        (JSON | {"Content-Length": "9" * 30}, False),
        (JSON | {"Content-Length": "many"}, True),
    ],
)
def test_a_stream_is_worth_a_look(headers: dict[str, str], worth: bool) -> None:
    assert may_hold_errcode(CaseInsensitiveDict(headers), CODES) is worth


def rejection(**more: Any) -> bytes:
    return json.dumps({"errcode": 40014, "errmsg": "invalid access_token", **more}).encode()


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (rejection(), JSON, 40014),
        (rejection(), {}, 40014),
        (rejection(), {"Error-Code": "40014"}, 40014),
        (rejection(), {"Error-Code": "0"}, None),
        (rejection(), FILE, None),
        (rejection(errcode=0, invalid=[40014]), JSON, None),
        (rejection(errcode="40014"), JSON, None),
        (rejection(errcode=45009), JSON, None),
        (rejection(padding="x" * BODY_LIMIT), JSON, None),
        (b"[40014]", JSON, None),
        (b"40014 is no JSON", JSON, None),
        (b"", JSON, None),
        (None, JSON, None),
    ],
)
def test_an_errcode_in_a_body(
    body: bytes | None, headers: dict[str, str], code: int | None
) -> None:
    assert errcode_in(body, CODES, CaseInsensitiveDict(headers)) == code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_encoding_of_json_is_parsed(encoding: str) -> None:
    assert parse('{"errmsg": "企业"}'.encode(encoding)) == {"errmsg": "企业"}
