"""ops.clean_files: which file of the clean zone a page became."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.gateways.page_ledger import PageRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class CleanFile:
    """A file: records of it, and how many of its page were left out as bad."""

    object_key: str
    sha256: str
    size: int
    records: int
    quarantined: int


def pages_to_clean(cursor: Cursor, run_key: str, entities: Sequence[str]) -> list[PageRow]:
    """Pages of a run that answered 200 and have no file yet, in the order in which they were fetched."""
    cursor.execute(
        "select page_id, page_name, entity, status, object_key, body_sha256 from ops.pages as p"
        " where run_key = %s and entity = any(%s) and status = 200"
        " and not exists (select from ops.clean_files as c where c.page_id = p.page_id)"
        " order by fetched_at, page_name",
        (run_key, list(entities)),
    )
    return [PageRow(*row) for row in cursor.fetchall()]


def enter(cursor: Cursor, source: str, page: PageRow, file: CleanFile) -> None:
    """Enter the file of a page."""
    cursor.execute(
        "insert into ops.clean_files (page_id, source, entity, body_sha256, object_key, sha256, bytes, records,"
        " quarantined) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            page.page_id,
            source,
            page.entity,
            page.body_sha256,
            file.object_key,
            file.sha256,
            file.size,
            file.records,
            file.quarantined,
        ),
    )


def runs_without_files(cursor: Cursor, source: str, entities: Sequence[str]) -> list[str]:
    """Runs with loaded pages that have no file."""
    cursor.execute(
        "select distinct l.run_key from ops.loads as l where l.source = %s and l.entity = any(%s)"
        " and not exists (select from ops.clean_files as c where c.page_id = l.page_id) order by 1",
        (source, list(entities)),
    )
    return [run_key for (run_key,) in cursor.fetchall()]


def known_responses(cursor: Cursor, wanted: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], bool]:
    """Of (source, entity, first 16 digits of the body's hash) those of some page; True when a page has its file."""
    names = [list(names) for names in zip(*wanted, strict=True)] or [[], [], []]
    cursor.execute(
        "select w.source, w.entity, w.start, bool_and(c.page_id is not null)"
        " from unnest(%s::text[], %s::text[], %s::text[]) as w (source, entity, start)"
        " inner join ops.pages as p on p.source = w.source and p.entity = w.entity"
        "  and p.body_sha256 >= w.start and p.body_sha256 < w.start || 'g'"
        " left join ops.clean_files as c using (page_id) group by 1, 2, 3",
        names,
    )
    return {(source, entity, start): whole for source, entity, start, whole in cursor.fetchall()}


def pages_of(cursor: Cursor, object_key: str) -> list[tuple[PageRow, str, bool]]:
    """The pages that became a file: page, source, and whether its response is lost."""
    cursor.execute(
        "select p.page_id, p.page_name, p.entity, p.status, p.object_key, p.body_sha256, p.source,"
        " p.lost_at is not null from ops.clean_files as c inner join ops.pages as p using (page_id)"
        " where c.object_key = %s order by p.page_id",
        (object_key,),
    )
    return [(PageRow(*row[:-2]), row[-2], row[-1]) for row in cursor.fetchall()]


def enter_facts(cursor: Cursor, run_key: str, source: str, dataset: str, file: CleanFile) -> None:
    """Enter a file about a dataset's pictures; one that is known stays as it is."""
    cursor.execute(
        "insert into ops.clean_facts (run_key, source, dataset, object_key, sha256, bytes, records)"
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (run_key, source, dataset, file.object_key, file.sha256, file.size, file.records),
    )


def replace_facts(cursor: Cursor, object_key: str, file: CleanFile) -> None:
    """Enter a file in place of another about the same pictures, of the same run; nothing when that one is not known."""
    cursor.execute(
        "insert into ops.clean_facts (run_key, source, dataset, object_key, sha256, bytes, records)"
        " select run_key, source, dataset, %s, %s, %s, %s from ops.clean_facts where object_key = %s"
        " on conflict do nothing",
        (file.object_key, file.sha256, file.size, file.records, object_key),
    )


def forget_file(cursor: Cursor, object_key: str) -> None:
    """No page and no dataset has this file any more."""
    for table in ("clean_files", "clean_facts"):
        cursor.execute(f"delete from ops.{table} where object_key = %s", (object_key,))  # noqa: S608


def forget(cursor: Cursor, source: str, entity: str, body_sha256: str) -> None:
    """Take out the files of every page with these bytes, so that they are made anew."""
    cursor.execute(
        "delete from ops.clean_files where source = %s and entity = %s and body_sha256 = %s",
        (source, entity, body_sha256),
    )
