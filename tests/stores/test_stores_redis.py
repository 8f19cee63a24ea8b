"""RedisStore, over a real redis-server."""

import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import Mock

import pytest
from redis import Redis
from redis.exceptions import MovedError, ResponseError
from redis_server import RedisServer

from wecom_auth.stores import LEASE, Breaker, RedisStore, StoreError, redisclient, waiting
from wecom_auth.stores import redis as module
from wecom_auth.stores.protocol import patience

# Harmless here: the children only end. Under xdist the parent has threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def raw(shared_redis: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(shared_redis.url) as client:
        yield client


@pytest.fixture
def store(shared_redis: RedisServer) -> RedisStore:
    return RedisStore(shared_redis.url)


def test_the_value_is_the_text_and_expires_by_the_server(store: RedisStore, raw: Any) -> None:
    store.compare_and_set("key", None, '{"access_token": "企业"}', 7200)
    assert raw.get("wecom_auth:key").decode() == '{"access_token": "企业"}'
    assert 7_100_000 < raw.pttl("wecom_auth:key") <= 7_200_000


def test_every_key_expires(store: RedisStore, raw: Any) -> None:
    store.compare_and_set("key", None, "text", 60)
    store.compare_and_set("for ever", None, "text", float("inf"))
    with store.lock("key", 1):
        keys = raw.keys("*")
        assert len(keys) == 3
        assert all(raw.pttl(key) > 0 for key in keys)
        assert 14_000 < raw.pttl("wecom_auth:key:lock") <= 15_000
    assert len(raw.keys("*")) == 2


def test_a_prefix_keeps_apart(shared_redis: RedisServer, raw: Any) -> None:
    one, two = (RedisStore(shared_redis.url, prefix=prefix) for prefix in ("prod:", "test:"))
    one.compare_and_set("key", None, "text", 60)
    assert two.load("key") is None
    assert one != two
    assert raw.keys("*") == [b"prod:key"]


