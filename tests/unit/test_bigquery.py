"""Kaggle's models as BigQuery would get them, where the adapter is installed; and that no other SQL is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlfluff

from tests.dialects import compiled

REPOSITORY = Path(__file__).parents[2]
PROFILE = REPOSITORY / "deploy" / "bigquery" / "profiles.yml"
FOLDERS = [f"path:models/{layer}/kaggle" for layer in ("staging", "intermediate", "marts")] + ["path:tests/kaggle"]
POSTGRES_ALONE = "enabled=target.type == 'postgres'"
POSTGRES_ONLY = re.compile(r"::|->>|#>>|\bfilter \(|distinct on|\blateral\b|jsonb|split_part|collate")


def test_the_models_themselves_hold_no_word_of_postgres_alone() -> None:
    """What differs stands in macros/kaggle_dialects.sql."""
    folders = (REPOSITORY / "dbt_project" / "models").glob("*/kaggle/*.sql")
    models = sorted(model for model in folders if POSTGRES_ALONE not in model.read_text())
    assert len(models) == 7
    assert {model.name: POSTGRES_ONLY.findall(model.read_text()) for model in models} == {
        model.name: [] for model in models
    }


@pytest.mark.prove
def test_the_models_and_their_tests_compile_for_bigquery_offline(tmp_path: Path) -> None:
    sql = compiled(PROFILE.read_text(), tmp_path, "--target", "offline", select=FOLDERS)
    assert len(sql.models) == 7
    assert {path.stem.split("_kaggle")[0].removesuffix("_int") for path in sql.tests} == {
        *("unique_combination", "not_null", "assert")
    }
    assert len(sql.tests) == 20
    for path in (*sql.models, *sql.tests):
        found = sqlfluff.lint(path.read_text() + "\n", dialect="bigquery", rules=["LT12"])
        assert [violation["description"] for violation in found if violation["code"] == "PRS"] == [], path.name
        assert POSTGRES_ONLY.findall(path.read_text()) == [], path.name
