"""A real redis-server on a free loopback port, for as long as a test wants it."""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest


def binary() -> str:
    """The server's path; without one the tests are skipped, on CI they fail."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing: the tests of RedisStore cannot run")
        pytest.skip("redis-server is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    def __init__(self, *options: str, config: str | None = None) -> None:
        self.port = free_port()
        self._command = [binary(), *([config] if config else []), "--port", str(self.port)]
        self._command += ["--bind", "127.0.0.1"]
        self._command += ["--save", "", "--appendonly", "no", "--daemonize", "no", *options]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server did not start"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as connection:
                connection.sendall(b"PING\r\n")
                # With a password set it says -NOAUTH, which is an answer too.
                return connection.recv(16)[:1] in (b"+", b"-")
        except OSError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)
