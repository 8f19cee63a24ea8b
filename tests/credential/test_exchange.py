"""gettoken in bad weather: what sense can be made of its answers, and how long it may take."""

from __future__ import annotations

import gzip
import pickle
import socket
from collections.abc import Iterable
from contextlib import suppress
from threading import Event
from typing import Any

import pytest
import requests
from tokenside import CORP, SECRET, Counted, meanwhile, settle

from wecom_auth import (
    AppCredential,
    CredentialError,
    TokenSource,
    TokenUnavailable,
    WeComError,
    attach,
)
from wecom_auth._credential.exchange import Grant, seconds_of
from wecom_auth._source import fetch as fetching
from wecom_auth._source import process, transport
from wecom_auth._source import source as source_module
from wecom_auth.errors import TokenConnectionError
from wecom_auth.testing import Server


@pytest.fixture
def source(wecom_server: Server) -> TokenSource:
    return TokenSource(AppCredential(CORP, SECRET, base_url=wecom_server.url))


def answers(server: Server, answer: Any) -> None:
    server.fake.route("gettoken", answer, check_token=False)


# --- answers of which sense can be made ---


@pytest.mark.parametrize(
    ("answer", "life"),
    [
        ({"errcode": 0, "errmsg": "ok", "access_token": "t", "expires_in": 7200}, 7200),
        ({"access_token": "t", "expires_in": 7200}, 7200),
        ({"access_token": "t"}, 7200),
        ({"errcode": None, "access_token": "t", "expires_in": None}, 7200),
        ({"errcode": 0, "access_token": " t\n", "expires_in": 0}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": "7200"}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": "soon"}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": -5}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": 10**9}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": 10**400}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": 1e999}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": float("nan")}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": True}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": [7200]}, 7200),
        ({"errcode": 0, "access_token": "t", "expires_in": 60, "more": {"errcode": 1}}, 60),
        ({"errcode": 0, "access_token": "t", "expires_in": 6.5}, 6.5),
        ((500, {}, '{"access_token": "t", "expires_in": 7200}'), 7200),
        ((200, {}, b'\xef\xbb\xbf{"access_token": "t"}'), 7200),
        ((200, {"Content-Encoding": "gzip"}, '{"access_token": "t"}'), 7200),
        ((200, {"Transfer-Encoding": "chunked"}, '{"access_token": "t"}'), 7200),
    ],
)
def test_a_token(wecom_server: Server, source: TokenSource, answer: Any, life: float):
    answers(wecom_server, answer)
    token = source.get()
    assert token.value == "t"
    assert 0.94 * life <= token._hard <= life
    assert source.get() is token
    assert wecom_server.fake.gettoken_calls == 1


@pytest.mark.parametrize("stated", [None, "", "x", 0, -1, True, False, [], {}, float("nan")])
def test_a_life_that_makes_no_sense_counts_as_not_stated(stated: Any):
    assert seconds_of(stated, 300.0) == 300.0


# --- answers of which none can be made ---

BOMB = gzip.compress(b" " * 50_000_000)
ODD = [
    {},
    {"errcode": 0},
    {"errcode": 0, "access_token": ""},
    {"errcode": 0, "access_token": "   "},
    {"errcode": 0, "access_token": None},
    {"errcode": 0, "access_token": ["t"]},
    {"errcode": 0, "access_token": 7},
    {"errcode": "40001", "errmsg": "as a str"},
    {"errcode": True},
    (200, {}, b""),
    (200, {}, "[]"),
    (200, {}, '"access_token"'),
    (200, {}, b"\xff\xfe\x00{]"),
    (200, {}, "[" * 100_000),
    (200, {}, '{"access_token": "' + "t" * 100_000 + '"}'),
    (200, {}, '{"access_token": "half a pair \\ud83d"}'),
    (200, {}, '{"errcode": ' + "9" * 5000 + "}"),
    (200, {"Content-Encoding": "gzip"}, BOMB),
    (200, {"Content-Encoding": "gzip"}, b"\x1f\x8bnot gzip"),
    (200, {"Content-Type": "text/html"}, "<html>portal: log in</html>"),
    (302, {"Location": "https://evil.example/cgi-bin/gettoken"}, ""),
    (302, {"Location": "/cgi-bin/user/get"}, '{"errcode": 0}'),
    (502, {"Content-Type": "text/html"}, "<html>Bad Gateway</html>"),
    (204, {}, ""),
]


