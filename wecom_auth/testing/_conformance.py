"""Does a store keep the promises of `wecom_auth.stores.TokenStore`? A test suite for your own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

from ..stores.protocol import TokenStore

RACERS = 8


class StoreConformance:
    """Inherit from this in a test class, and say how to make the store; pytest does the rest.

    No test needs an empty place: each uses keys of its own. `unittest` runs them too, if the class
    inherits from `unittest.TestCase` as well. The whole suite takes about a second.

    Example:
        >>> class TestMyStore(StoreConformance):
        ...     def make_store(self):
        ...         return MyStore("postgresql://localhost/test")
    """

    patience = 5.0
    """Seconds until something must have happened that takes a moment, such as an expiry."""

    def make_store(self) -> TokenStore:
        """A handle over the place under test; called several times in one test, for several."""
        raise NotImplementedError("define make_store(self), which returns a store")

    def test_what_was_never_written_is_absent(self) -> None:
        assert self.make_store().load(_key()) is None

    def test_a_text_is_written_where_there_was_none(self) -> None:
        store, key = self.make_store(), _key()
        assert store.compare_and_set(key, None, "new", 60) is True
        assert store.load(key) == "new"

    def test_the_expected_text_is_replaced(self) -> None:
        store, key = self._holding("old")
        assert store.compare_and_set(key, "old", "new", 60) is True
        assert store.load(key) == "new"

    def test_another_text_than_the_expected_one_stays(self) -> None:
        store, key = self._holding("theirs")
        assert store.compare_and_set(key, "mine", "new", 60) is False
        assert store.compare_and_set(key, None, "new", 60) is False
        assert store.compare_and_set(key, "mine", None, 60) is False
        assert store.load(key) == "theirs"

    def test_an_absent_text_is_not_another_one(self) -> None:
        store, key = self.make_store(), _key()
        assert store.compare_and_set(key, "old", "new", 60) is False
        assert store.load(key) is None

    def test_the_expected_text_is_deleted(self) -> None:
        store, key = self._holding("old")
        assert store.compare_and_set(key, "old", None, 0) is True
        assert store.load(key) is None
        assert store.compare_and_set(key, None, "new", 60) is True

    def test_deleting_nothing_where_nothing_is_expected_succeeds(self) -> None:
        store, key = self.make_store(), _key()
        assert store.compare_and_set(key, None, None, 0) is True
        assert store.load(key) is None

    def test_a_text_expires(self) -> None:
        store, key = self.make_store(), _key()
        assert store.compare_and_set(key, None, "short", 0.3) is True
        assert self._eventually(lambda: store.load(key) is None)
        assert store.compare_and_set(key, None, "next", 60) is True, "expired, but not absent"

    def test_writing_anew_gives_a_new_life(self) -> None:
        store, key = self.make_store(), _key()
        other = _key()
        assert store.compare_and_set(key, None, "short", 0.3)
        assert store.compare_and_set(key, "short", "long", 60)
        assert store.compare_and_set(other, None, "short", 0.3)
        assert self._eventually(lambda: store.load(other) is None)
        assert store.load(key) == "long"

    def test_a_life_of_nothing_is_a_deletion(self) -> None:
        store, key = self._holding("old")
        assert store.compare_and_set(key, "old", "new", 0) is True
        assert store.load(key) is None

    def test_two_handles_see_the_same(self) -> None:
        (one, key), two = self._holding("text"), self.make_store()
        assert two.load(key) == "text"
        assert two.compare_and_set(key, "text", "changed", 60)
        assert one.load(key) == "changed"

    def test_two_handles_over_one_place_are_equal(self) -> None:
        one, two = self.make_store(), self.make_store()
        assert one == two, "define __eq__, so that two handles share one state in the process"
        assert hash(one) == hash(two)

    def test_keys_are_kept_apart(self) -> None:
        store, key = self._holding("text")
        for other in (key + ":failure", key + " ", key[:-1], key.upper() + "é"):
            assert store.load(other) is None

    def test_long_keys_and_any_text(self) -> None:
        store = self.make_store()
        for key in (_key() + "x" * 300, _key() + "/../企业 微信%s*?:\\'\""):
            for text in ('{"access_token": "a/b+c=", "expires_at": 1.5}', "企业微信 😀\n'", ""):
                before = store.load(key)
                assert store.compare_and_set(key, before, text, 60) is True
                assert store.load(key) == text

    def test_of_many_at_once_exactly_one_replaces(self) -> None:
        store, key = self._holding("0")
        for round_ in range(5):
            won = self._race(
                lambda number, r=round_: store.compare_and_set(key, str(r), f"{r}.{number}", 60)  # type: ignore[misc]
            )
            assert sum(won) == 1, f"{sum(won)} of {RACERS} replaced the same text"
            there = store.load(key)
            assert there == f"{round_}.{won.index(True)}", "not the winner's text"
            assert store.compare_and_set(key, there, str(round_ + 1), 60)

    def test_of_many_at_once_exactly_one_creates(self) -> None:
        key = _key()
        handles = [self.make_store() for _ in range(RACERS)]
        won = self._race(lambda number: handles[number].compare_and_set(key, None, "x", 60))
        assert sum(won) == 1, f"{sum(won)} of {RACERS} created the same key"

    def test_a_lock_is_had_by_one(self) -> None:
        one, two, key = self.make_store(), self.make_store(), _key()
        with one.lock(key, 1) as held:
            assert held is True
            assert self._elsewhere(lambda: _lock(two, key, 0)) is False
        assert self._elsewhere(lambda: _lock(two, key, 1)) is True

    def test_locks_of_other_keys_are_free(self) -> None:
        store = self.make_store()
        with store.lock(_key(), 1), store.lock(_key(), 1) as held:
            assert held is True

    def test_waiting_for_a_lock_is_bounded(self) -> None:
        store, key = self.make_store(), _key()
        with ExitStack() as stack:
            # A store may let one waiter go on past a holder that seems to have stalled.
            stack.enter_context(store.lock(key, 1))
            self._elsewhere(lambda: stack.enter_context(store.lock(key, 0.2)))
            began = time.monotonic()
            assert self._elsewhere(lambda: _lock(store, key, 0.2)) is False
            assert time.monotonic() - began < self.patience

    def test_a_waiter_gets_the_lock_when_it_is_released(self) -> None:
        one, two, key = self.make_store(), self.make_store(), _key()
        with ThreadPoolExecutor(1) as pool:
            with one.lock(key, 1):
                waiter = pool.submit(_lock, two, key, self.patience)
            assert waiter.result() is True

    def test_one_who_did_not_get_the_lock_does_not_release_it(self) -> None:
        one, two, key = self.make_store(), self.make_store(), _key()
        with one.lock(key, 1):
            for _ in range(2):
                assert self._elsewhere(lambda: _lock(two, key, 0)) is False

    def test_what_happens_under_a_lock_is_passed_on(self) -> None:
        store, key = self.make_store(), _key()
        problem, raised = ZeroDivisionError("of the body"), None
        try:
            with store.lock(key, 1):
                raise problem
        except Exception as error:
            raised = error
        assert raised is problem, "the lock swallowed or replaced what the body raised"
        assert self._elsewhere(lambda: _lock(store, key, 1)) is True, "not released"

    def test_texts_can_be_read_and_written_under_the_lock(self) -> None:
        store, key = self.make_store(), _key()
        with store.lock(key, 1):
            assert store.compare_and_set(key, None, "text", 60) is True
            assert store.load(key) == "text"

    def _holding(self, text: str) -> tuple[TokenStore, str]:
        store, key = self.make_store(), _key()
        assert store.compare_and_set(key, None, text, 60) is True
        return store, key

    def _eventually(self, condition: Callable[[], bool]) -> bool:
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def _race(self, run: Callable[[int], bool]) -> list[bool]:
        barrier = threading.Barrier(RACERS)

        def racer(number: int) -> bool:
            barrier.wait(self.patience)
            return run(number)

        with ThreadPoolExecutor(RACERS) as pool:
            return list(pool.map(racer, range(RACERS)))

    def _elsewhere(self, run: Callable[[], bool]) -> bool:
        """In another thread: a lock may be its thread's own."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run).result()


def _key() -> str:
    return f"https://qyapi.weixin.qq.com|{uuid4()}"


def _lock(store: TokenStore, key: str, timeout: float) -> bool:
    with store.lock(key, timeout) as held:
        return held