@pytest.mark.parametrize("kind", ["list", "hash", "set", "bytes"])
@pytest.mark.parametrize("decode", [None, False, True], ids=["url", "bytes", "text"])
def test_foreign_garbage_counts_as_absent_and_is_overwritten(
    shared_redis: RedisServer,
    raw: Any,
    kind: str,
    decode: bool | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def spoil() -> None:
        raw.delete("wecom_auth:key")
        if kind == "list":
            raw.lpush("wecom_auth:key", "x")
        elif kind == "hash":
            raw.hset("wecom_auth:key", "x", "y")
        elif kind == "set":
            raw.sadd("wecom_auth:key", "x")
        else:
            raw.set("wecom_auth:key", b"\xff\xfe\x80")

    where: Any = shared_redis.url
    if decode is not None:
        where = Redis.from_url(shared_redis.url, decode_responses=decode)
    store = RedisStore(where)
    spoil()
    assert store.load("key") is None
    assert store.load("key") is None
    assert store.compare_and_set("key", "other", "new", 60) is False
    assert store.compare_and_set("key", None, "new", 60) is True
    assert store.load("key") == "new"
    spoil()
    assert store.compare_and_set("key", None, None, 0) is True
    assert not raw.exists("wecom_auth:key")
    said = [record.getMessage().partition(" holds ")[2] for record in caplog.records]
    assert said == (["no text; it is overwritten"] if kind == "bytes" else [])
    if decode is not None:
        where.close()


def test_after_a_flush_it_goes_on(store: RedisStore, raw: Any) -> None:
    store.compare_and_set("key", None, "old", 60)
    with store.lock("key", 1):
        raw.flushall()
        raw.script_flush()
        assert store.compare_and_set("key", "old", "new", 60) is False
        assert store.compare_and_set("key", None, "new", 60) is True


def test_past_its_lease_a_holder_releases_nothing(
    store: RedisStore, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: monotonic() + late)
    with store.lock("key", 1):
        raw.set("wecom_auth:key:lock", "of another, after the lease")
        late = LEASE
    assert raw.get("wecom_auth:key:lock") == b"of another, after the lease"


def test_control_within_its_lease_it_does(store: RedisStore, raw: Any) -> None:
    with store.lock("key", 1):
        assert raw.exists("wecom_auth:key:lock")
    assert not raw.exists("wecom_auth:key:lock")


def test_past_a_holder_that_died_who_waits_goes_on_without_the_lock(
    store: RedisStore, raw: Any
) -> None:
    raw.set("wecom_auth:key:lock", "dead", px=15_000)
    began = time.monotonic()
    with store.lock("key", 0.4) as held:
        assert held is False
    assert 0.3 <= time.monotonic() - began < 1.5
    assert raw.get("wecom_auth:key:lock") == b"dead"


@pytest.mark.parametrize("new", ["token", None], ids=["fetched", "dropped"])
def test_who_waits_is_let_go_when_there_is_a_new_text(
    store: RedisStore, raw: Any, monkeypatch: pytest.MonkeyPatch, new: str | None
) -> None:
    """A text that was only dropped is none: then whoever waits still needs its turn."""
    store.compare_and_set("key", None, "old", 60)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        store.compare_and_set("key", "old", new, 60)

    raw.set("wecom_auth:key:lock", "of another", px=15_000)
    monkeypatch.setattr(waiting.time, "sleep", nap)
    with store.lock("key", 2) as held:
        assert held is False
    assert (len(naps) == 1) is (new is not None)
    assert raw.get("wecom_auth:key:lock") == b"of another"


def test_a_lease_that_ends_frees_the_lock(
    store: RedisStore, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE", 0.2)
    entered = store.lock("key", 1)
    assert entered.__enter__() is True  # and never released
    with store.lock("key", 30) as held:
        assert held is True


def test_a_release_that_fails_does_not_replace_what_the_body_raised(
    redis_server: RedisServer,
) -> None:
    store = RedisStore(redis_server.url)

    def body() -> None:
        with store.lock("key", 1):
            redis_server.kill()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()


def test_a_dead_server_is_told_at_once(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url)
    assert store.load("key") is None
    redis_server.kill()
    began = time.monotonic()
    for use in (
        lambda: store.load("key"),
        lambda: store.compare_and_set("key", None, "text", 60),
        lambda: store.lock("key", 5).__enter__(),
    ):
        with pytest.raises(StoreError, match="ConnectionError"):
            use()
    assert time.monotonic() - began < 0.5
    redis_server.start()
    assert store.compare_and_set("key", None, "text", 60), "the same handle, back at once"


def test_a_server_that_hangs_costs_a_bounded_time(redis_server: RedisServer) -> None:
    known, fresh = RedisStore(redis_server.url), RedisStore(redis_server.url)
    known.load("key")
    redis_server.pause()
    for store in (known, fresh):
        began = time.monotonic()
        with pytest.raises(StoreError, match="Timeout"):
            store.load("key")
        assert time.monotonic() - began < 2 * redisclient.SOCKET_TIMEOUT + 1
    redis_server.resume()
    assert known.load("key") is None


@pytest.fixture
def resumed_when_late(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """A server that stands still until its first answer is missed."""
    is_late = redisclient._is_late

    def resume(error: Exception) -> bool:
        redis_server.resume()
        return is_late(error)

    monkeypatch.setattr(redisclient, "_is_late", resume)
    return redis_server


@pytest.fixture
def ten_seconds_left() -> Iterator[None]:
    mark = patience.set(time.monotonic() + 10)
    yield
    patience.reset(mark)


@pytest.mark.usefixtures("ten_seconds_left")
def test_a_server_that_stands_still_for_a_moment_is_asked_again(
    resumed_when_late: RedisServer,
) -> None:
    store = RedisStore(resumed_when_late.url)
    assert store.compare_and_set("key", None, "text", 60)
    resumed_when_late.pause()
    assert store.load("key") == "text"
    resumed_when_late.pause()
    assert not store.compare_and_set("key", "text", "new", 60), "it was done, and not twice"
    assert store.load("key") == "new"


@pytest.mark.usefixtures("ten_seconds_left")
def test_a_lock_whose_answer_is_lost_is_held(resumed_when_late: RedisServer) -> None:
    store = RedisStore(resumed_when_late.url)
    resumed_when_late.pause()
    began = time.monotonic()
    with store.lock("key", 10) as held:
        assert held
        assert time.monotonic() - began < 5, "it does not wait for its own lease"
        with store.lock("key", 0.1) as other:
            assert not other
    with store.lock("key", 0.1) as held:
        assert held


def test_a_server_that_hangs_costs_a_fifth_of_what_is_left(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url)
    redis_server.pause()
    began, mark = time.monotonic(), patience.set(time.monotonic() + 4)
    with pytest.raises(StoreError, match="Timeout"):
        store.load("key")
    patience.reset(mark)
    assert 0.8 <= time.monotonic() - began < 2


def test_the_url_may_say_how_long_to_wait(redis_server: RedisServer) -> None:
    store = RedisStore(f"{redis_server.url}?socket_timeout=0.1&socket_connect_timeout=0.1")
    redis_server.pause()
    began = time.monotonic()
    with pytest.raises(StoreError):
        store.load("key")
    assert time.monotonic() - began < 0.8


def test_a_server_that_is_read_only(shared_redis: RedisServer) -> None:
    with Redis.from_url(shared_redis.url) as raw:
        store = RedisStore(shared_redis.url)
        store.compare_and_set("replicated", None, "text", 60)
        raw.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(StoreError, match=r"(?i)read.?only"):
                store.compare_and_set("replicated", "text", "new", 60)
            with pytest.raises(StoreError, match=r"(?i)read.?only"):
                store.lock("replicated", 1).__enter__()
            assert store.load("replicated") == "text"
        finally:
            raw.replicaof("NO", "ONE")


def test_a_server_that_is_full(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url)
    with Redis.from_url(redis_server.url) as raw:
        raw.config_set("maxmemory-policy", "noeviction")
        raw.config_set("maxmemory", "1")
        with pytest.raises(StoreError, match=r"OutOfMemory|OOM|maxmemory"):
            store.compare_and_set("key", None, "text", 60)
        assert store.load("key") is None
        raw.config_set("maxmemory", "0")
    assert store.compare_and_set("key", None, "text", 60)


def test_a_wrong_password_is_told_without_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = RedisServer("--requirepass", "right")
    try:
        url = server.url.replace("//", "//:s3cret@")
        with pytest.raises(StoreError, match=r"(?i)password|auth") as caught:
            RedisStore(url).load("key")
        assert "s3cret" not in str(caught.value)
        Breaker(RedisStore(url)).load("key")
        Breaker(RedisStore(server.url)).load("key")
        assert "s3cret" not in caplog.text
        assert RedisStore(server.url.replace("//", "//:right@")).load("key") is None
    finally:
        server.kill()


def test_what_the_server_quotes_of_a_command_is_not_passed_on(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise ResponseError("unknown command 'EVAL', with args beginning with: 's3cret'")

    monkeypatch.setattr(store.client, "eval", refuse)
    with pytest.raises(StoreError, match=r"unknown command 'EVAL'$") as caught:
        store.compare_and_set("key", "s3cret", "s3cret", 60)
    assert caught.value.__context__ is None


def test_pickle(shared_redis: RedisServer, store: RedisStore, raw: Any) -> None:
    store = RedisStore(shared_redis.url, prefix="mine:")
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.prefix == "mine:"
    assert again.compare_and_set("key", None, "text", 60)
    with pytest.raises(TypeError, match="make it from a URL"):
        pickle.dumps(RedisStore(raw))


def test_equality_and_repr(shared_redis: RedisServer, raw: Any) -> None:
    url = "redis://user:s3cret@cache:6379/0?password=s3cret"
    assert RedisStore(url) == RedisStore(url)
    assert hash(RedisStore(url)) == hash(RedisStore(url))
    assert RedisStore(url) != RedisStore(url, prefix="x:")
    assert RedisStore(raw) == RedisStore(raw)
    assert RedisStore(raw) != RedisStore(Redis.from_url(url))
    assert RedisStore(url) != url
    assert repr(RedisStore(url)) == (
        "<RedisStore over 'redis://cache:6379/0', prefix 'wecom_auth:'>"
    )
    assert repr(RedisStore(raw)) == "<RedisStore over a client, prefix 'wecom_auth:'>"
    assert "s3cret" not in repr(RedisStore("unix://u:s3cret@/run/redis.sock"))


@pytest.mark.parametrize("what", [None, 5, b"redis://x", ["redis://x"]])
def test_something_else_than_a_url_or_client(what: Any) -> None:
    with pytest.raises(TypeError, match="must be a URL"):
        RedisStore(what)


def test_a_prefix_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="prefix must be a str"):
        RedisStore("redis://x", prefix=b"x")  # type: ignore[arg-type]


def test_a_url_of_something_else() -> None:
    with pytest.raises(ValueError, match="redis://:password@host"):
        RedisStore("http://cache:6379")


def test_an_option_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"only options that redis.Redis.from_url knows"):
        RedisStore("redis://:pw@cache/1?socket_timeot=0.3")


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    advice = r'the module redis is missing: pip install "wecom-auth\[redis\]"'
    with pytest.raises(ModuleNotFoundError, match=advice):
        RedisStore("redis://cache")


def test_a_library_that_redis_needs_is_named_where_it_is_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "__init__.py").write_text("import async_timeout_that_is_not_there")
    for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="needs redis, and the module async_timeout"):
        RedisStore("redis://cache")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_connections_of_its_own(store: RedisStore, raw: Any) -> None:
    store.compare_and_set("key", None, "parent's", 60)
    child = os.fork()
    if child == 0:
        right = all(store.load("key") == "parent's" for _ in range(200))
        os._exit(0 if right else 1)
    assert all(store.load("key") == "parent's" for _ in range(200))
    assert os.waitpid(child, 0)[1] == 0