@pytest.mark.parametrize("answer", ODD, ids=[str(each)[:40] for each in ODD])
def test_no_token(
    wecom_server: Server, source: TokenSource, answer: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    answers(wecom_server, answer)
    with pytest.raises(TokenUnavailable) as caught:
        source.get()
    assert SECRET not in str(caught.value)
    assert wecom_server.fake.gettoken_calls == 1
    answers(wecom_server, {"access_token": "t"})
    assert source.get().value == "t"


def test_what_is_no_answer_says_where_to_look(wecom_server: Server, source: TokenSource):
    answers(wecom_server, (502, {}, "<html>"))
    with pytest.raises(TokenUnavailable, match=r"HTTP 502.*the proxy does not reach WeCom"):
        source.get()


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code, CredentialError) for code in (40001, 40013, 40091, 48002, 301002)]
    + [(code, TokenUnavailable) for code in (45009, 45011, 50001, 99999, -3)],
)
def test_an_errcode_that_does_not_pass_is_asked_for_once(
    wecom_server: Server, source: TokenSource, code: int, kind: type[WeComError]
):
    """Only the kind's table says which errcodes refuse the credential; an unknown one may not."""
    wecom_server.fake.fail(code, path="gettoken")
    for _ in range(3):
        with pytest.raises(kind) as caught:
            source.get()
    error = caught.value
    assert type(error) is kind
    assert error.errcode == code
    assert error.help_url == f"https://open.work.weixin.qq.com/devtool/query?e={code}"
    assert str(code) in str(error)
    assert error.help_url in str(error)
    assert error.advice in str(error)
    assert wecom_server.fake.gettoken_calls == 1


def test_words_that_quote_the_secret_are_masked(wecom_server: Server, source: TokenSource):
    answers(wecom_server, {"errcode": 40001, "errmsg": f"wrong secret {SECRET} of {CORP}"})
    with pytest.raises(CredentialError) as caught:
        source.get()
    assert caught.value.errmsg == f"wrong secret *** of {CORP}"
    assert SECRET not in str(caught.value)


# --- trouble that passes ---


@pytest.mark.parametrize("fault", ["drop", "outage", "busy", "garbage", 6000, 45033])
def test_twice_in_trouble_and_then_well(wecom_server: Server, source: TokenSource, fault: Any):
    wecom_server.fake.fail(fault, path="gettoken", times=2)
    assert source.get().value == wecom_server.fake.token(CORP, SECRET)
    assert wecom_server.fake.gettoken_calls == 3
    assert source.statistics[:1] == (3,)
    assert source.statistics.failures == 0


