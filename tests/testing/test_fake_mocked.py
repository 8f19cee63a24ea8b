from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from responses import matchers, registries
from urllib3 import Timeout

from wecom_auth.testing import FakeWeCom, _mocked

from .conftest import CORP, SECRET, text

HOST = "https://qyapi.weixin.qq.com"
BODY = json.dumps(text("x")).encode()
GETTOKEN = f"{HOST}/cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}"


@pytest.fixture(autouse=True)
def _no_patch_is_left_behind() -> Iterator[None]:
    def patched() -> list[object]:
        registry = registries.FirstMatchRegistry.find, registries.OrderedRegistry.find
        return [HTTPAdapter.send, *registry, _mocked._entered.platforms[:], sys.meta_path[:]]

    before = patched()
    yield
    assert patched() == before


def errcode(url: str = GETTOKEN, **more: object) -> int:
    return int(requests.get(url, timeout=20, **more).json()["errcode"])  # type: ignore[arg-type]


def test_as_a_context_manager(fake: FakeWeCom):
    with fake.mocked() as entered:
        assert entered is fake
        assert errcode() == 0
    assert fake.gettoken_calls == 1


def test_as_a_decorator_that_keeps_name_and_arguments(fake: FakeWeCom):
    @fake.mocked()
    def test(number: int) -> int:
        return errcode() + number

    assert (test(1), test(number=2)) == (1, 2)
    assert test.__name__ == "test"
    assert fake.gettoken_calls == 2


def test_as_a_decorator_of_a_coroutine(fake: FakeWeCom):
    @fake.mocked()
    async def test() -> int:
        await asyncio.sleep(0)
        return errcode()

    assert asyncio.run(test()) == 0


def test_an_exception_leaves_no_patch(fake: FakeWeCom):
    with pytest.raises(ZeroDivisionError), fake.mocked():
        raise ZeroDivisionError


def test_200_times_leave_no_patch_and_no_thread(fake: FakeWeCom):
    threads = threading.active_count()
    for _ in range(200):
        with fake.mocked():
            assert errcode() == 0
    assert threading.active_count() == threads


def test_a_block_may_be_entered_again_while_it_is_entered(fake: FakeWeCom):
    with fake.mocked(), fake.mocked():
        assert errcode() == 0


def test_one_object_may_be_entered_again_while_it_is_entered(fake: FakeWeCom):
    front = fake.mocked()
    with front:
        with front:
            assert errcode() == 0
        assert errcode() == 0
    with front:
        assert errcode() == 0


def test_blocks_may_be_left_in_any_order(fake: FakeWeCom):
    first, second = fake.mocked(), fake.mocked("http://private:81")
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert errcode(GETTOKEN.replace(HOST, "http://private:81")) == 0
    second.__exit__()


# --- beside the user's own rules ---


@pytest.mark.parametrize("registry", [registries.FirstMatchRegistry, registries.OrderedRegistry])
def test_the_users_rules_win_inside(fake: FakeWeCom, registry: type):
    with fake.mocked(), responses.RequestsMock(registry=registry) as own:
        own.get("https://example.org/", json={"errcode": 7})
        own.get(f"{HOST}/cgi-bin/user/get", json={"errcode": 8})
        assert errcode() == 0
        assert errcode("https://example.org/") == 7
        assert errcode() == 0
        assert errcode(f"{HOST}/cgi-bin/user/get") == 8
    assert fake.gettoken_calls == 2


def test_the_users_rules_win_outside(fake: FakeWeCom):
    with responses.RequestsMock() as own:
        own.get("https://example.org/", json={"errcode": 7})
        own.get(f"{HOST}/cgi-bin/user/get", json={"errcode": 8})
        with fake.mocked():
            assert errcode() == 0
            assert errcode("https://example.org/") == 7
            assert errcode(f"{HOST}/cgi-bin/user/get") == 8


def test_a_rule_that_does_not_match_leaves_the_call_to_the_fake(fake: FakeWeCom):
    with fake.mocked(), responses.RequestsMock(assert_all_requests_are_fired=False) as own:
        only = [matchers.query_param_matcher({"corpid": "another"}, strict_match=False)]
        own.get(f"{HOST}/cgi-bin/gettoken", json={"errcode": 8}, match=only)
        assert errcode() == 0


@responses.activate
def test_below_responses_activate(fake: FakeWeCom):
    responses.get("https://example.org/", json={"errcode": 7})
    with fake.mocked():
        assert (errcode(), errcode("https://example.org/")) == (0, 7)


def test_above_responses_activate(fake: FakeWeCom):
    @responses.activate
    def test() -> tuple[int, int]:
        responses.get("https://example.org/", json={"errcode": 7})
        return errcode(), errcode("https://example.org/")

    with fake.mocked():
        assert test() == (0, 7)
        assert errcode() == 0


def test_what_the_user_mocks_not_is_refused_by_their_mock(fake: FakeWeCom):
    with (
        fake.mocked(),
        responses.RequestsMock(),
        pytest.raises(requests.ConnectionError, match="Connection refused by Responses"),
    ):
        errcode("https://example.org/")


def test_other_hosts_are_as_reachable_as_before(fake: FakeWeCom):
    with FakeWeCom().serve() as url, fake.mocked():
        assert errcode(f"{url}/cgi-bin/x") == 41001
    assert fake.journal == []


# --- which URLs are the platform's ---


