"""Invariants of runs and processes: order, overlap, exit codes, the request budget, and that doing it again is idle."""

from __future__ import annotations

import bisect

from tests.prove.registry import always, at_rest, holds
from tests.prove.world import Moment

WINDOW_SECONDS = 60.0
REQUIRES = {
    "Load": ("Fetch",),
    "Model": ("Load",),
    "Freeze": ("Model",),
    "Publish": ("Freeze",),
    "FetchDetails": ("Model",),
    "LoadDetails": ("FetchDetails",),
    "Remodel": ("Publish", "LoadDetails"),
    "Report": ("Publish", "LoadDetails"),
}

holds(
    "migrated_whole",
    "a migration is applied with its row in the ledger, or not at all",
    """
    select format('%s.%s without a migration', schemaname, tablename) from pg_tables
    where schemaname in ('raw', 'ops') and to_regclass('ops.migrations') is null
    """,
)
holds(
    "one_run_at_a_time",
    "at most one run of a source is open, and steps of two runs never overlap",
    """
    select format('%s: %s runs are open', source, count(*)) from ops.runs where state = 'running'
    group by source having count(*) > 1
    union all
    select format('%s of %s beside %s of %s', a.step, a.run_key, b.step, b.run_key)
    from ops.steps as a join ops.steps as b on a.run_key < b.run_key
    where a.started_at < b.finished_at and b.started_at < a.finished_at
    """,
)
holds(
    "a_run_that_succeeded_is_whole",
    "a run is settled as succeeded only when its report is complete, and is finished when it is not running",
    """
    select format('%s: %s without a report', run_key, state) from ops.runs as r
    where state = 'succeeded' and not exists (
        select from ops.steps as s where s.run_key = r.run_key and s.step = 'Report')
    union all
    select format('%s: %s, finished at %s', run_key, state, finished_at) from ops.runs
    where (state = 'running') <> (finished_at is null)
    """,
)
holds(
    "every_run_is_audited",
    "run_audit has one row for every run, whatever became of it",
    """
    select format('%s: %s rows', r.run_key, count(a.run_key)) from ops.runs as r
    left join draenei_content.run_audit as a using (run_key) group by r.run_key having count(a.run_key) <> 1
    """,
    needs=("draenei_content.run_audit",),
)
holds(
    "no_run_is_open",
    "no run says that it is running",
    "select run_key from ops.runs where state = 'running'",
    rest=True,
)
holds(
    "no_intent_is_open",
    "no intent is left but that of a picture whose key holds other bytes, which waits for a person",
    """
    select format('%s in %s', wallhaven_id, run_key) from ops.upload_intents as i where not exists (
        select from ops.uploads as u
        where u.wallhaven_id = i.wallhaven_id and u.fence = i.fence and u.outcome = 'conflict')
    """,
    rest=True,
)
holds(
    "no_claim_is_open",
    "no claim is left",
    "select format('%s in %s', wallhaven_id, run_key) from ops.upload_claims",
    rest=True,
)
holds(
    "nobody_is_left",
    "no session of a process that has ended holds a lock or a transaction",
    """
    select format('%s: %s, %s', application_name, state, left(query, 60)) from pg_stat_activity as a
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    and (state <> 'idle' or exists (select from pg_locks as l where l.pid = a.pid and l.locktype = 'advisory'))
    """,
    rest=True,
)


@always("a step is complete only when those are that it requires")
def steps_in_order(moment: Moment) -> list[str]:
    done = set(moment.rows("select run_key, step from ops.steps"))
    return [
        f"{run_key}: {step} without {required}"
        for run_key, step in sorted(done)
        for required in REQUIRES.get(step, ())
        if (run_key, required) not in done
    ]


@always("a process ends with 0 only when what was asked for is complete")
def zero_means_complete(moment: Moment) -> list[str]:
    done = set(moment.rows("select run_key, step from ops.steps"))
    zero = [ended for ended in moment.world.ended if ended.exit_code == 0 and ended.step]
    return [f"{ended.run_key}: 0 without {ended.step}" for ended in zero if (ended.run_key, ended.step) not in done]


@always("never more requests than the budget in any 60 s, and none that it did not grant")
def budget_is_kept(moment: Moment) -> list[str]:
    world = moment.world
    if not world.twin or world.per_minute is None:
        return []
    calls = sorted(call.at for call in world.twin.api_calls())
    most = max(
        (number + 1 - bisect.bisect_left(calls, at - WINDOW_SECONDS) for number, at in enumerate(calls)), default=0
    )
    late = sum(at > calls[-1] - WINDOW_SECONDS for at in calls)
    ((granted,),) = moment.rows("select coalesce(sum(cardinality(grants)), 0) from ops.request_budget")
    over = [f"{most} requests in 60 s, {world.per_minute} are allowed"] if most > world.per_minute else []
    return over + ([f"{late} requests, {granted} were granted"] if late > granted else [])


@at_rest("the same command again, with nothing new at the source, changes nothing")
def again_changes_nothing(moment: Moment) -> list[str]:
    return [words for pair in moment.world.reruns for words in _differences(*pair)]


@at_rest("models built step by step are those of a full refresh")
def incremental_is_full(moment: Moment) -> list[str]:
    return [words for pair in moment.world.refreshes for words in _differences(*pair)]


@at_rest("a replay of the raw zone gives the same tables")
def replay_is_live(moment: Moment) -> list[str]:
    return [words for pair in moment.world.replays for words in _differences(*pair)]


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [
        f"{name}: not the same" for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)
    ]