def test_control_with_one_try_it_fails(
    wecom_server: Server, source: TokenSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    wecom_server.fake.fail("busy", path="gettoken", times=2)
    with pytest.raises(TokenUnavailable):
        source.get()


@pytest.mark.parametrize("fault", ["drop", "outage", "busy"])
def test_trouble_that_stays_is_tried_three_times(
    wecom_server: Server, source: TokenSource, fault: Any
):
    wecom_server.fake.fail(fault, path="gettoken")
    with pytest.raises(TokenUnavailable):
        source.get()
    assert wecom_server.fake.gettoken_calls == 3


def caught_by(kind: type[BaseException], source: TokenSource, **more: Any) -> WeComError:
    with pytest.raises(kind) as caught:
        source.get(**more)
    assert isinstance(caught.value, TokenUnavailable)
    return caught.value


def test_existing_except_blocks_catch_it(wecom_server: Server, source: TokenSource):
    with wecom_server.fake.fail("drop", path="gettoken"):
        dropped = caught_by(requests.ConnectionError, source)
    with wecom_server.fake.fail("hang", path="gettoken"):
        hung = caught_by(requests.Timeout, source, timeout=0.2)
    wecom_server.stop()
    refused = caught_by(requests.ConnectionError, source)
    for error in (dropped, hung, refused):
        assert isinstance(error, requests.RequestException)
        assert error.__cause__ is error.__context__ is None
        assert SECRET not in f"{error} {error!r} {error.args} {error.__dict__}"
        twin = pickle.loads(pickle.dumps(error))
        assert type(twin) is type(error)
        assert str(twin) == str(error)
    wecom_server.start()


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    source = TokenSource(AppCredential(CORP, SECRET, base_url="https://nowhere.invalid"))
    assert isinstance(caught_by(requests.ConnectionError, source), TokenConnectionError)


def test_a_ca_bundle_that_is_not_there(wecom_server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    monkeypatch.setattr(fetching, "TRIES", 1)
    source = TokenSource(AppCredential(CORP, SECRET, base_url="https://localhost:1"))
    with pytest.raises(TokenUnavailable, match="gettoken failed: OSError"):
        source.get()


def test_the_total_limit_holds_without_a_timeout_of_the_callers(
    wecom_server: Server, source: TokenSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source_module, "TIME_LIMIT", 0.3)
    wecom_server.fake.fail("hang", path="gettoken")
    caught_by(requests.Timeout, source)


def test_a_call_with_a_timeout_waits_no_longer_for_its_token(wecom_server: Server):
    credential = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    wecom_server.fake.fail("hang", path="gettoken", times=1)
    with attach(requests.Session(), credential) as session:
        url = f"{wecom_server.url}/cgi-bin/user/get?userid=alice"
        with pytest.raises(requests.Timeout):
            session.get(url, timeout=0.2)
        assert session.get(url, timeout=20).json()["errcode"] == 0


# --- slow in small pieces ---


class Dripping:
    """A server that answers gettoken in small pieces, and notes when its caller has left."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces, self.left = pieces, Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Dripping:
        self._background = meanwhile(self._serve)
        self._background.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()[:2], 1).close()
        self._background.__exit__(None, None, None)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.settimeout(0.02)  # how long a piece takes
            for piece in self._pieces:
                connection.sendall(piece)
                with suppress(TimeoutError):
                    while connection.recv(65536):
                        pass
                    self.left.set()
                    return


def pieces(text: bytes, end: bytes) -> list[bytes]:
    return [text[i : i + 1] for i in range(len(text))] + [end]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"errcode": 0, "access_token": "t", "expires_in": 7200}'


def drip_the_body() -> list[bytes]:
    spaces = b" " * 60
    return [HEAD % (60 + len(BODY)), *pieces(spaces, BODY)]


def drip_the_head() -> list[bytes]:
    padding = b"X-Padding: " + b"x" * 60 + b"\r\n"
    return [
        b"HTTP/1.1 200 OK\r\n",
        *pieces(padding, b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)),
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([HEAD % 100 + BODY], requests.ConnectionError),
        ([HEAD % 100 + BODY, *[b""] * 100], requests.Timeout),
    ],
    ids=["cut short", "stalled"],
)
def test_a_body_that_does_not_end_is_a_failure_of_the_network(
    body: list[bytes], kind: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "TRIES", 1)
    with Dripping(*body) as server:
        app = AppCredential(CORP, SECRET, base_url=server.url)
        with pytest.raises(kind) as caught:
            TokenSource(app).get(timeout=0.3)
    assert isinstance(caught.value, TokenUnavailable)


def test_a_body_that_drips_is_given_up_at_the_limit():
    with Dripping(*drip_the_body()) as server:
        source = TokenSource(AppCredential(CORP, SECRET, base_url=server.url))
        caught_by(requests.Timeout, source, timeout=0.3)
        assert server.left.wait(10)


def test_control_without_looking_at_the_clock_it_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
):
    def gather(pieces: Iterable[bytes], deadline: float) -> bytes:
        return b"".join(pieces)

    monkeypatch.setattr(transport, "gather", gather)
    monkeypatch.setattr(AppCredential, "runs_inline", True)
    with Dripping(*drip_the_body()) as server:
        source = TokenSource(AppCredential(CORP, SECRET, base_url=server.url))
        assert source.get(timeout=0.3).value == "t"


def test_a_head_that_drips_holds_up_nobody(monkeypatch: pytest.MonkeyPatch):
    """No timeout of requests ends it: whoever waits for it keeps its own limit."""
    counted = Counted(monkeypatch)
    with Dripping(*drip_the_head()) as server:
        source = TokenSource(AppCredential(CORP, SECRET, base_url=server.url))
        with meanwhile(lambda: caught_by(requests.Timeout, source, timeout=0.3)) as leading:
            counted.wait_for(fetches=1)
            caught_by(requests.Timeout, source, timeout=0.1)
            leading.result(1)
        assert process.held.flights, "the exchange is still under way"
        settle()


def test_control_in_ones_own_thread_a_head_that_drips_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(AppCredential, "runs_inline", True)
    with Dripping(*drip_the_head()) as server:
        source = TokenSource(AppCredential(CORP, SECRET, base_url=server.url))
        caught_by(requests.Timeout, source, timeout=0.3)
        assert not process.held.flights, "it was back when the exchange had ended, not before"


def test_a_grant_does_not_show_its_token():
    assert repr(Grant("a-long-token-value", 7200.0)) == "<Grant a-lo... (18 characters), 7200 s>"
