"""Print, as constraints for pip, the lowest version of each package that pyproject.toml allows.

python .ci/lowest.py EXTRA...
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirement: str) -> str:
    """Return `requests==2.32.2` for `requests>=2.32.2`."""
    found = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
    if not found:
        sys.exit(f"{requirement}: without a lower bound, or with more than that")
    return "==".join(found.groups())


def main() -> None:
    """Print what the package itself and these extras need."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in [
        *project["dependencies"],
        *(line for name in sys.argv[1:] for line in extras[name]),
    ]:
        print(lowest(line))


if __name__ == "__main__":
    main()
