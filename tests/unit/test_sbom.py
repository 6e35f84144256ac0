"""What is vendored stands in the SBOM with the hashes of the files that are shipped; the tools are pinned by hash."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
VENDORED = json.loads((REPOSITORY / "deploy" / "vendored.cdx.json").read_text())
SCRIPT = REPOSITORY / "deploy" / "add_vendored.py"


def test_photoswipe_is_a_component_with_the_version_and_the_hashes_of_its_files() -> None:
    (photoswipe,) = VENDORED["components"]
    files = {one["name"]: one["hashes"][0]["content"] for one in photoswipe["components"]}
    shipped = {
        f"luigi_tasks/gallery/{path.name}" for path in (REPOSITORY / "luigi_tasks/gallery").glob("photoswipe*.*s")
    }
    assert files.keys() == shipped
    for name, digest in files.items():
        assert hashlib.sha256((REPOSITORY / name).read_bytes()).hexdigest() == digest, name
    first_lines = (REPOSITORY / "luigi_tasks/gallery/photoswipe.umd.min.js").read_text()[:200]
    assert f"PhotoSwipe {photoswipe['version']} " in first_lines
    assert photoswipe["purl"] == f"pkg:npm/photoswipe@{photoswipe['version']}"


def test_it_is_merged_into_what_the_tool_wrote_once(tmp_path: Path) -> None:
    sbom = tmp_path / "sbom.json"
    luigi = {"bom-ref": "requirements-L1", "type": "library", "name": "luigi", "version": "3"}
    sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [luigi]}))
    for _ in range(2):
        subprocess.run([sys.executable, SCRIPT, sbom], check=True)
        assert [one["name"] for one in json.loads(sbom.read_text())["components"]] == ["photoswipe", "luigi"]
    sbom.write_text("{}")
    refused = subprocess.run([sys.executable, SCRIPT, sbom], capture_output=True, text=True, check=False)
    assert (refused.returncode, "make sbom" in refused.stderr) == (1, True)


def test_make_sbom_merges_it_and_installs_its_tools_by_hash() -> None:
    recipe = (REPOSITORY / "mk" / "security.mk").read_text()
    assert "deploy/add_vendored.py var/sbom.json" in recipe
    assert "--require-hashes -r requirements-tools.txt" in recipe
    pinned = (REPOSITORY / "requirements-tools.txt").read_text()
    packages = re.findall(r"^[a-z0-9._-]+==[^ ]+.*\\$", pinned, re.MULTILINE)
    assert {name.partition("==")[0] for name in packages} >= {"cyclonedx-bom", "pip-audit", "pip"}
    blocks = re.split(r"^(?=[a-z0-9])", pinned, flags=re.MULTILINE)[1:]
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not re.search(r"https?://|--(extra-)?index", pinned)
