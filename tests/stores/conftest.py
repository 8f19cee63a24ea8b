from collections.abc import Iterator

import pytest
from redis_server import RedisServer

from wecom_auth.stores import protocol


@pytest.fixture(autouse=True)
def _warnings_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_said", {})


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One for the tests that leave it running."""
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One of the test's own, to be killed, paused, restarted."""
    server = RedisServer()
    yield server
    server.kill()
