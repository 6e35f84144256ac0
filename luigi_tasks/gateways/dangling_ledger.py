"""Records whose reference leads nowhere: a source that has references has a view draenei_content.{source}_dangling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Dangling:
    """A row of such a view: the record, the reason in words, and the run that saw it first as it is."""

    source: str
    entity: str
    record_id: str
    reason: str
    run_key: str


def count(cursor: Cursor, source: str) -> int:
    """How many records of a source dangle now; 0 where nothing says so."""
    if not (view := _view(cursor, source)):
        return 0
    cursor.execute(f"select count(*) from {view}")  # noqa: S608 - found by name
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def listed(cursor: Cursor, sources: Iterable[str], limit: int) -> list[Dangling]:
    """The latest that dangle now, at most so many of each source."""
    found = []
    for source in sources:
        if view := _view(cursor, source):
            columns = "entity, record_id, reason, run_key"
            query = f"select {columns} from {view} order by since desc, entity, record_id limit %s"  # noqa: S608 - constants
            cursor.execute(query, (limit,))
            found += [Dangling(source, *row) for row in cursor.fetchall()]
    return found


def _view(cursor: Cursor, source: str) -> str | None:
    view = f"draenei_content.{source}_dangling"
    return view if selects.exists(cursor, view) else None
