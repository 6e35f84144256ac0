"""Every fault of docs/original-faults.md names a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from luigi_tasks.sources import CATALOGUE

REPOSITORY = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\w+) \| (.+?) \| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
PAGE = (REPOSITORY / "docs" / "original-faults.md").read_text()
FAULTS = ROW.findall(PAGE)


def test_every_fault_names_a_test_that_is_there() -> None:
    assert len(FAULTS) == PAGE.count("`tests/") - 1 >= 20, "every row has this form; one test is named above them"
    assert {system for system, *_ in FAULTS} == set(CATALOGUE) - {"wallhaven"}
    assert len({fault for _, fault, *_ in FAULTS}) == len(FAULTS)
    assert [f"{file}::{name}" for _, _, file, name in FAULTS if name not in functions_of(file)] == []


def functions_of(file: str) -> list[str]:
    tree = ast.parse((REPOSITORY / file).read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_the_price_of_a_line_is_the_fact_s() -> None:
    marts = REPOSITORY / "dbt_project" / "models" / "marts" / "sales"
    assert [path.name for path in sorted(marts.glob("*.sql")) if "price_each" in path.read_text()] == ["fct_sales.sql"]
    intermediate = REPOSITORY / "dbt_project" / "models" / "intermediate" / "sales"
    assert [path.name for path in intermediate.glob("*.sql") if "price_each" in path.read_text()] == []
