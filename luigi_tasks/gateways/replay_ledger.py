"""What a replay reads and writes of ops.*: runs entered from their responses, what is loaded already."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import run_ledger
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.gateways.run_ledger import Circumstances

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class ReplayedRun:
    """A run as its responses tell of it. first_at, last_at: time of its first and last response, UTC."""

    run: Run
    made_with: Circumstances
    first_at: datetime.datetime
    last_at: datetime.datetime


def enter_run(cursor: Cursor, replayed: ReplayedRun) -> None:
    """Enter a run as replayed; entering it twice keeps the first."""
    known = run_ledger.values(replayed.run, replayed.made_with)
    cursor.execute(
        f"insert into ops.runs ({run_ledger.COLUMNS}, state, started_at, finished_at)"  # noqa: S608 - constants
        f" values ({run_ledger.VALUES}, 'replayed', %s, %s) on conflict do nothing",
        (*known, replayed.first_at, replayed.last_at),
    )


def loads_of(cursor: Cursor, source: str) -> int:
    """How many pages of a source are loaded."""
    cursor.execute("select count(*) from ops.loads where source = %s", (source,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def forget_body(cursor: Cursor, source: str, entity: str, table: str, body_sha256: str) -> None:
    """Take out what was made of a body, for a caller who makes it anew in the same transaction."""
    whose = (source, entity, body_sha256)
    # The table's name comes from the catalogue of sources.
    cursor.execute(f"delete from {table} where body_sha256 = %s", (body_sha256,))  # noqa: S608
    cursor.execute("delete from ops.quarantine where source = %s and entity = %s and body_sha256 = %s", whose)
    cursor.execute("delete from ops.loads where source = %s and entity = %s and body_sha256 = %s", whose)
    cursor.execute("delete from ops.clean_files where source = %s and entity = %s and body_sha256 = %s", whose)


def pages_of_body(cursor: Cursor, source: str, entity: str, body_sha256: str) -> list[tuple[PageRow, str]]:
    """(page, its run) of every page with these bytes, in the order of the responses."""
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256, run_key from ops.pages"
        " where source = %s and entity = %s and body_sha256 = %s and status = 200 order by fetched_at, object_key",
        (source, entity, body_sha256),
    )
    return [(PageRow(*row[:6]), row[6]) for row in cursor.fetchall()]


def entered_keys(cursor: Cursor, source: str) -> frozenset[str]:
    """Object keys of the pages that the ledger has and that wait for no Load, nor, as what repeats may, for a build."""
    cursor.execute(
        "select object_key from ops.pages as p where source = %s"
        " and (status <> 200 or exists (select from ops.loads as l where l.page_id = p.page_id"
        "  and (not l.repeats or exists (select from ops.applied_batches as a where a.batch_id = l.batch_id))))",
        (source,),
    )
    return frozenset(key for (key,) in cursor.fetchall())


def as_of_now(connection: Connection) -> None:
    """Let everything that the connection reads from here on be of one moment, and let it write nothing."""
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
