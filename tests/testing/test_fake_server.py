from __future__ import annotations

import contextlib
import gc
import http.client
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from wecom_auth.testing import FakeWeCom, Request

from .conftest import Wecom, text


def raw(url: str, data: bytes) -> bytes:
    """What the server says to these bytes until it closes or the client has seen enough."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files through /proc")
def test_many_times_started_and_stopped_leave_no_thread_and_no_socket():
    with requests.Session():
        files, threads = open_files(), threading.active_count()
        for _ in range(40):
            with FakeWeCom().serve() as url, requests.Session() as session:
                assert session.get(f"{url}/cgi-bin/x", timeout=20).json()["errcode"] == 41001
        assert threading.active_count() == threads
        assert open_files() <= files


def test_a_client_that_stays_connected_does_not_keep_a_thread(fake: FakeWeCom):
    threads = threading.active_count()
    with requests.Session() as session:
        with fake.serve() as url:
            session.get(f"{url}/cgi-bin/x", timeout=20)
            assert threading.active_count() > threads
        assert threading.active_count() == threads
        with pytest.raises(requests.ConnectionError):
            session.get(f"{url}/cgi-bin/x", timeout=20)


def test_parallel_keep_alive_clients_are_served(fake: FakeWeCom):
    token, together = fake.issue("c", "s"), threading.Barrier(16)

    def client(number: int) -> set[int]:
        with requests.Session() as session:
            together.wait(20)
            url = f"{base}/cgi-bin/message/send?access_token={token}"
            answers = [session.post(url, json=text(str(number)), timeout=20) for _ in range(5)]
            return {answer.json()["errcode"] for answer in answers}

    with fake.serve() as base, ThreadPoolExecutor(16) as pool:
        assert set().union(*pool.map(client, range(16))) == {0}
    fake.assert_delivered("text", times=16 * 5)


def test_a_connection_is_kept(over_http: Wecom):
    client = http.client.HTTPConnection(over_http.url.removeprefix("http://"), timeout=20)
    with contextlib.closing(client):
        sockets = set()
        for _ in range(3):
            client.request("GET", "/cgi-bin/x")
            client.getresponse().read()
            sockets.add(client.sock)
    assert len(sockets) == 1
    assert None not in sockets


def test_start_and_stop_may_be_repeated_and_keep_the_port(fake: FakeWeCom):
    server = fake.serve()
    with pytest.raises(RuntimeError, match=r"with fake\.serve\(\) as url"):
        _ = server.url
    server.stop()
    url = server.start()
    assert server.start() == url == server.url == str(server)
    server.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=20)
    assert server.start() == url
    assert requests.get(f"{url}/cgi-bin/x", timeout=20).status_code == 200
    server.stop()


def test_two_fronts_share_one_state(fake: FakeWeCom):
    with fake.serve() as one, fake.serve() as two:
        query = "/cgi-bin/gettoken?corpid=c&corpsecret=s"
        tokens = {requests.get(u + query, timeout=20).json()["access_token"] for u in (one, two)}
    assert len(tokens) == 1
    assert fake.gettoken_calls == 2


def test_a_port_that_is_taken_is_an_os_error(fake: FakeWeCom):
    with fake.serve() as url, pytest.raises(OSError, match="in use"):
        fake.serve(port=int(url.rpartition(":")[2])).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "::1"])
def test_other_addresses(fake: FakeWeCom, host: str):
    with fake.serve(host) as url:
        reached = url.replace("0.0.0.0", "127.0.0.1")
        assert requests.get(f"{reached}/cgi-bin/x", timeout=20).status_code == 200


def test_a_body_may_come_in_chunks(over_http: Wecom):
    def pieces():
        yield b'{"touser": "a", "agentid": 1, "msgtype": "text", '
        yield b'"text": {"content": "in pieces"}}'

    over_http.call("POST", "message/send", over_http.token(), data=pieces())
    over_http.fake.assert_delivered("text", text={"content": "in pieces"})


@pytest.mark.parametrize(
    "half",
    [
        b"Content-Length: 100\r\n\r\nhalf",
        b"Content-Length: x\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
def test_a_request_that_breaks_off_never_arrived(over_http: Wecom, half: bytes):
    assert raw(over_http.url, b"POST /cgi-bin/x HTTP/1.1\r\n" + half) == b""
    assert over_http.fake.journal == []


def test_an_absolute_target_as_proxies_get_it(over_http: Wecom):
    raw(over_http.url, b"GET http://qyapi.weixin.qq.com/cgi-bin/x?a=1 HTTP/1.1\r\n\r\n")
    assert over_http.fake.journal[0].url_path == "/cgi-bin/x"


def test_who_waits_for_100_continue_is_told_to_go_on(over_http: Wecom):
    host, _, port = over_http.url.removeprefix("http://").rpartition(":")
    head = b"POST /cgi-bin/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(head)
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"body")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert over_http.fake.journal[0].body == b"body"


def test_chunks_may_have_extensions_and_trailers(over_http: Wecom):
    head = b"POST /cgi-bin/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"4;name=value\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert raw(over_http.url, (head + body) * 2).count(b"HTTP/1.1 200 ") == 2
    assert [call.body for call in over_http.fake.journal] == [b"body"] * 2


def test_a_reset_is_a_reset_and_a_drop_is_an_end(over_http: Wecom):
    for fault, error in (("reset", ConnectionResetError), ("drop", http.client.RemoteDisconnected)):
        client = http.client.HTTPConnection(over_http.url.removeprefix("http://"), timeout=20)
        with contextlib.closing(client), over_http.fake.fail(fault):
            client.request("GET", "/cgi-bin/x")
            with pytest.raises(ConnectionResetError) as raised:
                client.getresponse()
        assert raised.type is error
    assert over_http.gettoken()["errcode"] == 0


def test_the_path_is_kept_as_it_came(over_http: Wecom):
    raw(over_http.url, b"GET //cgi-bin//x HTTP/1.1\r\n\r\n")
    call = over_http.fake.journal[0]
    assert (call.url_path, call.path) == ("//cgi-bin//x", "x")


def test_one_write_per_small_answer(over_http: Wecom, monkeypatch: pytest.MonkeyPatch):
    sent: list[int] = []
    here = threading.current_thread()

    def counting(real: Any) -> Any:
        def send(self: socket.socket, data: bytes, *args: int) -> Any:
            if threading.current_thread() is not here:
                sent.append(len(data))
            return real(self, data, *args)

        return send

    for name in ("send", "sendall"):
        real = getattr(socket.socket, name)
        monkeypatch.setattr(socket.socket, name, counting(real), raising=False)
    over_http.token()
    assert len(sent) == 1


def test_a_large_file_arrives_whole(over_http: Wecom):
    content = os.urandom(1 << 20)
    media_id = over_http.fake.add_media(content)
    assert over_http.get("media/get", over_http.token(), media_id=media_id).content == content


@pytest.mark.parametrize("body", [b'{"errcode": 0}', b""])
def test_a_chunked_answer(over_http: Wecom, body: bytes):
    over_http.fake.route("x", (200, {"Transfer-Encoding": "chunked"}, body))
    answer = over_http.get("x", over_http.token())
    assert answer.content == body
    assert "Content-Length" not in answer.headers
    assert over_http.get("x", over_http.token()).content == body


def test_a_content_length_that_lies_is_sent_as_it_is(over_http: Wecom):
    over_http.fake.route("x", (200, {"Content-Length": "1000000000"}, b"short"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        over_http.get("x", over_http.token())


def test_head_has_no_body(over_http: Wecom):
    answer = over_http.call("HEAD", "x", None)
    assert answer.content == b""
    assert int(answer.headers["Content-Length"]) > 0
    assert over_http.get("x").json()["errcode"] == 41001


def test_a_status_nobody_knows_and_a_header_beyond_latin_1(over_http: Wecom):
    over_http.fake.route("x", (799, {"X-Name": "报告"}, b""))
    answer = over_http.get("x", over_http.token())
    assert (answer.status_code, answer.headers["X-Name"]) == (799, "??")


def test_a_route_that_raises_tells_its_author_why(over_http: Wecom):
    def broken(request: Request):
        raise ZeroDivisionError("here")

    over_http.fake.route("x", broken)
    answer = over_http.get("x", over_http.token())
    assert answer.status_code == 500
    assert "ZeroDivisionError: here" in answer.text
    assert over_http.gettoken()["errcode"] == 0


def test_nothing_is_printed(over_http: Wecom, capfd: pytest.CaptureFixture[str]):
    over_http.send("dead")
    raw(over_http.url, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")
