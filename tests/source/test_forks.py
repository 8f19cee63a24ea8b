"""Forks, pickles, threads that are not there, and an interpreter that ends during a refresh."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any
from weakref import WeakValueDictionary

import pytest
import requests
from tokenside import CORP, SECRET, Clock, meanwhile, program, settle

from wecom_auth import (
    APIError,
    AppCredential,
    CredentialError,
    ExternalToken,
    MemoryStore,
    TokenSource,
    TokenUnavailable,
    WeComError,
    attach,
)
from wecom_auth._source import forks, process
from wecom_auth._source.flight import Flight
from wecom_auth.errors import TokenConnectionError, TokenTimeout
from wecom_auth.testing import FakeWeCom, Server

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def in_a_child(work: Callable[[], Any], patience: float = 3) -> str:
    """What the work says in a forked child; "gone" where it is killed for not coming back."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import signal

        signal.setitimer(signal.ITIMER_REAL, patience)
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said or "gone"


def source_of(server: Server, **more: Any) -> TokenSource:
    return TokenSource(AppCredential(CORP, SECRET, base_url=server.url), **more)


# --- fork ---


@needs_fork
def test_a_fork_keeps_the_token(wecom_server: Server):
    source = source_of(wecom_server)
    value = source.get().value
    assert in_a_child(lambda: source.get().value) == value
    assert in_a_child(lambda: source_of(wecom_server).get().value) == value
    assert wecom_server.fake.gettoken_calls == 1


@needs_fork
def test_a_fork_while_a_fetch_is_under_way(wecom_server: Server):
    """Child and parent both go on: the child makes a fetch of its own."""
    source, fake = source_of(wecom_server), wecom_server.fake
    with fake.hold("gettoken") as hold, meanwhile(source.get) as fetching:
        hold.wait_for(1)
        with meanwhile(lambda: (hold.wait_for(2), hold.release())):
            said = in_a_child(lambda: source.get(timeout=2).value)
            hold.release()
        assert fetching.result().value == fake.token(CORP, SECRET) == said
    assert fake.gettoken_calls == 2


@needs_fork
def test_control_a_flight_that_is_kept_is_waited_for_in_vain(
    wecom_server: Server, monkeypatch: pytest.MonkeyPatch
):
    source, fake = source_of(wecom_server), wecom_server.fake
    monkeypatch.setattr(process, "under_way", lambda flight: None)
    with fake.hold("gettoken") as hold, meanwhile(source.get) as fetching:
        hold.wait_for(1)
        assert in_a_child(lambda: source.get(timeout=0.5).value).startswith("TokenTimeout")
        hold.release()
        assert fetching.result()


def fork_under_lock(store: MemoryStore, source: TokenSource, patience: float = 3) -> str:
    """Another thread holds the memory's lock at the fork."""
    from threading import Event

    held, let_go = Event(), Event()

    def hold() -> None:
        with store.lock:
            held.set()
            let_go.wait(30)

    with meanwhile(hold):
        held.wait(30)
        said = in_a_child(lambda: source.get(timeout=2).value, patience)
        let_go.set()
    return said


@needs_fork
def test_a_fork_while_a_lock_is_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.2)
    clock, fake = Clock(), FakeWeCom()
    store = clock.store()
    source = program(fake, clock, store=store)
    value = source.get().value
    assert fork_under_lock(store, source) == value


@needs_fork
def test_control_a_lock_that_is_not_renewed_is_held_for_ever(monkeypatch: pytest.MonkeyPatch):
    clock, fake = Clock(), FakeWeCom()
    store = clock.store()
    source = program(fake, clock, store=store)
    source.get()
    monkeypatch.setattr(process.held, "memories", WeakValueDictionary())
    assert fork_under_lock(store, source, 0.5) == "gone"


@needs_fork
def test_children_do_not_share_the_parents_connections(wecom_server: Server):
    source_of(wecom_server).get()
    before = process.session()
    assert in_a_child(lambda: process.session() is before) == "False"
    assert process.session() is before


