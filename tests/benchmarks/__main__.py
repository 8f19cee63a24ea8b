"""`python -m tests.benchmarks [--brief] [--only NAME] [--rounds N] [--json FILE]`."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from . import calls, clients, fakes, growth, imports, stores, storms, tenants, turnover, verdicts
from .measure import BRIEF, FULL, Effort, Row
from .report import as_data, as_text

BENCHMARKS: dict[str, Callable[[Effort], list[Row]]] = {
    "null": calls.null,
    "decorator": calls.decorator,
    "clients": clients.clients,
    "loopback": calls.loopback,
    "verdict": verdicts.verdicts,
    "storm": storms.storms,
    "turnover": turnover.turnover,
    "growth": growth.growth,
    "tenants": tenants.tenants,
    "stores": stores.stores,
    "import": imports.imports,
    "fake": fakes.fakes,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = _options(argv)
    effort = BRIEF if options.brief else FULL
    if options.rounds:
        effort = Effort(options.rounds, effort.calls, effort.brief)
    tables = {}
    for name in options.only or BENCHMARKS:
        tables[name] = BENCHMARKS[name](effort)
        print(as_text(name, tables[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(as_data(tables), indent=1), "utf-8")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="a few rounds, for CI")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="may be repeated")
    parser.add_argument("--rounds", type=int, help="600 if not given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
