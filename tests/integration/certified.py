"""What the warehouse says of its crawls: certificates that count, with what their runs read, in plain Python."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass
from typing import Any

from tests.conftest import Warehouse

CERTIFIED = """
select
    c.run_key, c.intervals, c.gaps, c.ids_seen, array[c.total_first, c.total_last],
    array(select array[v.oldest_at::text, v.newest_at::text, v.to_end::text] from ops.coverage v
          where v.run_key = c.run_key),
    array(select distinct r.record_id from ops.pages p join raw.wallhaven_search r using (body_sha256)
          where p.run_key = c.run_key)
from ops.counted_certificates c
"""
LAST_WORDS = """
select record_id, uploaded_at from (
    select distinct on (l.record_id) l.record_id, l.uploaded_at, l.present
    from ops.listing_changes l join ops.counted_certificates c using (run_key)
    order by l.record_id, c.last_read_at desc
) as words where present
"""
Moment = datetime.datetime


@dataclass(frozen=True)
class Certified:
    """One certificate. intervals, coverage, gaps: (oldest, newest) seconds, both included."""

    intervals: tuple[tuple[Moment, Moment], ...]
    coverage: tuple[tuple[Moment, Moment], ...]
    gaps: tuple[tuple[Moment, Moment], ...]
    bounds: frozenset[str]
    ids_seen: int
    totals: tuple[int, ...]
    read: frozenset[str]

    def claims(self, moment: Moment) -> bool:
        """True when the run says that it read that second whole."""
        return _within(moment, self.intervals)

    def trusts(self, moment: Moment) -> bool:
        """True when a later run may stop there."""
        return _within(moment, self.coverage)

    def doubts(self, moment: Moment) -> bool:
        """True when the run says that it may have missed something there."""
        return _within(moment, self.gaps)


def certified(warehouse: Warehouse) -> tuple[dict[str, Certified], set[str], dict[str, Moment], list[tuple[str, str]]]:
    """Certificates that count by run, ids that are loaded, the listing by the ledger, (run, id) called absent."""
    with contextlib.closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(CERTIFIED)
        found = {row[0]: _certified(*row[1:]) for row in cursor.fetchall()}
        cursor.execute("select distinct record_id from raw.wallhaven_search")
        loaded = {row[0] for row in cursor.fetchall()}
        cursor.execute(LAST_WORDS)
        listed = dict(cursor.fetchall())
        cursor.execute("select run_key, record_id from ops.listing_changes where not present")
        return found, loaded, listed, cursor.fetchall()


def _certified(
    intervals: list[dict[str, Any]],
    gaps: list[dict[str, Any]],
    ids_seen: int,
    totals: list[int],
    coverage: list[list[str]],
    read: list[str],
) -> Certified:
    return Certified(
        tuple((Moment.min if one["to_end"] else _at(one["oldest"]), _at(one["newest"])) for one in intervals),
        tuple(
            (Moment.min if to_end == "true" else Moment.fromisoformat(oldest), Moment.fromisoformat(newest))
            for oldest, newest, to_end in coverage
        ),
        tuple((_at(one["older"], Moment.min), _at(one["newer"], Moment.max)) for one in gaps),
        frozenset(one[end]["record_id"] for one in intervals for end in ("newest", "oldest")),
        ids_seen,
        tuple(totals),
        frozenset(read),
    )


def _at(said: dict[str, str] | None, otherwise: Moment = Moment.max) -> Moment:
    return Moment.fromisoformat(said["uploaded_at"]) if said else otherwise


def _within(moment: Moment, spans: tuple[tuple[Moment, Moment], ...]) -> bool:
    return any(oldest <= moment <= newest for oldest, newest in spans)
