"""Kaggle's models as BigQuery would get them, where the adapter is installed; and that no other SQL is in them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlfluff

REPOSITORY = Path(__file__).parents[2]
PROFILE = REPOSITORY / "deploy" / "bigquery" / "profiles.yml"
FOLDERS = [f"path:models/{layer}/kaggle" for layer in ("staging", "intermediate", "marts")]
POSTGRES_ONLY = re.compile(r"::|->>|#>>|\bfilter \(|distinct on|\blateral\b|jsonb|split_part|collate")


def test_the_models_themselves_hold_no_word_of_postgres_alone() -> None:
    """What differs stands in macros/kaggle_dialects.sql."""
    models = sorted((REPOSITORY / "dbt_project" / "models").glob("*/kaggle/*.sql"))
    assert len(models) == 7
    assert {model.name: POSTGRES_ONLY.findall(model.read_text()) for model in models} == {
        model.name: [] for model in models
    }


@pytest.mark.prove
def test_the_models_compile_for_bigquery_offline(tmp_path: Path) -> None:
    if importlib.util.find_spec("dbt.adapters.bigquery") is None:
        pytest.skip("needs dbt-bigquery: pip install 'dbt-bigquery==1.11.*'")
    (tmp_path / "profiles.yml").write_text(PROFILE.read_text())
    places = ["--profiles-dir", str(tmp_path), "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path)]
    subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "compile", "--target", "offline"),
            *("--no-populate-cache", "--no-introspect", "--select", *FOLDERS, *places),
        ],
        cwd=REPOSITORY / "dbt_project",
        check=True,
        capture_output=True,
    )
    models = sorted((tmp_path / "target" / "compiled").glob("*/models/*/kaggle/*.sql"))
    assert len(models) == 7
    for model in models:
        found = sqlfluff.lint(model.read_text() + "\n", dialect="bigquery", rules=["LT12"])
        assert [violation["description"] for violation in found if violation["code"] == "PRS"] == [], model.name
        assert POSTGRES_ONLY.findall(model.read_text()) == [], model.name
