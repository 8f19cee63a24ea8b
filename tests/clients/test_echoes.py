"""What a gateway echoes of the URL that it was asked: no token in headers or cookies."""

from __future__ import annotations

import json
import pickle
from typing import Any
from urllib.parse import quote

import pytest
from ways import CORP, SECRET, SESSION_WAYS, Client, all_ways, platform

from wecom_auth._clients.requests import hide
from wecom_auth.testing import Request

ECHOES = {
    "Set-Cookie": "last={target}; Path=/",
    "Link": "<{target}>; rel=self",
    "Refresh": "5; url={target}",
    "Content-Location": "{target}",
    "X-Original-URI": "{target}",
    "Location": "{target}",
    "X-Quoted": "{quoted}",
}


def echoing(fake: Any, *names: str) -> None:
    def answer(request: Request) -> Any:
        forms = {"target": request.target, "quoted": quote(request.target, safe="")}
        headers = {name: ECHOES[name].format(**forms) for name in names}
        body = {"errcode": 0, "errmsg": "ok"}
        return 200, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()

    fake.route("echo", answer)


@all_ways(*SESSION_WAYS)
@pytest.mark.parametrize("name", ECHOES)
def test_no_token_is_left_in_an_echo(way: str, name: str) -> None:
    with platform() as (fake, app):
        echoing(fake, name)
        client = Client(way, app)
        response = client.get("echo?userid=alice")
        token = str(fake.token(CORP, SECRET))
        raw: Any = response.raw
        kept = [dict(response.headers), dict(raw.headers), list(response.cookies)]
        assert "alice" in response.headers[name]
        assert token not in repr((kept, list(client.session.cookies)))
        assert token.encode() not in pickle.dumps((response, client.session.cookies))
        client.get("echo?userid=alice")
        assert token not in fake.journal[-1].headers.get("Cookie", "")


def test_control_without_the_look_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hide, "clean_echo", lambda *_: None)
    with platform() as (fake, app):
        echoing(fake, "Set-Cookie")
        client = Client("attach", app)
        response = client.get("echo")
        token = str(fake.token(CORP, SECRET))
        assert token in response.headers["Set-Cookie"]
        assert token in repr(list(client.session.cookies))


@all_ways(*SESSION_WAYS)
def test_other_headers_and_cookies_stay_as_they_are(way: str) -> None:
    with platform() as (fake, app):
        plain = {"Set-Cookie": "a=1; Path=/", "X-Request-Id": "7", "Content-Type": "text/plain"}
        fake.route("plain", (200, plain, b"{}"))
        client = Client(way, app)
        response = client.get("plain")
        assert {name: response.headers[name] for name in plain} == plain
        assert dict(client.session.cookies) == {"a": "1"}
