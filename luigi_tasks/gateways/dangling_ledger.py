"""Records whose reference leads nowhere: a source that has references has a view draenei_content.{source}_dangling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import sql

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
    cursor.execute(sql.SQL("select count(*) from {}").format(view))
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def listed(cursor: Cursor, sources: Iterable[str], limit: int) -> list[Dangling]:
    """The latest that dangle now, at most so many of each source."""
    found = []
    for source in sources:
        if view := _view(cursor, source):
            columns = "entity, record_id, reason, run_key"
            query = f"select {columns} from {{}} order by since desc, entity, record_id limit %s"  # noqa: S608 - constants
            cursor.execute(sql.SQL(query).format(view), (limit,))
            found += [Dangling(source, *row) for row in cursor.fetchall()]
    return found


def _view(cursor: Cursor, source: str) -> sql.Identifier | None:
    name = f"{source}_dangling"
    cursor.execute("select to_regclass(%s) is not null", (f"draenei_content.{name}",))
    row = cursor.fetchone()
    return sql.Identifier("draenei_content", name) if row and row[0] else None
