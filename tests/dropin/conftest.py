from collections.abc import Iterator

import pytest
from legacy import Legacy, close_files

from wecom_auth.testing import FakeWeCom


@pytest.fixture
def fake() -> FakeWeCom:
    return FakeWeCom()


@pytest.fixture
def client(fake: FakeWeCom) -> Iterator[Legacy]:
    """What existing code does, against a platform of its own."""
    with fake.serve() as url:
        yield Legacy(url)
    close_files()
