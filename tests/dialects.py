"""dbt with the adapters of other warehouses, which has an environment of its own: `make dialects` makes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Compiled:
    """Files of SQL: the models, and the data tests, generic and singular."""

    models: list[Path]
    tests: list[Path]


def compiled(profile: str, folder: Path, *options: str, select: Sequence[str]) -> Compiled:
    """Compile these models and tests with that profiles.yml, without a connection.

    Skips the test where there is no such dbt.
    """
    dbt = os.environ.get("DRAENEI_DIALECTS_DBT")
    if dbt is None:
        pytest.skip("needs dbt with other adapters: make dialects")
    (folder / "profiles.yml").write_text(profile)
    places = ["--profiles-dir", str(folder), "--target-path", str(folder / "target"), "--log-path", str(folder)]
    offline = ["--no-populate-cache", "--no-introspect", "--exclude", "resource_type:unit_test"]
    done = subprocess.run(
        [str(Path(dbt).absolute()), "compile", *options, *offline, "--select", *select, *places],
        cwd=REPOSITORY / "dbt_project",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    tests = {path for pattern in ("models/**/*.yml/*.sql", "tests/**/*.sql") for path in _files(folder, pattern)}
    return Compiled(sorted({*_files(folder, "models/**/*.sql")} - tests), sorted(tests))


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (folder / "target" / "compiled").glob(f"*/{pattern}")
