"""A call that goes past `base_url`, to the platform itself, is warned of once."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import responses

from wecom_auth import AppCredential, TokenSource, WeComAuth, attach
from wecom_auth._call.route import Route

PLATFORM = "https://qyapi.weixin.qq.com/cgi-bin"


def prepared(url: str, app: AppCredential) -> Any:
    return requests.Request("GET", url, auth=WeComAuth(app)).prepare()


def ways(url: str, app: AppCredential) -> None:
    Route([TokenSource(app)]).match(url)
    prepared(url, app)


def test_it_is_warned_of_once_and_told_how(caplog: pytest.LogCaptureFixture):
    app = AppCredential("ww01", "a-secret", base_url="https://proxy.example/wecom")
    for _ in range(3):
        ways(f"{PLATFORM}/user/get?userid=a", app)
    assert caplog.text.count("base_url is https://proxy.example/wecom") == 1
    assert "{app.base_url}/cgi-bin/" in caplog.text


@pytest.mark.parametrize(
    "path", ["gettoken?corpid=a", "webhook/send?key=k", "service/get_auth_info"]
)
def test_what_carries_no_token_is_not(path: str, caplog: pytest.LogCaptureFixture):
    app = AppCredential("ww01", "a-secret", base_url="https://proxy.example/wecom")
    ways(f"{PLATFORM}/{path}", app)
    assert not caplog.text


def test_without_a_base_url_of_ones_own_nothing_goes_past_it(caplog: pytest.LogCaptureFixture):
    Route([TokenSource(AppCredential("ww01", "a-secret"))]).match("https://other.example/cgi-bin/x")
    assert not caplog.text


def test_an_attached_session_is_warned_too(caplog: pytest.LogCaptureFixture):
    app = AppCredential("ww01", "a-secret", base_url="https://proxy.example/wecom")
    session = attach(requests.Session(), app)
    with responses.RequestsMock() as mock:
        mock.get(f"{PLATFORM}/user/get", json={"errcode": 41001})
        assert session.get(f"{PLATFORM}/user/get", timeout=5).json() == {"errcode": 41001}
    assert caplog.text.count("base_url is https://proxy.example/wecom") == 1
