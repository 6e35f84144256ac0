"""dbt with the adapters of other warehouses, which has an environment of its own: `make dialects` makes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def compiled(profile: str, folder: Path, *options: str, select: Sequence[str]) -> list[Path]:
    """Compile these models with that profiles.yml, without a connection; the SQL that came of each.

    Skips the test where there is no such dbt.
    """
    dbt = os.environ.get("DRAENEI_DIALECTS_DBT")
    if dbt is None:
        pytest.skip("needs dbt with other adapters: make dialects")
    (folder / "profiles.yml").write_text(profile)
    places = ["--profiles-dir", str(folder), "--target-path", str(folder / "target"), "--log-path", str(folder)]
    # Data tests look into the warehouse while they are compiled.
    offline = ["--no-populate-cache", "--no-introspect", "--exclude", "resource_type:test", "resource_type:unit_test"]
    done = subprocess.run(
        [str(Path(dbt).absolute()), "compile", *options, *offline, "--select", *select, *places],
        cwd=REPOSITORY / "dbt_project",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return sorted((folder / "target" / "compiled").glob("*/models/**/*.sql"))
