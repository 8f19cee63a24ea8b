"""The processes that call, and what becomes of them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass
class Crew:
    """So many processes, each in its place; one that is killed is replaced.

    The last place is for greenlets: its process runs under gevent, its threads are greenlets.

    Args:
        directory: for their logs.
        options: what each is told.
    """

    directory: Path
    options: dict[str, Any]
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    count: int = 0
    started: int = 0
    kills: int = 0

    def start(self, count: int) -> None:
        """Start so many."""
        self.count = count
        self.processes = [self._start(place) for place in range(count)]

    def _start(self, place: int) -> "subprocess.Popen[str]":
        self.started += 1
        name = f"p{self.started}"
        log = str(self.directory / f"{name}.log")
        options = json.dumps({**self.options, "name": name, "log": log})
        with open(self.directory / f"{name}.err", "w") as errors:
            runner = ["-m", "gevent.monkey"] if place == self.count - 1 else []
            return script("worker.py", options, errors=errors, runner=runner)

    def skew(self, place: int, seconds: float) -> None:
        """Move the wall clock of one so many seconds ahead; 0 for right again."""
        stdin = self.processes[place % self.count].stdin
        assert stdin is not None
        stdin.write(f"{seconds}\n")
        stdin.flush()

    def crashes(self) -> list[str]:
        """What Python printed of exceptions that nobody caught."""
        texts = [(path.name, path.read_text()) for path in self.directory.glob("*.err")]
        return [f"{name}: {text[-300:]}" for name, text in texts if "Traceback" in text]

    def kill(self, place: int) -> None:
        """End one without a word, and put a new one in its place."""
        place %= len(self.processes)
        _end(self.processes[place])
        self.kills += 1
        self.processes[place] = self._start(place)

    def stop(self) -> list[dict[str, int]]:
        """Let all finish what they are doing; what each has left open."""
        for process in self.processes:
            if process.stdin:
                process.stdin.close()
                process.stdin = None
        return [json.loads(process.communicate(timeout=120)[0]) for process in self.processes]

    def end(self) -> None:
        """End those that are still there."""
        for process in self.processes:
            if process.poll() is None:
                _end(process)


def script(
    name: str, *arguments: str, errors: Any = None, runner: Sequence[str] = ()
) -> "subprocess.Popen[str]":
    """One of this directory's scripts in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *runner, str(HERE / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def hold_and_kill(store: Path, key: str, meanwhile: Any) -> None:
    """A process that takes the lock, and is killed while it holds it and others want it."""
    holder = script("holder.py", str(store), key)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        meanwhile()
    finally:
        _end(holder)
