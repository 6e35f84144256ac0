"""ops.loads.repeats: loads that say of no record anything else than what was known last; nothing is built for them.

A load repeats when the load before it of the same page of the same query had the same bytes, and nothing that came
since says otherwise of any of its records. What came since and repeats itself changed nothing, so only the others are
looked at. Records that a source gives whole (a file, a resource) stand for all there is: any other load in between
counts, and a file that is of an earlier time than the one before it is news: versions are ordered by that. Of a listing
only the listing itself can repeat, in a run that saw nothing come or go as far as that is known when it loads: a detail
was asked for because something was to be known of its record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# A build is due after less than a day in any case: what is further back is not searched for.
MARK = """
update ops.loads as own set repeats = true
from ops.runs as run
where
    own.batch_id = %(batch_id)s and own.run_key = run.run_key and own.loaded = 0 and own.quarantined = 0
    and not exists (select from ops.listing_changes as came_or_left where came_or_left.run_key = own.run_key)
    and exists (
        select from (
            select before.body_sha256, before.fetched_at
            from ops.loads as before inner join ops.runs as its on before.run_key = its.run_key
            where
                before.source = own.source and before.entity = own.entity and before.page_name = own.page_name
                and its.query_key = run.query_key and before.run_key <> own.run_key
                and before.fetched_at between own.fetched_at - interval '1 day' and own.fetched_at
                and (%(listed)s or its.run_id < run.run_id)
            order by before.fetched_at desc
            limit 1
        ) as last
        where
            last.body_sha256 = own.body_sha256
            and not exists (
                select from ops.loads as since
                where
                    since.source = own.source and since.entity = any(%(entities)s)
                    and (%(listed)s or since.entity = own.entity)
                    and since.fetched_at >= last.fetched_at and not since.repeats
                    and since.body_sha256 <> own.body_sha256
                    and (not %(listed)s or exists ({contradictions}))
            )
    )
"""
CONTRADICTIONS = """
select from {ours} as ours inner join {theirs} as theirs on ours.record_id = theirs.record_id
where
    ours.body_sha256 = own.body_sha256 and theirs.body_sha256 = since.body_sha256 and since.entity = '{entity}'
    and (
        since.entity = own.entity and ours.payload <> theirs.payload
        or exists (
            select from jsonb_each(ours.payload) as said
            where theirs.payload ? said.key and theirs.payload -> said.key <> said.value
        )
    )
"""


def mark(cursor: Cursor, batch_id: int, table: str, tables: Mapping[str, str], *, listed: bool) -> int:
    """Mark those loads of a batch that repeat; how many these are.

    table: the raw table of the batch's entity; tables: those of all entities of its source, by entity. listed: the
    source is a listing, whose entities all speak of the same records; else each entity is whole by itself.
    """
    # The tables' names come from the catalogue of sources.
    contradictions = " union all ".join(
        CONTRADICTIONS.format(ours=table, theirs=theirs, entity=entity) for entity, theirs in tables.items()
    )
    arguments = {"batch_id": batch_id, "entities": list(tables), "listed": listed}
    cursor.execute(MARK.format(contradictions=contradictions), arguments)
    return cursor.rowcount
