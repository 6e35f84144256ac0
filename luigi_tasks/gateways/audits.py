"""ops.audits: what each fsck left unmended, and what that says of each source now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import Part

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# A part's latest audit counts until one that saw at least as much of it came later: a whole one that read as deeply, or
# one that divided the whole in another way. A damage that both a quick and a deep one saw counts once.
STANDING = """
with latest as (
    select distinct on (source, deep, parts, part) * from ops.audits order by source, deep, parts, part, audited_at desc
),
standing as (
    select l.source, l.deep, l.audited_at,
           (select coalesce(sum(n.value::bigint), 0) from jsonb_each_text(l.damage) as n) as damaged
    from latest l
    where not exists (
        select from latest w
        where w.source = l.source and w.audited_at > l.audited_at
            and ((w.parts = 1 and w.deep >= l.deep) or (w.deep = l.deep and w.parts <> l.parts))
    )
),
by_depth as (select source, sum(damaged) as damaged, max(audited_at) as last from standing group by source, deep)
select source, max(damaged), extract(epoch from max(last)) from by_depth group by source order by source
"""


def enter(cursor: Cursor, source: str, part: Part, *, deep: bool, objects: int, damage: Mapping[str, int]) -> None:
    """Keep what one fsck found and did not mend; damage: {class: how many}."""
    cursor.execute(
        "insert into ops.audits (source, deep, part, parts, objects, damage) values (%s, %s, %s, %s, %s, %s)",
        (source, deep, part.number, part.of, objects, json.dumps(damage)),
    )


def standing(cursor: Cursor) -> list[tuple[str, float, float]]:
    """(source, damage that the latest audits know of, when the last one was in seconds since the epoch)."""
    cursor.execute(STANDING)
    return [(source, float(damaged), float(last)) for source, damaged, last in cursor.fetchall()]
