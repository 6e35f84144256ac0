"""ops.uploads rebuilt from the bucket: which wallpapers lack a stored row, and the row of an object that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# The run that the object names, where it is here; its time is the run's, for a replay has no clock of its own.
ADOPT = """
insert into ops.uploads (
    run_key, wallhaven_id, attempt, outcome, reason, s3_key, sha256, bytes, content_type, started_at, finished_at
)
select
    r.run_key, %(wallhaven_id)s, 1, 'stored', 'found in the bucket', %(s3_key)s, %(sha256)s, %(bytes)s,
    %(content_type)s, r.finished_at, r.finished_at
from ops.runs as r
where r.state = 'replayed' and r.finished_at is not null
order by r.run_key = %(run_key)s desc, r.finished_at desc
limit 1
"""
WANTED = """
select wanted.wallhaven_id
from unnest(%s::text[]) as wanted (wallhaven_id)
where
    (
        exists (select from raw.wallhaven_search as r where r.record_id = wanted.wallhaven_id)
        or exists (select from raw.wallhaven_wallpaper as r where r.record_id = wanted.wallhaven_id)
    )
    and not exists (select from ops.uploads as u where u.wallhaven_id = wanted.wallhaven_id)
    and not exists (
        select from ops.tombstones as t where t.wallhaven_id = wanted.wallhaven_id and t.lifted_at is null
    )
"""


@dataclass(frozen=True)
class Found:
    """An original in the bucket. run_key: of the run that put it, as the object says, '' when it does not."""

    wallhaven_id: str
    run_key: str
    s3_key: str
    sha256: str
    bytes: int
    content_type: str


def unregistered(cursor: Cursor, ids: list[str]) -> set[str]:
    """Of these wallpapers those that some record describes and no attempt and no takedown is known of."""
    cursor.execute(WANTED, (ids,))
    return {row[0] for row in cursor.fetchall()}


def adopt(cursor: Cursor, found: Found) -> None:
    """Register the object as stored."""
    cursor.execute(ADOPT, vars(found))
