"""The ledger of uploads: the frozen manifest, the intent before a put, the outcome after it. SQL over one cursor each.

A cursor's transaction is the caller's; every function here is whole within one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.publishing import Claim, ClaimLost, Outcome, PictureError, UploadOutcome, UploadTotals

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

NEW_MANIFEST = "insert into ops.manifests (run_key, items) values (%s, 0) on conflict do nothing returning manifest_id"

FILL_MANIFEST = """
with frozen as (
    insert into ops.manifest_items
        (manifest_id, position, wallhaven_id, image_url, s3_key, file_type, file_size, width, height)
    select
        %(manifest_id)s, row_number() over newest, wallhaven_id, image_url, s3_key, file_type, file_size, width, height
    from draenei_content.pending_uploads
    window newest as (order by uploaded_at desc, wallhaven_id desc)
    order by uploaded_at desc, wallhaven_id desc
    limit %(limit)s
    returning 1
)
update ops.manifests set items = (select count(*) from frozen) where manifest_id = %(manifest_id)s
"""

GROWING_MANIFEST = "insert into ops.manifests (run_key, items, growing) values (%s, 0, true) on conflict do nothing"
GROW_MANIFEST = """
with growing as (
    select manifest_id, items from ops.manifests where run_key = %(run_key)s and growing for update
),
grown as (
    insert into ops.manifest_items
        (manifest_id, position, wallhaven_id, image_url, s3_key, file_type, file_size, width, height)
    select
        g.manifest_id, g.items + row_number() over newest,
        p.wallhaven_id, p.image_url, p.s3_key, p.file_type, p.file_size, p.width, p.height
    from draenei_content.pending_uploads as p
    cross join growing as g
    where not exists (
        select 1 from ops.manifest_items as i where i.manifest_id = g.manifest_id and i.wallhaven_id = p.wallhaven_id
    )
    window newest as (order by p.uploaded_at desc, p.wallhaven_id desc)
    order by p.uploaded_at desc, p.wallhaven_id desc
    limit (select greatest(coalesce(%(limit)s, 9223372036854775807) - items, 0) from growing)
    returning 1
)
update ops.manifests as m set items = m.items + (select count(*) from grown)
from growing as g
where m.manifest_id = g.manifest_id
"""

# What is open is found by looking at one item after the other, in the manifest's order: `offset 0` keeps Postgres from
# joining all of them with all uploads for the few that are asked for, which it does while it knows little of either.
# The bound on positions leads it to the manifest by its index: where most items are of one manifest it takes any other
# for as large, and would read all of them to find that a run has none.
OPEN = """
from ops.manifest_items as i
where
    i.manifest_id = (select m.manifest_id from ops.manifests as m where m.run_key = %(run_key)s)
    and i.position <= (select m.items from ops.manifests as m where m.run_key = %(run_key)s)
    and not exists (
        select 1 from ops.uploads as u
        where
            u.wallhaven_id = i.wallhaven_id
            and (u.run_key = %(run_key)s or (u.outcome = 'stored' and u.lost_at is null))
        offset 0
    )
