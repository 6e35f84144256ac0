"""The numbers behind the metrics: what one run added, the totals over all runs, and how things stand now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

FILLED_MINUTES = 720  # how far back deploy/crontab fills what a source with a run a minute has missed
SECONDS = (1, 5, 15, 60, 300, 900, 3600, 14400, float("inf"))

CONTRIBUTION = """
with run as (select * from ops.runs where run_key = %(run)s),
pages as (select p.* from ops.pages p where p.run_key = %(run)s),
steps as (select s.step, extract(epoch from s.finished_at - s.started_at)::double precision as seconds
          from ops.steps s where s.run_key = %(run)s),
said (name, labels, value) as (
    select 'draenei_pages_total', jsonb_build_object('entity', entity, 'status', status::text), count(*)
    from pages group by entity, status
    union all
    select 'draenei_requests_total', jsonb_build_object('outcome', outcome), requests
    from ops.requests where run_key = %(run)s
    union all
    select 'draenei_records_total', jsonb_build_object('entity', l.entity, 'result', counted.result), sum(counted.n)
    from pages p join ops.loads l using (page_id), lateral (values
        ('loaded', l.loaded), ('duplicate', l.duplicate), ('quarantined', l.quarantined)) as counted (result, n)
    group by l.entity, counted.result
    union all
    select 'draenei_uploads_total', jsonb_build_object('outcome', outcome), count(*)
    from ops.uploads where run_key = %(run)s group by outcome
    union all
    select 'draenei_stored_bytes_total', '{}', coalesce(sum(bytes), 0) from (
        select bytes from ops.uploads where run_key = %(run)s and outcome = 'stored'
        union all
        select bytes from ops.archive_entries where run_key = %(run)s and outcome = 'stored'
        union all
        select bytes from ops.archive_versions where run_key = %(run)s
    ) as stored
    union all
    select 'draenei_step_seconds_bucket', jsonb_build_object('step', step, 'le', le::text),
           count(*) filter (where seconds <= le)
    from steps, unnest(%(bounds)s::double precision[]) as le group by step, le
    union all
    select 'draenei_step_seconds_sum', jsonb_build_object('step', step), sum(seconds) from steps group by step
    union all
    select 'draenei_dbt_nodes_total', jsonb_build_object('type', resource_type, 'status', status), count(*)
    from ops.dbt_nodes where run_key = %(run)s group by resource_type, status
    union all
    select 'draenei_dbt_seconds_total', jsonb_build_object('type', resource_type), sum(execution_seconds)
    from ops.dbt_nodes where run_key = %(run)s group by resource_type
)
select said.name, said.labels || jsonb_build_object('source', run.source), said.value::double precision from said, run
"""

# Of sources with a run a minute: minutes before the one in which the last run ended that no run has. Those that are too
# old for the crontab's line to fill, or older than the first run, are not missing.
MISSING_MINUTES = """
with until as (
    select s.source, date_trunc('minute', last.finished_at at time zone 'UTC') as minute
    from unnest(%(minutely)s) as s (source),
        lateral (
            select finished_at from ops.runs r
            where r.source = s.source and finished_at is not null order by finished_at desc limit 1
        ) as last
),
spans as (
    select source, minute, minute - make_interval(mins => %(filled)s) as oldest from until
),
collected as (
    select distinct s.source, r.run_id::timestamp as minute
    from spans s join ops.runs r on r.source = s.source
        and r.started_at >= s.oldest at time zone 'UTC' and r.state in ('succeeded', 'replayed')
),
first as (
    select s.source, s.minute, case
        when exists (
            select from ops.runs r where r.source = s.source and r.finished_at < s.oldest at time zone 'UTC'
        ) then s.oldest
        else greatest(s.oldest, (select min(c.minute) from collected c where c.source = s.source))
    end as minute_one
    from spans s
)
select f.source, (
    select count(*)
    from generate_series(f.minute_one, f.minute - interval '1 minute', interval '1 minute') as m (minute)
    where not exists (select from collected c where c.source = f.source and c.minute = m.minute)
) from first f
"""

GAUGES = {
    "draenei_last_success_timestamp_seconds": (
        "select s.source, extract(epoch from last.finished_at) from unnest(%(sources)s) as s (source), lateral"
        " (select finished_at from ops.runs r where r.source = s.source and state = 'succeeded'"
        "  and finished_at is not null order by finished_at desc limit 1) as last"
    ),
    "draenei_last_run_timestamp_seconds": (
        "select s.source, extract(epoch from last.finished_at) from unnest(%(sources)s) as s (source), lateral"
        " (select finished_at from ops.runs r where r.source = s.source and finished_at is not null"
        "  order by finished_at desc limit 1) as last"
    ),
    "draenei_last_run_failed": (
        "select s.source, (last.state <> 'succeeded')::int from unnest(%(sources)s) as s (source), lateral"
        " (select state from ops.runs r where r.source = s.source and finished_at is not null"
        "  order by finished_at desc limit 1) as last"
    ),
    "draenei_lost_pictures": (
        "select 'wallhaven', count(*) from ops.uploads u where lost_at is not null"
        " and not exists (select from ops.uploads n"
        "  where n.wallhaven_id = u.wallhaven_id and n.outcome = 'stored' and n.lost_at is null)"
        " and not exists (select from ops.tombstones t"
        "  where t.lifted_at is null and (t.wallhaven_id = u.wallhaven_id or t.sha256 = u.sha256))"
    ),
    "draenei_missing_minutes": MISSING_MINUTES,
    "draenei_quarantine_open": (
        "select s.source, (select count(*) from ops.quarantine q where q.source = s.source and q.state = 'open')"
        " from unnest(%(sources)s) as s (source)"
    ),
    "draenei_requests_in_last_minute": (
        "select source, (select count(*) from unnest(grants) as g where g > clock_timestamp() - interval '1 minute')"
        " from ops.request_budget"
    ),
}


def add_run(cursor: Cursor, run_key: str, state: str) -> None:
    """Add to the totals what a run did since it was last added, and that it ended in this state."""
    now = {_key(name, labels): value for name, labels, value in _contribution(cursor, run_key)}
    cursor.execute("select contribution from ops.run_metrics where run_key = %s", (run_key,))
    row = cursor.fetchone()
    before: dict[str, float] = row[0] if row else {}
    added = {series: value - before.get(series, 0) for series, value in now.items() if value != before.get(series)}
    cursor.execute("select source from ops.runs where run_key = %s", (run_key,))
    for (source,) in cursor.fetchall():
        added[_key("draenei_run_ends_total", {"source": source, "state": state})] = 1
    cursor.execute(
        "insert into ops.metric_totals as t (series, value) select * from unnest(%s::text[], %s::double precision[])"
        " on conflict (series) do update set value = t.value + excluded.value",
        (sorted(added), [added[series] for series in sorted(added)]),
    )
    cursor.execute(
        "insert into ops.run_metrics (run_key, contribution) values (%s, %s)"
        " on conflict (run_key) do update set contribution = excluded.contribution",
        (run_key, json.dumps(now)),
    )


def totals(cursor: Cursor) -> list[tuple[str, dict[str, str], float]]:
    """Every counter: name, labels, value."""
    cursor.execute("select series, value from ops.metric_totals order by series")
    return [(*json.loads(series), value) for series, value in cursor.fetchall()]


def gauges(cursor: Cursor, sources: list[str], minutely: list[str]) -> list[tuple[str, dict[str, str], float]]:
    """How things stand now, by source; minutely: those that have a run a minute."""
    given = {"sources": sources, "minutely": minutely, "filled": FILLED_MINUTES}
    found = []
    for name, sql in GAUGES.items():
        cursor.execute(sql, given)
        found += [(name, {"source": source}, float(value)) for source, value in cursor.fetchall()]
    return found


def _contribution(cursor: Cursor, run_key: str) -> list[tuple[str, dict[str, str], float]]:
    cursor.execute(CONTRIBUTION, {"run": run_key, "bounds": list(SECONDS)})
    return [(name, labels, value) for name, labels, value in cursor.fetchall()]


def _key(name: str, labels: Mapping[str, str]) -> str:
    return json.dumps([name, labels], sort_keys=True)
