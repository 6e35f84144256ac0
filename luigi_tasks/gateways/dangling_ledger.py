"""Records whose reference leads nowhere: a source that has references has a view draenei_content.{source}_dangling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    cursor.execute(f"select count(*) from {view}")  # noqa: S608 - a source's name
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def listed(cursor: Cursor, sources: Iterable[str], limit: int) -> list[Dangling]:
    """The latest that dangle now, at most so many of each source."""
    found = []
    for source in sources:
        if view := _view(cursor, source):
            cursor.execute(
                f"select entity, record_id, reason, run_key from {view}"  # noqa: S608 - a source's name
                " order by since desc, entity, record_id limit %s",
                (limit,),
            )
            found += [Dangling(source, *row) for row in cursor.fetchall()]
    return found


def _view(cursor: Cursor, source: str) -> str | None:
    name = f"draenei_content.{source}_dangling"
    cursor.execute("select to_regclass(%s) is not null", (name,))
    row = cursor.fetchone()
    return name if row and row[0] else None
