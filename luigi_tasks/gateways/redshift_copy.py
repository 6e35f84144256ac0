"""SQL that fills a Redshift warehouse from the lake, as text: what the sales models read there comes by COPY.

Each table is a folder of JSON lines, gzipped, whose names are the columns' (Amazon Redshift Database Developer Guide,
"COPY from JSON format", 'auto'). A payload is JSON text there: models take it apart with json_extract_path_text.
"""

from __future__ import annotations

import re

TABLES = {
    "ops.runs": "run_key varchar(512), source varchar(64), run_id varchar(16)",
    "ops.batches": "batch_id bigint, run_key varchar(512)",
    "ops.loads": (
        "page_id bigint, batch_id bigint, source varchar(64), entity varchar(64), run_key varchar(512),"
        " page_name varchar(256), body_sha256 char(64), fetched_at timestamptz, received integer, loaded integer,"
        " duplicate integer, quarantined integer"
    ),
    "ops.quarantine": (
        "source varchar(64), entity varchar(64), body_sha256 char(64), position integer, record varchar(65535),"
        " state varchar(16)"
    ),
    "ops.applied_batches": "model varchar(128), batch_id bigint, invocation_id varchar(64)",
    "raw.sales_lines": (
        "body_sha256 char(64), position integer, record_id varchar(64), payload varchar(65535), batch_id bigint,"
        " fetched_at timestamptz"
    ),
}
WRITTEN_BY_DBT = {"ops.applied_batches"}
FOLDER = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*()=-]+)*")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


def create_tables() -> list[str]:
    """Statements that make the schemas and tables; harmless when they are there."""
    schemas = sorted({name.partition(".")[0] for name in TABLES})
    tables = [f"create table if not exists {_quoted(name)} ({columns})" for name, columns in TABLES.items()]
    return [f'create schema if not exists "{schema}"' for schema in schemas] + tables


def copy_tables(folder: str, role: str, region: str) -> list[str]:
    """A COPY for each table that dbt does not write itself, from {folder}/{table}/.

    folder: s3://bucket/prefix. role: ARN of the IAM role that Redshift reads with, so no key stands in the text.
    Raises ValueError for what is none: everything here becomes part of a statement.
    """
    for value, form in ((folder, FOLDER), (role, ROLE), (region, REGION)):
        if not form.fullmatch(value):
            raise ValueError(f"{value!r} is not of the form {form.pattern}")
    return [_copy(name, folder, role, region) for name in TABLES if name not in WRITTEN_BY_DBT]


def _quoted(name: str) -> str:
    """Quoted, because RAW is a reserved word of Redshift's."""
    schema, _, table = name.partition(".")
    return f'"{schema}"."{table}"'


def _copy(name: str, folder: str, role: str, region: str) -> str:
    columns = ", ".join(column.split()[0] for column in re.split(r",\s*(?![^()]*\))", TABLES[name]))
    return (
        f"copy {_quoted(name)} ({columns}) from '{folder}/{name}/' iam_role '{role}' region '{region}'"
        " format as json 'auto' gzip timeformat 'auto' encoding utf8 maxerror 0"
    )
