"""The fake platform over real HTTP on loopback: keep-alive, one thread a connection."""

from __future__ import annotations

import contextlib
import socket
from threading import Event, Thread
from typing import TYPE_CHECKING

from .conversation import Conversation, Front

if TYPE_CHECKING:
    from .fake import FakeWeCom

BACKLOG = 1024


class Server:
    """One HTTP server; `with fake.serve() as url:` or `start()` and `stop()`.

    After `stop()` no thread and no socket is left. Started again, it listens on the same port.

    Attributes:
        fake: the platform behind it.
    """

    def __init__(self, fake: FakeWeCom, host: str, port: int, front: Front | None = None) -> None:
        self.fake = fake
        self._front = front or fake.handle
        self._host = host
        self._port = port
        self._closing = Event()
        self._listener: socket.socket | None = None
        self._acceptor: Thread | None = None
        self._open: dict[Thread, socket.socket] = {}

    @property
    def url(self) -> str:
        """The base URL, for example `http://127.0.0.1:40123`.

        Raises:
            RuntimeError: it has not been started.
        """
        if not self._port or self._listener is None:
            raise RuntimeError("the server is not running: use `with fake.serve() as url:`")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def __str__(self) -> str:
        return self.url

    def start(self) -> str:
        """Starts listening and returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        if self._listener is not None:
            return self.url
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server(
            (self._host, self._port), family=family, backlog=BACKLOG
        )
        self._port = self._listener.getsockname()[1]
        self._closing.clear()
        self._acceptor = Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()
        return self.url

    def stop(self) -> None:
        """Stops listening, breaks what is open, and waits for every thread."""
        if self._listener is None or self._acceptor is None:
            return
        self._closing.set()
        self._nudge()
        self._acceptor.join()
        self._listener.close()
        for connection in self._open.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.fake.wake()
        for thread in self._open:
            thread.join()
        self._open = {}
        self._listener = self._acceptor = None

    close = stop

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _nudge(self) -> None:
        """Wakes accept(): closing the socket under it does so on some systems only."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        with contextlib.suppress(OSError):
            socket.create_connection((host, self._port), timeout=1).close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            self._open = {t: c for t, c in self._open.items() if t.is_alive()}
            thread = Thread(target=self._talk, args=(connection,), daemon=True)
            self._open[thread] = connection
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            Conversation(connection, self._front, self._closing.is_set)
