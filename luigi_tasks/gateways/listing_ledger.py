"""ops.listing_changes and ops.sweep_slices: what a query's listing is known to hold, and how far its sweep is."""

from __future__ import annotations

import bisect
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.coverage import Interval, Position, Span
from luigi_tasks.domain.listing import vanished
from luigi_tasks.domain.sweep import Standing

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

# The last word of the other runs that count, about records of a query. {}: what of them, and which.
STANDING = """
select {} from (
    select distinct on (l.record_id) l.record_id, l.uploaded_at, l.present
    from ops.listing_changes as l
    inner join ops.counted_certificates as c using (run_key)
    where l.query_key = %(query)s and l.run_key <> %(run)s and {}
    order by l.record_id, c.last_read_at desc, l.run_key desc
) as last_words
where present
"""
OF_THESE = STANDING.format("record_id, uploaded_at", "l.record_id = any(%(ids)s)")
BETWEEN = STANDING.format("record_id, uploaded_at", "l.uploaded_at between %(oldest)s and %(newest)s")
NUMBER = STANDING.format("count(*)::integer", "l.uploaded_at >= %(from)s and l.uploaded_at < %(until)s")
CHANGES_AT_ONCE = 10_000


@dataclass(frozen=True)
class Slice:
    """One run's part of a rotation. page, total: where its end stood; reads: pages that it took."""

    rotation: int
    interval: Interval
    page: int
    total: int | None
    reads: int
    last_read_at: datetime.datetime


class Expected:
    """How many records the query's listing held when the latest other run that counts looked, by moment of upload.

    Counted in the warehouse, and only from the nearest moment that was asked for before: a search that halves what it
    looks at counts no record more than twice.
    """

    def __init__(self, connection: Connection, query_key: str, run_key: str) -> None:
        self._connection, self._who = connection, {"query": query_key, "run": run_key}
        self._known = [(datetime.datetime.max, 0)]

    def since(self, moment: datetime.datetime) -> int:
        """Records that were uploaded at a moment or later; datetime.min: all."""
        place = bisect.bisect_left(self._known, (moment,))
        until, later = self._known[place]
        if until == moment:
            return later
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(NUMBER, {**self._who, "from": moment, "until": until})
            ((number,),) = cursor.fetchall()
        self._known.insert(place, (moment, later + number))
        return later + int(number)


def enter_changes(
    cursor: Cursor, run_key: str, query_key: str, seen: Mapping[str, Position], within: Sequence[Span]
) -> int:
    """Keep what came into the listing and what left it; returns how many left. A crawl that is replayed writes anew."""
    who = {"query": query_key, "run": run_key}
    cursor.execute("delete from ops.listing_changes where run_key = %s", (run_key,))
    cursor.execute(OF_THESE, {**who, "ids": list(seen)})
    there = {record_id for record_id, _ in cursor.fetchall()}
    absent: dict[str, Position] = {}
    for span in within:
        cursor.execute(BETWEEN, {**who, "oldest": span.oldest, "newest": span.newest})
        there_before = [Position(uploaded_at, record_id) for record_id, uploaded_at in cursor.fetchall()]
        left = vanished(there_before, seen, [span])
        absent |= {one.record_id: one for one in there_before if one.record_id in left}
    rows = [(one, True) for key, one in seen.items() if key not in there] + [(one, False) for one in absent.values()]
    for start in range(0, len(rows), CHANGES_AT_ONCE):
        some = rows[start : start + CHANGES_AT_ONCE]
        cursor.execute(
            "insert into ops.listing_changes (run_key, query_key, record_id, uploaded_at, present)"
            " select %s, %s, * from unnest(%s::text[], %s::timestamp[], %s::boolean[])",
            (
                run_key,
                query_key,
                [one.record_id for one, _ in some],
                [one.uploaded_at for one, _ in some],
                [present for _, present in some],
            ),
        )
    return len(absent)


def standing(cursor: Cursor, query_key: str, run_key: str) -> tuple[int, Standing | None, datetime.datetime | None]:
    """The number of the rotation to work at, where it stands (None: it has not begun), when the last one ended."""
    cursor.execute(
        "select s.rotation, s.oldest_at, s.oldest_id, s.page, s.total, s.to_end, s.last_read_at from ops.sweep_slices s"
        " join ops.counted_certificates c using (run_key) where s.query_key = %s and s.run_key <> %s"
        " order by s.rotation desc, s.to_end desc, s.oldest_at limit 1",
        (query_key, run_key),
    )
    row = cursor.fetchone()
    if row is None:
        return 1, None, None
    rotation, oldest_at, oldest_id, page, total, to_end, last_read_at = row
    if to_end:
        return rotation + 1, None, last_read_at
    return rotation, Standing(Position(oldest_at, oldest_id), page, total), None


def enter_slice(cursor: Cursor, run_key: str, query_key: str, one: Slice | None) -> None:
    """Keep what the run swept; a crawl that is replayed writes anew."""
    cursor.execute("delete from ops.sweep_slices where run_key = %s", (run_key,))
    if one:
        interval = one.interval
        cursor.execute(
            "insert into ops.sweep_slices (run_key, query_key, rotation, newest_at, newest_id, oldest_at, oldest_id,"
            " to_end, page, total, reads, last_read_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                run_key,
                query_key,
                one.rotation,
                *interval.newest,
                *interval.oldest,
                interval.to_end,
                one.page,
                one.total,
                one.reads,
                one.last_read_at,
            ),
        )