@needs_fork
def test_a_fork_during_a_refresh_behind(wecom_server: Server):
    clock, fake = Clock(), wecom_server.fake
    source = source_of(wecom_server, store=clock.store())
    old = source.get()
    fake.revoke()
    clock.pass_by(6000)
    with fake.hold("gettoken") as hold:
        assert source.get() is old
        hold.wait_for(1)
        assert in_a_child(lambda: (source.get().value, len(process.held.threads))).startswith("('")
        hold.release()
        settle()
    assert source.get().value == fake.token(CORP, SECRET) != old.value


@needs_fork
def test_a_fork_while_the_process_lock_is_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.2)
    source, held, let_go = program(FakeWeCom(), Clock()), Event(), Event()
    value = source.get().value

    def hold() -> None:
        with process.lock:
            held.set()
            let_go.wait(30)

    with meanwhile(hold):
        held.wait(30)
        said = in_a_child(lambda: (source.get().value == value, source.statistics.fetches))
        let_go.set()
    assert said == "(True, 1)"
    assert process.lock.acquire(timeout=5), "the parent's is free again"
    process.lock.release()


@needs_fork
def test_in_a_child_every_flight_has_landed_with_nothing(wecom_server: Server):
    fake = wecom_server.fake
    sources = [
        TokenSource(AppCredential(CORP, f"secret-{number}", base_url=wecom_server.url))
        for number in range(8)
    ]

    def in_child() -> list[Any]:
        landed = [flight.wait(0) for flight in flights if flight.has_landed]
        return [landed, len(process.held.flights), process.generation - before]

    with fake.hold("gettoken") as hold, ThreadPoolExecutor(8) as pool:
        fetching = [pool.submit(source.get) for source in sources]
        hold.wait_for(8)
        flights, before = list(process.held.flights), process.generation
        assert in_a_child(in_child) == str([[None] * 8, 0, 1])
        assert not any(flight.has_landed for flight in flights)
        hold.release()
        assert all(each.result(20) for each in fetching)
    assert process.generation == before


@needs_fork
def test_what_a_flight_put_off_is_its_parents_to_do():
    flight = Flight(5)
    done: list[int] = []
    flight.afterwards(done.append, 1)
    process.under_way(flight)
    assert in_a_child(lambda: (flight.has_landed, done)) == "(True, [])"
    process.landed(flight)
    flight.land(None)
    assert done == [1]


@needs_fork
def test_a_fork_inside_a_fetch_leaves_the_child_free():
    """`get` of an ExternalToken forks, and its child asks for a token."""
    said: list[str] = []

    def get() -> str:
        if not said:
            said.append("")
            said[0] = in_a_child(lambda: source.get(timeout=2).value)
        return "token"

    source: TokenSource = TokenSource(ExternalToken(get))
    assert source.get().value == "token"
    assert said == ["token"]


# --- the interpreter ---


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )


AT_EXIT = """
import asyncio, os, sys, time
from threading import Thread
from wecom_auth import AppCredential, MemoryStore, TokenSource
from wecom_auth._source import process
ahead = 0
app = AppCredential("ww0001", "the-apps-secret", base_url=os.environ["URL"])
source = TokenSource(app, store=MemoryStore(monotonic=lambda: time.monotonic() + ahead))
source.get()

def wait():
    print("here", flush=True)
    sys.stdin.readline()

def behind():
    global ahead
    ahead = 6000
    source.get()

async def coroutine():
    asyncio.ensure_future(source.aget())
    await asyncio.to_thread(wait)

class Waited(Thread):
    def __init__(self, **more):
        super().__init__(**{**more, "daemon": False})

wait()
"""
BEHIND = "behind(); wait()"
COROUTINE = "ahead = 7200; asyncio.run(coroutine())"
NO_DAEMON = "process.threading.Thread = Waited; behind(); wait()"


