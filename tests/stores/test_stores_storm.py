"""A server with few connections, many processes: a short version, and long ones (`-m storm`).

At full length: `STORM_PROCESSES=300 python -m pytest -m storm tests/stores/test_stores_storm.py`.
"""

import os
from collections.abc import Iterator

import pytest
from fleet import Fleet
from redis_server import RedisServer

from wecom_auth.testing import FakeWeCom

MANY = int(os.environ.get("STORM_PROCESSES", 64))
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the crews are forked")


@pytest.fixture
def narrow(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    server = RedisServer("--maxclients", str(request.param))
    yield server
    server.kill()


@pytest.mark.parametrize("mode", ["repeat", "rotate"])
@pytest.mark.parametrize(
    ("processes", "narrow", "limits"),
    [
        (8, 3, {"timeout": 20}),
        pytest.param(24, 4, {"timeout": 20}, marks=pytest.mark.storm),
        # Many on two cores: all that is asked of them is slow.
        pytest.param(
            MANY, min(64, MANY // 4), {"timeout": 30, "patience": 8}, marks=pytest.mark.storm
        ),
    ],
    indirect=["narrow"],
)
def test_many_processes_share_few_connections(
    fake: FakeWeCom,
    fleet: Fleet,
    narrow: RedisServer,
    mode: str,
    processes: int,
    limits: dict[str, float],
) -> None:
    fake.mode = mode  # type: ignore[assignment]
    for state in ("cold", "revoked"):
        before = fake.gettoken_calls
        report = fleet.crew(narrow.url, processes, calls=3, **limits).go().report()
        fetched = fake.gettoken_calls - before
        print(f"{processes} processes, {mode}, {state}: {fetched} gettoken, {report.slowest:.1f} s")
        assert report.errors == []
        assert report.ok == processes * 3
        assert fetched <= 3
        fake.revoke()


@pytest.mark.parametrize("narrow", [3], indirect=True)
def test_control_where_a_refused_connection_is_an_outage_many_fetch(
    fake: FakeWeCom, fleet: Fleet, narrow: RedisServer
) -> None:
    fleet.crew(narrow.url, 12, calls=1, timeout=20, sabotage="no patience").go().report()
    assert fake.gettoken_calls > 3