"""
COUNT_OPEN = "select count(*)" + OPEN

GIVEN = """
with given as (
    select * from jsonb_to_recordset(%(rows)s) as g (
        wallhaven_id text, fence bigint, run_key text, outcome text, reason text, s3_key text, sha256 text,
        bytes bigint, content_type text, width integer, height integer, flags text[], http_status smallint,
        seconds double precision
    )
)
"""
# Locks the claims until the transaction ends: whoever would take one over waits for us, or we find it taken. Always in
# this order, so that sets of two processes never wait for each other.
HOLD = f"""{GIVEN}
select c.fence
from ops.upload_claims as c
inner join given as g on c.wallhaven_id = g.wallhaven_id and c.fence = g.fence
where c.leased_until > clock_timestamp()
order by c.wallhaven_id
for update of c
"""  # noqa: S608 (our own text)

INTEND = f"""{GIVEN},
judged as (
    select g.*, (
        select t.reason from ops.tombstones as t
        where t.lifted_at is null and (t.wallhaven_id = g.wallhaven_id or t.sha256 = g.sha256)
        order by t.tombstone_id
        limit 1
    ) as taken_down
    from given as g
),
intended as (
    insert into ops.upload_intents (wallhaven_id, run_key, s3_key, sha256, fence)
    select wallhaven_id, run_key, s3_key, sha256, fence from judged where taken_down is null order by wallhaven_id
    on conflict (wallhaven_id) do update set
        run_key = excluded.run_key, s3_key = excluded.s3_key, sha256 = excluded.sha256, fence = excluded.fence,
        intended_at = clock_timestamp()
)
select fence, taken_down from judged where taken_down is not null
"""  # noqa: S608 (our own text)

REGISTER = f"""{GIVEN},
kept as (
    insert into ops.uploads (
        run_key, wallhaven_id, attempt, outcome, reason, s3_key, sha256, bytes, content_type, width, height, flags,
        http_status, started_at, fence
    )
    select
        g.run_key, g.wallhaven_id,
        1 + coalesce((select max(u.attempt) from ops.uploads as u where u.wallhaven_id = g.wallhaven_id), 0),
        g.outcome, g.reason, g.s3_key, g.sha256, g.bytes, g.content_type, g.width, g.height, g.flags, g.http_status,
        clock_timestamp() - make_interval(secs => g.seconds), g.fence
    from given as g
    where not exists (
        select from ops.uploads as u
        where u.wallhaven_id = g.wallhaven_id and u.outcome = 'stored' and u.lost_at is null
    )
),
done as (
    delete from ops.upload_intents as i
    using given as g
    where i.wallhaven_id = g.wallhaven_id and g.outcome = 'stored'
)
delete from ops.upload_claims as c
using given as g
where c.fence = g.fence
"""  # noqa: S608 (our own text)

REOPEN = """
with reopened as (
    update ops.uploads as u set reopened_at = clock_timestamp(), modelled_in = null
    where
        u.reopened_at is null
        and u.outcome <> 'stored'
        and (%(outcome)s is null or u.outcome = %(outcome)s)
        and not exists (
            select from ops.uploads as s
            where s.wallhaven_id = u.wallhaven_id and s.outcome = 'stored' and s.lost_at is null
        )
    returning u.wallhaven_id
)
select count(distinct wallhaven_id) from reopened
"""

TOTALS = """
select
    coalesce(sum(u.bytes) filter (where u.outcome = 'stored'), 0)::bigint,
    count(*) filter (where u.outcome = 'stored' and u.flags <> '{}')
from ops.uploads as u
where u.run_key = %s
"""

STORED_KEYS = """
select u.s3_key
from ops.uploads as u
inner join ops.manifests as m on u.run_key = m.run_key
inner join ops.manifest_items as i on m.manifest_id = i.manifest_id and u.wallhaven_id = i.wallhaven_id
where u.run_key = %s and u.outcome = 'stored' and u.lost_at is null
order by i.position
limit %s
"""


def freeze(cursor: Cursor, run_key: str, limit: int | None) -> int:
    """Copy the pending pictures, newest first, into the run's manifest; the number of its items.

    limit: at most so many; None: all. A run that has a manifest keeps it as it is; one that is growing is given what
    is pending and not in it, for the last time.
    """
    cursor.execute(NEW_MANIFEST, (run_key,))
    if row := cursor.fetchone():
        cursor.execute(FILL_MANIFEST, {"manifest_id": row[0], "limit": limit})
    else:
        cursor.execute(GROW_MANIFEST, {"run_key": run_key, "limit": limit})
        cursor.execute("update ops.manifests set growing = false where run_key = %s and growing", (run_key,))
    cursor.execute("select items from ops.manifests where run_key = %s", (run_key,))
    return _number(cursor)


def grow(cursor: Cursor, run_key: str) -> None:
    """Add the pending pictures that are not in it yet, newest first, to the run's manifest; begin one that grows."""
    cursor.execute(GROWING_MANIFEST, (run_key,))
    cursor.execute(GROW_MANIFEST, {"run_key": run_key, "limit": None})


