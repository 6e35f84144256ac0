"""Model: dbt build, one at a time, its nodes kept in ops.dbt_nodes."""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.dbt_graph import Watcher
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import (
    build_ledger,
    dbt_artifacts,
    dbt_ledger,
    dbt_login,
    dbt_profile,
    dbt_project,
    emptied_queues,
    postgres,
    table_statistics,
    warehouse_roles,
)
from luigi_tasks.gateways.build_ledger import Asked, Build, Reads
from luigi_tasks.gateways.dbt import PROJECT, Dbt
from luigi_tasks.gateways.dbt_artifacts import Kept
from luigi_tasks.gateways.dbt_events import told
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing, Personal, Source

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# What repeats what was known is still a sighting: last_seen_at and the like lag by so much, and by one run, at most.
# Less than a day, so that a source that is collected daily builds daily.
OLDEST = datetime.timedelta(hours=20)


def selection(source: str) -> tuple[str, ...]:
    """What dbt builds for a run of a source: its own models and tests, and the audit of the runs.

    Folders of the source's name hold them; Wallhaven's stand beside those folders. A model of another source that
    fails holds nobody up.
    """
    if source == "wallhaven":
        return (
            *("path:models/*/*.sql", "path:models/*/wallhaven", "path:models/*/duplicates"),
            *("path:seeds", "path:tests/*.sql"),
        )
    verdicts = ("path:seeds",) if isinstance(CATALOGUE.get(source), Archived) else ()
    return (f"path:models/*/{source}", f"path:tests/{source}", *verdicts, "run_audit")


@dataclass(frozen=True)
class Wanted:
    """What a build is of. reads: what its models read, None when it is to be built whatever is new."""

    select: tuple[str, ...] = ()
    from_the_start: bool = False
    reads: Reads | None = None


def build(
    settings: Settings,
    run_key: str,
    step: str,
    progress: Progress,
    select: Sequence[str] = (),
    watchers: Sequence[Watcher] = (),
    *,
    from_the_start: bool = False,
) -> dict[str, object]:
    """Build the selection, of everything when it is empty. Returns how many nodes ended in which status.

    from_the_start: incremental models are emptied and filled from all that was loaded. A step that failed goes on
    where it failed. watchers are told of every node while dbt builds.

    Raises ModelError naming the node that failed; its history is kept all the same.
    """
    return _build(settings, run_key, step, progress, Wanted(tuple(select), from_the_start), watchers)


def build_what_is_new(
    settings: Settings, run_key: str, step: str, progress: Progress, source: str, watchers: Sequence[Watcher] = ()
) -> dict[str, object]:
    """Build what a run of a source builds, unless the last such build found all that is there.

    Then it is left out, which DBT_SKIP_UNCHANGED may forbid: {"skipped": 1, "build": the number of that one}.
    """
    wanted = Wanted(selection(source), reads=_reads(CATALOGUE[source]))
    return _build(settings, run_key, step, progress, wanted, watchers)


def _build(
    settings: Settings, run_key: str, step: str, progress: Progress, wanted: Wanted, watchers: Sequence[Watcher]
) -> dict[str, object]:
    folder = settings.draenei_home / "dbt"
    limits = _limits(settings) | ({"DBT_FULL_REFRESH": "true"} if wanted.from_the_start else {})
    variables = postgres.address(settings) | limits
    project = dbt_project.digest(PROJECT, dbt_profile.write_profile(folder, None))
    kept = Kept(folder / "runs", run_key, step)
    asked = {"select": list(wanted.select), **variables}
    to_build = Asked(wanted.select, dbt_artifacts.digest({**limits, "select": wanted.select, "project": project}))
    with _alone(settings, progress):
        with postgres.transaction(settings) as cursor:
            if done := _done_before(cursor, settings, to_build, wanted.reads):
                note = f"nothing to build since build {done.number} ({done.settled_at:%Y-%m-%d %H:%M} UTC)"
                progress.update(1, 1, note=note)
                return {"skipped": 1, "build": done.number}
            crash_point("model.begin.before")
            number = build_ledger.begin(cursor, to_build, wanted.reads)
        crash_point("model.begin.after")
        with postgres.transaction(settings, as_owner=True) as cursor:
            resume = kept.resume(asked, dbt_artifacts.counters(cursor), dbt_artifacts.last_build(cursor))
            crash_point("model.role.before")
            variables["DRAENEI_DBT_ROLE"] = warehouse_roles.hand_over(cursor) or ""
            crash_point("model.role.after")
        # Not with the grants: autovacuum, at work on a table, waits for these to be over, and an analyze waits for it.
        with postgres.transaction(settings, as_owner=True) as cursor:
            table_statistics.analyze_changed(cursor)
        variables |= dbt_login.address(settings)
        crash_point("model.dbt.before")
        with told(watchers) as tell:
            result = Dbt(variables, folder, observe=tell).build(progress, wanted.select, resume=resume)
        crash_point("model.dbt.after")
        with postgres.transaction(settings) as cursor:
            kept.keep(folder / "target", result, asked, dbt_artifacts.counters(cursor))
            # What a resumed build leaves out was built by one that failed: nothing says yet that it is well.
            well = result.is_good and resume is None
            build_ledger.end(cursor, number, result.invocation_id, result.relations, well=well)
        with postgres.transaction(settings, as_owner=True) as cursor:
            table_statistics.analyze_changed(cursor)
        emptied_queues.vacuum(settings)
        kept.sweep(settings.dbt_runs_kept)
    with postgres.transaction(settings) as cursor:
        crash_point("model.ledger.before")
        dbt_ledger.keep_nodes(cursor, run_key, step, result)
    crash_point("model.ledger.after")
    result.raise_when_failed()
    progress.update(len(result.nodes), len(result.nodes), note="every test passed")
    return dict(Counter(node.status for node in result.nodes))


def _done_before(cursor: Cursor, settings: Settings, to_build: Asked, reads: Reads | None) -> Build | None:
    """The build that stands for this one too."""
    if reads is None or not settings.dbt_skip_unchanged:
        return None
    return build_ledger.unchanged_since(cursor, to_build, reads, OLDEST)


def _limits(settings: Settings) -> dict[str, str]:
    """What the models read of the settings."""
    return {
        "UPLOAD_MAX_ATTEMPTS": str(settings.upload_max_attempts),
        "QUARANTINE_MAX_SHARE": str(settings.quarantine_max_share),
        "GONE_CONFIRMATIONS": str(settings.gone_confirmations),
        "GONE_SPACING_HOURS": str(settings.gone_spacing_hours),
    }


def _reads(source: Source) -> Reads:
    return Reads(
        source.NAME,
        tuple(entity.table for entity in source.ENTITIES.values()),
        pictures=isinstance(source, Listing),
        people=isinstance(source, Personal),
        archive=isinstance(source, Archived),
    )


@contextlib.contextmanager
def _alone(settings: Settings, progress: Progress) -> Iterator[None]:
    connection = postgres.connect(settings, "draenei-collector dbt lock")
    try:
        with connection, connection.cursor() as cursor:
            progress.update(0, 0, note="waiting for another dbt build to end")
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('draenei-collector dbt', 0))")
            progress.update(0, 0, note="dbt starts")
            yield
    finally:
        connection.close()
