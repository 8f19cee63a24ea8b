"""A store that is away costs nobody an exception, and few a wait."""

import logging
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from timing import Clock

from wecom_auth.stores import (
    Breaker,
    FileStore,
    RedisStore,
    StoreError,
    TokenStore,
    guard,
)
from wecom_auth.stores.breaker import LONGEST_PAUSE

# Harmless here: the children only end. Under xdist the parent has threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


class Flaky:
    """A store whose operations fail when told to, and which counts what reaches it."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.texts: dict[str, str] = {}

    def fail(self, *operations: str, error: Exception | None = None) -> None:
        self.failing = dict.fromkeys(operations, error or StoreError("out of order"))

    def _reached(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.failing:
            raise self.failing[operation]

    def load(self, key: str) -> str | None:
        self._reached("load")
        return self.texts.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        self._reached("compare_and_set")
        assert new is not None
        self.texts[key] = new
        return True

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        self._reached("lock")
        try:
            yield timeout > 0
        finally:
            self._reached("release")

    def __repr__(self) -> str:
        return "<Flaky>"


ALL = ("load", "compare_and_set", "lock")


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def store() -> Flaky:
    return Flaky()


@pytest.fixture
def breaker(store: Flaky, clock: Clock) -> Breaker:
    return Breaker(store, clock=clock)


def use(store: TokenStore) -> tuple[str | None, bool, bool]:
    with store.lock("key", 1) as held:
        return store.load("key"), store.compare_and_set("key", None, "text", 60), held


def test_a_store_that_works_is_passed_through(breaker: Breaker, store: Flaky) -> None:
    assert use(breaker) == (None, True, True)
    assert breaker.load("key") == "text"
    with breaker.lock("key", 0) as held:
        assert held is False
    assert not breaker.away


def test_a_store_that_is_away_is_asked_once(breaker: Breaker, store: Flaky) -> None:
    store.fail(*ALL)
    breaker.load("key")  # as every fetch begins
    for _ in range(10):
        assert use(breaker) == (None, False, True)
    assert store.calls == ["load"]
    assert breaker.away


def test_control_without_the_breaker_every_call_meets_the_failure(store: Flaky) -> None:
    store.fail(*ALL)
    for _ in range(10):
        with pytest.raises(StoreError):
            use(store)
    assert len(store.calls) == 10


def test_it_is_tried_again_after_growing_pauses(
    breaker: Breaker, store: Flaky, clock: Clock
) -> None:
    store.fail(*ALL)
    breaker.load("key")
    for pause in (5, 10, 20, 30, 30):
        store.calls.clear()
        clock.now += pause - 0.1
        breaker.load("key")
        assert store.calls == []
        clock.now += 0.1
        breaker.load("key")
        breaker.load("key")
        assert store.calls == ["load"]


def test_it_comes_back_and_the_pauses_start_anew(
    breaker: Breaker, store: Flaky, clock: Clock
) -> None:
    store.fail(*ALL)
    breaker.load("key")
    clock.now += 5
    breaker.load("key")
    store.fail()
    clock.now += 10
    assert use(breaker) == (None, True, True)
    assert not breaker.away
    store.fail(*ALL)
    store.calls.clear()
    breaker.load("key")
    clock.now += 5
    breaker.load("key")
    assert store.calls == ["load", "load"]


def test_each_transition_is_logged_once(
    breaker: Breaker, store: Flaky, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wecom_auth")
    store.fail(*ALL)
    for _ in range(20):
        use(breaker)
        clock.now += 7
    store.fail()
    assert breaker._failed == "load", "the control: it was the lock that failed first"
    clock.now += LONGEST_PAUSE
    use(breaker)
    use(breaker)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "<Flaky> cannot be used (lock: out of order); going on with the tokens in memory, "
            "trying again",
        ),
        ("INFO", "<Flaky> is back"),
    ]


def test_only_texts_of_os_errors_are_logged(
    breaker: Breaker, store: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    store.fail("load", error=RuntimeError("INSERT … [parameters: 's3cret-token']"))
    breaker.load("key")
    assert "RuntimeError" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_os_error_without_a_text_is_named(
    breaker: Breaker, store: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    store.fail("load", error=ConnectionResetError())
    breaker.load("key")
    assert "ConnectionResetError" in caplog.text


@pytest.mark.parametrize(
    "failing", [("compare_and_set", "lock"), ("compare_and_set",)], ids=["replica", "full disk"]
)
def test_a_store_that_can_be_read_only_is_read(
    breaker: Breaker,
    store: Flaky,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    failing: tuple[str, ...],
) -> None:
    store.texts["key"] = "theirs"
    store.fail(*failing)
    use(breaker)
    clock.now += 5
    assert breaker.load("key") == "theirs"
    for _ in range(50):
        use(breaker)
        clock.now += 1
    store.calls.clear()
    for _ in range(120):
        assert use(breaker) == ("theirs", False, True)
        clock.now += 1
    assert store.calls.count("load") == 120
    assert store.calls.count("compare_and_set") <= 5
    assert len(caplog.records) == 1
    store.fail()
    clock.now += LONGEST_PAUSE
    use(breaker)
    use(breaker)
    assert not breaker.away


def test_one_caller_at_a_time_tries_again(store: Flaky, clock: Clock) -> None:
    trying, go_on = threading.Event(), threading.Event()

    class Slow(Flaky):
        def load(self, key: str) -> str | None:
            if clock.now > 100:
                trying.set()
                assert go_on.wait(5)
            return super().load(key)

    slow = Slow()
    slow.fail("load")
    breaker = Breaker(slow, clock=clock)
    breaker.load("key")
    clock.now += 5
    slow.fail()
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(use, breaker)
        assert trying.wait(5)
        assert use(breaker) == (None, False, True)  # the others do not wait for it
        go_on.set()
        assert trial.result() == (None, True, True)
    assert not breaker.away


def test_many_that_fail_at_once_count_as_one_failure(store: Flaky, clock: Clock) -> None:
    meeting = threading.Barrier(8)

    class Meeting(Flaky):
        def load(self, key: str) -> str | None:
            if clock.now == 100:
                meeting.wait(5)
            return super().load(key)

    together = Meeting()
    together.fail("load")
    breaker = Breaker(together, clock=clock)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(breaker.load, ["key"] * 8)) == [None] * 8
    assert together.calls == ["load"] * 8
    clock.now += 5
    breaker.load("key")
    assert len(together.calls) == 9, "after the first pause, not a longer one"


def test_what_the_body_raises_goes_through_and_the_release_does_not(
    breaker: Breaker, store: Flaky
) -> None:
    store.fail("release")
    with pytest.raises(ZeroDivisionError), breaker.lock("key", 1):
        raise ZeroDivisionError
    assert breaker.away
    assert store.calls == ["lock", "release"]


def test_a_lock_is_released_though_the_store_failed_meanwhile(
    breaker: Breaker, store: Flaky
) -> None:
    with breaker.lock("key", 1):
        store.fail("load")
        breaker.load("key")
    assert store.calls == ["lock", "load", "release"]


def test_equality_repr_and_pickle(tmp_path: object) -> None:
    one, two = Breaker(FileStore(str(tmp_path))), Breaker(FileStore(str(tmp_path)))
    assert one == two
    assert hash(one) == hash(two)
    assert one != FileStore(str(tmp_path))
    assert guard(one) is one
    assert guard(one.store) is guard(two.store)
    assert guard(one.store).store is one.store
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(one) == f"Breaker({one.store!r})"


@contextmanager
def held_by_another_thread(lock: AbstractContextManager[object]) -> Iterator[None]:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            let_go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    yield
    let_go.set()
    thread.join()


def exit_code_of_a_child(work: Callable[[], object], patience: float = 10) -> int:
    """0 where the work says None; a signal's where the child hangs."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, patience)
        os._exit(0 if work() is None else 1)
    return os.waitpid(child, 0)[1]


