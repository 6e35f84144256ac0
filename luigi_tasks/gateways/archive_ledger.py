"""ops.archives and ops.archive_entries: which archive a run has opened, what became of its files. SQL over a cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# What counted under the names, where other bytes come now; a file that returns to earlier bytes is a version no more.
SET_ASIDE = """
insert into ops.archive_versions as v (
    object_key, dataset, name, run_key, sha256, bytes, crc32, entered_at, replaced_in, lost_at
)
select object_key, dataset, name, run_key, sha256, bytes, crc32, entered_at, %(run_key)s, lost_at
from ops.archive_entries
where dataset = %(dataset)s and name = %(name)s and outcome = 'stored' and sha256 <> %(sha256)s
on conflict (object_key) do update set
    replaced_in = excluded.replaced_in, replaced_at = clock_timestamp(), lost_at = excluded.lost_at
"""
ENTER = """
insert into ops.archive_entries as e (
    dataset, name, folder, run_key, outcome, reason, object_key, sha256, bytes, crc32
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (dataset, name) do update set
    run_key = excluded.run_key, outcome = excluded.outcome, reason = excluded.reason, object_key = excluded.object_key,
    sha256 = excluded.sha256, bytes = excluded.bytes, crc32 = excluded.crc32, entered_at = clock_timestamp(),
    lost_at = null
where e.outcome <> 'stored' or e.lost_at is not null or excluded.outcome = 'stored' and e.sha256 <> excluded.sha256
"""
FACTS = """
select p.picture_id, p.object_key, m.*
from ops.pictures as p inner join ops.image_metadata as m using (sha256)
where p.source = %s and starts_with(p.picture_id, %s)
order by p.picture_id
"""
STORED_KEYS = """
select e.object_key
from ops.archive_entries as e inner join ops.image_metadata as m on e.sha256 = m.sha256 and m.status = 'measured'
where e.run_key = %s and e.outcome = 'stored' and e.lost_at is null
order by e.name collate "C"
limit %s
"""


@dataclass(frozen=True)
class OpenedArchive:
    """The archive of a run. root: the dataset's folder in it."""

    dataset: str
    path: str
    bytes: int
    sha256: str
    root: str
    entries: int


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file. outcome: stored conflict refused corrupt; name: below the root."""

    name: str
    outcome: str
    bytes: int
    crc32: int
    reason: str = ""
    object_key: str | None = None
    sha256: str | None = None


def open_archive(cursor: Cursor, run_key: str, archive: OpenedArchive) -> None:
    """Enter the archive of a run; entering it twice keeps the newer."""
    cursor.execute(
        "insert into ops.archives (run_key, dataset, path, bytes, sha256, root, entries)"
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict (run_key) do update set path = excluded.path,"
        " bytes = excluded.bytes, sha256 = excluded.sha256, root = excluded.root, entries = excluded.entries,"
        " opened_at = clock_timestamp()",
        (run_key, *vars(archive).values()),
    )


def archive_of(cursor: Cursor, run_key: str) -> OpenedArchive | None:
    """The archive that a run has opened."""
    cursor.execute(
        "select dataset, path, bytes, sha256, root, entries from ops.archives where run_key = %s", (run_key,)
    )
    row = cursor.fetchone()
    return OpenedArchive(*row) if row else None


def stored(cursor: Cursor, dataset: str, folder: str) -> dict[str, tuple[int, int]]:
    """CRC-32 and size of every file of a folder that is stored, by name."""
    cursor.execute(
        "select name, crc32, bytes from ops.archive_entries"
        " where dataset = %s and folder = %s and outcome = 'stored' and lost_at is null",
        (dataset, folder),
    )
    return {name: (crc32, size) for name, crc32, size in cursor.fetchall()}


def enter(cursor: Cursor, run_key: str, dataset: str, folder: str, outcomes: Sequence[FileOutcome]) -> None:
    """Keep what became of files. A stored one stays as it is until other bytes are stored for it; then those count."""
    cursor.execute(
        "select name from ops.archive_entries where dataset = %s and name = any(%s) and outcome = 'stored'",
        (dataset, [o.name for o in outcomes if o.outcome == "stored"]),
    )
    known = {name for (name,) in cursor.fetchall()}
    for o in outcomes:
        if o.outcome == "stored" and o.name in known:
            about = {"run_key": run_key, "dataset": dataset, "name": o.name, "sha256": o.sha256, "key": o.object_key}
            cursor.execute(SET_ASIDE, about)
            cursor.execute("delete from ops.archive_versions where object_key = %(key)s", about)
    cursor.executemany(
        ENTER,
        [
            (dataset, o.name, folder, run_key, o.outcome, o.reason, o.object_key, o.sha256, o.bytes, o.crc32)
            for o in outcomes
        ],
    )


def tombstoned(cursor: Cursor) -> frozenset[str]:
    """SHA-256 of everything that was taken down."""
    cursor.execute("select sha256 from ops.tombstones where sha256 is not null and lifted_at is null")
    return frozenset(sha256 for (sha256,) in cursor.fetchall())


def facts(cursor: Cursor, source: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Everything known of a source's pictures whose ids start so, unreadable ones too."""
    return selects.streamed(cursor, FACTS, (source, prefix))


def stored_keys(cursor: Cursor, run_key: str, limit: int) -> list[str]:
    """Keys of pictures that the run brought and that decode, by name."""
    cursor.execute(STORED_KEYS, (run_key, limit))
    return [key for (key,) in cursor.fetchall()]