@pytest.mark.parametrize(
    ("base", "url", "owned"),
    [
        (HOST, f"{HOST}:443/cgi-bin/x", True),
        (HOST, "https://QYAPI.weixin.qq.com/cgi-bin/x", True),
        (HOST, "http://qyapi.weixin.qq.com/cgi-bin/x", False),
        (HOST, "https://qyapi.weixin.qq.com.evil.example/cgi-bin/x", False),
        (f"{HOST}/", f"{HOST}/cgi-bin/x", True),
        ("http://proxy:8080/wecom", "http://proxy:8080/wecom/cgi-bin/x", True),
        ("http://proxy:8080/wecom", "http://proxy:8080/wecom2/cgi-bin/x", False),
        ("http://proxy:8080/wecom", "http://proxy/wecom/cgi-bin/x", False),
    ],
)
def test_a_platform_owns_its_base_url(fake: FakeWeCom, base: str, url: str, owned: bool):
    assert fake.mocked(base).owns(url) is owned


def test_two_platforms_side_by_side(fake: FakeWeCom):
    other = FakeWeCom()
    with fake.mocked(), other.mocked("http://private:81"):
        assert errcode(GETTOKEN.replace(HOST, "http://private:81")) == 0
        assert (fake.gettoken_calls, other.gettoken_calls) == (0, 1)


def test_of_two_platforms_at_one_place_the_inner_one_answers(fake: FakeWeCom):
    inner = FakeWeCom()
    with fake.mocked():
        with inner.mocked():
            errcode()
        errcode()
        errcode()
    assert (inner.gettoken_calls, fake.gettoken_calls) == (1, 2)


# --- answers and bodies ---


@pytest.mark.parametrize(
    "body",
    [
        BODY.decode(),
        BODY,
        bytearray(BODY),
        iter([BODY[:10], BODY[10:]]),
    ],
)
def test_bodies_of_every_kind_arrive(fake: FakeWeCom, body: object):
    url = f"{HOST}/cgi-bin/message/send?access_token={fake.issue('c', 's')}"
    prepared = requests.Request("POST", url).prepare()
    prepared.body = body  # type: ignore[assignment]
    with fake.mocked(), requests.Session() as session:
        session.send(prepared)
    assert fake.messages == [text("x")]


def test_a_header_may_be_bytes(fake: FakeWeCom):
    with fake.mocked():
        requests.get(f"{HOST}/cgi-bin/x", headers={"X-Name": b"value"}, timeout=20)
    assert fake.journal[0].headers["X-Name"] == "value"


def test_a_used_up_iterator_arrives_empty_as_in_reality(fake: FakeWeCom):
    pieces = iter([b"x"])
    list(pieces)
    with fake.mocked():
        requests.post(f"{HOST}/cgi-bin/x", data=pieces, timeout=20)
    assert fake.journal[0].body == b""


def test_a_chunked_answer_is_an_answer(fake: FakeWeCom):
    fake.route("x", (200, {"Transfer-Encoding": "chunked"}, b"{}"), check_token=False)
    with fake.mocked():
        answer = requests.get(f"{HOST}/cgi-bin/x", timeout=20)
    assert answer.content == b"{}"
    assert not {"Transfer-Encoding", "Content-Length"} & set(answer.headers)


@pytest.mark.parametrize("timeout", [Timeout(read=5), Timeout(total=5), (1, 5), 5])
def test_a_timeout_in_every_form(fake: FakeWeCom, timeout: Any):
    fake.fail("hang")
    with fake.mocked(), pytest.raises(requests.ReadTimeout, match="read timeout="):
        requests.get(GETTOKEN, timeout=timeout)


@pytest.mark.parametrize("timeout", [Timeout(), (1, None), None])
def test_no_timeout_in_every_form(fake: FakeWeCom, timeout: Any):
    fake.fail("slow", seconds=0.001)
    with fake.mocked():
        assert requests.get(GETTOKEN, timeout=timeout).json()["errcode"] == 0


def test_many_threads_in_process(fake: FakeWeCom):
    with fake.mocked(), ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: errcode(), range(160))) == {0}
    assert fake.gettoken_calls == 160


def test_calls_are_not_kept_twice(fake: FakeWeCom):
    with fake.mocked():
        for _ in range(10):
            errcode()
        front: Any = _mocked._entered._fronts["requests"]
        assert len(front._mock.calls) <= 1


def test_who_hangs_without_a_timeout_is_let_go_at_the_end_of_the_block(fake: FakeWeCom):
    fault = fake.fail("hang")
    with ThreadPoolExecutor(1) as pool:
        with fake.mocked():
            hung = pool.submit(requests.get, GETTOKEN)
            fault.wait_for(1)
        assert isinstance(hung.exception(10), requests.ConnectionError)


def test_who_is_held_at_the_end_of_the_block_is_answered(fake: FakeWeCom):
    hold = fake.hold("x")
    with ThreadPoolExecutor(1) as pool:
        with fake.mocked():
            held = pool.submit(requests.get, f"{HOST}/cgi-bin/x")
            hold.wait_for(1)
        assert held.result(10).json()["errcode"] == 41001


def test_one_call_through_message_send(fake: FakeWeCom):
    with fake.mocked():
        url = f"{HOST}/cgi-bin/message/send?access_token={fake.issue('c', 's')}"
        requests.post(url, json=text("x"), timeout=20)
    fake.assert_delivered("text", times=1)
