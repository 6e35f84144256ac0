"""Model: dbt build, one at a time, its nodes kept in ops.dbt_nodes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from luigi_tasks.domain.dbt_graph import Watcher
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import (
    dbt_artifacts,
    dbt_ledger,
    dbt_login,
    dbt_profile,
    postgres,
    table_statistics,
    warehouse_roles,
)
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_artifacts import Kept
from luigi_tasks.gateways.dbt_events import told
from luigi_tasks.settings import Settings


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
    return (f"path:models/*/{source}", f"path:tests/{source}", "run_audit")


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
    folder = settings.draenei_home / "dbt"
    dbt_profile.write_profile(folder, None)
    variables = {**postgres.address(settings), "UPLOAD_MAX_ATTEMPTS": str(settings.upload_max_attempts)}
    variables |= {
        "GONE_CONFIRMATIONS": str(settings.gone_confirmations),
        "GONE_SPACING_HOURS": str(settings.gone_spacing_hours),
    }
    if from_the_start:
        variables["DBT_FULL_REFRESH"] = "true"
    kept = Kept(folder / "runs", run_key, step)
    asked = {"select": list(select), **variables}
    with _alone(settings, progress):
        with postgres.transaction(settings) as cursor:
            resume = kept.resume(asked, dbt_artifacts.counters(cursor), dbt_artifacts.last_build(cursor))
            crash_point("model.role.before")
            variables["DRAENEI_DBT_ROLE"] = warehouse_roles.hand_over(cursor) or ""
            crash_point("model.role.after")
            table_statistics.analyze_changed(cursor)
        variables |= dbt_login.address(settings)
        crash_point("model.dbt.before")
        with told(watchers) as tell:
            result = Dbt(variables, folder, observe=tell).build(progress, select, resume=resume)
        crash_point("model.dbt.after")
        with postgres.transaction(settings) as cursor:
            kept.keep(folder / "target", result, asked, dbt_artifacts.counters(cursor))
            table_statistics.analyze_changed(cursor)
        kept.sweep(settings.dbt_runs_kept)
    with postgres.transaction(settings) as cursor:
        crash_point("model.ledger.before")
        dbt_ledger.keep_nodes(cursor, run_key, step, result)
    crash_point("model.ledger.after")
    result.raise_when_failed()
    progress.update(len(result.nodes), len(result.nodes), note="every test passed")
    return dict(Counter(node.status for node in result.nodes))


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
