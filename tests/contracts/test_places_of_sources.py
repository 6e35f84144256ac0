"""Places that name every source by hand say what the catalogue says; schedules and services have tests too."""

from __future__ import annotations

import re

import pytest

from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.sources import CATALOGUE
from tests.conftest import REPOSITORY

WITH_VERSIONS = re.compile(r"\b(?:intervals|sales_versions)\(")


@pytest.mark.parametrize("source", sorted(CATALOGUE.keys() - {"wallhaven"}))
def test_the_audit_counts_the_changes_of_every_model_with_versions(source: str) -> None:
    audit = (PROJECT / "models" / "marts" / "run_audit.sql").read_text()
    counted = set(re.findall(r"'(\w+)': '\w+'", audit))
    models = (PROJECT / "models").glob(f"*/{source}/*.sql")
    versioned = {path.stem for path in models if WITH_VERSIONS.search(path.read_text())}
    assert versioned
    assert versioned <= counted


def test_the_readme_lists_every_source_and_how_to_try_it() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| .+ \| `make demo(?: SOURCE=(\w+))?` \|$", readme, re.MULTILINE)
    assert {name for name, _ in listed} == CATALOGUE.keys()
    assert all(tried in (name, "") for name, tried in listed)
