"""The command: exits 1 where anything was wrong, or too few answers were true rejections."""

import argparse
import sys
import time

from .check import run


def main() -> int:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--answers", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    report = run(options.seed, options.answers)
    print(f"seed               {options.seed:>9}")
    print("\n".join(report.lines()))
    print(f"seconds            {time.monotonic() - began:>9.1f}")
    return 0 if report.good and report.share >= 0.30 else 1


if __name__ == "__main__":
    sys.exit(main())