@contextmanager
def ending_during_a_refresh(server: Server, act: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is at its end while its gettoken is under way, and held."""
    command = [sys.executable, "-W", "error", "-c", AT_EXIT + act]
    pipe: Any = subprocess.PIPE
    env = {**os.environ, "URL": server.url}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "here\n"
        with server.fake.hold("gettoken") as hold:
            print(file=program.stdin, flush=True)
            assert program.stdout.readline() == "here\n"
            hold.wait_for(1)
            print(file=program.stdin, flush=True)
            yield program


@pytest.mark.parametrize("act", [BEHIND, COROUTINE], ids=["behind", "coroutine"])
def test_the_interpreter_exits_during_a_refresh(wecom_server: Server, act: str):
    """gettoken is held until the program has ended: if it waited for it, it would not end."""
    with ending_during_a_refresh(wecom_server, act) as program:
        assert program.wait(30) == 0
        assert program.stderr is not None
        assert program.stderr.read() == ""


def test_control_a_thread_that_is_no_daemon_delays_it(wecom_server: Server):
    with (
        ending_during_a_refresh(wecom_server, NO_DAEMON) as program,
        pytest.raises(subprocess.TimeoutExpired),
    ):
        program.wait(1)


def test_a_call_at_exit_still_works(wecom_server: Server):
    """The alert that a script sends from atexit, where new threads may be refused."""
    code = """
import atexit, os
from wecom_auth import AppCredential, TokenSource
source = TokenSource(AppCredential("ww0001", "the-apps-secret", base_url=os.environ["URL"]))
atexit.register(lambda: print(len(source.get().value)))
"""
    done = run(code, URL=wecom_server.url)
    assert (done.stdout, done.stderr) == ("214\n", "")


def test_a_platform_without_register_at_fork(wecom_server: Server):
    code = """
import os
del os.fork, os.register_at_fork  # as on Windows
from wecom_auth import AppCredential, TokenSource
source = TokenSource(AppCredential("ww0001", "the-apps-secret", base_url=os.environ["URL"]))
print(len(source.get().value), source.replace(source.get()))
"""
    done = run(code, URL=wecom_server.url)
    assert (done.stdout, done.stderr) == ("214 None\n", "")


# --- pickles ---


ERRORS = [
    WeComError("text", errcode=60020, errmsg="not from your ip"),
    APIError("text", errcode=40058),
    CredentialError("text", errcode=40001, errmsg="wrong"),
    TokenUnavailable("text"),
    TokenConnectionError("text"),
    TokenTimeout("text", errcode=-1, errmsg="busy"),
    WeComError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_exceptions_are_pickled_whole(error: WeComError):
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is type(error)
    for name in ("args", "errcode", "errmsg", "help_url", "advice", "request", "response"):
        assert getattr(twin, name) == getattr(error, name)
    assert str(twin) == str(error)


def test_a_session_that_is_attached_is_pickled(wecom_server: Server):
    credential = AppCredential(CORP, SECRET, base_url=wecom_server.url)
    url = f"{wecom_server.url}/cgi-bin/user/get?userid=alice"
    with attach(requests.Session(), credential) as session:
        assert session.get(url).json()["errcode"] == 0
        frozen = pickle.dumps(session)
        value = TokenSource(credential).get().value
        assert value.encode() not in frozen
        with pickle.loads(frozen) as thawed:
            assert thawed.get(url).json()["errcode"] == 0
    assert wecom_server.fake.gettoken_calls == 1


def test_a_source_goes_to_another_process(wecom_server: Server):
    source = source_of(wecom_server)
    code = """
import os, pickle
source = pickle.loads(bytes.fromhex(os.environ["SOURCE"]))
print(source.get().value)
"""
    done = run(code, SOURCE=pickle.dumps(source).hex())
    assert done.stdout.strip() == source.get().value


def test_a_memory_store_is_pickled_empty():
    store = Clock().store()
    source = program(FakeWeCom(), Clock(), store=store)
    source.get()
    twin = pickle.loads(pickle.dumps(store))
    assert isinstance(twin, MemoryStore)
    assert len(store.cache) == 1
    assert len(twin.cache) == 0


class _SlowCache(dict[str, Any]):
    """A cache that another thread is changing, half done, when the process forks."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on, self.halves = Event(), Event(), 0

    def __setitem__(self, key: str, value: Any) -> None:
        self.halves += 1
        self.inside.set()
        self.go_on.wait(10)
        super().__setitem__(key, value)
        self.halves += 1


@needs_fork
@pytest.mark.parametrize("waits", [True, False])
def test_a_child_never_gets_a_cache_that_is_half_changed(waits, monkeypatch):
    """Control: without the wait before the fork, it does."""
    cache = _SlowCache()
    store = MemoryStore(cache)
    source = program(FakeWeCom(), Clock(), store=store)
    if not waits:
        monkeypatch.setattr(forks, "_memories", list)
    writer = Thread(target=store.save, args=("key", "a token"))
    writer.start()
    assert cache.inside.wait(10)
    if waits:
        Timer(0.2, cache.go_on.set).start()
    halves = in_a_child(lambda: cache.halves)
    cache.go_on.set()
    writer.join(10)
    assert halves == ("2" if waits else "1")
    assert store.lock.acquire(blocking=False)
    assert source


@needs_fork
def test_a_cache_that_hangs_holds_up_no_fork_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.2)
    cache = _SlowCache()
    store = MemoryStore(cache)
    source = program(FakeWeCom(), Clock(), store=store)
    writer = Thread(target=store.save, args=("key", "a token"))
    writer.start()
    assert cache.inside.wait(10)
    assert in_a_child(lambda: source.peek() or "went on") == "went on"
    cache.go_on.set()
    writer.join(10)


