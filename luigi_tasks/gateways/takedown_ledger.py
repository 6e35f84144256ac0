"""ops.tombstones: what must not be kept, by wallpaper or by bytes. SQL over one cursor each."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# Whoever has the same bytes goes with it: the same picture under two ids is one picture.
CONCERNED = """
with named as (
    select sha256 from ops.uploads where wallhaven_id = %(target)s and sha256 is not null
    union
    select sha256 from ops.upload_intents where wallhaven_id = %(target)s
    union
    select %(target)s where %(target)s ~ '^[0-9a-f]{64}$'
)
select array(select sha256 from named order by 1), array(
    select wallhaven_id from ops.uploads where sha256 in (select sha256 from named)
    union
    select wallhaven_id from ops.upload_intents where sha256 in (select sha256 from named)
    union
    select %(target)s where %(target)s !~ '^[0-9a-f]{64}$'
    order by 1
)
"""
KEYS = """
select s3_key from ops.uploads where s3_key is not null and (wallhaven_id = any(%(ids)s) or sha256 = any(%(hashes)s))
union
select s3_key from ops.upload_intents where wallhaven_id = any(%(ids)s) or sha256 = any(%(hashes)s)
union
select r.aside_key
from ops.repairs as r
inner join ops.uploads as u on r.object_key = u.s3_key
where r.aside_key is not null and (u.wallhaven_id = any(%(ids)s) or u.sha256 = any(%(hashes)s))
order by 1
"""
FILES = """
select object_key, sha256 from ops.archive_objects where sha256 = any(%s) order by 1
"""
# A takedown is the same when it is of the same and of the same moment; only its lift may be news.
RESTORE = """
with known as (
    update ops.tombstones set
        lifted_at = coalesce(lifted_at, %(lifted_at)s), lift_reason = coalesce(lift_reason, %(lift_reason)s)
    where taken_down_at = %(taken_down_at)s and (wallhaven_id = %(wallhaven_id)s or sha256 = %(sha256)s)
    returning 1
)
insert into ops.tombstones (wallhaven_id, sha256, reason, taken_down_at, lifted_at, lift_reason)
select %(wallhaven_id)s, %(sha256)s, %(reason)s, %(taken_down_at)s, %(lifted_at)s, %(lift_reason)s
where not exists (select from known)
on conflict do nothing
"""
FORGET_FILES = "update ops.{} set lost_at = coalesce(lost_at, now()) where sha256 = any(%s)"
FORGET = """
update ops.uploads set
    lost_at = case when outcome = 'stored' then coalesce(lost_at, now()) end,
    reopened_at = coalesce(reopened_at, now()),
    modelled_in = null
where wallhaven_id = any(%(ids)s) or (outcome = 'stored' and sha256 = any(%(hashes)s))
"""


@dataclass(frozen=True)
class Concerned:
    """What a takedown is about: wallpapers and SHA-256 of bytes."""

    ids: tuple[str, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Tombstone:
    """One row; either a wallpaper or a hash."""

    wallhaven_id: str | None
    sha256: str | None
    reason: str
    taken_down_at: datetime.datetime
    lifted_at: datetime.datetime | None
    lift_reason: str | None


def concerned(cursor: Cursor, target: str) -> Concerned:
    """What an id or a SHA-256 in hex stands for: its bytes, and every wallpaper that ever had them."""
    cursor.execute(CONCERNED, {"target": target})
    row = cursor.fetchone()
    assert row, "a select without from gives one row"
    return Concerned(tuple(row[1]), tuple(row[0]))


def keys(cursor: Cursor, about: Concerned) -> list[str]:
    """Every key under which the ledger knows such bytes, copies moved aside included."""
    cursor.execute(KEYS, {"ids": list(about.ids), "hashes": list(about.hashes)})
    return [key for (key,) in cursor.fetchall()]


def files(cursor: Cursor, about: Concerned) -> dict[str, str]:
    """Keys of files of archives with such bytes; what each should hash to."""
    cursor.execute(FILES, (list(about.hashes),))
    return dict(cursor.fetchall())


def bury(cursor: Cursor, about: Concerned, reason: str) -> None:
    """Write the tombstones (one that stands keeps its reason); no row counts as stored or derived any more."""
    for column, values in (("wallhaven_id", about.ids), ("sha256", about.hashes)):
        cursor.executemany(
            f"insert into ops.tombstones ({column}, reason) values (%s, %s) on conflict do nothing",  # noqa: S608
            [(value, reason) for value in values],
        )
    cursor.execute(FORGET, {"ids": list(about.ids), "hashes": list(about.hashes)})
    cursor.execute("delete from ops.upload_intents where wallhaven_id = any(%s)", (list(about.ids),))
    for table in ("archive_entries", "archive_versions"):
        cursor.execute(FORGET_FILES.format(table), (list(about.hashes),))
    cursor.execute("delete from ops.image_metadata where sha256 = any(%s)", (list(about.hashes),))
    cursor.execute("delete from ops.derivatives where source_sha256 = any(%s)", (list(about.hashes),))


def runs_that_stored(cursor: Cursor, about: Concerned) -> list[str]:
    """Runs whose contact sheets may show one of these."""
    cursor.execute(
        "select run_key from ops.uploads"
        " where outcome = 'stored' and (wallhaven_id = any(%(ids)s) or sha256 = any(%(hashes)s))"
        " union select run_key from ops.archive_entries where sha256 = any(%(hashes)s)"
        " union select run_key from ops.archive_versions where sha256 = any(%(hashes)s) order by 1",
        {"ids": list(about.ids), "hashes": list(about.hashes)},
    )
    return [run_key for (run_key,) in cursor.fetchall()]


def lift(cursor: Cursor, about: Concerned, reason: str) -> list[str]:
    """End the takedowns of these wallpapers and bytes; returns what each was about. Their rows stay."""
    cursor.execute(
        "update ops.tombstones set lifted_at = now(), lift_reason = %s"
        " where lifted_at is null and (wallhaven_id = any(%s) or sha256 = any(%s))"
        " returning coalesce('wallpaper ' || wallhaven_id, 'bytes ' || sha256)",
        (reason, list(about.ids), list(about.hashes)),
    )
    return sorted(row[0] for row in cursor.fetchall())


def restore(cursor: Cursor, stone: Tombstone) -> None:
    """Enter a takedown that is not known, or the lift of one that is; one that stands for the same otherwise stays."""
    cursor.execute(RESTORE, vars(stone))


def tombstones(cursor: Cursor) -> list[Tombstone]:
    """All of them, oldest first."""
    cursor.execute(
        "select wallhaven_id, sha256, reason, taken_down_at, lifted_at, lift_reason from ops.tombstones"
        " order by tombstone_id"
    )
    return [Tombstone(*row) for row in cursor.fetchall()]
