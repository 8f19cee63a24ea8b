"""`kill -9` at random instants of FileStore writes: 20, and with `-m storm` 300; see killing.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
PROGRAM = Path(__file__).with_name("killing.py")


def kill(place: Path, times: int, *how: str) -> dict[str, Any]:
    command = [sys.executable, str(PROGRAM), str(place), str(times), *how]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found: dict[str, Any] = json.loads(answer.stdout)
    print(f"kill -9, {times} times: {found}")
    return found


@pytest.mark.parametrize("times", [20, pytest.param(300, marks=pytest.mark.storm)])
def test_writers_killed_at_random_leave_a_whole_token(tmp_path: Path, times: int) -> None:
    found = kill(tmp_path / "tokens", times)
    assert found["whole"] == times
    assert found["damaged"] == 0
    assert found["inside"] > times / 4, "too few kills landed inside a write"
    if times == 300:
        assert found["drafts"], "no kill landed between the temporary file and the replacement"
    assert found["locked"] == 0, "a lock outlived its holder"
    assert found["files"] <= 4


@pytest.mark.storm
def test_control_writing_in_place_leaves_half_a_token(tmp_path: Path) -> None:
    assert kill(tmp_path / "tokens", 100, "careless")["whole"] < 100
