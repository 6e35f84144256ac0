"""What the database claims about the bucket, for fsck, and what a repair writes. SQL over a cursor each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import DATASETS, CleanRow, DerivativeRow, FileRow, RawPage, StoredRow

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

FETCHED_AT_ONCE = 5000

STORED = """
select
    u.upload_id, u.wallhaven_id, u.run_key, u.s3_key, u.sha256, u.bytes, u.content_type, u.flags,
    exists (select from raw.wallhaven_search as r where r.record_id = u.wallhaven_id)
    or exists (select from raw.wallhaven_wallpaper as r where r.record_id = u.wallhaven_id)
from ops.uploads as u
where u.outcome = 'stored' and u.lost_at is null
order by u.wallhaven_id, u.attempt
"""
PAGES = """
select page_id, run_key, entity, page_name, object_key, body_sha256, lost_at is not null
from ops.pages
order by object_key
"""
# As Run.raw_prefix writes it. A run that is not settled as succeeded may still take up what it put.
OPEN_PREFIXES = """
select 'raw/' || query_key || '/' || translate(run_id, '-:', '') || 'Z/' from ops.runs where state <> 'succeeded'
"""
LOSE = """
update ops.uploads set
    lost_at = case when outcome = 'stored' then coalesce(lost_at, clock_timestamp()) end,
    reopened_at = coalesce(reopened_at, clock_timestamp()),
    modelled_in = null
where wallhaven_id = %s and (reopened_at is null or lost_at is null and outcome = 'stored')
"""
LOSE_ONE = """
update ops.uploads set lost_at = clock_timestamp(), reopened_at = clock_timestamp(), modelled_in = null
where upload_id = %s and lost_at is null
"""
REOPEN_CONFLICTS = """
update ops.uploads set reopened_at = clock_timestamp(), modelled_in = null
where wallhaven_id = %s and outcome = 'conflict' and reopened_at is null
"""
# Where the same bytes may stand too: under another wallpaper's key, or aside. Each is hashed before it is believed.
TWINS = """
select s3_key from ops.uploads where sha256 = %(sha256)s and s3_key <> %(key)s
union
select aside_key from ops.repairs where object_key = %(key)s and aside_key is not null
order by 1
"""


@dataclass(frozen=True)
class Claims:
    """intents: id → key and hash; tombstones: ids and hashes; open_prefixes: raw folders of runs that may go on;
    open_datasets: folders of the lake that such runs fill."""

    intents: dict[str, tuple[str, str]]
    tombstones: frozenset[str]
    open_prefixes: tuple[str, ...]
    open_datasets: tuple[str, ...]


def freeze_view(cursor: Cursor) -> None:
    """From here on the transaction sees one moment of the database, whatever a run commits meanwhile."""
    cursor.execute("set transaction isolation level repeatable read read only")


def stored_rows(cursor: Cursor) -> Iterator[StoredRow]:
    """Every row that counts as stored, by wallpaper."""
    cursor.execute(STORED)
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        yield from (StoredRow(*row) for row in rows)


def raw_pages(cursor: Cursor) -> Iterator[RawPage]:
    """Every page of the ledger."""
    cursor.execute(PAGES)
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        yield from (RawPage(*row) for row in rows)


def derivative_rows(cursor: Cursor) -> Iterator[DerivativeRow]:
    """Every derivative that was made."""
    cursor.execute("select object_key, sha256, bytes from ops.derivatives where status = 'made' order by object_key")
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        yield from (DerivativeRow(*row) for row in rows)


def file_rows(cursor: Cursor) -> Iterator[FileRow]:
    """Every file of an archive that was stored, and those that count no more."""
    cursor.execute(
        "select dataset, object_key, sha256, bytes, lost_at is not null from ops.archive_objects order by object_key"
    )
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        yield from (FileRow(*row) for row in rows)


def clean_rows(cursor: Cursor) -> Iterator[CleanRow]:
    """Every file of the clean zone, once however many pages became it."""
    cursor.execute(
        "select distinct on (object_key) object_key, sha256, bytes from ops.clean_files"
        " union all select object_key, sha256, bytes from ops.clean_facts order by object_key"
    )
    while rows := cursor.fetchmany(FETCHED_AT_ONCE):
        yield from (CleanRow(*row) for row in rows)


def lose_file(cursor: Cursor, key: str) -> None:
    """It is not stored any more: the next run that has the archive stores it, if it still counts."""
    for table in ("archive_entries", "archive_versions"):
        cursor.execute(
            f"update ops.{table} set lost_at = clock_timestamp() where object_key = %s and lost_at is null",  # noqa: S608
            (key,),
        )


def forget_derivative(cursor: Cursor, key: str) -> None:
    """It is not made any more: the next Derive makes it."""
    cursor.execute("delete from ops.derivatives where object_key = %s", (key,))


def claims(cursor: Cursor) -> Claims:
    """Intents, tombstones and open runs."""
    cursor.execute("select wallhaven_id, s3_key, sha256 from ops.upload_intents")
    intents = {wallhaven_id: (key, sha256) for wallhaven_id, key, sha256 in cursor.fetchall()}
    cursor.execute("select coalesce(wallhaven_id, sha256) from ops.tombstones where lifted_at is null")
    tombstones = frozenset(name for (name,) in cursor.fetchall())
    cursor.execute(OPEN_PREFIXES)
    prefixes = tuple(prefix for (prefix,) in cursor.fetchall())
    cursor.execute(
        "select distinct %s || dataset || '/' from ops.archives inner join ops.runs using (run_key)"
        " where state <> 'succeeded'",
        (DATASETS,),
    )
    return Claims(intents, tombstones, prefixes, tuple(prefix for (prefix,) in cursor.fetchall()))


def lose(cursor: Cursor, wallhaven_id: str) -> None:
    """The wallpaper is not stored any more and none of its attempts counts, so it is pending again."""
    cursor.execute(LOSE, (wallhaven_id,))


def lose_one(cursor: Cursor, upload_id: int) -> None:
    """Of two rows that claim to be the stored one, this is not it."""
    cursor.execute(LOSE_ONE, (upload_id,))


def reopen_conflicts(cursor: Cursor, wallhaven_id: str) -> None:
    """What stood in the way of the wallpaper's upload is moved aside: it may be tried again."""
    cursor.execute(REOPEN_CONFLICTS, (wallhaven_id,))


def forget_intent(cursor: Cursor, wallhaven_id: str) -> None:
    """End an intent whose picture is registered."""
    cursor.execute("delete from ops.upload_intents where wallhaven_id = %s", (wallhaven_id,))


def give_page_up(cursor: Cursor, page_id: int) -> None:
    """The page's bytes cannot be had again; its details may be asked for anew."""
    cursor.execute(
        "update ops.pages set lost_at = clock_timestamp() where page_id = %s and lost_at is null", (page_id,)
    )


def twins(cursor: Cursor, key: str, sha256: str) -> list[str]:
    """Keys under which the bytes of a hash may stand, other than key."""
    cursor.execute(TWINS, {"key": key, "sha256": sha256})
    return [found for (found,) in cursor.fetchall()]


def enter_repair(
    cursor: Cursor, damage: str, key: str, wallhaven_id: str | None, action: str, aside_key: str | None
) -> None:
    """Keep what is about to be done."""
    cursor.execute(
        "insert into ops.repairs (damage, object_key, wallhaven_id, action, aside_key) values (%s, %s, %s, %s, %s)",
        (damage, key, wallhaven_id, action, aside_key),
    )