def test_a_child_that_leaves_the_with_block_does_not_free_the_parents(
    store: RedisStore, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as child, store.lock("key", 1):
        child.setattr(os, "getpid", lambda: 1)
    assert raw.exists("wecom_auth:key:lock")


def test_after_a_fork_the_client_is_replaced_and_not_closed(
    shared_redis: RedisServer, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, live = RedisStore(shared_redis.url), RedisStore(raw)
    parents = store.client
    monkeypatch.setattr(parents.connection_pool, "disconnect", None)
    for each in (store, live):
        each.after_fork()
    assert store.client is not parents
    assert store.load("key") is None
    assert live.client is raw, "redis-py's own matter"


def commands(raw: Any) -> dict[str, int]:
    return {
        name.removeprefix("cmdstat_"): found["calls"]
        for name, found in raw.info("commandstats").items()
        if not name.startswith(("cmdstat_info", "cmdstat_config"))
    }


def test_a_cold_fetch_needs_five_commands(store: RedisStore, raw: Any) -> None:
    breaker = Breaker(store)
    raw.config_resetstat()
    assert breaker.load_many(["key", "key:failure"]) == [None, None]
    with breaker.lock("key", 8):
        assert breaker.load_many(["key", "key:failure"]) == [None, None]
        assert breaker.compare_and_set("key", None, "token", 7200)
    assert commands(raw) == {"mget": 2, "set": 2, "del": 1}


def test_no_connection_is_kept(store: RedisStore, raw: Any) -> None:
    before = len(raw.client_list())
    with store.lock("key", 1):
        store.compare_and_set("key", None, "x", 60)
        assert len(raw.client_list()) == before
    assert len(raw.client_list()) == before


def test_a_connection_that_is_refused_is_tried_again(redis_server: RedisServer) -> None:
    """Taken for an outage, it would make each of many processes fetch for itself."""
    with Redis.from_url(redis_server.url) as raw:
        raw.config_set("maxclients", 1)
        store, answers = RedisStore(redis_server.url), []
        refused = threading.Event()
        thread = threading.Thread(target=lambda: (refused.set(), answers.append(store.load("key"))))
        thread.start()
        assert refused.wait(5)
        time.sleep(0.1)
        assert answers == []
        raw.config_set("maxclients", 10)
        thread.join(5)
        assert answers == [None]


def test_control_refused_for_good_it_is_an_outage(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFUSAL_LIMIT", 0.2)
    with Redis.from_url(redis_server.url) as raw:
        raw.config_set("maxclients", 1)
        store = RedisStore(redis_server.url)
        with pytest.raises(StoreError, match=r"max number of clients|[Cc]onnection"):
            store.load("key")
        with store.lock("key", 0.2) as held:
            assert held is False


# --- what its user may do ---


@pytest.fixture
def allowed(shared_redis: RedisServer, raw: Any) -> Iterator[Callable[[str], RedisStore]]:
    def make(granted: str) -> RedisStore:
        rules = ["reset", "on", ">pw", "~wecom_auth:*", *granted.split()]
        raw.execute_command("ACL", "SETUSER", "app", *rules)
        return RedisStore(shared_redis.url.replace("//", "//app:pw@"))

    yield make
    raw.execute_command("ACL", "DELUSER", "app")


def use(store: RedisStore) -> list[Any]:
    with store.lock("key", 0) as held:
        done = [held, store.compare_and_set("key", None, "one", 60), store.load("key")]
        return [
            *done,
            store.compare_and_set("key", "one", "two", 60),
            store.compare_and_set("key", "two", None, 0),
        ]


def test_four_commands_are_needed(allowed: Callable[[str], RedisStore]) -> None:
    store = allowed("+mget +set +del +eval")
    assert use(store) == [True, True, "one", True, True]
    assert use(store) == [True, True, "one", True, True], "the lock was not released"


@pytest.mark.parametrize("missing", ["mget", "set", "del", "eval"])
def test_without_one_of_them_it_is_named_with_the_fix(
    allowed: Callable[[str], RedisStore], missing: str
) -> None:
    store = allowed(f"+mget +set +del +eval -{missing}")
    with pytest.raises(StoreError, match=r"ACL SETUSER name \+mget \+set \+del \+eval") as caught:
        use(store)
    assert "one" not in str(caught.value)


def test_without_eval_the_lock_is_released_and_a_cold_start_works(
    allowed: Callable[[str], RedisStore], raw: Any
) -> None:
    store = allowed("+mget +set +del")
    with store.lock("key", 0) as held:
        assert held
        assert store.compare_and_set("key", None, "token", 60)
    assert not raw.exists("wecom_auth:key:lock")


# --- other clients ---


def test_a_sentinel_is_asked_for_its_master(sentinel: RedisServer) -> None:
    from redis import Sentinel

    watcher = Sentinel([("127.0.0.1", sentinel.port)], socket_timeout=1)
    with pytest.raises(TypeError, match=r"redis\.sentinel\.Sentinel.*master_for\('name'\)"):
        RedisStore(watcher)  # type: ignore[arg-type]
    with watcher.master_for("wecom") as master:
        store = RedisStore(master)
        assert use(store) == use(store) == [True, True, "one", True, True]
    for each in watcher.sentinels:
        each.close()


def test_a_cluster(cluster: RedisServer) -> None:
    from redis import RedisCluster

    client = RedisCluster.from_url(cluster.url)
    store = RedisStore(client)
    assert use(store) == use(store) == [True, True, "one", True, True]
    assert store.load_many(["one", "two"]) == [None, None]
    store.compare_and_set("two", None, "2", 60)
    assert store.load_many(["one", "two", "three"]) == [None, "2", None]
    client.close()
    cluster.kill()
    breaker = Breaker(store)
    assert breaker.load("one") is None
    assert breaker.away


def test_a_url_of_a_cluster_is_told_what_to_give(shared_redis: RedisServer) -> None:
    error = MovedError("1234 10.0.0.7:6379")
    store = RedisStore(shared_redis.url)
    store.client.execute_command = Mock(side_effect=error)
    with pytest.raises(StoreError, match=r"RedisCluster\.from_url"):
        store.load("key")


def test_an_asynchronous_client_is_refused_by_name() -> None:
    from redis import asyncio

    for client in (asyncio.Redis(), asyncio.RedisCluster("localhost")):
        with pytest.raises(
            TypeError, match=r"redis\.asyncio.* is asynchronous, and a store is not"
        ):
            RedisStore(client)  # type: ignore[arg-type]


def test_a_client_of_valkey_is_refused_by_name() -> None:
    kind = type("Valkey", (), {"__module__": "valkey.client", "eval": 1, "execute_command": use})
    with pytest.raises(TypeError, match=r"valkey\.client\.Valkey .* give a redis:// URL"):
        RedisStore(kind())
