"""A redis-server that allows few connections, and can be filled up."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

MAXCLIENTS = 4


class FullRedis:
    """A real server on a free loopback port, for fewer connections than there are workers."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly no --maxclients {MAXCLIENTS}"
        self._process = subprocess.Popen(
            ["redis-server", "--save", "", *options.split()], stdout=subprocess.DEVNULL
        )

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not start")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with self._connect() as connection:
                return connection.recv(1) == b"+"
        except OSError:
            return False

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 1)
        connection.sendall(b"PING\r\n")
        return connection

    @contextmanager
    def filled(self) -> Iterator[None]:
        """All its connections are taken: who comes now is refused."""
        with ExitStack() as taken:
            for _ in range(MAXCLIENTS * 4):
                connection = taken.enter_context(self._connect())
                try:
                    if connection.recv(1) != b"+":
                        break
                except OSError:
                    break
            yield

    def refused(self) -> int:
        """Connections that it has refused, the `filled` one among them."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"INFO stats\r\nQUIT\r\n")
            with connection.makefile("rb") as answer:
                text = answer.read().decode()
        return int(text.partition("rejected_connections:")[2].split()[0])

    def end(self) -> None:
        """End it, and wait until it has gone."""
        self._process.kill()
        self._process.wait()
