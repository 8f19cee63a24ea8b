"""The command: exits 1 where a call was lost or doubled, or anything else was not as it must be."""

import argparse
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .run import run


def main() -> int:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.weather", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--keep", help="an empty directory for the logs and the diary of faults")
    parser.add_argument("--no-healing", action="store_true", help="the control: must lose calls")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with TemporaryDirectory() as temporary:
        directory = options.keep or temporary
        report = run(
            Path(directory),
            options.seed,
            options.seconds,
            processes=options.processes,
            threads=options.threads,
            healing=not options.no_healing,
        )
    print("\n".join(report.lines()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
