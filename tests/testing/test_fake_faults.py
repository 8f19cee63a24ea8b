from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from wecom_auth.testing import FakeWeCom, Request

from .conftest import Wecom, text

MESSAGE = text("x")


@pytest.mark.parametrize(
    ("fault", "errcode"), [("busy", -1), ("rate-limited", 45009), (48002, 48002)]
)
def test_an_errcode_by_name_or_number_hits_every_call(wecom: Wecom, fault: str | int, errcode: int):
    token = wecom.token()
    wecom.fake.fail(fault)
    assert wecom.send(token)["errcode"] == errcode
    assert wecom.gettoken()["errcode"] == errcode
    wecom.fake.heal()
    assert wecom.send(token)["errcode"] == 0
    assert len(wecom.fake.messages) == 1


@pytest.mark.parametrize(("fault", "errcode"), [("reject", 40014), ("ip-not-trusted", 60020)])
def test_what_the_platform_says_of_calls_with_a_token(wecom: Wecom, fault: str, errcode: int):
    wecom.fake.fail(fault)
    assert wecom.send(wecom.token())["errcode"] == errcode
    assert wecom.gettoken()["errcode"] == 0
    wecom.fake.fail(fault, path="gettoken")
    assert wecom.gettoken()["errcode"] == errcode


def test_outage_is_a_page_with_502(wecom: Wecom):
    wecom.fake.fail("outage")
    answer = wecom.get("gettoken")
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert "<html>" in answer.text


def test_garbage_is_200_and_not_json(wecom: Wecom):
    wecom.fake.fail("garbage")
    answer = wecom.get("gettoken")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(("when", "delivered"), [("before", 0), ("after", 1)])
def test_a_dropped_connection(wecom: Wecom, when: Any, delivered: int):
    token = wecom.token()
    wecom.fake.fail("drop", times=1, when=when)
    with pytest.raises(requests.ConnectionError, match="without response"):
        wecom.send(token)
    assert len(wecom.fake.messages) == delivered
    assert (wecom.fake.journal[-1].errcode, wecom.fake.journal[-1].status) == (None, 0)
    assert wecom.send(token)["errcode"] == 0


def test_times_path_and_stop_limit_a_fault(wecom: Wecom):
    token = wecom.token()
    fault = wecom.fake.fail("busy", times=2, path="message/send")
    assert wecom.get("user/get", token, userid="a").json()["errcode"] == 0
    assert [wecom.send(token)["errcode"] for _ in range(3)] == [-1, -1, 0]
    assert fault.seen == 2
    with wecom.fake.fail("busy") as fault:
        assert wecom.send(token)["errcode"] == -1
    assert wecom.send(token)["errcode"] == 0
    assert fault.seen == 1


@pytest.mark.parametrize("path", ["/cgi-bin/user/get", "cgi-bin/user/get", "//cgi-bin//user/get"])
def test_a_path_may_be_written_as_in_a_url(fake: FakeWeCom, path: str):
    with fake.fail("reject", path=path) as fault:
        fake.handle(Request("GET", "/cgi-bin/user/get?access_token=x"))
    assert fault.seen == 1
    with ThreadPoolExecutor(1) as pool, fake.hold(path) as hold:
        pool.submit(fake.handle, Request("GET", "/cgi-bin/user/get?access_token=x"))
        hold.wait_for(1)


def test_of_two_answers_the_newer_fault_wins_and_the_older_is_not_used_up(fake: FakeWeCom):
    fake.fail("busy", times=1)
    fake.fail("rate-limited", times=1)
    call = Request("GET", "/cgi-bin/gettoken?corpid=c&corpsecret=s")
    assert [fake.handle(call).errcode for _ in range(3)] == [45009, -1, 0]


def test_headers_may_be_off_together_with_another_fault(fake: FakeWeCom):
    fake.fail("no-error-code-header")
    fake.fail("busy")
    reply = fake.handle(Request("GET", "/cgi-bin/x"))
    assert reply.errcode == -1
    assert "Error-Code" not in reply.headers


def test_slow_takes_its_time_and_then_answers(fake: FakeWeCom):
    fault = fake.fail("slow", seconds=3600)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(fake.handle, Request("GET", "/cgi-bin/x"))
        fault.wait_for(1)
        with pytest.raises(TimeoutError):
            answer.result(0.05)
        fault.stop()
        assert answer.result(10).errcode == 41001


def test_slow_ends_by_itself(over_http: Wecom):
    over_http.fake.fail("slow", seconds=0.02)
    assert over_http.gettoken()["errcode"] == 0


def test_a_caller_without_patience_times_out_over_http(over_http: Wecom):
    over_http.fake.fail("slow", seconds=3600, times=1)
    with pytest.raises(requests.ReadTimeout):
        over_http.gettoken(timeout=0.05)
    assert over_http.gettoken()["errcode"] == 0


@pytest.mark.parametrize("fault", ["slow", "hang"])
@pytest.mark.parametrize("timeout", [1000, (5, 1000)])
def test_in_process_a_timeout_comes_at_once(fake: FakeWeCom, fault: str, timeout: Any):
    fake.fail(fault, seconds=3600)
    with fake.mocked(), pytest.raises(requests.ReadTimeout, match="read timeout=1000"):
        requests.get("https://qyapi.weixin.qq.com/cgi-bin/x", timeout=timeout)


def test_in_process_patience_that_suffices_is_answered(fake: FakeWeCom):
    fake.fail("slow", seconds=0.01)
    with fake.mocked():
        answer = requests.get("https://qyapi.weixin.qq.com/cgi-bin/x", timeout=20)
    assert answer.json()["errcode"] == 41001


@pytest.mark.parametrize(("when", "delivered"), [("before", 0), ("after", 1)])
def test_hang_ends_in_a_broken_connection(wecom: Wecom, when: Any, delivered: int):
    token = wecom.token()
    fault = wecom.fake.fail("hang", when=when)
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(wecom.call, "POST", "message/send", token, json=MESSAGE, timeout=None)
        fault.wait_for(1)
        fault.stop()
        assert isinstance(hung.exception(10), requests.ConnectionError)
    assert len(wecom.fake.messages) == delivered


def test_a_hanging_platform_times_out_over_http(over_http: Wecom):
    over_http.fake.fail("hang")
    with pytest.raises(requests.ReadTimeout):
        over_http.gettoken(timeout=0.05)


def test_waiting_for_more_than_it_hits_says_so(fake: FakeWeCom):
    with pytest.raises(AssertionError, match="'busy' hit 0 of 1 calls within 0 s"):
        fake.fail("busy").wait_for(1, timeout=0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"fault": "bussy"}, "no fault 'bussy'; there are busy, drop, garbage"),
        ({"fault": None}, "no fault None"),
        ({"fault": "busy", "times": 0}, "times must be 1 or more"),
        ({"fault": "drop", "when": "later"}, "'before' or 'after', not 'later'"),
        ({"fault": "slow"}, "Give seconds="),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fake: FakeWeCom, arguments: dict, text: str):
    with pytest.raises(ValueError, match=text):
        fake.fail(**arguments)
