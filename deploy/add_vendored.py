"""Adds what stands in the repository itself to an SBOM that was made of the requirements: add_vendored.py SBOM.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VENDORED = Path(__file__).with_name("vendored.cdx.json")


def merged(sbom: dict[str, Any], vendored: dict[str, Any]) -> dict[str, Any]:
    """The SBOM with the vendored components, each once, in the order of their references."""
    components = {one["bom-ref"]: one for one in (*sbom.get("components", ()), *vendored["components"])}
    return {**sbom, "components": [components[ref] for ref in sorted(components)]}


def main() -> None:
    """The command; ends with words when the file is no CycloneDX."""
    if len(sys.argv) != 2:
        sys.exit("add_vendored: say which file: python deploy/add_vendored.py var/sbom.json")
    path = Path(sys.argv[1])
    sbom = json.loads(path.read_text())
    if sbom.get("bomFormat") != "CycloneDX":
        sys.exit(f"add_vendored: {path} is no CycloneDX file. Make it: make sbom")
    path.write_text(json.dumps(merged(sbom, json.loads(VENDORED.read_text())), indent=2) + "\n")


if __name__ == "__main__":
    main()
