"""Starting crews of processes from a test, and reading what they report."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CREW = Path(__file__).with_name("crew.py")


class Report:
    """What the processes of one crew report, together; those that were killed do not."""

    def __init__(self, members: list[dict[str, Any] | None]) -> None:
        self.members = [member for member in members if member is not None]
        self.ok = sum(member["ok"] for member in self.members)
        self.errors = [error for member in self.members for error in member["errors"]]
        self.slowest = max((member["slowest"] for member in self.members), default=0.0)
        self.notes = [note for member in self.members for note in member["notes"]]

    def warnings(self) -> list[str]:
        return [note for note in self.notes if note.startswith("WARNING")]


class Crew:
    """Processes that are ready, and go when told to."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CREW), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._stop = Path(job["stop"])
        assert self._process.stdout is not None
        self.pids: list[int] = json.loads(self._process.stdout.readline())

    def go(self) -> "Crew":
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self

    def stop(self) -> "Crew":
        self._stop.touch()
        return self

    def signal(self, number: int, member: int = 0) -> None:
        os.kill(self.pids[member], number)

    def state(self, member: int = 0) -> str:
        """As the kernel has it: T for stopped, Z for dead."""
        stat = Path(f"/proc/{self.pids[member]}/stat")
        if not stat.exists():
            return "T" if sys.platform != "linux" else "Z"
        return stat.read_text().rpartition(")")[2].split()[0]

    def report(self) -> Report:
        assert self._process.stdout is not None
        members = json.loads(self._process.stdout.readline())
        self._process.wait(10)
        return Report(members)

    def end(self) -> None:
        for pid in self.pids:
            if self._process.poll() is None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(10)


class Fleet:
    """Starts crews for one platform, and sees that none is left behind."""

    def __init__(self, url: str, place: Path) -> None:
        self._url = url
        self._place = place
        self._crews: list[Crew] = []

    def crew(self, store: str | None, processes: int, threads: int = 1, **job: Any) -> Crew:
        name = f"crew{len(self._crews)}"
        defaults = {
            "name": name,
            "url": self._url,
            "store": store,
            "processes": processes,
            "threads": threads,
            "secret": "secret",
            "calls": 10**9,
            "pace": 0.01,
            "timeout": 10,
            "skew": [0],
            "breaker_pause": 5,
            "patience": 2,
            "sabotage": "",
            "stop": str(self._place / f"{name}.stop"),
        }
        crew = Crew(defaults | job)
        self._crews.append(crew)
        return crew

    def end(self) -> None:
        for crew in self._crews:
            crew.end()


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.01)
