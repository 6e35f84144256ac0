"""ops.erasures, and the rows that hold a person. SQL over a cursor each; table names come from the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.gateways import selects
from luigi_tasks.gateways.page_ledger import PageRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def erased(cursor: Cursor, source: str) -> frozenset[str]:
    """Keys of everybody who was erased from a source."""
    cursor.execute("select record_id from ops.erasures where source = %s", (source,))
    return frozenset(record_id for (record_id,) in cursor.fetchall())


def enter(cursor: Cursor, source: str, record_id: str, reason: str) -> str:
    """Say that somebody must not be kept; saying it twice keeps the first reason.

    Returns how far it came before: 'new', 'begun', or 'finished'.
    """
    cursor.execute(
        "insert into ops.erasures (source, record_id, reason) values (%s, %s, %s) on conflict do nothing",
        (source, record_id, reason),
    )
    if cursor.rowcount:
        return "new"
    cursor.execute(
        "select finished_at is null from ops.erasures where source = %s and record_id = %s", (source, record_id)
    )
    return "begun" if cursor.fetchone() == (True,) else "finished"


def finish(cursor: Cursor, source: str, record_id: str) -> None:
    """All that was to be done for an erasure is done."""
    cursor.execute(
        "update ops.erasures set finished_at = coalesce(finished_at, clock_timestamp())"
        " where source = %s and record_id = %s",
        (source, record_id),
    )


def last_run(cursor: Cursor, source: str) -> str | None:
    """The run that a build of the source's models is entered under."""
    cursor.execute("select run_key from ops.runs where source = %s order by run_id desc, run_key limit 1", (source,))
    row = cursor.fetchone()
    return row[0] if row else None


def pages_of(cursor: Cursor, source: str, tables: Collection[str], record_id: str) -> list[tuple[PageRow, str, bool]]:
    """Every page whose body has the person, loaded or in quarantine, or that no Load has read yet; its run, and
    whether fsck gave its object up."""
    loaded = " union ".join(f"select body_sha256 from {table} where record_id = %(record_id)s" for table in tables)
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256, run_key, lost_at is not null"
        " from ops.pages p"
        f" where source = %(source)s and (body_sha256 in ({loaded} union select body_sha256 from ops.quarantine"
        "  where source = %(source)s and (record_id = %(record_id)s or strpos(lower(record), %(record_id)s) > 0))"
        "  or not exists (select from ops.loads l where l.page_id = p.page_id)) order by page_id",
        {"source": source, "record_id": record_id},
    )
    return [(PageRow(*row[:-2]), *row[-2:]) for row in cursor.fetchall()]


def pages_with(cursor: Cursor, tables: Collection[str], record_id: str) -> frozenset[str]:
    """Hashes of the bodies of which a person's record is in a table or in quarantine."""
    loaded = " union ".join(f"select body_sha256 from {table} where record_id = %(record_id)s" for table in tables)
    cursor.execute(
        f"{loaded} union select body_sha256 from ops.quarantine where strpos(lower(record), %(record_id)s) > 0",
        {"record_id": record_id},
    )
    return frozenset(body_sha256 for (body_sha256,) in cursor.fetchall())


def forget_page(cursor: Cursor, source: str, page: PageRow, table: str, models: Mapping[str, str]) -> None:
    """Take out all that came of a page's body: records, quarantine, load, and its people's rows in the models.

    The other people of the page come back with its next load, so that every table is as a replay would make it.
    """
    for model, key in models.items():
        if selects.exists(cursor, model):
            cursor.execute(
                f"delete from {model} where {key} in (select record_id from {table} where body_sha256 = %s)",
                (page.body_sha256,),
            )
    cursor.execute(f"delete from {table} where body_sha256 = %s", (page.body_sha256,))
    # Another page with the same body comes back as one that no Load has read, so a repeated erasure finds it.
    for ledger in ("quarantine", "loads"):
        cursor.execute(
            f"delete from ops.{ledger} where page_id in"
            " (select page_id from ops.pages where source = %s and entity = %s and body_sha256 = %s)",
            (source, page.entity, page.body_sha256),
        )


def forget_person(
    cursor: Cursor, source: str, tables: Collection[str], models: Mapping[str, str], record_id: str
) -> None:
    """Take out one person's rows alone: for pages whose bodies are lost, which no load can bring again."""
    for model, key in models.items():
        if selects.exists(cursor, model):
            cursor.execute(f"delete from {model} where {key} = %s", (record_id,))
    for table in tables:
        cursor.execute(f"delete from {table} where record_id = %s", (record_id,))
    cursor.execute(
        "delete from ops.quarantine where source = %s and (record_id = %s or strpos(lower(record), %s) > 0)",
        (source, record_id, record_id),
    )


def erased_page_keys(cursor: Cursor, source: str) -> frozenset[str]:
    """Object keys of the pages that were rewritten without somebody."""
    cursor.execute("select object_key from ops.pages where source = %s and object_key like %s", (source, "%.erased-%"))
    return frozenset(key for (key,) in cursor.fetchall())


def replace_page(cursor: Cursor, page: PageRow, envelope: Envelope, object_key: str) -> None:
    """Let a page be another object with another body."""
    cursor.execute(
        "update ops.pages set object_key = %s, body_sha256 = %s, body_bytes = %s where page_id = %s",
        (object_key, envelope.sha256, envelope.body_bytes, page.page_id),
    )
