"""ops.erasures, and the rows that hold a person. SQL over a cursor each; table names come from the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.gateways.page_ledger import PageRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def erased(cursor: Cursor, source: str) -> frozenset[str]:
    """Keys of everybody who was erased from a source."""
    cursor.execute("select record_id from ops.erasures where source = %s", (source,))
    return frozenset(record_id for (record_id,) in cursor.fetchall())


def enter(cursor: Cursor, source: str, record_id: str, reason: str) -> None:
    """Say that somebody must not be kept; saying it twice keeps the first reason."""
    cursor.execute(
        "insert into ops.erasures (source, record_id, reason) values (%s, %s, %s) on conflict do nothing",
        (source, record_id, reason),
    )


def pages_of(cursor: Cursor, source: str, tables: Collection[str], record_id: str) -> list[tuple[PageRow, str]]:
    """Every page whose body has the person, loaded or in quarantine, or that no Load has read yet; and its run."""
    loaded = " union ".join(f"select body_sha256 from {table} where record_id = %(record_id)s" for table in tables)
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256, run_key from ops.pages p"
        f" where source = %(source)s and (body_sha256 in ({loaded} union select body_sha256 from ops.quarantine"
        "  where source = %(source)s and (record_id = %(record_id)s or strpos(record, %(record_id)s) > 0))"
        "  or not exists (select from ops.loads l where l.page_id = p.page_id)) order by page_id",
        {"source": source, "record_id": record_id},
    )
    return [(PageRow(*row[:-1]), row[-1]) for row in cursor.fetchall()]


def forget_page(cursor: Cursor, source: str, page: PageRow, table: str, models: Mapping[str, str]) -> None:
    """Take out all that came of a page's body: records, quarantine, load, and its people's rows in the models.

    The other people of the page come back with its next load, so that every table is as a replay would make it.
    """
    for model, key in models.items():
        cursor.execute("select to_regclass(%s) is not null", (model,))
        (there,) = cursor.fetchone() or (False,)
        if there:
            cursor.execute(
                f"delete from {model} where {key} in (select record_id from {table} where body_sha256 = %s)",
                (page.body_sha256,),
            )
    cursor.execute(f"delete from {table} where body_sha256 = %s", (page.body_sha256,))
    cursor.execute("delete from ops.quarantine where page_id = %s", (page.page_id,))
    cursor.execute("delete from ops.loads where page_id = %s", (page.page_id,))


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
