"""FileStore: what is on the disk, and what happens when the disk says no."""

import errno
import json
import logging
import os
import pickle
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from wecom_auth.stores import (
    Breaker,
    FileStore,
    StoreError,
)
from wecom_auth.stores import file as module
from wecom_auth.stores.filelocks import FileLocks

# Harmless here: the children only end. Under xdist the parent has threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
posix_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def store(place: Path) -> FileStore:
    return FileStore(place)


def value_file(place: Path) -> Path:
    (found,) = place.glob("*.json")
    return found


@posix_only
def test_files_are_the_users_own(store: FileStore, place: Path) -> None:
    mask = os.umask(0)
    try:
        store.compare_and_set("key", None, "text", 60)
        with store.lock("key", 1):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}
    assert len(list(place.iterdir())) <= 4  # some versions of filelock remove theirs


def test_a_value_is_readable_json(store: FileStore, place: Path) -> None:
    store.compare_and_set("the key", None, '{"access_token": "企业"}', 60)
    content = json.loads(value_file(place).read_bytes())
    assert content["key"] == "the key"
    assert content["text"] == '{"access_token": "企业"}'
    assert time.time() < content["expires_at"] < time.time() + 61


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 300,
        b"\xff\xfe",
        b'{"text": "half a tok',
        b"[]",
        b"null",
        b'{"text": "x"}',
        b'{"text": 5, "expires_at": 1e12, "ttl": 60}',
        b'{"text": "x", "expires_at": null, "ttl": 60}',
        b'{"text": "x", "expires_at": 1e12, "ttl": null}',
        b'{"text": "' + b"x" * 70_000 + b'", "expires_at": 1e12, "ttl": 60}',
        b"[" * 60_000,
    ],
)
def test_a_damaged_file_is_an_empty_one_said_once(
    store: FileStore, place: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.compare_and_set("key", None, "text", 60)
    value_file(place).write_bytes(damage)
    assert store.load("key") is None
    assert FileStore(place).load("key") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "damaged" in caplog.text
    assert store.compare_and_set("key", None, "new", 60)
    assert store.load("key") == "new"


def test_expiry_goes_by_the_wall_clock(place: Path) -> None:
    now = 1_000_000.0
    store = FileStore(place, clock=lambda: now)
    store.compare_and_set("key", None, "text", 60)
    now += 59.9
    assert store.load("key") == "text"
    now += 0.1
    assert store.load("key") is None


@pytest.mark.parametrize("skew", [-300.0, 300.0])
def test_a_clock_five_minutes_off_still_reads_a_token(place: Path, skew: float) -> None:
    ahead = FileStore(place, clock=lambda: time.time() + skew)
    ahead.compare_and_set("key", None, "text", 7200)
    assert FileStore(place).load("key") == "text"


@pytest.mark.parametrize("broken", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_leaves_the_old_text(
    store: FileStore, place: Path, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.compare_and_set("key", None, "old", 60)

    def full(*_: Any) -> None:
        raise OSError(broken, os.strerror(broken))

    with monkeypatch.context() as patch:
        patch.setattr(module, "open", lambda *a: _Failing(full), raising=False)
        with pytest.raises(OSError, match=os.strerror(broken)):
            store.compare_and_set("key", "old", "new", 60)
    assert store.load("key") == "old"
    assert store.compare_and_set("key", "old", "new", 60), "what was left behind is in the way"
    assert not list(place.glob("*.tmp"))


class _Failing:
    def __init__(self, write: Any) -> None:
        self.write = write

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
@pytest.mark.parametrize("where", ["load", "compare_and_set", "lock"])
def test_without_permission_the_fix_is_named(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch, code: int, where: str
) -> None:
    # Injected, as tests may run as root, whom no permission stops.
    store.compare_and_set("key", None, "text", 60)

    def denied(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code), str(place / "x"))

    monkeypatch.setattr(module.os, "open", denied)
    monkeypatch.setattr(store._locks, "attempt", denied)
    uses: dict[str, Callable[[], object]] = {
        "load": lambda: store.load("key"),
        "compare_and_set": lambda: store.compare_and_set("key", "text", "new", 60),
        "lock": lambda: store.lock("key", 1).__enter__(),
    }
    with pytest.raises(StoreError, match="another directory, as in WECOM_STORE=file:///"):
        uses[where]()


def test_other_errors_of_the_body_are_left_alone(store: FileStore) -> None:
    with pytest.raises(PermissionError, match="of the body"), store.lock("key", 1):
        raise PermissionError(errno.EACCES, "of the body")


@posix_only
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o707])
def test_a_directory_that_others_may_write_to_is_refused(
    store: FileStore, place: Path, mode: int
) -> None:
    store.compare_and_set("key", None, "text", 60)
    place.chmod(mode)
    with pytest.raises(StoreError, match=f"chmod 700 {place}"):
        store.load("key")
    place.chmod(0o755)
    assert store.load("key") == "text"


