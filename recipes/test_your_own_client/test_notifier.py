"""Tests of a client that knows nothing of wecom_auth, against a platform whose tokens really end.

`pip install "wecom-auth[testing]"`, then `pytest`: the fixtures `fake_wecom` (in process) and
`wecom_server` (HTTP) are there without an import.
"""

from __future__ import annotations

import pytest
import requests
from notifier import Notifier

from wecom_auth.testing import FakeWeCom, Server

pytestmark = pytest.mark.wecom_guard  # should a call stray to the real platform, the test fails

REAL = "https://qyapi.weixin.qq.com"


@pytest.fixture
def notifier(fake_wecom: FakeWeCom) -> Notifier:
    fake_wecom.app("ww0001", "secret")
    return Notifier("ww0001", "secret", 1000002, REAL)


def test_the_token_is_fetched_once(notifier: Notifier, fake_wecom: FakeWeCom) -> None:
    notifier.send("one")
    notifier.send("two")
    fake_wecom.assert_delivered("text", times=2)
    assert fake_wecom.gettoken_calls == 1


def test_an_expired_token_is_replaced(notifier: Notifier, fake_wecom: FakeWeCom) -> None:
    notifier.send("before")
    fake_wecom.advance(7200)  # two hours later: 42001
    notifier.send("after")
    fake_wecom.assert_delivered("text", times=1, text={"content": "after"})
    assert (fake_wecom.gettoken_calls, fake_wecom.rejections) == (2, 1)


def test_a_revoked_token_is_replaced(notifier: Notifier, fake_wecom: FakeWeCom) -> None:
    notifier.send("before")
    fake_wecom.revoke()  # 40014
    notifier.send("after")
    fake_wecom.assert_delivered("text", times=2)


def test_a_platform_that_rejects_for_ever_is_asked_twice(
    notifier: Notifier, fake_wecom: FakeWeCom
) -> None:
    fake_wecom.fail("reject")
    with pytest.raises(RuntimeError, match="errcode 40014"):
        notifier.send("never")
    assert [call.path for call in fake_wecom.journal].count("message/send") == 2


def test_a_wrong_secret_is_told(fake_wecom: FakeWeCom) -> None:
    fake_wecom.app("ww0001", "secret")
    with pytest.raises(RuntimeError, match="errcode 40001"):
        Notifier("ww0001", "wrong", 1000002, REAL).send("never")


def test_no_message_is_sent_twice_when_the_answer_is_lost(wecom_server: Server) -> None:
    """Over real HTTP: the platform delivers, and the connection breaks before it has said so."""
    notifier = Notifier("ww0001", "secret", 1000002, wecom_server.url)
    wecom_server.fake.fail("drop", when="after", path="message/send", times=1)
    with pytest.raises(requests.ConnectionError):
        notifier.send("once")
    wecom_server.fake.assert_delivered("text", times=1)
