"""ops.pages, ops.loads, raw.* and ops.quarantine: what was fetched, and what of it stands in the warehouse."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.loading import BadRecord, GoodRecord, LoadedPage

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
COPY_BYTES_AT_ONCE = 1 << 20


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


def known_ids(cursor: Cursor, table: str, entity: str, query_key: str, record_ids: Sequence[str]) -> set[str]:
    """Which of the records an earlier complete crawl of the same query has loaded."""
    cursor.execute(
        # Up to the first load that says so: every run sees the newest page again, and a join would read all of them.
        "select wanted.record_id from unnest(%s::text[]) as wanted (record_id) where exists ("
        f"  select from {table} r, lateral ("
        "   select from ops.loads l join ops.runs u using (run_key)"
        "    join ops.steps s on s.run_key = l.run_key and s.step = 'Fetch'"
        "    where l.entity = %s and l.body_sha256 = r.body_sha256 and u.query_key = %s limit 1) as known"
        "  where r.record_id = wanted.record_id)",
        (list(record_ids), entity, query_key),
    )
    return {row[0] for row in cursor.fetchall()}


def details_wanted(cursor: Cursor, limit: int) -> list[tuple[str, str]]:
    """Wallpapers whose tags and uploader nobody fetched yet ('details'), then those that may be gone ('existence'),
    each with its reason, either newest first, and half of the limit for each when it does not suffice for all."""
    found = {}
    for reason in ("existence", "details"):
        cursor.execute(
            "select wallhaven_id from draenei_content.pending_details where reason = %s"
            " order by uploaded_at desc, wallhaven_id limit %s",
            (reason, limit),
        )
        found[reason] = [(row[0], reason) for row in cursor.fetchall()]
    checks = found["existence"][: max(limit // 2, limit - len(found["details"]))]
    return found["details"][: limit - len(checks)] + checks


def open_batch(cursor: Cursor, run_key: str) -> int:
    """A new batch; one Load at a time, so that a body is never copied twice."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended('draenei-collector load', 0))")
    cursor.execute("insert into ops.batches (run_key) values (%s) returning batch_id", (run_key,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def loaded_bodies(cursor: Cursor, source: str, entity: str, bodies: Sequence[str]) -> set[str]:
    """Which of these very bytes were loaded before, by any page of the source's entity; bodies are SHA-256."""
    cursor.execute(
        "select body_sha256 from unnest(%s::text[]) as wanted (body_sha256) where exists ("
        "  select from ops.loads l where l.entity = %s and l.body_sha256 = wanted.body_sha256 and l.source = %s)",
        (list(bodies), entity, source),
    )
    return {row[0] for row in cursor.fetchall()}


@dataclass(frozen=True)
class Received:
    """How many records an earlier run received."""

    run_id: str
    records: int


def received_before(cursor: Cursor, source: str, entity: str, run_id: str) -> Received | None:
    """What the last run before that logical time received of an entity, whatever its query; None before the first."""
    cursor.execute(
        "select r.run_id, l.received from ops.runs as r inner join ops.loads as l using (run_key)"
        " where r.source = %s and l.entity = %s and r.run_id < %s order by r.run_id desc, l.fetched_at desc limit 1",
        (source, entity, run_id),
    )
    row = cursor.fetchone()
    return Received(*row) if row else None


def received(cursor: Cursor, page_id: int) -> int:
    """Of how many records a page was when it was loaded."""
    cursor.execute("select received from ops.loads where page_id = %s", (page_id,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def raw_lines(page: PageRow, envelope: Envelope, batch_id: int, good: Iterable[GoodRecord]) -> bytes:
    """The good records of a page as `copy_lines` takes them: Postgres's text format of COPY in UTF-8, a line each."""
    head, tail = f"{page.body_sha256}\t".encode(), f"\t{batch_id}\t{envelope.fetched_at.isoformat()}\n".encode()
    return b"".join(
        [
            # A payload is JSON, whose control characters are escaped: of what COPY minds it has backslashes only.
            b"%b%d\t%b\t%b%b" % (head, r.position, _copied(r.record_id), r.payload.replace(b"\\", b"\\\\"), tail)
            for r in good
        ]
    )


def _copied(text: str) -> bytes:
    return (text if text.isalnum() else text.translate(COPY_ESCAPES)).encode()


def copy_lines(cursor: Cursor, table: str, lines: Sequence[bytes]) -> None:
    """COPY what `raw_lines` made of any number of pages into their raw table."""
    cursor.copy_expert(
        f"copy {table} (body_sha256, position, record_id, payload, batch_id, fetched_at) from stdin",
        io.BytesIO(b"".join(lines)),
        size=COPY_BYTES_AT_ONCE,
    )


def quarantine_records(cursor: Cursor, source: str, batch_id: int, bad: Iterable[tuple[PageRow, BadRecord]]) -> None:
    """Keep the records of some pages that were not loaded, with every violation and where each stands."""
    from psycopg2.extras import execute_values

    execute_values(
        cursor,
        "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, record_id,"
        " violations, record) values %s on conflict do nothing",
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
            for page, r in bad
        ],
    )


def enter_loads(
    cursor: Cursor, source: str, batch_id: int, loads: Iterable[tuple[PageRow, Envelope, LoadedPage]]
) -> None:
    """Enter pages as loaded, each with its counts."""
    from psycopg2.extras import execute_values

    execute_values(
        cursor,
        "insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at,"
        " received, loaded, duplicate, quarantined, unexpected_fields) values %s",
        [
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
            )
            for page, envelope, loaded in loads
        ],
        template=f"({', '.join(['%s'] * 12)}, %s::text[])",
    )
