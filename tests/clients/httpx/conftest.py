"""The world of a test that `for_all` runs."""

from __future__ import annotations

from typing import Any

import pytest
from httpx_ways import World

from wecom_auth.testing import Server


@pytest.fixture
def world(request: Any, wecom_server: Server) -> World:
    return World(*request.param, wecom_server)
