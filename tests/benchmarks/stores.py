"""Processes that share a store: the first call of a process, and those that follow."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from wecom_auth import AppCredential, TokenSource
from wecom_auth.testing import reset

from .measure import Effort, Row, Timing, microseconds
from .null import NullTransport
from .ways import session_over

_APP = AppCredential("corp", "secret")


def stores(effort: Effort) -> list[Row]:
    """gettoken itself takes no time here; over a network it takes about 100 ms."""
    rows = _rows("memory only", None, effort)
    with tempfile.TemporaryDirectory() as directory:
        rows += _rows("FileStore", f"file://{directory}/tokens", effort)
    with redis_of_our_own() as url:
        rows += _rows("RedisStore", url, effort) if url else []
    return rows


def _rows(what: str, store: str | None, effort: Effort) -> list[Row]:
    first, found, warm = Timing(), Timing(), Timing()
    rounds = max(2, effort.rounds // 6)
    for _ in range(rounds):
        _forget(store)
        _get(store, first)
        reset()  # as a new process would start
        source = _get(store, found)
        began, cpu = time.perf_counter(), time.thread_time()
        source.get()
        _note(warm, began, cpu)
    reset()
    return [
        _row(f"{what}: first call, nothing there", first),
        *([] if store is None else [_row(f"{what}: first call, token there", found)]),
        _row(f"{what}: warm call", warm),
    ]


def _get(store: str | None, timing: Timing) -> TokenSource:
    source = TokenSource(_APP, store=store, session=session_over(NullTransport))
    began, cpu = time.perf_counter(), time.thread_time()
    source.get()
    _note(timing, began, cpu)
    return source


def _forget(store: str | None) -> None:
    if store is not None:
        source = TokenSource(_APP, store=store, session=session_over(NullTransport))
        source.invalidate(source.get())
    reset()


def _note(timing: Timing, began: float, cpu: float) -> None:
    timing.wall.append(time.perf_counter() - began)
    timing.cpu.append(time.thread_time() - cpu)


def _row(what: str, timing: Timing) -> Row:
    wall, cpu = microseconds(median(timing.wall)), microseconds(median(timing.cpu))
    return Row(what, {"wall us": wall, "min us": microseconds(min(timing.wall)), "cpu us": cpu})


@contextmanager
def redis_of_our_own() -> Iterator[str | None]:
    """A server of our own on loopback; None where there is none to start, or no client."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    try:
        import redis
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            while server.poll() is None and not _answers(client):
                time.sleep(0.02)
        try:
            yield url
        finally:
            server.terminate()


def _answers(client: object) -> bool:
    try:
        return bool(client.ping())  # type: ignore[attr-defined]
    except Exception:
        return False
