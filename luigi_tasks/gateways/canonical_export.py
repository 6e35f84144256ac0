"""The canonical export: every row of a table in one order, without what another database would number differently.

Two warehouses say the same when these exports are equal. What is left out, and why:

serial numbers   page_id, batch_id, quarantine_id: the order in which rows came
wall clocks      when a row was written, as opposed to when the source answered
which page of several with the same bytes was loaded first: loads are counted per body, not per page
what is not in a response: a run's state and circumstances, and of `wallpapers` what its uploads say
of what sweeps, uploads and takedowns say too: all but the firsts of what the answers say
models that more than responses feed; tests/unit/test_canonical_export.py names each with its reason
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from luigi_tasks.gateways import selects, source_tables

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Table:
    """A table or model of the export: its unique key, the columns left out, or the query that stands for it.

    key: () for the whole row. source: whose rows, in a query that says {source}.
    """

    name: str
    key: tuple[str, ...]
    without: frozenset[str] = frozenset()
    query: str = ""
    source: str = "wallhaven"

    @property
    def rows(self) -> str:
        """SQL of the rows: (key as text, row as jsonb), in the order of the key."""
        columns = ", ".join(f"t.{column}" for column in self.key)
        removed = "".join(f" - '{column}'" for column in sorted(self.without))
        key = f"jsonb_build_array({columns})::text" if columns else f"(to_jsonb(t){removed})::text"
        relation = f"({self.query.format(source=self.source)})" if self.query else self.name
        # Every name in it is a constant of this module.
        return f'select {key} collate "C" as key, to_jsonb(t){removed} as row from {relation} as t order by 1'  # noqa: S608


RUNS = """
select * from ops.runs as r
where r.source = '{source}' and exists (select from ops.pages as p where p.run_key = r.run_key)
"""
PAGES = "select * from ops.pages where source = '{source}'"
CLEAN_FILES = """
select c.*, p.run_key, p.page_name
from ops.clean_files as c inner join ops.pages as p using (page_id)
where c.source = '{source}'
"""
LOADS = """
select
    l.*,
    sum(l.loaded) over body as body_loaded,
    sum(l.quarantined) over body as body_quarantined,
    (
        select array_agg(distinct field order by field)
        from ops.loads as o cross join unnest(o.unexpected_fields) as field
        where o.source = l.source and o.entity = l.entity and o.body_sha256 = l.body_sha256
    ) as body_unexpected_fields
from ops.loads as l
where l.source = '{source}'
window body as (partition by l.entity, l.body_sha256)
"""
# A sweep that missed a wallpaper begins an interval, and a replay knows no sweep. When each state was first reached,
# but that of being missing, is said by answers alone.
FIRST_STATES = """
select distinct on (wallhaven_id, state, reason) wallhaven_id, state, reason, valid_from, run_key, page_name
from draenei_content.wallpaper_lifecycle
where state in ('active', 're_rated', 'withheld', 'gone')
order by wallhaven_id, state, reason, valid_from, run_key, page_name
"""
SIGHTING = ("wallhaven_id", "observation_key")
TABLES = (
    Table("raw.wallhaven_search", ("body_sha256", "position"), frozenset({"batch_id", "fetched_at"})),
    Table("raw.wallhaven_wallpaper", ("body_sha256", "position"), frozenset({"batch_id", "fetched_at"})),
    Table(
        "ops.runs",
        ("run_key",),
        frozenset({"state", "started_at", "finished_at", "error", "code_version", "settings_sha256", "source_address"}),
        RUNS,
    ),
    Table("ops.pages", ("run_key", "entity", "page_name"), frozenset({"page_id"}), PAGES),
    Table(
        "ops.loads",
        ("run_key", "entity", "page_name"),
        frozenset({"page_id", "batch_id", "loaded", "duplicate", "quarantined", "unexpected_fields", "repeats"}),
        LOADS,
    ),
    Table(
        "ops.quarantine",
        ("entity", "body_sha256", "position"),
        frozenset({"quarantine_id", "page_id", "batch_id", "quarantined_at", "closed_at"}),
        "select * from ops.quarantine where state = 'open' and source = '{source}'",
    ),
    Table("draenei_intermediate.int_wallpaper_observations", (), frozenset({"batch_id"})),
    Table("draenei_intermediate.int_wallpaper_details", SIGHTING),
    Table("draenei_content.wallpaper_versions", SIGHTING),
    Table("draenei_content.wallpaper_metrics", SIGHTING),
    Table("draenei_content.wallpaper_tags", ("wallhaven_id", "tag_id")),
    Table("draenei_content.wallpaper_queries", ("wallhaven_id", "query_key")),
    Table(
        "draenei_content.wallpapers",
        ("wallhaven_id",),
        frozenset({"s3_key", "sha256", "upload_status", "upload_attempts", "updated_at"}),
    ),
    Table("draenei_content.wallpaper_lifecycle", ("wallhaven_id", "state", "reason"), query=FIRST_STATES),
)


def _of_folders(source: str) -> tuple[Table, ...]:
    """What a source beside Wallhaven adds to the ledgers: its files of the clean zone, its raw tables, its models."""
    clean = Table(
        "ops.clean_files",
        ("run_key", "entity", "page_name"),
        frozenset({"page_id", "cleaned_at"}),
        CLEAN_FILES,
        source,
    )
    serial = frozenset({"batch_id"})
    named = source_tables.tables(source)
    return (
        clean,
        *(Table(name, key, serial | {"fetched_at"} if name.startswith("raw.") else serial) for name, key in named),
    )


def tables_of(source: str) -> tuple[Table, ...]:
    """The tables of one source, the ledgers with its rows only."""
    if source == "wallhaven":
        return TABLES
    ledgers = [replace(table, source=source) for table in TABLES if table.name.startswith("ops.")]
    return (*ledgers, *_of_folders(source))


def rows(connection: Connection, table: Table) -> Iterator[tuple[str, dict[str, object]]]:
    """(key, row) in key order, streamed; nothing for a table that does not exist. The connection is in UTC."""
    with connection.cursor() as cursor:
        if not selects.exists(cursor, table.name):
            return
    with connection.cursor(name=f"export_{uuid.uuid4().hex}") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(table.rows)
        yield from cursor


def digest(connection: Connection, table: Table) -> tuple[str, int]:
    """SHA-256 over the export of one table, and its number of rows."""
    with connection.cursor(name=f"digest_{uuid.uuid4().hex}") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(f"select t.key || ' ' || t.row::text from ({table.rows}) as t order by t.key")  # noqa: S608
        hashed, number = hashlib.sha256(), 0
        for (line,) in cursor:
            hashed.update(line.encode() + b"\n")
            number += 1
    return hashed.hexdigest(), number


def digests(connection: Connection, source: str = "wallhaven") -> dict[str, str]:
    """{table: SHA-256 of its export} of every table of a source, in one transaction of the caller's."""
    return {table.name: digest(connection, table)[0] for table in tables_of(source)}
