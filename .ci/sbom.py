"""Write the bill of materials that goes into the wheel (PEP 770), from pyproject.toml.

The wheel carries no code but its own: listed are the package and what it needs, with the bounds.
Nothing in it depends on the time or the machine, so that a build stays reproducible.

    python .ci/sbom.py [--check]       --check writes nothing, and exits 1 if the file is old
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILE = HERE / "sbom.cdx.json"
EXTRAS = ("file", "redis", "httpx", "aiohttp", "testing")
"""The extras of users; the others are for work on the package itself."""


def component(requirement: str, scope: str) -> dict[str, Any]:
    """Return the component that a line like `requests>=2.32.2` names."""
    name = re.split(r"[^\w.-]", requirement)[0]
    purl = f"pkg:pypi/{name.lower()}"
    bound = {"name": "pypi:requirement", "value": requirement}
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "scope": scope,
        "purl": purl,
        "properties": [bound],
    }


def bill() -> dict[str, Any]:
    """Return the bill, as CycloneDX 1.6."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    parts = [component(line, "required") for line in project["dependencies"]]
    parts += [component(line, "optional") for name in EXTRAS for line in extras[name]]
    purl = f"pkg:pypi/{project['name']}@{project['version']}"
    ours = {
        "type": "library",
        "bom-ref": purl,
        "name": project["name"],
        "version": project["version"],
        "purl": purl,
        "licenses": [{"license": {"id": project["license"]}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": ours},
        "components": parts,
        "dependencies": [{"ref": purl, "dependsOn": [each["bom-ref"] for each in parts]}],
    }


def main() -> int:
    """Write or check the file."""
    text = json.dumps(bill(), indent=2) + "\n"
    if "--check" in sys.argv:
        return int(not FILE.exists() or FILE.read_text("utf-8") != text)
    FILE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
