"""What the kit promises to users of `wecom_auth` itself: nothing survives from block to block."""

from __future__ import annotations

import pytest
import requests
from requests.adapters import HTTPAdapter

from wecom_auth import AppCredential, CredentialError, WeComAuth
from wecom_auth._source import process
from wecom_auth.testing import FakeWeCom, reset

from .conftest import text

APP = AppCredential("ww0001", "secret")
SEND = "https://qyapi.weixin.qq.com/cgi-bin/message/send"


def send() -> int:
    answer = requests.post(SEND, json=text("hello"), auth=WeComAuth(APP), timeout=20)
    return int(answer.json()["errcode"])


@pytest.mark.parametrize("time", [1, 2])
def test_no_token_survives_a_block(fake: FakeWeCom, time: int):
    with fake.mocked():
        assert (send(), send()) == (0, 0)
    assert fake.gettoken_calls == 1


def test_no_token_survives_from_one_block_to_the_next_on_the_same_platform(fake: FakeWeCom):
    for _ in range(2):
        with fake.mocked():
            send()
    assert fake.gettoken_calls == 2


def test_no_remembered_failure_survives_a_block(fake: FakeWeCom):
    refusing = FakeWeCom()
    refusing.app("another", "app")
    with refusing.mocked(), pytest.raises(CredentialError):
        send()
    with fake.mocked():
        assert send() == 0


def test_reset_alone_does_so_over_http(fake: FakeWeCom):
    with fake.serve() as url:
        app = AppCredential("ww0001", "secret", base_url=url)
        for _ in range(2):
            requests.get(f"{url}/cgi-bin/x", auth=WeComAuth(app), timeout=20)
        assert fake.gettoken_calls == 1
        reset()
        requests.get(f"{url}/cgi-bin/x", auth=WeComAuth(app), timeout=20)
    assert fake.gettoken_calls == 2


def test_refreshes_are_waited_for_while_the_platform_still_answers(fake: FakeWeCom):
    genuine, seen = HTTPAdapter.send, []

    def resetting() -> None:
        late = requests.get("https://qyapi.weixin.qq.com/cgi-bin/late", timeout=20)
        seen.append((HTTPAdapter.send is genuine, late.json()["errcode"]))

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(process, "reset", resetting)
        with fake.mocked():
            assert seen == [(False, 41001)]
    assert seen == [(False, 41001)] * 2
    assert HTTPAdapter.send is genuine
