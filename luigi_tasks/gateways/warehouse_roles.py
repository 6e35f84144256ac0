"""Who may do what in the warehouse: three group roles, each with exactly what its work needs.

draenei_loader       what the steps are: adds to raw, keeps ops, reads what dbt made
draenei_transformer  what dbt is: owns the models, reads the sources that the project declares, writes its ledgers
draenei_reader       reads the marts and the views for programs, nothing else; draenei_restricted is for its owner alone
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.gateways.postgres import LOADER

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

TRANSFORMER, READER = "draenei_transformer", "draenei_reader"
ROLES = (LOADER, TRANSFORMER, READER)
GOES_WITHOUT = (
    "nothing in the database keeps the steps or dbt from changing raw: they act as the connected user;"
    f" an administrator may make and grant {', '.join(ROLES)}"
)
SHOWN = "draenei_content"
SCHEMAS = ("draenei_staging", "draenei_intermediate", "draenei_restricted", SHOWN)
LEDGERS = {
    "ops.applied_batches": "insert, delete",
    "ops.batches": "update (tested_in)",
    "ops.dbt_builds": "insert",
    "ops.picture_changes": "insert, update (claimed_in, sha256), delete",
    "ops.upload_statuses": "insert, update, delete",
    "ops.uploads": "update (modelled_in, tested_in)",
}
LOCK = "draenei-collector roles"
MEMBER = "select coalesce(bool_and(pg_has_role(to_regrole(name), 'member')), false) from unnest(%s) as name"
NOT_HANDED_OVER = """
select format('alter %%s %%s owner to draenei_transformer',
              case relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, oid::regclass)
from pg_class
where relnamespace = %s::regnamespace and relkind in ('r', 'p', 'v', 'm') and relowner <> %s::regrole
"""

# Roles that an administrator made after the tables, or tables that somebody else made.
NOT_FOR_THE_LOADER = """
select exists (
    select from pg_class as c
    where
        c.relnamespace = any(array[to_regnamespace('raw'), to_regnamespace('ops'), to_regnamespace(%(shown)s)]::oid[])
        and c.relkind in ('r', 'p', 'v', 'm')
        and not (
            has_schema_privilege(%(loader)s, c.relnamespace, 'usage')
            and has_table_privilege(%(loader)s, c.oid, 'select')
        )
)
"""


def available(cursor: Cursor) -> bool:
    """True when the roles exist and the connected user may act as each."""
    cursor.execute(MEMBER, (list(ROLES),))
    row = cursor.fetchone()
    return bool(row and row[0])


def hand_over(cursor: Cursor) -> str | None:
    """Give each role what it needs, and dbt's role what dbt made before it had one; then the role that dbt takes.

    None when the roles are not available: dbt is the connected user then.
    """
    if not available(cursor):
        return None
    cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (LOCK,))  # no two change one grant at once
    for schema in SCHEMAS:
        cursor.execute(f"create schema if not exists {schema}")
        cursor.execute(f"alter schema {schema} owner to {TRANSFORMER}")
        cursor.execute(NOT_HANDED_OVER, (schema, TRANSFORMER))
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
    for statement in (*_for_the_transformer(), *_for_the_loader(), *_for_the_reader()):
        cursor.execute(statement)
    return TRANSFORMER


def complete(cursor: Cursor) -> bool:
    """True when the loader can read all that the steps read; asked only where the roles are available."""
    cursor.execute(NOT_FOR_THE_LOADER, {"loader": LOADER, "shown": SHOWN})
    return cursor.fetchone() == (False,)


def declared_sources() -> set[str]:
    """schema.table of every source that the dbt project declares in schemas that Python owns."""
    import yaml

    documents = [yaml.safe_load(path.read_text()) for path in sorted((PROJECT / "models").rglob("*.yml"))]
    sources = [source for document in documents for source in (document or {}).get("sources", ())]
    return {
        f"{source.get('schema', source['name'])}.{table['name']}" for source in sources for table in source["tables"]
    }


def _for_the_transformer() -> Iterator[str]:
    yield f"revoke all on all tables in schema raw, ops from {TRANSFORMER}"
    yield f"grant usage on schema raw, ops to {TRANSFORMER}"
    yield f"grant select on {', '.join(sorted(declared_sources()))} to {TRANSFORMER}"
    for ledger, rights in LEDGERS.items():
        yield f"grant {rights} on {ledger} to {TRANSFORMER}"


def _for_the_loader() -> Iterator[str]:
    yield f"grant usage on schema raw, ops, {SHOWN} to {LOADER}"
    yield f"grant select, insert on all tables in schema raw to {LOADER}"
    yield f"grant select, insert, update, delete on all tables in schema ops to {LOADER}"
    yield f"grant usage on all sequences in schema ops to {LOADER}"
    yield f"revoke insert, update, delete on ops.migrations from {LOADER}"
    yield f"grant select on all tables in schema {SHOWN} to {LOADER}"
    yield f"alter default privileges for role {TRANSFORMER} in schema {SHOWN} grant select on tables to {LOADER}"
    yield f"alter default privileges in schema {SHOWN} grant select on tables to {LOADER}"  # of dbt by hand


def _for_the_reader() -> Iterator[str]:
    yield f"grant usage on schema {SHOWN} to {READER}"
    yield f"grant select on all tables in schema {SHOWN} to {READER}"
    yield f"alter default privileges for role {TRANSFORMER} in schema {SHOWN} grant select on tables to {READER}"
