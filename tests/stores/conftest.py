import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import Fleet, starting
from redis import Redis
from redis_server import RedisServer, free_port

from wecom_auth.testing import FakeWeCom


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


@pytest.fixture
def sentinel(redis_server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A real Sentinel that watches a server under the name "wecom"."""
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor wecom 127.0.0.1 {redis_server.port} 1\n")
    server = RedisServer("--sentinel", config=str(config))
    yield server
    server.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis Cluster, of one node that has all slots."""
    bus = str(free_port())
    server = RedisServer("--cluster-enabled", "yes", "--cluster-port", bus, "--dir", str(tmp_path))
    with Redis.from_url(server.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        while client.cluster("INFO")["cluster_state"] != "ok":
            time.sleep(0.02)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def _starter() -> Iterator[socket.socket]:
    with starting() as starter:
        yield starter


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def fleet(fake: FakeWeCom, tmp_path: Path, _starter: socket.socket) -> Iterator[Fleet]:
    with fake.serve() as url:
        fleet = Fleet(_starter, url, tmp_path)
        yield fleet
        fleet.end()
        fake.let_go()
