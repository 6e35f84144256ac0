"""The Terraform files parse, agree with each other, and make none of the mistakes that lose what was collected."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

hcl2 = pytest.importorskip("hcl2", reason="python-hcl2 is not installed")
FOLDER = Path(__file__).parents[2] / "deploy" / "terraform"
FILES = sorted(FOLDER.glob("*.tf"))


def plain(value: Any) -> Any:
    """The parser's value without its quotes and marks."""
    if isinstance(value, dict):
        return {plain(name): plain(inner) for name, inner in value.items() if not str(name).startswith("__")}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.strip('"') if isinstance(value, str) else value


def blocks(kind: str) -> list[dict[str, Any]]:
    return [block for path in FILES for block in plain(hcl2.loads(path.read_text())).get(kind, [])]


def resources(kind: str) -> list[dict[str, Any]]:
    return [resource for block in blocks("resource") for resource in block.get(kind, {}).values()]


def test_every_file_parses() -> None:
    assert {path.name for path in FILES} == {"main.tf", "outputs.tf", "variables.tf", "versions.tf"}
    for path in FILES:
        assert hcl2.loads(path.read_text()), path.name


def test_nothing_that_was_collected_is_deleted() -> None:
    (bucket,) = resources("google_storage_bucket")
    assert bucket["force_destroy"] is False
    assert "lifecycle_rule" not in bucket
    assert bucket["public_access_prevention"] == "enforced"
    (dataset,) = resources("google_bigquery_dataset")
    assert dataset["delete_contents_on_destroy"] is False
    assert not {"default_table_expiration_ms", "default_partition_expiration_ms"} & dataset.keys()
    for resource in (bucket, dataset):
        assert resource["lifecycle"][0]["prevent_destroy"] is True
    assert {grant["role"] for grant in resources("google_storage_bucket_iam_member")} == {
        "roles/storage.objectCreator",
        "roles/storage.objectViewer",
    }


def test_what_is_referred_to_is_there() -> None:
    text = "\n".join(path.read_text() for path in FILES)
    declared = {name for block in blocks("variable") for name in block}
    assert set(re.findall(r"var\.(\w+)", text)) == declared
    made = {f"{kind}.{name}" for block in blocks("resource") for kind, inner in block.items() for name in inner}
    assert set(re.findall(r"= (google_\w+\.\w+)\.", text)) <= made


def test_the_state_is_elsewhere() -> None:
    (terraform,) = blocks("terraform")
    assert "gcs" in terraform["backend"][0]
    known = subprocess.run(
        ["git", "ls-files", "*.tfstate*", "*.tfvars", ".terraform*"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert known.stdout == ""
    ignored = (FOLDER.parents[1] / ".gitignore").read_text().split()
    assert {"*.tfstate*", "*.tfvars", ".terraform/"} <= set(ignored)
