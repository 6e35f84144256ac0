"""What the pages about runs read: of one run by its key, of the last runs by an index; never the whole ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

EXAMPLES = 3

STEPS = """
select step, started_at, finished_at, extract(epoch from finished_at - started_at)::double precision as seconds, result
from ops.steps where run_key = %(run)s order by started_at, finished_at
"""

ANSWERS = """
select entity, status, count(*) as answers, sum(body_bytes)::bigint as bytes,
       min(fetched_at) as first_at, max(fetched_at) as last_at
from ops.pages where run_key = %(run)s group by entity, status order by entity, status
"""

# Those too that never became a page: throttled, unreachable …
OUTCOMES = "select outcome, requests from ops.requests where run_key = %(run)s order by requests desc, outcome"

# In any 60 s, as the budget counts; its minutes are the calendar's, for a chart.
PEAK = """
select coalesce(max(within), 0) as peak from (
    select count(*) over (order by fetched_at range between interval '1 minute' preceding and current row) as within
    from ops.pages where run_key = %(run)s
) as windows
"""
MINUTES = """
with asked as (
    select date_trunc('minute', fetched_at) as minute, count(*) as answers
    from ops.pages where run_key = %(run)s group by 1
),
ends as (select max(minute) as last, greatest(min(minute), max(minute) - interval '2 hours') as first from asked)
select m.minute, coalesce(a.answers, 0) as answers
from ends cross join generate_series(ends.first, ends.last, interval '1 minute') as m (minute)
left join asked a using (minute)
order by m.minute
"""

PICTURES = """
select count(distinct wallhaven_id) as tried,
       count(distinct wallhaven_id)
           filter (where outcome in ('stored', 'corrupt', 'unstored', 'conflict')) as downloaded,
       count(distinct wallhaven_id) filter (where outcome = 'stored') as stored,
       count(*) as attempts,
       count(*) filter (where flags <> '{}') as flagged
from ops.uploads where run_key = %(run)s
"""

# Files of archives: brought by the run, whole out of the zip, kept.
FILES = """
select count(*) as brought, count(*) filter (where outcome in ('stored', 'conflict')) as unpacked,
       count(*) filter (where outcome = 'stored') as stored
from (
    select outcome from ops.archive_entries where run_key = %(run)s
    union all
    select 'stored' from ops.archive_versions where run_key = %(run)s
) as files
"""

# Attempts at pictures, and the files of an archive that were not kept or are no picture.
FAILURES = """
with failed as (
    select outcome, reason, wallhaven_id as name, upload_id as number, http_status
    from ops.uploads where run_key = %(run)s and outcome <> 'stored'
    union all
    select outcome, reason, name, 0, null from ops.archive_entries where run_key = %(run)s and outcome <> 'stored'
    union all
    select m.status, m.reason, e.name, 0, null
    from ops.archive_entries e join ops.image_metadata m using (sha256)
    where e.run_key = %(run)s and e.outcome = 'stored' and m.status = 'unreadable'
)
select outcome, reason, count(*) as attempts,
       (array_agg(name order by number, name))[1:%(examples)s] as examples,
       (array_agg(distinct http_status) filter (where http_status is not null))[1:%(examples)s] as statuses
from failed
group by outcome, reason order by attempts desc, outcome, reason limit 50
"""

LOADS = """
select entity, sum(received)::bigint as received, sum(loaded)::bigint as loaded, sum(duplicate)::bigint as duplicate,
       sum(quarantined)::bigint as quarantined
from ops.pages p join ops.loads l using (page_id, entity) where p.run_key = %(run)s group by entity order by entity
"""

# Which field and why, never the record: it may be about a person who asks to be forgotten later.
QUARANTINED = """
select q.entity, coalesce(v.value ->> 'path', '') as path, min(left(v.value ->> 'message', 300)) as message,
       count(distinct q.quarantine_id) as records,
       count(distinct q.quarantine_id) filter (where q.state = 'open') as still_open,
       (array_agg(distinct q.quarantine_id))[1:%(examples)s] as examples
from ops.batches b
join ops.quarantine q using (batch_id)
left join lateral jsonb_array_elements(q.violations) as v (value) on true
where b.run_key = %(run)s
group by 1, 2 order by records desc, 1, 2 limit 50
"""

# Of a step that was tried again, the last build.
NODES = """
select step, unique_id, resource_type, status, execution_seconds, failures, message
from ops.dbt_nodes
where
    run_key = %(run)s
    and (step, invocation_id) in (
        select distinct on (b.step) b.step, b.invocation_id from ops.dbt_nodes b
        where b.run_key = %(run)s order by b.step, b.finished_at desc
    )
