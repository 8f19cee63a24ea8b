from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests

from wecom_auth.testing import FakeWeCom, Request

from .conftest import Wecom

GETTOKEN = Request("GET", "/cgi-bin/gettoken?corpid=c&corpsecret=s")


def test_requests_are_held_until_released(fake: FakeWeCom):
    with ThreadPoolExecutor(8) as pool, fake.hold("gettoken") as hold:
        calls = [pool.submit(fake.handle, GETTOKEN) for _ in range(8)]
        hold.wait_for(8)
        assert hold.waiting == 8
        assert fake.gettoken_calls == 0
        assert not any(call.done() for call in calls)
        hold.release()
        assert [call.result(10).errcode for call in calls] == [0] * 8
    assert hold.waiting == 0
    assert fake.gettoken_calls == 8


def test_a_hold_is_for_one_path_or_for_all(fake: FakeWeCom):
    with fake.hold("message/send"):
        assert fake.handle(GETTOKEN).errcode == 0
    with ThreadPoolExecutor(1) as pool, fake.hold(None) as hold:
        pool.submit(fake.handle, GETTOKEN)
        hold.wait_for(1)


def outcome(fake: FakeWeCom, when: Any, meanwhile: Callable[[], object]) -> int | None:
    fake.route("x", {"errcode": 0})
    call = Request("GET", f"/cgi-bin/x?access_token={fake.issue('c', 's')}")
    with ThreadPoolExecutor(1) as pool, fake.hold("x", when=when) as hold:
        answer: Future = pool.submit(fake.handle, call)
        hold.wait_for(1)
        meanwhile()
        hold.release()
        return answer.result(10).errcode


def test_before_the_token_is_looked_at_and_after_the_answer_is_decided(fake: FakeWeCom):
    assert outcome(fake, "before", fake.revoke) == 40014
    assert outcome(fake, "after", fake.revoke) == 0


def test_who_is_late_passes(fake: FakeWeCom):
    hold = fake.hold("gettoken")
    hold.release()
    assert hold.released
    assert fake.handle(GETTOKEN).errcode == 0
    assert hold.waiting == 0


def test_leaving_the_block_releases_even_by_an_exception(fake: FakeWeCom):
    with ThreadPoolExecutor(1) as pool:
        with contextlib.suppress(ZeroDivisionError), fake.hold() as hold:
            call = pool.submit(fake.handle, GETTOKEN)
            hold.wait_for(1)
            raise ZeroDivisionError
        assert call.result(10).errcode == 0


def test_waiting_for_more_than_come_says_so(fake: FakeWeCom):
    with pytest.raises(AssertionError, match="0 of 1 requests for gettoken arrived within 0 s"):
        fake.hold().wait_for(1, timeout=0)
    with pytest.raises(AssertionError, match="0 of 2 requests for any path"):
        fake.hold(None).wait_for(2, timeout=0)


def test_a_hold_knows_two_moments(fake: FakeWeCom):
    with pytest.raises(ValueError, match="'before' or 'after', not 'while'"):
        fake.hold("x", when="while")  # type: ignore[arg-type]


def test_let_go_ends_holds_and_faults(fake: FakeWeCom):
    with ThreadPoolExecutor(1) as pool:
        hold = fake.hold()
        fake.fail("busy")
        call = pool.submit(fake.handle, GETTOKEN)
        hold.wait_for(1)
        fake.let_go()
        assert call.result(10).errcode == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_in_process_a_held_caller_still_has_its_timeout(fake: FakeWeCom, when: Any):
    url = "https://qyapi.weixin.qq.com/cgi-bin/x"
    with fake.mocked(), fake.hold("x", when=when), pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=0.01)
    assert len(fake.journal) == 1


def test_over_http_held_requests_do_not_keep_the_server_from_stopping(fake: FakeWeCom):
    server = fake.serve()
    url = server.start()
    with ThreadPoolExecutor(4) as pool, fake.hold("x", when="after") as hold:
        calls = [pool.submit(requests.get, f"{url}/cgi-bin/x", timeout=20) for _ in range(4)]
        hold.wait_for(4)
        server.stop()
        assert all(isinstance(c.exception(10), requests.ConnectionError) for c in calls)
        assert hold.waiting == 0


def test_holds_over_http(over_http: Wecom):
    with ThreadPoolExecutor(2) as pool, over_http.fake.hold() as hold:
        url = f"{over_http.url}/cgi-bin/gettoken?corpid=c&corpsecret=s"
        calls = [pool.submit(requests.get, url, timeout=20) for _ in range(2)]
        hold.wait_for(2)
        assert threading.active_count() > 2
        hold.release()
        assert {c.result(10).json()["errcode"] for c in calls} == {0}
