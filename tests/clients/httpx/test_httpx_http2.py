"""HTTP/2: a call is healed and a download comes whole, many at once over one connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest
from httpx_ways import LIBRARIES

from wecom_auth import ExternalToken, attach
from wecom_auth.httpx import WeComAuth

h2_connection = pytest.importorskip("h2.connection")
h2_events = pytest.importorskip("h2.events")
BIG = b"x" * 40_000


class Platform:
    """Speaks HTTP/2 without TLS, as a proxy behind a balancer does; the token OLD is dead."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                Thread(target=self._talk, args=(peer,), daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, peer: socket.socket) -> None:
        speaker = h2_connection.H2Connection(
            config=__import__("h2.config").config.H2Configuration(client_side=False)
        )
        speaker.initiate_connection()
        with peer, suppress(OSError):
            peer.sendall(speaker.data_to_send())
            while data := peer.recv(65536):
                for event in speaker.receive_data(data):
                    if isinstance(event, h2_events.RequestReceived):
                        self._answer(speaker, event)
                peer.sendall(speaker.data_to_send())

    def _answer(self, speaker: Any, event: Any) -> None:
        path = dict(event.headers)[b":path"].decode()
        self.paths.append(path)
        dead = "access_token=OLD" in path
        data = json.dumps({"errcode": 42001 if dead else 0}).encode()
        kind = "application/json"
        if "media/get" in path and not dead:
            kind, data = "image/png", BIG
        head = [(":status", "200"), ("content-type", kind), ("content-length", str(len(data)))]
        speaker.send_headers(event.stream_id, head)
        for start in range(0, len(data), 10_000):
            speaker.send_data(event.stream_id, data[start : start + 10_000])
        speaker.end_stream(event.stream_id)


@contextmanager
def platform() -> Iterator[Platform]:
    there = Platform()
    thread = Thread(target=there.serve)
    thread.start()
    try:
        yield there
    finally:
        there.stop()
        thread.join()


def tokens(url: str) -> ExternalToken:
    left = ["OLD", "NEW"]
    return ExternalToken(lambda: left.pop(0) if len(left) > 1 else left[0], base_url=url)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["attach", "auth"])
def test_a_call_is_healed_and_a_download_is_whole(library: Any, way: str):
    with platform() as there:
        app = tokens(there.url)
        client = library.Client(http1=False, http2=True, trust_env=False, timeout=10)
        if way == "attach":
            attach(client, app)
        else:
            client.auth = WeComAuth(app)
        with client:
            answer = client.get(f"{there.url}/cgi-bin/user/get")
            assert (answer.http_version, answer.json()) == ("HTTP/2", {"errcode": 0})
            assert client.get(f"{there.url}/cgi-bin/media/get").content == BIG
    assert [path[-3:] for path in there.paths] == ["OLD", "NEW", "NEW"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_many_tasks_over_one_connection(library: Any):
    async def many(there: Platform) -> set[int]:
        client = library.AsyncClient(http1=False, http2=True, trust_env=False, timeout=10)
        async with attach(client, tokens(there.url)):
            calls = [client.get(f"{there.url}/cgi-bin/user/get") for _ in range(30)]
            return {answer.json()["errcode"] for answer in await asyncio.gather(*calls)}

    with platform() as there:
        assert asyncio.run(many(there)) == {0}