order by execution_seconds desc, unique_id
"""

FRESHNESS = """
select
    (select e.finished_at from ops.runs e
     where e.source = r.source and e.state = 'succeeded' and e.finished_at <= r.started_at
     order by e.finished_at desc limit 1) as success_before,
    (select max(p.fetched_at) from ops.pages p where p.run_key = r.run_key) as last_answer
from ops.runs r where r.run_key = %(run)s
"""

SWEEPS = """
with query as (select query_key from ops.runs where run_key = %(run)s)
select s.rotation, count(*) as slices, sum(s.reads)::bigint as reads,
       max(s.last_read_at) filter (where s.to_end) as completed_at
from ops.sweep_slices s join query using (query_key)
where s.rotation > (select max(n.rotation) - 3 from ops.sweep_slices n join query using (query_key))
group by s.rotation order by s.rotation desc
"""

PARTS = {
    "steps": STEPS,
    "answers": ANSWERS,
    "outcomes": OUTCOMES,
    "minutes": MINUTES,
    "loads": LOADS,
    "failures": FAILURES,
    "quarantine": QUARANTINED,
    "nodes": NODES,
    "sweeps": SWEEPS,
}
SINGLES = {"requests": PEAK, "pictures": PICTURES, "files": FILES, "freshness": FRESHNESS}

# Of each source its own last runs: one with a run a minute does not push the others out.
LAST_RUNS = """
from unnest(%(sources)s::text[]) as s (source),
    lateral (select * from ops.runs o where o.source = s.source order by o.started_at desc limit %(limit)s) as r
left join ops.run_reports w on w.run_key = r.run_key
"""

LAST = f"""
select r.run_key, r.run_id, r.source, r.query, r.state, r.error, r.started_at, r.finished_at,
       extract(epoch from r.finished_at - r.started_at)::double precision as duration_seconds, w.figures
{LAST_RUNS}
order by r.started_at desc, r.run_key
"""  # noqa: S608 - constants

UNTOLD = f"""
select r.run_key
{LAST_RUNS}
where r.state <> 'running' and (w.run_key is null or (w.state, w.finished_at) is distinct from (r.state, r.finished_at))
order by r.started_at desc limit %(most)s
"""  # noqa: S608 - constants

TOTALS = """
select series, value from ops.metric_totals where series ~ '^."draenei_(records|uploads|stored_bytes)_total"'
"""


def of_run(cursor: Cursor, run_key: str) -> dict[str, Any]:
    """Everything that a report shows beside the summary's facts: lists under PARTS' names, one row under SINGLES'."""
    given = {"run": run_key, "examples": EXAMPLES}
    found: dict[str, Any] = {name: selects.rows(cursor, sql, given) for name, sql in PARTS.items()}
    for name, sql in SINGLES.items():
        found[name] = (selects.rows(cursor, sql, given) or [{}])[0]
    return found


def keep(cursor: Cursor, run_key: str, figures: Mapping[str, object]) -> None:
    """Keep what the overview tells of a run, in place of what was kept before."""
    cursor.execute(
        "insert into ops.run_reports (run_key, state, finished_at, figures)"
        " select run_key, state, finished_at, %s from ops.runs where run_key = %s"
        " on conflict (run_key) do update set state = excluded.state, finished_at = excluded.finished_at,"
        " figures = excluded.figures, written_at = excluded.written_at",
        (json.dumps(figures, default=str), run_key),
    )


def kept(cursor: Cursor, run_key: str) -> dict[str, Any]:
    """What was kept of a run when its report was written before; empty when it never was."""
    found = selects.rows(cursor, "select figures from ops.run_reports where run_key = %(run)s", {"run": run_key})
    return dict(found[0]["figures"]) if found else {}


def last_runs(cursor: Cursor, sources: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """The latest runs of each source, newest first, each with the figures that were kept, None when none were."""
    return selects.rows(cursor, LAST, {"sources": list(sources), "limit": limit})


def untold(cursor: Cursor, sources: Sequence[str], limit: int, most: int) -> list[str]:
    """Of the latest runs the keys of those that ended since their report was written, or without one."""
    given = {"sources": list(sources), "limit": limit, "most": most}
    return [row["run_key"] for row in selects.rows(cursor, UNTOLD, given)]


def totals(cursor: Cursor) -> dict[str, dict[str, float]]:
    """By source, over all runs: records (loaded), pictures (stored), bytes (of these)."""
    found: dict[str, dict[str, float]] = {}
    names = {("draenei_records_total", "loaded"): "records", ("draenei_uploads_total", "stored"): "pictures"}
    for row in selects.rows(cursor, TOTALS, {}):
        name, labels = json.loads(row["series"])
        kind = "bytes" if "bytes" in name else names.get((name, labels.get("result") or labels.get("outcome")))
        if kind:
            sums = found.setdefault(labels["source"], {})
            sums[kind] = sums.get(kind, 0) + row["value"]
    return found