def intend(cursor: Cursor, run_key: str, intents: Sequence[tuple[Claim, str]]) -> dict[int, Exception]:
    """Say which bytes (SHA-256) are about to be put. Commit before the puts: from then on the objects have an owner.

    What was not said, by the claim's fence: ClaimLost, or PictureError `refused` for what was taken down.
    """
    rows = [
        {**vars(claim.item), "fence": claim.fence, "run_key": run_key, "sha256": sha256} for claim, sha256 in intents
    ]
    held, failed = _hold(cursor, rows)
    if held:
        cursor.execute(INTEND, {"rows": json.dumps(held)})
        for fence, reason in cursor.fetchall():
            failed[fence] = PictureError(Outcome.REFUSED, f"taken down: {reason}")
    return failed


def register(cursor: Cursor, run_key: str, outcomes: Sequence[tuple[Claim, UploadOutcome]]) -> dict[int, Exception]:
    """Keep each outcome as its picture's next attempt and end the claim. By fence ClaimLost: there nothing changed.

    The intent ends with `stored` alone: after any other outcome an object of an earlier, killed attempt, or of a put
    whose reply was lost, may exist, and the intent is all that tells whose it is.
    """
    rows = [
        {**vars(outcome), "wallhaven_id": claim.item.wallhaven_id, "fence": claim.fence, "run_key": run_key}
        for claim, outcome in outcomes
    ]
    held, failed = _hold(cursor, rows)
    if held:
        cursor.execute(REGISTER, {"rows": json.dumps(held)})
    return failed


def _hold(cursor: Cursor, rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[int, Exception]]:
    """The rows whose claims are ours and locked now; ClaimLost by fence for the others."""
    keys = [{"wallhaven_id": row["wallhaven_id"], "fence": row["fence"]} for row in rows]
    cursor.execute(HOLD, {"rows": json.dumps(keys)})
    held = {fence for (fence,) in cursor.fetchall()}
    lost: dict[int, Exception] = {
        row["fence"]: ClaimLost(row["wallhaven_id"]) for row in rows if row["fence"] not in held
    }
    return [row for row in rows if row["fence"] in held], lost


def reopen(cursor: Cursor, outcome: str | None) -> int:
    """Let the failed attempts no longer count, of one outcome or of all; the number of pictures that it concerns."""
    cursor.execute(REOPEN, {"outcome": outcome})
    return _number(cursor)


def totals(cursor: Cursor, run_key: str) -> UploadTotals:
    """The run's manifest and attempts in numbers."""
    cursor.execute("select coalesce(sum(items), 0)::bigint from ops.manifests where run_key = %s", (run_key,))
    items = _number(cursor)
    cursor.execute(COUNT_OPEN, {"run_key": run_key})
    still_open = _number(cursor)
    cursor.execute(
        "select outcome, count(*) from ops.uploads where run_key = %s group by outcome order by outcome", (run_key,)
    )
    outcomes = dict(cursor.fetchall())
    cursor.execute(TOTALS, (run_key,))
    stored_bytes, flagged = cursor.fetchone() or (0, 0)
    cursor.execute("select result from ops.store_probes where run_key = %s order by probed_at desc limit 1", (run_key,))
    probed = cursor.fetchone()
    return UploadTotals(items, still_open, stored_bytes, flagged, outcomes, store=probed[0] if probed else {})


def stored_keys(cursor: Cursor, run_key: str, limit: int) -> list[str]:
    """Keys of the pictures that the run stored, in the manifest's order."""
    cursor.execute(STORED_KEYS, (run_key, limit))
    return [key for (key,) in cursor.fetchall()]


def _number(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row, "an aggregate or an existing row gives one row"
    return int(row[0])
