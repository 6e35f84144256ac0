"""ops.pages, ops.loads, raw.* and ops.quarantine: what was fetched, and what of it stands in the warehouse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.loading import BadRecord, GoodRecord, LoadedPage

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class PageRow:
    """A page as the ledger knows it."""

    page_id: int
    page_name: str
    entity: str
    status: int
    object_key: str
    body_sha256: str


def find_page(cursor: Cursor, run_key: str, entity: str, page_name: str) -> PageRow | None:
    """The page of a run, None when it was not fetched yet."""
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256 from ops.pages"
        " where run_key = %s and entity = %s and page_name = %s",
        (run_key, entity, page_name),
    )
    row = cursor.fetchone()
    return PageRow(*row) if row else None


def enter_page(cursor: Cursor, envelope: Envelope, object_key: str) -> None:
    """Enter a page whose object stands in the raw zone; entering it twice keeps the first."""
    cursor.execute(
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict do nothing",
        (
            envelope.run_key,
            envelope.source,
            envelope.entity,
            envelope.page_name,
            json.dumps(envelope.request),
            envelope.status,
            object_key,
            envelope.sha256,
            envelope.body_bytes,
            envelope.content_type,
            envelope.fetched_at,
        ),
    )


def pages_to_load(cursor: Cursor, run_key: str, entity: str, limit: int) -> list[PageRow]:
    """Pages of a run that answered 200 and are not loaded yet, in the order in which they were fetched."""
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256 from ops.pages p"
        " where run_key = %s and entity = %s and status = 200"
        " and not exists (select from ops.loads l where l.page_id = p.page_id)"
        " order by fetched_at, page_name limit %s",
        (run_key, entity, limit),
    )
    return [PageRow(*row) for row in cursor.fetchall()]


def known_ids(cursor: Cursor, table: str, query_key: str, record_ids: Sequence[str]) -> set[str]:
    """Which of the records an earlier complete crawl of the same query has loaded."""
    cursor.execute(
        "select wanted.record_id from unnest(%s::text[]) as wanted (record_id) where exists ("
        f"  select from {table} r join ops.loads l using (body_sha256)"
        "   join ops.runs u using (run_key) join ops.steps s on s.run_key = l.run_key and s.step = 'Fetch'"
        "   where r.record_id = wanted.record_id and u.query_key = %s)",
        (list(record_ids), query_key),
    )
    return {row[0] for row in cursor.fetchall()}


def ids_without_detail(cursor: Cursor, limit: int) -> list[str]:
    """Wallpapers whose tags and uploader nobody fetched yet, newest first."""
    cursor.execute(
        "select wallhaven_id from draenei_content.pending_details order by uploaded_at desc, wallhaven_id limit %s",
        (limit,),
    )
    return [row[0] for row in cursor.fetchall()]


def open_batch(cursor: Cursor, run_key: str) -> int:
    """A new batch; one Load at a time, so that a body is never copied twice."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended('draenei-collector load', 0))")
    cursor.execute("insert into ops.batches (run_key) values (%s) returning batch_id", (run_key,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def body_is_loaded(cursor: Cursor, source: str, entity: str, body_sha256: str) -> bool:
    """True when these very bytes were loaded before, by any page of the source's entity."""
    cursor.execute(
        "select exists (select from ops.loads where entity = %s and body_sha256 = %s and source = %s)",
        (entity, body_sha256, source),
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def received(cursor: Cursor, page_id: int) -> int:
    """Of how many records a page was when it was loaded."""
    cursor.execute("select received from ops.loads where page_id = %s", (page_id,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def copy_records(
    cursor: Cursor, table: str, page: PageRow, envelope: Envelope, batch_id: int, good: Iterable[GoodRecord]
) -> None:
    """COPY the good records of a page into its raw table."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    fetched_at = envelope.fetched_at.isoformat()
    writer.writerows((page.body_sha256, r.position, r.record_id, r.payload, batch_id, fetched_at) for r in good)
    buffer.seek(0)
    cursor.copy_expert(
        f"copy {table} (body_sha256, position, record_id, payload, batch_id, fetched_at) from stdin (format csv)",
        buffer,
    )


def quarantine_records(cursor: Cursor, source: str, page: PageRow, batch_id: int, bad: Iterable[BadRecord]) -> None:
    """Keep the records of a page that were not loaded, with every violation and where each stands."""
    cursor.executemany(
        "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, record_id,"
        " violations, record) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        [
            (
                source,
                page.entity,
                page.page_id,
                batch_id,
                page.body_sha256,
                r.position,
                r.record_id,
                json.dumps(r.violations),
                r.record,
            )
            for r in bad
        ],
    )


def enter_load(
    cursor: Cursor, source: str, page: PageRow, envelope: Envelope, batch_id: int, loaded: LoadedPage
) -> None:
    """Enter a page as loaded, with its counts."""
    cursor.execute(
        "insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at,"
        " received, loaded, duplicate, quarantined, unexpected_fields)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            page.page_id,
            batch_id,
            source,
            page.entity,
            envelope.run_key,
            page.page_name,
            page.body_sha256,
            envelope.fetched_at,
            loaded.received,
            loaded.loaded,
            loaded.duplicate,
            loaded.quarantined,
            sorted(loaded.unexpected_fields),
        ),
    )
