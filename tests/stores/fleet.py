"""Starting crews of processes from a test, and reading what they report."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def starting() -> Iterator[socket.socket]:
    """Give the way to the one program that all crews are forked from: its imports cost most."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen([sys.executable, str(CREW)], stdin=theirs, start_new_session=True):
        theirs.close()
        yield ours
        ours.shutdown(socket.SHUT_RDWR)  # whoever else was forked with it open
        ours.close()


class Crew:
    """Processes that are ready, and go when told to."""

    def __init__(self, starter: socket.socket, job: dict[str, Any]) -> None:
        self._socket, theirs = socket.socketpair()
        socket.send_fds(starter, [b"."], [theirs.fileno()])
        theirs.close()
        self._channel = self._socket.makefile("rw")
        self._say(json.dumps(job))
        self._stop = Path(job["stop"])
        self._parent, *self.pids = json.loads(self._channel.readline())
        self._is_over = False

    def _say(self, line: str) -> None:
        self._channel.write(f"{line}\n")
        self._channel.flush()

    def go(self) -> "Crew":
        self._say("")
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
        members = json.loads(self._channel.readline())
        self._is_over = True
        return Report(members)

    def end(self) -> None:
        if not self._is_over:
            for pid in (*self.pids, self._parent):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._channel.read()  # ends when all that hold the other side have
        self._channel.close()
        self._socket.close()


class Fleet:
    """Starts crews for one platform, and sees that none is left behind."""

    def __init__(self, starter: socket.socket, url: str, place: Path) -> None:
        self._starter = starter
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
        crew = Crew(self._starter, defaults | job)
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
