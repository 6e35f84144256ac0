"""The ledger of uploads: the frozen manifest, the intent before a put, the outcome after it. SQL over one cursor each.

A cursor's transaction is the caller's; every function here is whole within one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luigi_tasks.domain.publishing import Claim, ClaimLost, Outcome, UploadOutcome, UploadTotals

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

OPEN = """
from ops.manifests as m
inner join ops.manifest_items as i on m.manifest_id = i.manifest_id
where
    m.run_key = %(run_key)s
    and not exists (
        select 1 from ops.uploads as u
        where
            u.wallhaven_id = i.wallhaven_id
            and (u.run_key = m.run_key or (u.outcome = 'stored' and u.lost_at is null))
    )
"""
COUNT_OPEN = "select count(*)" + OPEN

# Locks the claim until the transaction ends: whoever would take it over waits for us, or we find it taken.
HOLD = """
select 1 from ops.upload_claims
where wallhaven_id = %s and fence = %s and leased_until > clock_timestamp()
for update
"""

INTEND = """
insert into ops.upload_intents (wallhaven_id, run_key, s3_key, sha256) values (%s, %s, %s, %s)
on conflict (wallhaven_id) do update set
    run_key = excluded.run_key, s3_key = excluded.s3_key, sha256 = excluded.sha256, intended_at = clock_timestamp()
"""

REGISTER = """
insert into ops.uploads (
    run_key, wallhaven_id, attempt, outcome, reason, s3_key, sha256, bytes, content_type, width, height, flags,
    http_status, started_at
)
select
    %(run_key)s, %(wallhaven_id)s, coalesce(max(attempt), 0) + 1, %(outcome)s, %(reason)s, %(s3_key)s, %(sha256)s,
    %(bytes)s, %(content_type)s, %(width)s, %(height)s, %(flags)s, %(http_status)s,
    clock_timestamp() - make_interval(secs => %(seconds)s)
from ops.uploads
where wallhaven_id = %(wallhaven_id)s
having count(*) filter (where outcome = 'stored' and lost_at is null) = 0
"""

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

    limit: at most so many; None: all. A run that has a manifest keeps it as it is.
    """
    cursor.execute(NEW_MANIFEST, (run_key,))
    if row := cursor.fetchone():
        cursor.execute(FILL_MANIFEST, {"manifest_id": row[0], "limit": limit})
    cursor.execute("select items from ops.manifests where run_key = %s", (run_key,))
    return _number(cursor)


def intend(cursor: Cursor, run_key: str, claim: Claim, sha256: str) -> None:
    """Say which bytes are about to be put. Commit before the put: from then on the object has an owner.

    Raises ClaimLost.
    """
    _hold(cursor, claim)
    cursor.execute(INTEND, (claim.item.wallhaven_id, run_key, claim.item.s3_key, sha256))


def register(cursor: Cursor, run_key: str, claim: Claim, outcome: UploadOutcome) -> None:
    """Keep the outcome as the picture's next attempt and end the claim. Raises ClaimLost: then nothing changed.

    The intent ends with `stored` alone: after any other outcome an object of an earlier, killed attempt, or of a put
    whose reply was lost, may exist, and the intent is all that tells whose it is.
    """
    _hold(cursor, claim)
    row = {**vars(outcome), "run_key": run_key, "outcome": str(outcome.outcome), "flags": list(outcome.flags)}
    cursor.execute(REGISTER, row)
    if outcome.outcome is Outcome.STORED:
        cursor.execute("delete from ops.upload_intents where wallhaven_id = %s", (outcome.wallhaven_id,))
    cursor.execute("delete from ops.upload_claims where fence = %s", (claim.fence,))


def _hold(cursor: Cursor, claim: Claim) -> None:
    cursor.execute(HOLD, (claim.item.wallhaven_id, claim.fence))
    if cursor.fetchone() is None:
        raise ClaimLost(claim.item.wallhaven_id)


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