@posix_only
def test_the_directory_of_another_user_is_refused(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.compare_and_set("key", None, "text", 60)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    advice = f"file://{place}/tokens-54321, .*fsGroup.*chown 54321"
    with pytest.raises(StoreError, match=f"belongs to user {os.getuid()}.*{advice}"):
        store.load("key")


def test_without_owners_any_directory_will_do(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert store.compare_and_set("key", None, "text", 60)
    assert store.load("key") == "text"


def test_a_file_in_the_place_of_the_directory(store: FileStore, place: Path) -> None:
    place.write_text("x")
    for use in (lambda: store.load("key"), lambda: store.compare_and_set("key", None, "x", 1)):
        with pytest.raises(StoreError, match="is not a directory"):
            use()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = FileStore(tmp_path / "file" / "tokens")
    with pytest.raises(StoreError, match=r"cannot make the directory .*WECOM_STORE=file:///"):
        store.compare_and_set("key", None, "text", 60)


def test_no_home(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def unknown(*_: object) -> Any:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    store = Breaker(FileStore())
    for _ in range(3):
        with store.lock("key", 1) as held:
            assert held is True
        assert store.load("key") is None
        assert store.compare_and_set("key", None, "text", 60) is False
    (record,) = caplog.records
    assert "set HOME" in record.getMessage()
    assert not list(Path.cwd().glob("~*")), "a directory called ~ was made"


def test_home_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "nonexistent").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    store = Breaker(FileStore())
    for _ in range(3):
        assert store.compare_and_set("key", None, "text", 60) is False
    (record,) = caplog.records
    assert "make it writable" in record.getMessage()


def test_a_home_that_disappears_is_made_again(store: FileStore, place: Path) -> None:
    store.compare_and_set("key", None, "text", 60)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    assert store.load("key") is None
    assert store.compare_and_set("key", None, "text", 60)


def test_the_constructor_touches_nothing(place: Path) -> None:
    FileStore(place)
    assert not place.exists()


@pytest.mark.parametrize("path", ["", "  ", b"/x"])
def test_a_path_that_is_none(path: Any) -> None:
    with pytest.raises(ValueError, match="path must name a directory"):
        FileStore(path)


def test_a_url_is_no_path() -> None:
    with pytest.raises(ValueError, match="give it as store='file:///x'"):
        FileStore("file:///x")


@pytest.mark.parametrize("missing", ["filelock", "platformdirs"])
def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    advice = rf'the module {missing} is missing: pip install "wecom-auth\[file\]"'
    with pytest.raises(ModuleNotFoundError, match=advice):
        FileStore("/x")


def test_equality_repr_and_pickle(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(place)
    assert store == FileStore(str(place) + "/")
    assert hash(store) == hash(FileStore(place))
    assert store != FileStore(place / "other")
    assert store != place
    assert pickle.loads(pickle.dumps(store)) == store
    assert repr(store) == f"FileStore({str(place)!r})"
    monkeypatch.setenv("HOME", "/home/li")
    assert FileStore("~/tokens").path == Path("/home/li/tokens")


def test_what_has_long_expired_is_swept(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.random, "random", lambda: 0.5)
    old = time.time() - module.SWEEP_AGE - 60
    yesterday = FileStore(place, clock=lambda: old)
    yesterday.compare_and_set("dead", None, "x", 60)
    yesterday.compare_and_set("alive", None, "x", 10 * module.SWEEP_AGE)
    for file in place.glob("*.json"):
        os.utime(file, (old, old))
    store.compare_and_set("fresh, yet expired", None, "x", 1e-9)
    assert len(list(place.glob("*.json"))) == 3
    monkeypatch.setattr(module.random, "random", lambda: 0.0)
    store.compare_and_set("key", None, "x", 60)
    assert len(list(place.glob("*.json"))) == 3
    assert store.load("alive") == "x"
    assert store.load("dead") is None


def test_files_of_spent_keys_do_not_pile_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for each token handed out, one token an hour, for 40 days."""
    now = time.time()
    monkeypatch.setattr(module, "SWEEP_CHANCE", 0.2)
    monkeypatch.setattr(module.time, "time", lambda: now)
    store = FileStore(place, clock=lambda: now)
    for hour in range(960):
        now += 3600
        store.compare_and_set(f"handed out: {hour}", None, "x", 7200)
        os.utime(store._file(f"handed out: {hour}"), (now, now))
    assert len(list(place.iterdir())) < 100


def test_temporary_and_lock_files_are_swept_but_not_those_in_use(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.random, "random", lambda: 0.5)
    store.compare_and_set("key", None, "x", 60)
    old = time.time() - module.SWEEP_AGE - 60
    files = [place / name for name in ("a.tmp", "b.lock", "c.lock", "young.tmp", "notes.txt")]
    for file in files:
        file.touch(0o600)
    release = FileLocks().attempt(place / "c.lock")
    assert release is not None
    for file in files:
        if file.name != "young.tmp":
            os.utime(file, (old, old))
    monkeypatch.setattr(module.random, "random", lambda: 0.0)
    store.compare_and_set("key", "x", "y", 60)
    assert [file.name for file in files if file.exists()] == ["c.lock", "young.tmp", "notes.txt"]
    release()


@posix_only
def test_a_lock_file_swept_while_it_was_waited_for_keeps_nobody_out(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two would hold the lock: one of the old file, one of the new."""
    from filelock import FileLock

    place.mkdir(0o700)
    path = place / "x.lock"
    acquire = FileLock.acquire

    def acquire_what_is_swept(lock: FileLock) -> object:
        taken = acquire(lock)
        path.unlink()
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(FileLock, "acquire", acquire_what_is_swept)
        assert FileLocks().attempt(path) is None
    assert FileLocks().attempt(path) is not None


@posix_only
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "symlink", "device"])
@pytest.mark.parametrize("suffix", [".json", ".lock", ".tmp"])
def test_what_is_no_regular_file_never_hangs(
    store: FileStore, place: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    store.compare_and_set("key", None, "text", 60)
    (tmp_path / "victim").write_text("precious")
    file = store._file("key").with_suffix(suffix)
    file.unlink(missing_ok=True)
    _make(kind, file, tmp_path / "victim")

    def lock() -> object:
        with store.lock("key", 0) as held:
            return held

    began = time.monotonic()
    for use in (
        lambda: store.load("key"),
        lambda: store.compare_and_set("key", store.load("key"), "new", 60),
        lock,
    ):
        try:
            use()
        except StoreError as error:
            assert "regular files" in str(error) or "No such device" in str(error)  # noqa: PT017
    assert time.monotonic() - began < 2
    assert (tmp_path / "victim").read_text() == "precious"
    if suffix == ".json" and kind != "directory":
        assert store.load("key") == "new", "it was not replaced"


def _make(kind: str, file: Path, victim: Path) -> None:
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener, chdir(file.parent):
            listener.bind(file.name)  # the whole path would be too long
    elif kind == "directory":
        file.mkdir()
    elif kind == "symlink":
        file.symlink_to(victim)
    else:
        file.symlink_to("/dev/zero")


@posix_only
def test_the_directories_above_are_the_users_own_too(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        FileStore(tmp_path / "one" / "two" / "three").compare_and_set("key", None, "x", 60)
    finally:
        os.umask(mask)
    made = [tmp_path / "one", tmp_path / "one" / "two", tmp_path / "one" / "two" / "three"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700] * 3


@posix_only
def test_an_error_that_is_not_of_the_disk_is_the_callers(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what a signal handler raises."""
    store.compare_and_set("key", None, "text", 60)

    def interrupted(*_: object) -> None:
        raise TimeoutError("time is up")

    monkeypatch.setattr(module, "_content", interrupted)
    with pytest.raises(TimeoutError, match="time is up"):
        Breaker(store).load("key")


# --- locks ---


@pytest.fixture
def holder(place: Path) -> Iterator[int]:
    """A process that holds the lock for "key" and sleeps."""
    yield from _child(
        lambda ready: _hold(FileStore(place), ready),
    )


def _child(work: Any) -> Iterator[int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(lambda: os.write(writing, b"!"))
        finally:
            os._exit(1)
    assert os.read(reading, 1) == b"!"
    os.close(reading)
    os.close(writing)
    yield child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _hold(store: FileStore, ready: Any) -> None:
    with store.lock("key", 1):
        ready()
        time.sleep(60)


@posix_only
def test_a_lock_dies_with_its_holder(store: FileStore, holder: int) -> None:
    with store.lock("key", 0) as held:
        assert held is False
    os.kill(holder, signal.SIGKILL)
    with store.lock("key", 5) as held:
        assert held is True


@posix_only
def test_past_a_stopped_holder_who_waits_goes_on_without_the_lock(
    store: FileStore, holder: int
) -> None:
    os.kill(holder, signal.SIGSTOP)
    began = time.monotonic()
    with store.lock("key", 0.4) as held:
        assert held is False
    assert 0.3 <= time.monotonic() - began < 1.5


@posix_only
def test_a_stopped_writer_is_named(
    store: FileStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.compare_and_set("key", None, "text", 60)
    monkeypatch.setattr(module, "WRITE_LIMIT", 0.2)
    release = FileLocks().attempt(place / "write.lock")
    assert release is not None
    with pytest.raises(StoreError, match=r"write\.lock is held by a process that does not go on"):
        store.compare_and_set("key", "text", "new", 60)
    assert store.load("key") == "text", "reading needs no lock"
    release()
    assert store.compare_and_set("key", "text", "new", 60)


@posix_only
def test_a_forked_child_neither_keeps_nor_frees_the_lock(store: FileStore, place: Path) -> None:
    with store.lock("key", 1):
        child = os.fork()
        if child == 0:
            store.after_fork()
            time.sleep(60)
            os._exit(0)
    try:
        with store.lock("key", 0) as held:
            assert held is True, "the child has kept it"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@posix_only
def test_a_child_that_outlives_the_killed_holder_does_not_keep_the_lock(
    store: FileStore, place: Path
) -> None:
    def hold_and_fork(ready: Any) -> None:
        with store.lock("key", 1):
            grandchild = os.fork()
            if grandchild == 0:
                store.after_fork()
                ready()
                time.sleep(3)
                os._exit(0)
            time.sleep(60)

    children = _child(hold_and_fork)
    holder = next(children)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    with store.lock("key", 0) as held:
        assert held is True


@posix_only
def test_control_a_lock_that_a_child_does_not_let_go_of_outlives_its_holder(
    store: FileStore, place: Path
) -> None:
    import fcntl

    place.mkdir(0o700)
    with open(place / "raw.lock", "w") as raw:
        fcntl.flock(raw, fcntl.LOCK_EX)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        assert FileLocks().attempt(place / "raw.lock") is None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@posix_only
def test_a_child_forked_under_the_lock_does_not_free_the_parents(store: FileStore) -> None:
    with store.lock("key", 1):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.after_fork()
                with store.lock("other", 1) as held:  # and can lock for itself
                    code = 0 if held else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        with store.lock("key", 0) as held:
            assert held is False


@posix_only
def test_a_child_that_leaves_the_with_block_does_not_free_the_parents(store: FileStore) -> None:
    with store.lock("key", 1):
        child = os.fork()
        if child != 0:
            assert os.waitpid(child, 0)[1] == 0
            with store.lock("key", 0) as held:
                assert held is False
    if child == 0:
        os._exit(0)


@posix_only
def test_release_in_a_child_and_its_hook_as_seen_from_one_process(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as child, store.lock("key", 1):
        child.setattr(os, "getpid", lambda: 1)
    with store.lock("key", 0) as held:
        assert held is False, "not freed by the child"
    store.after_fork()
    with store.lock("key", 0) as held:
        assert held is True, "nor kept by it"


def test_locks_log_nothing_aloud(store: FileStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with store.lock("key", 1), store.lock("key", 0.1):
        pass
    assert caplog.records == []
