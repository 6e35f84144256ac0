"""ops.certificates and ops.coverage: what complete crawls certified, and which of it counts."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.coverage import Certificate, Gap, Interval, Position

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


# A crawl that stops inside an interval joins it to its own, so the latest certificates hold what all of them do.
LATEST = 100


def closed_intervals(cursor: Cursor, query_key: str, run_key: str) -> list[Interval]:
    """What the latest other runs of the query certified and loaded."""
    cursor.execute(
        # Run by run (offset 0), however many runs there were.
        "select v.newest_at, v.newest_id, v.oldest_at, v.oldest_id, v.to_end from ("
        "  select run_key from ops.counted_certificates where query_key = %s and run_key <> %s"
        "  order by last_read_at desc limit %s) as latest,"
        " lateral (select * from ops.coverage c where c.run_key = latest.run_key offset 0) as v",
        (query_key, run_key, LATEST),
    )
    return [Interval(Position(*row[:2]), Position(*row[2:4]), row[4]) for row in cursor.fetchall()]


def accounted_total(cursor: Cursor, query_key: str, run_key: str) -> int | None:
    """The total of the listing that the latest other certificate of the query accounts for."""
    cursor.execute(
        "select accounted_total from ops.counted_certificates where query_key = %s and run_key <> %s"
        " order by last_read_at desc limit 1",
        (query_key, run_key),
    )
    row = cursor.fetchone()
    return row[0] if row else None


def enter_certificate(
    cursor: Cursor,
    run_key: str,
    query_key: str,
    certificate: Certificate,
    moments: tuple[datetime.datetime, datetime.datetime],
) -> None:
    """Keep a complete crawl's certificate and coverage; a replayed crawl's replaces what it wrote before.

    moments: when its first and its last page were fetched.
    """
    cursor.execute("delete from ops.coverage where run_key = %s", (run_key,))
    cursor.execute("delete from ops.certificates where run_key = %s", (run_key,))
    cursor.execute(
        "insert into ops.certificates (run_key, query_key, ordered, stopped_at, reads, rereads, ids_seen, intervals,"
        " gaps, total_first, total_last, accounted_total, unexplained, searched, first_read_at, last_read_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            run_key,
            query_key,
            certificate.ordered,
            certificate.stopped_at,
            certificate.reads,
            certificate.rereads,
            certificate.ids_seen,
            json.dumps([_interval(one) for one in certificate.intervals]),
            json.dumps([_gap(one) for one in certificate.gaps]),
            certificate.total_first,
            certificate.total_last,
            certificate.accounted_total,
            certificate.unexplained,
            certificate.searched,
            *moments,
        ),
    )
    cursor.executemany(
        "insert into ops.coverage (run_key, query_key, newest_at, newest_id, oldest_at, oldest_id, to_end)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        [(run_key, query_key, *one.newest, *one.oldest, one.to_end) for one in certificate.coverage],
    )


def count_certificates(cursor: Cursor, run_key: str) -> None:
    """Keep which certificates of the run's query count by now: whoever asks later need not look at their pages."""
    cursor.execute(
        "update ops.certificates set counted = true where run_key in (select c.run_key from ops.counted_certificates c"
        " where not c.counted and c.query_key = (select query_key from ops.runs where run_key = %s))",
        (run_key,),
    )


def certificate_row(cursor: Cursor, run_key: str) -> dict[str, Any] | None:
    """The run's row of ops.certificates, None when its crawl is not complete."""
    cursor.execute("select to_jsonb(c) from ops.certificates c where run_key = %s", (run_key,))
    row = cursor.fetchone()
    return row[0] if row else None


def _interval(interval: Interval) -> dict[str, object]:
    return {"newest": _position(interval.newest), "oldest": _position(interval.oldest), "to_end": interval.to_end}


def _gap(gap: Gap) -> dict[str, object]:
    return {"newer": _position(gap.newer), "older": _position(gap.older)}


def _position(position: Position | None) -> dict[str, str] | None:
    return position and {"uploaded_at": f"{position.uploaded_at}", "record_id": position.record_id}
