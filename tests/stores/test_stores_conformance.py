"""Every store we ship keeps the promises of the protocol; one that does not is found out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from redis import Redis
from redis_server import RedisServer

from wecom_auth.stores import (
    Breaker,
    FileStore,
    RedisStore,
    TokenStore,
)
from wecom_auth.testing._conformance import StoreConformance


class TestFileStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tokens"

    def make_store(self) -> TokenStore:
        return FileStore(self.path)


class TestRedisStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _place(self, shared_redis: RedisServer) -> None:
        self.url = shared_redis.url

    def make_store(self) -> TokenStore:
        return RedisStore(self.url)


class TestRedisStoreOverAClient(StoreConformance):
    @pytest.fixture(autouse=True, params=[False, True], ids=["bytes", "text"])
    def _client(self, shared_redis: RedisServer, request: pytest.FixtureRequest) -> Iterator[None]:
        with Redis.from_url(shared_redis.url, decode_responses=request.param) as self.client:
            yield

    def make_store(self) -> TokenStore:
        return RedisStore(self.client, prefix="theirs:")


class TestBreaker(StoreConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tokens"

    def make_store(self) -> TokenStore:
        return Breaker(FileStore(self.path))


class _Sound:
    """A store in memory; each fault of the controls takes one promise away from it."""

    texts: dict[str, str] = {}  # noqa: RUF012
    locks: dict[str, threading.Lock] = {}  # noqa: RUF012
    mutex = threading.Lock()

    def load(self, key: str) -> str | None:
        return self.texts.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        with self.mutex:
            if self.texts.get(key) != expected:
                return False
            self.write(key, new, ttl)
            return True

    def write(self, key: str, new: str | None, ttl: float) -> None:
        if new is None or ttl <= 0:
            self.texts.pop(key, None)
        else:
            self.texts[key] = new

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        with self.mutex:
            lock = self.locks.setdefault(key, threading.Lock())
        held = lock.acquire(timeout=timeout)
        try:
            yield held
        finally:
            if held:
                lock.release()


class _NoExpiry(_Sound):
    pass


class _NoCompare(_Sound):
    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        self.write(key, new, ttl)
        return True


class _CompareWithoutLock(_Sound):
    meeting = threading.Barrier(8)

    def compare_and_set(self, key: str, expected: str | None, new: str | None, ttl: float) -> bool:
        if self.texts.get(key) != expected:
            return False
        if "." in (new or ""):
            self.meeting.wait(5)  # all have compared before the first one writes
        self.write(key, new, ttl)
        return True


class _NoLock(_Sound):
    def lock(self, key: str, timeout: float) -> nullcontext[bool]:  # type: ignore[override]
        return nullcontext(True)


class _Swallowing(_Sound):
    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        try:
            yield True
        except ZeroDivisionError:
            return


class _Unequal(_Sound):
    pass


class _TruncatedKeys(_Sound):
    def load(self, key: str) -> str | None:
        return self.texts.get(key[:40])

    def write(self, key: str, new: str | None, ttl: float) -> None:
        super().write(key[:40], new, ttl)


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (_NoExpiry, "test_a_text_expires"),
        (_NoExpiry, "test_writing_anew_gives_a_new_life"),
        (_NoCompare, "test_another_text_than_the_expected_one_stays"),
        (_NoCompare, "test_an_absent_text_is_not_another_one"),
        (_NoCompare, "test_of_many_at_once_exactly_one_creates"),
        (_CompareWithoutLock, "test_of_many_at_once_exactly_one_replaces"),
        (_NoLock, "test_a_lock_is_had_by_one"),
        (_NoLock, "test_waiting_for_a_lock_is_bounded"),
        (_NoLock, "test_one_who_did_not_get_the_lock_does_not_release_it"),
        (_Swallowing, "test_what_happens_under_a_lock_is_passed_on"),
        (_Unequal, "test_two_handles_over_one_place_are_equal"),
        (_TruncatedKeys, "test_keys_are_kept_apart"),
    ],
)
def test_control_a_store_that_breaks_a_promise_is_found_out(fault: type[_Sound], test: str) -> None:
    suite = StoreConformance()
    suite.patience = 0.5
    suite.make_store = fault  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(suite, test)()


def test_the_suite_asks_for_a_store() -> None:
    with pytest.raises(NotImplementedError, match="make_store"):
        StoreConformance().test_what_was_never_written_is_absent()
