"""Loopback servers with which something is wrong on the way to the platform."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from ways import closed_door, raw_server

CERTIFICATES = Path(__file__).parent / "certificates"


def certificate(name: str) -> str:
    """The path of a certificate with its key: `good`, `other-name`, `expired`, `not-yet-valid`."""
    return str(CERTIFICATES / f"{name}.pem")


@contextmanager
def listening(talk: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that does this with each connection, in one thread; gives `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = Event()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    if closing.is_set():
                        return
                    connection.settimeout(10)
                    talk(connection)

        thread = Thread(target=serve)
        thread.start()
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            closing.set()
            socket.create_connection((host, port)).close()
            thread.join()


@contextmanager
def tls(name: str, *, date: str = "") -> Iterator[str]:
    """An https server with this certificate that answers an empty page, with a `Date` if given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(name))
    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(head.encode())

    with listening(talk) as where:
        yield f"https://{where}"


@contextmanager
def plain_http_called_by_https() -> Iterator[str]:
    """An http server behind an https URL."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with listening(talk) as where:
        yield f"https://{where}"


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with raw_server(b"", hold=Event()) as url:
        yield url


@contextmanager
def hanging_up() -> Iterator[str]:
    """A server that closes each connection without an answer."""
    with raw_server(b"") as url:
        yield url


@contextmanager
def no_such_host() -> Iterator[str]:
    """A name that no resolver knows (RFC 6761)."""
    yield "http://wecom.invalid"


@contextmanager
def nobody_listens() -> Iterator[str]:
    """A port that refuses connections."""
    with closed_door() as url:
        yield url
