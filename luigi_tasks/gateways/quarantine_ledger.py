"""ops.quarantine: which bad records there are, and how they are closed when they pass after all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.loading import BadRecord
from luigi_tasks.gateways.page_ledger import PageRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class QuarantinedRecord:
    """A row of ops.quarantine with the page that brought it."""

    quarantine_id: int
    entity: str
    record_id: str | None
    state: str
    quarantined_at: str
    run_key: str
    page_name: str
    position: int
    object_key: str
    violations: list[dict[str, str]]
    record: str


SELECT = """
select
    q.quarantine_id, q.entity, q.record_id, q.state, to_char(q.quarantined_at, 'YYYY-MM-DD"T"HH24:MI:SSOF'),
    p.run_key, p.page_name, q.position, p.object_key, q.violations, q.record
from ops.quarantine as q inner join ops.pages as p using (page_id)
"""


def share_of_run(cursor: Cursor, run_key: str) -> tuple[int, int]:
    """(records received by a run, those of them that are in quarantine now), whichever run brought the body first."""
    cursor.execute(
        "select coalesce(sum(l.received), 0)::bigint, coalesce(sum((select count(*) from ops.quarantine as q"
        "  where q.source = l.source and q.entity = l.entity and q.body_sha256 = l.body_sha256"
        "  and q.state = 'open')), 0)::bigint"
        " from ops.loads as l where l.run_key = %s",
        (run_key,),
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def listed(cursor: Cursor, *, closed: bool, limit: int) -> list[QuarantinedRecord]:
    """The latest quarantined records; the closed ones too when asked for."""
    cursor.execute(
        SELECT + "where q.state = 'open' or %s order by q.quarantine_id desc limit %s",
        (closed, limit),
    )
    return [QuarantinedRecord(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class BadFile:
    """A file that is kept and no picture that can be read (outcome unreadable), or that could not be kept at all."""

    source: str
    name: str
    outcome: str
    reason: str
    run_key: str


BAD_FILES = """
select 'kaggle', dataset || '/' || name, outcome, reason, run_key, entered_at
from ops.archive_entries where outcome <> 'stored'
union all
select 'kaggle', e.dataset || '/' || e.name, m.status, m.reason, e.run_key, m.measured_at
from ops.image_metadata as m inner join ops.archive_entries as e using (sha256)
where m.status = 'unreadable' and e.outcome = 'stored' and e.lost_at is null
order by 6 desc, 2 limit %s
"""


def bad_files(cursor: Cursor, limit: int) -> list[BadFile]:
    """The latest files of archives that count as bad now."""
    cursor.execute(BAD_FILES, (limit,))
    return [BadFile(*row[:5]) for row in cursor.fetchall()]


def find(cursor: Cursor, quarantine_id: int) -> QuarantinedRecord | None:
    """One quarantined record, None when there is none of that number."""
    cursor.execute(SELECT + "where q.quarantine_id = %s", (quarantine_id,))
    row = cursor.fetchone()
    return QuarantinedRecord(*row) if row else None


def open_pages(cursor: Cursor, source: str) -> list[tuple[PageRow, str]]:
    """(page, its run) of every page that has open quarantined records, in the order of the responses."""
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256, run_key from ops.pages as p"
        " where exists (select from ops.quarantine as q where q.page_id = p.page_id and q.state = 'open'"
        " and q.source = %s) order by fetched_at, object_key",
        (source,),
    )
    return [(PageRow(*row[:6]), row[6]) for row in cursor.fetchall()]


def open_records(cursor: Cursor, page_id: int) -> dict[int, int]:
    """{position: quarantine_id} of the open records of a page; they stay locked until the transaction ends."""
    cursor.execute(
        "select position, quarantine_id from ops.quarantine where page_id = %s and state = 'open'"
        " order by position for update",
        (page_id,),
    )
    return dict(cursor.fetchall())


def close(cursor: Cursor, quarantine_ids: list[int]) -> None:
    """Close records that were loaded after all."""
    cursor.execute(
        "update ops.quarantine set state = 'closed', closed_at = clock_timestamp() where quarantine_id = any(%s)",
        (quarantine_ids,),
    )


def restate(cursor: Cursor, bad: Mapping[int, BadRecord]) -> None:
    """Keep what is wrong with records by the present schema; {quarantine_id: the record as it is judged now}."""
    cursor.executemany(
        "update ops.quarantine set violations = %s, record_id = %s, record = %s where quarantine_id = %s",
        [(json.dumps(r.violations), r.record_id, r.record, number) for number, r in bad.items()],
    )


def recount(cursor: Cursor, page: PageRow, *, loaded: int, duplicate: int, fields: frozenset[str]) -> None:
    """So many records of a page are no longer quarantined: its counts add up again. fields: the unexpected ones."""
    cursor.execute(
        "update ops.loads set loaded = loaded + %s, duplicate = duplicate + %s, quarantined = quarantined - %s,"
        " unexpected_fields = %s where page_id = %s",
        (loaded, duplicate, loaded + duplicate, sorted(fields), page.page_id),
    )


def move_to_batch(cursor: Cursor, page: PageRow, batch_id: int) -> None:
    """Every load of the page's body belongs to a batch that no model has read: all its sightings are read anew."""
    cursor.execute(
        "update ops.loads as l set batch_id = %s from ops.pages as p where p.page_id = %s"
        " and l.source = p.source and l.entity = p.entity and l.body_sha256 = p.body_sha256",
        (batch_id, page.page_id),
    )