@pytest.fixture
def half_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """A module `half_imported` that another thread is importing until this event is set."""
    code = "import sys\nsys.begun.set()\nassert sys.go_on.wait(30)\nwhole = 'whole'\n"
    (tmp_path / "half_imported.py").write_text(code)
    begun, go_on = Event(), Event()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "begun", begun, raising=False)
    monkeypatch.setattr(sys, "go_on", go_on, raising=False)
    with meanwhile(lambda: import_module("half_imported")):
        assert begun.wait(10)
        yield go_on
        go_on.set()
    del sys.modules["half_imported"]


@needs_fork
@pytest.mark.parametrize("waits", [True, False])
def test_a_fork_while_another_thread_is_importing(
    half_imported: Event, waits: bool, monkeypatch: pytest.MonkeyPatch
):
    """Control: without the wait before the fork, the child waits for that thread for ever."""
    if waits:
        monkeypatch.setattr(forks, "IMPORTED_LATE", ("half_imported",))
        Timer(0.2, half_imported.set).start()
    said = in_a_child(lambda: import_module("half_imported").whole, 3 if waits else 0.5)
    assert said == ("whole" if waits else "gone")


@pytest.mark.parametrize("name", forks.IMPORTED_LATE)
def test_what_is_waited_for_exists(name: str):
    assert import_module(name)


def test_a_fork_during_a_fetch_has_what_a_fetch_imports():
    """It may just be looked for by the other thread, which cannot be seen."""
    code = """
import sys
from wecom_auth import ExternalToken, TokenSource
from wecom_auth._source import forks
import wecom_auth._source.state
class Forks:
    def __call__(self):
        sys.modules.pop("tenacity")
        forks._finish_imports()
        print("tenacity" in sys.modules)
        return "a token"
forks._finish_imports()
print("netrc" in sys.modules, "tenacity" in sys.modules)
TokenSource(ExternalToken(Forks())).get()
"""
    assert run(code).stdout == "True False\nTrue\n"
