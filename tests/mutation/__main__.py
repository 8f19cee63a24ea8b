"""The command: prints the mutants that no test noticed, and exits 1 if there is one."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from .mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
ROOMS = {
    "_call": ("tests/call", "tests/clients/test_decorator.py", "tests/source/test_events.py"),
    "_source": ("tests/source", "tests/credential"),
    "_http": ("tests/http", "tests/test_errors.py", "tests/clients/test_redirects.py"),
    "_credential": ("tests/credential",),
    "_clients": ("tests/clients",),
    "stores": ("tests/stores",),
}
"""The tests that must notice what is broken in a room."""

Found = tuple[Path, Mutant]


class Bench:
    """Copies of the tree, in each of which one mutant at a time is tested."""

    def __init__(self, directory: Path, room: str, copies: int) -> None:
        self._tests = [test for test in ROOMS[room] if (ROOT / test).exists()]
        self._free: SimpleQueue[Path] = SimpleQueue()
        self.limit = 900.0
        for number in range(copies):
            copy = directory / str(number)
            for name in ("wecom_auth", "tests", "recipes", "pyproject.toml", "README.md"):
                _copy(ROOT / name, copy / name)
            self._free.put(copy)

    def passes(self, found: Found | None) -> bool:
        """Run the room's tests over this mutant, or over the code as it is."""
        copy = self._free.get()
        try:
            if found is None:
                return self._run(copy)
            file, mutant = found
            place = copy / file
            before = place.read_text("utf-8")
            place.write_text(mutant.text, "utf-8")
            try:
                return self._run(copy)
            finally:
                place.write_text(before, "utf-8")
        finally:
            self._free.put(copy)

    def _run(self, copy: Path) -> bool:
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not storm"]
        command = [sys.executable, "-m", "pytest", *options, *self._tests]
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(self.limit) == 0
        except subprocess.TimeoutExpired:  # it hangs: noticed
            return False
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the tests and every process that they have left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def of_room(room: str) -> list[Found]:
    """Return every mutant of the room."""
    files = sorted((ROOT / "wecom_auth" / room).rglob("*.py"))
    return [
        (file.relative_to(ROOT), mutant)
        for file in files
        for mutant in mutants(file.read_text("utf-8"))
    ]


def main() -> int:
    """Draw a sample, test each of it, print the survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--room", choices=ROOMS, required=True)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    every = of_room(options.room)
    sample = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    with TemporaryDirectory() as directory, ThreadPoolExecutor(options.jobs) as pool:
        bench = Bench(Path(directory), options.room, options.jobs)
        began = time.monotonic()
        if not bench.passes(None):
            sys.exit(f"the tests of {options.room} are red without a mutant")
        bench.limit = 60 + 5 * (time.monotonic() - began)
        survived = list(pool.map(bench.passes, sample))
    survivors = [found for found, alive in zip(sample, survived, strict=True) if alive]
    for file, mutant in survivors:
        print(f"{file}:{mutant.line}: {mutant.before!r} -> {mutant.after!r}")
    print(f"{len(sample)} of {len(every)} mutants, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
