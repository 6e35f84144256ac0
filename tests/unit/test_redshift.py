"""The COPY from S3 as text, and, where the adapter is installed, the sales models as Redshift would get them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlfluff
from click.testing import CliRunner

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import redshift_copy
from luigi_tasks.verbs.redshift import redshift
from tests.dialects import compiled

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


def test_the_verb_prints_them_for_psql() -> None:
    words = ["s3://lake/redshift/", "--role", ROLE, "--region", "eu-central-1"]
    said = CliRunner().invoke(redshift, words)
    statements = [*redshift_copy.create_tables(), *redshift_copy.copy_tables("s3://lake/redshift", *words[2::2])]
    assert (said.exit_code, said.output.splitlines()) == (0, [f"{statement};" for statement in statements])
    refused = CliRunner().invoke(redshift, ["s3://lake/x y", *words[1:]])
    assert isinstance(refused.exception, SettingsError)
    assert "'s3://lake/x y' is not of the form" in str(refused.exception)


@pytest.mark.prove
def test_the_models_and_their_tests_compile_for_redshift_offline(tmp_path: Path) -> None:
    sql = compiled(PROFILE, tmp_path, "--full-refresh", select=["path:models/*/sales", "path:tests/sales"])
    assert len(sql.models) == 14
    singular = {path.stem for path in sql.tests if path.stem.startswith("assert_")}
    assert len(singular) == 4
    assert {"versions_tile_time", "unique_combination", "relationships"} <= {generic(path.stem) for path in sql.tests}
    for path in (*sql.models, *sql.tests):
        text = path.read_text()
        assert unparsable(text + "\n") == [], path.name
        words = {"jsonb", "->>", "any(array(", "isodow", "generate_series", "window"}
        assert not words & set(text.split()), path.name
        assert "is distinct from" not in text, path.name


def generic(name: str) -> str:
    """The generic test of a test's name."""
    kinds = ("versions_tile_time", "unique_combination", "relationships", "unique", "not_null")
    return next((kind for kind in kinds if name.startswith(kind)), "")
