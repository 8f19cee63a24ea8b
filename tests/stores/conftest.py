from collections.abc import Iterator

import pytest
from redis import Redis
from redis_server import RedisServer


@pytest.fixture(scope="session")
def _running_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
def shared_redis(_running_redis: RedisServer) -> RedisServer:
    """One for the tests that leave it running; empty, whichever of them came before."""
    with Redis.from_url(_running_redis.url) as client:
        client.flushall()
    return _running_redis


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One of the test's own, to be killed, paused, restarted."""
    server = RedisServer()
    yield server
    server.kill()
