"""A later error is joined to what the process has just seen: the cause, not the symptom."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from wecom_auth import APIError, AppCredential, CredentialError, TokenSource, raise_for_errcode
from wecom_auth.testing import Server, clock


def refused(server: Server) -> AppCredential:
    server.fake.app("ww01", "right-secret")
    app = AppCredential("ww01", "wrong-secret", base_url=server.url)
    with pytest.raises(CredentialError):
        TokenSource(app).get()
    return app


def call(server: Server, path: str = "user/get?userid=alice", **body: Any) -> APIError:
    url = f"{server.url}/cgi-bin/{path}"
    answer = requests.post(url, json=body, timeout=10) if body else requests.get(url, timeout=10)
    with pytest.raises(APIError) as caught:
        raise_for_errcode(answer)
    return caught.value


def test_a_call_without_a_token_names_the_refused_gettoken(wecom_server: Server):
    refused(wecom_server)
    error = call(wecom_server)
    assert (error.errcode, error.cause) == (41001, "no_token")
    assert "gettoken for ww01 was refused" in str(error)
    assert "copy the Secret" in error.advice
    assert "Secret 不对" in error.advice_zh


def test_control_without_a_refusal_the_advice_is_the_general_one(wecom_server: Server):
    error = call(wecom_server)
    assert (error.errcode, error.cause) == (41001, "")
    assert "look at the gettoken before it" in error.advice


def test_a_refusal_of_long_ago_or_of_another_host_explains_nothing(wecom_server: Server):
    with clock() as moving:
        refused(wecom_server)
        moving.advance(601)
        assert call(wecom_server).cause == ""
    refused(wecom_server)
    answer = requests.get(f"{wecom_server.url}/cgi-bin/user/get", timeout=10)
    answer.url = answer.request.url = "https://elsewhere.example/cgi-bin/user/get"
    with pytest.raises(APIError) as caught:
        raise_for_errcode(answer)
    assert caught.value.cause == ""


def test_a_rejected_token_says_for_whom_it_was_fetched(wecom_server: Server):
    app = AppCredential("ww01", "a-secret", base_url=wecom_server.url)
    token = TokenSource(app).get().value
    wecom_server.fake.revoke()
    error = call(wecom_server, f"user/get?userid=alice&access_token={token}")
    assert (error.errcode, error.cause) == (40014, "token_of_other")
    assert "was fetched for AppCredential(corpid='ww01'" in str(error)
    assert token not in str(error) + error.advice + error.advice_zh


def test_a_wrong_agentid_is_named(wecom_server: Server):
    app = AppCredential("ww01", "a-secret", base_url=wecom_server.url)
    token = TokenSource(app).get().value
    wecom_server.fake.fail(301002, path="message/send")
    error = call(wecom_server, f"message/send?access_token={token}", agentid=1000007)
    assert "agentid 1000007" in error.advice