@forks
@pytest.mark.parametrize("hook", [True, False], ids=["after_fork", "control"])
def test_a_fork_while_another_thread_holds_its_lock(
    breaker: Breaker, store: Flaky, hook: bool
) -> None:
    store.fail("load")
    breaker.load("key")

    def work() -> object:
        if hook:
            breaker.after_fork()
        return breaker.load("key")

    with held_by_another_thread(breaker._mutex):
        assert (exit_code_of_a_child(work, 10 if hook else 0.5) == 0) is hook


def test_after_a_fork_the_store_is_asked_to_renew_itself(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    breaker = Breaker(store)
    with store.lock("key", 0):
        assert store._locks._held
        breaker.after_fork()
        assert not store._locks._held


@forks
def test_a_signal_handler_may_call_while_the_lock_is_held(breaker: Breaker, store: Flaky) -> None:
    store.fail("load")
    breaker.load("key")

    def interrupted() -> None:
        signal.signal(signal.SIGUSR1, lambda *_: print(breaker.load("key")))
        with breaker._mutex:
            signal.raise_signal(signal.SIGUSR1)

    assert exit_code_of_a_child(interrupted) == 0


class TimeIsUp(Exception):
    """As Celery's SoftTimeLimitExceeded, which is no OSError and no BaseException only."""


class Limits:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def run_out(self, *_: object) -> None:
        raise self.error


@pytest.fixture(params=[TimeIsUp, TimeoutError])
def limit(request: pytest.FixtureRequest) -> Iterator[Exception]:
    """What the handler of a signal raises."""
    error = request.param("time is up")
    before = signal.signal(signal.SIGINT, Limits(error).run_out)
    yield error
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("operation", [*ALL, "release"])
def test_what_a_signal_handler_raises_goes_through_where_a_store_names_its_failures(
    store: Flaky, clock: Clock, limit: Exception, operation: str
) -> None:
    store.failures = (StoreError,)  # type: ignore[attr-defined]
    breaker = Breaker(store, clock=clock)
    reached = store._reached

    def interrupted(reaching: str) -> None:
        if reaching == operation:
            signal.raise_signal(signal.SIGINT)
        reached(reaching)

    store._reached = interrupted  # type: ignore[method-assign]
    with pytest.raises(type(limit)) as raised:
        use(breaker)
    assert raised.value is limit
    assert not breaker.away


def test_control_where_it_does_not_any_exception_is_its_own(
    breaker: Breaker, store: Flaky, limit: Exception
) -> None:
    store.fail(*ALL, error=limit)
    assert use(breaker) == (None, False, True)
    assert breaker.away


def test_the_stores_that_we_ship_name_their_failures() -> None:
    assert FileStore.failures == RedisStore("redis://cache").failures == (StoreError,)
    assert RedisStore(Redis()).failures == (Exception,), "a client of theirs may raise any"


def test_a_handler_that_makes_calls_is_not_taken_for_what_it_calls(
    breaker: Breaker, store: Flaky
) -> None:
    """A store that fails under it is away, as it is elsewhere."""
    store.fail(*ALL)
    said: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *_: said.append(use(breaker)))
    signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert said == [(None, False, True)]


def test_many_texts_are_read_by_one_question_where_the_store_can(
    breaker: Breaker, store: Flaky, clock: Clock
) -> None:
    store.texts = {"one": "1", "two": "2"}
    assert breaker.load_many(["one", "none", "two"]) == ["1", None, "2"]
    assert store.calls == ["load"] * 3
    store.load_many = lambda keys: list(keys)  # type: ignore[attr-defined]
    assert breaker.load_many(["one", "two"]) == ["one", "two"]
    store.fail("load")
    breaker.load("one")
    assert breaker.load_many(["one", "two"]) == [None, None]
