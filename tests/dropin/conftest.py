from collections.abc import Iterator

import pytest
from legacy import Legacy, close_files
from timing import Clock

from wecom_auth import MemoryStore
from wecom_auth.testing import FakeWeCom


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(monotonic=clock, wall=clock)


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def client(fake: FakeWeCom) -> Iterator[Legacy]:
    """What existing code does, against a platform of its own."""
    with fake.serve() as url:
        yield Legacy(url)
    close_files()
