"""The COPY from S3 as text, and, where the adapter is installed, the sales models as Redshift would get them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import sqlfluff

from luigi_tasks.gateways import redshift_copy

REPOSITORY = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/redshift-reads-the-lake"
PROFILE = """\
draenei:
  target: redshift
  outputs:
    redshift: {type: redshift, host: nowhere.invalid, port: 5439, user: u, password: p, dbname: d, schema: s}
"""


def unparsable(sql: str) -> list[str]:
    """What a parser of Redshift's dialect does not understand."""
    found = sqlfluff.lint(sql, dialect="redshift", rules=["LT12"])
    return [violation["description"] for violation in found if violation["code"] == "PRS"]


def test_the_statements_are_redshifts() -> None:
    copies = redshift_copy.copy_tables("s3://lake/redshift", ROLE, "eu-central-1")
    assert copies[-1] == (
        'copy "raw"."sales_lines" (body_sha256, position, record_id, payload, batch_id, fetched_at)'
        f" from 's3://lake/redshift/raw.sales_lines/' iam_role '{ROLE}' region 'eu-central-1'"
        " format as json 'auto' gzip timeformat 'auto' encoding utf8 maxerror 0"
    )
    assert not any("applied_batches" in copy for copy in copies)
    for statement in (*redshift_copy.create_tables(), *copies):
        assert unparsable(f"{statement};\n") == [], statement
    assert unparsable("copy from to;\n") != []


@pytest.mark.parametrize(
    ("folder", "role", "region"),
    [
        ("s3://lake/it's", ROLE, "eu-central-1"),
        ("https://lake/x", ROLE, "eu-central-1"),
        ("s3://lake", "arn:aws:iam::1:role/x", "eu-central-1"),
        ("s3://lake", ROLE, "eu'; drop table x; --"),
    ],
)
def test_nothing_else_gets_into_a_statement(folder: str, role: str, region: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        redshift_copy.copy_tables(folder, role, region)


@pytest.mark.prove
def test_the_models_compile_for_redshift_offline(tmp_path: Path) -> None:
    if importlib.util.find_spec("dbt.adapters.redshift") is None:
        pytest.skip("needs dbt-redshift: pip install 'dbt-redshift==1.10.*'")
    (tmp_path / "profiles.yml").write_text(PROFILE)
    places = ["--profiles-dir", str(tmp_path), "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path)]
    offline = ["--full-refresh", "--no-populate-cache", "--no-introspect", "--select", "path:models/*/sales"]
    subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "compile", *offline, *places],
        cwd=REPOSITORY / "dbt_project",
        check=True,
        capture_output=True,
    )
    models = sorted((tmp_path / "target" / "compiled").glob("*/models/*/sales/*.sql"))
    assert len(models) == 14
    for model in models:
        assert unparsable(model.read_text() + "\n") == [], model.name
        assert not {"jsonb", "->>", "any(array(", "isodow", "generate_series"} & set(model.read_text().split())
