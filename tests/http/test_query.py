"""The query is edited as text: one access_token, and the rest byte for byte."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from ways import HIDING_WAYS, SESSION_WAYS, Client, all_ways, platform

from wecom_auth._clients.requests import call
from wecom_auth._http import query
from wecom_auth.testing import FakeWeCom

PUT = {
    "https://h/p": "https://h/p?access_token=T",
    "https://h/p?": "https://h/p?access_token=T",
    "https://h/p?a=": "https://h/p?a=&access_token=T",
    "https://h/p?a=%20b&&c": "https://h/p?a=%20b&&c&access_token=T",
    "https://h/p?q=why?": "https://h/p?q=why?&access_token=T",
    "https://h/p??": "https://h/p??&access_token=T",
    "https://h/p?a=1&": "https://h/p?a=1&&access_token=T",
    "https://h/p#f": "https://h/p?access_token=T#f",
    "https://h/p?#f": "https://h/p?access_token=T#f",
    "https://h/p?a=1#access_token=x": "https://h/p?a=1&access_token=T#access_token=x",
    "https://h/p?access_token=": "https://h/p?access_token=T",
    "https://h/p?access_token": "https://h/p?access_token=T",
    "https://h/p?access_token=x&a=1": "https://h/p?a=1&access_token=T",
    "https://h/p?type=image&access_token=x": "https://h/p?type=image&access_token=T",
    "https://h/p?access_token=x&a=1&access_token=y": "https://h/p?a=1&access_token=T",
    "https://h/p?access%5Ftoken=x&a=1": "https://h/p?a=1&access_token=T",
    "https://h/p?my_access_token=x": "https://h/p?my_access_token=x&access_token=T",
    "https://h/p?access_tokens=x": "https://h/p?access_tokens=x&access_token=T",
    "https://h/p?a=access_token": "https://h/p?a=access_token&access_token=T",
    "https://h/access_token?a=b?c": "https://h/access_token?a=b?c&access_token=T",
    "https://h/p?a=1;b=2": "https://h/p?a=1;b=2&access_token=T",
    "https://h/p?q=中文&r=%E4%B8%AD": "https://h/p?q=中文&r=%E4%B8%AD&access_token=T",
}


@pytest.mark.parametrize(("url", "expected"), PUT.items())
def test_put(url: str, expected: str) -> None:
    assert query.put(url, "access_token", "T") == expected


def test_a_token_is_escaped() -> None:
    assert query.put("https://h/p", "access_token", "a+b/c=&#%") == (
        "https://h/p?access_token=a%2Bb%2Fc%3D%26%23%25"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    {
        "https://h/p": "https://h/p",
        "https://h/p?a=%20b&&c": "https://h/p?a=%20b&&c",
        "https://h/p?access_token=T": "https://h/p",
        "https://h/p?access_token=T#f": "https://h/p#f",
        "https://h/p?a=1&access_token=T&b=": "https://h/p?a=1&b=",
        "https://h/p?access_token=T&my_access_token=1": "https://h/p?my_access_token=1",
        "https://h/p?a=1#access_token=x": "https://h/p?a=1#access_token=x",
        "https://h/p?access%5ftoken=T": "https://h/p",
    }.items(),
)
def test_drop(url: str, expected: str) -> None:
    assert query.drop(url, "access_token") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/p?a=1", []),
        ("https://h/p?access_token=", [""]),
        ("https://h/p?access_token=a%2Bb&x&access_token=c", ["a+b", "c"]),
        ("https://h/p?my_access_token=a#?access_token=b", []),
        ("https://h/p?access%5ftoken=T", ["T"]),
    ],
)
def test_find(url: str, expected: list[str]) -> None:
    assert query.find(url, "access_token") == expected


PIECE = st.text("ab=%&5Ff_ access_token?;+中", max_size=24)


@given(PIECE, PIECE, st.text(max_size=12))
def test_whatever_is_there_stays_in_its_place(text: str, fragment: str, token: str) -> None:
    url = "https://h/p" + (f"?{text}" if text else "") + (f"#{fragment}" if fragment else "")
    filled = query.put(url, "access_token", token)
    assert query.find(filled, "access_token") == [token]
    assert filled.partition("#")[2] == fragment
    kept = [p for p in text.split("&") if unquote(p.partition("=")[0]) != "access_token"]
    rest = filled.partition("#")[0].partition("?")[2].split("&")[:-1]
    assert rest == kept or (rest, kept) == ([], [""])
    assert query.find(query.drop(filled, "access_token"), "access_token") == []


# --- what arrives ---

PARAMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "dict": ({"params": {"a": "1", "b": ["2", "3"]}}, ["a=1&b=2&b=3"]),
    "list of tuples": ({"params": [("b", "2"), ("a", "x y"), ("b", "")]}, ["b=2&a=x+y&b="]),
    "str": ({"params": "a=%20b&&c"}, ["a=%20b&&c"]),
    "bytes": ({"params": b"a=1&b"}, ["a=1&b"]),
    "empty": ({"params": {}}, [""]),
    "a token in a dict": ({"params": {"access_token": "mine", "a": "1"}}, ["a=1"]),
    "a token in a list": ({"params": [("access_token", "x"), ("a", "1")]}, ["a=1"]),
    "a token in a str": ({"params": "a=1&access_token=x&access_token=y"}, ["a=1"]),
    "a blank token": ({"params": {"access_token": ""}}, [""]),
}


def arrived(fake: FakeWeCom) -> str:
    return next(c.query for c in reversed(fake.journal) if c.path == "user/simplelist")


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize(("options", "kept"), PARAMS.values(), ids=PARAMS)
def test_params_of_each_form(way: str, options: dict[str, Any], kept: list[str]) -> None:
    with platform() as (fake, app):
        Client(way, app).get("user/simplelist", **options)
        assert arrived(fake) == "&".join([*filter(None, kept), "access_token=***"])


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("?a=", "a=&"),
        ("?a=%20b&&c", "a=%20b&&c&"),
        ("?", ""),
        ("#f", ""),
        ("?a=1#f", "a=1&"),
        ("?access_token=old", ""),
        ("?access_token=old&a=1&access_token=older", "a=1&"),
        ("?access_token=&type=image", "type=image&"),
    ],
)
def test_a_query_in_the_url(way: str, text: str, kept: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        client.get(f"user/simplelist{text}")
        assert arrived(fake) == f"{kept}access_token=***"
        fake.revoke()
        client.get(f"user/simplelist{text}")
        assert arrived(fake) == f"{kept}access_token=***", "made again as it was"


@all_ways(*SESSION_WAYS)
def test_params_of_the_session(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        client.session.params = {"access_token": "frozen", "debug": "1"}
        assert client.get("user/simplelist", params={"department_id": 1}).json()["errcode"] == 0
        assert arrived(fake) == "debug=1&department_id=1&access_token=***"


@all_ways(*SESSION_WAYS)
def test_the_callers_own_token_is_replaced_and_warned_of_once(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with platform() as (_fake, app):
        client = Client(way, app)
        for token in ("", "theirs-1", "theirs-2"):
            client.get(f"user/simplelist?access_token={token}")
        warnings = [r.getMessage() for r in caplog.records if "of its own" in r.getMessage()]
        assert len(warnings) == 1
        assert "theirs" not in caplog.text


@all_ways(*HIDING_WAYS)
def test_the_callers_request_is_not_changed(way: str) -> None:
    with platform() as (fake, app):
        client = Client(way, app)
        url = f"{app.base_url}/cgi-bin/user/get?userid=a&access_token=mine"
        prepared = client.session.prepare_request(requests.Request("GET", url))
        before = dict(vars(prepared), headers=dict(prepared.headers))
        for _ in range(2):
            assert client.session.send(prepared).json()["errcode"] == 0
            assert dict(vars(prepared), headers=dict(prepared.headers)) == before
            fake.revoke()


def test_control_parse_and_encode_changes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(url: str, name: str, value: str) -> str:
        head, _, text = url.partition("?")
        return f"{head}?{urlencode([*parse_qsl(text), (name, value)])}"

    monkeypatch.setattr(call.query, "append", put)
    with platform() as (fake, app):
        Client("attach", app).get("user/simplelist?a=%20b&&c")
        assert arrived(fake) != "a=%20b&&c&access_token=***"
