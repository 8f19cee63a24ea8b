"""The tables, as text for people and as data for programs."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from .measure import Row

Tables = Mapping[str, Sequence[Row]]


def as_text(name: str, rows: Sequence[Row]) -> str:
    """One table in plain ASCII; what is over its goal says so."""
    columns = list(dict.fromkeys(key for row in rows for key in row.figures))
    width = max(len(row.what) for row in rows)
    lines = [f"{name:<{width}}" + "".join(f"{column:>18}" for column in columns)]
    for row in rows:
        cells = "".join(f"{_cell(row, column):>18}" for column in columns)
        lines.append(f"{row.what:<{width}}{cells}")
    return "\n".join(lines) + "\n"


def as_data(tables: Tables) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "python": platform.python_version(),
        "requests": version("requests"),
        "tables": {
            name: [{"what": r.what, "figures": r.figures, "goals": r.goals} for r in rows]
            for name, rows in tables.items()
        },
    }


def _cell(row: Row, column: str) -> str:
    if column not in row.figures:
        return ""
    goal = f" (goal {row.goals[column]:g})" if column in row.goals else ""
    return f"{row.figures[column]}{'!' if column in row.missed else ''}{goal}"
