"""ops.runs and ops.steps: which runs there were, and which of their steps are complete."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.run import Run

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


# What is known of a run when it begins; values() gives it in this order.
COLUMNS = "run_key, source, query_key, query, parameters, run_id, code_version, settings_sha256, source_address"
VALUES = ", ".join(["%s"] * 9)


@dataclass(frozen=True)
class Circumstances:
    """What a run was made with: version of the code, digest of the settings (secrets apart), the source's address."""

    code_version: str
    settings_sha256: str
    source_address: str


def values(run: Run, made_with: Circumstances) -> tuple[str, ...]:
    """The values of COLUMNS."""
    query = run.query
    asked = (query.source, query.key, query.text, json.dumps(dict(query.parameters)))
    made = (made_with.code_version, made_with.settings_sha256, made_with.source_address)
    return (run.key, *asked, run.run_id, *made)


def open_run(cursor: Cursor, run: Run, made_with: Circumstances, alive: Sequence[str] = ()) -> None:
    """Enter the run as running, anew when it was tried before; settles what killed runs of the source left open.

    Only the holder of the source's pipeline lock may call it: that nobody else runs is what makes 'killed' true.
    alive: keys of the runs that the caller itself has opened (a backfill has several).
    """
    cursor.execute(
        "update ops.runs r set finished_at = clock_timestamp(),"
        " state = case when done.it then 'succeeded' else 'killed' end,"
        " error = case when not done.it then 'the process ended without a word' end"
        " from (select run_key, exists ("
        "  select from ops.steps s where s.run_key = o.run_key and s.step = 'Report') as it from ops.runs o) as done"
        " where r.run_key = done.run_key and r.source = %s and r.state = 'running' and r.run_key <> all(%s)",
        (run.query.source, [run.key, *alive]),
    )
    cursor.execute(
        f"insert into ops.runs ({COLUMNS}, state) values ({VALUES}, 'running')"  # noqa: S608 - constants
        " on conflict (run_key) do update set state = 'running', error = null, finished_at = null,"
        " code_version = excluded.code_version, settings_sha256 = excluded.settings_sha256,"
        " source_address = excluded.source_address",
        values(run, made_with),
    )


def source_addresses(cursor: Cursor, source: str) -> list[str]:
    """Every address that runs of a source have asked."""
    cursor.execute("select distinct source_address from ops.runs where source = %s", (source,))
    return [row[0] for row in cursor.fetchall()]


def note_error(cursor: Cursor, run_key: str, error: str) -> None:
    """Keep the first error of a run; the run itself may still be busy with other steps."""
    cursor.execute("update ops.runs set error = coalesce(error, %s) where run_key = %s", (error, run_key))


def settle_run(cursor: Cursor, run_key: str) -> None:
    """Close a run: succeeded when its report is complete, else failed."""
    cursor.execute(
        "update ops.runs r set finished_at = clock_timestamp(),"
        " state = case when done.it then 'succeeded' else 'failed' end,"
        " error = case when not done.it then coalesce(error, 'it was stopped before it was complete') end"
        " from (select exists (select from ops.steps where run_key = %s and step = 'Report')) as done (it)"
        " where r.run_key = %s and r.state = 'running'",
        (run_key, run_key),
    )


def step_result(cursor: Cursor, run_key: str, step: str) -> dict[str, Any] | None:
    """What a complete step reported, None when it is not complete."""
    cursor.execute("select result from ops.steps where run_key = %s and step = %s", (run_key, step))
    row = cursor.fetchone()
    return row[0] if row else None


def complete_runs(cursor: Cursor, run_keys: Sequence[str]) -> set[str]:
    """Of some runs those that are complete: their report is."""
    cursor.execute("select run_key from ops.steps where run_key = any(%s) and step = 'Report'", (list(run_keys),))
    return {row[0] for row in cursor.fetchall()}


def complete_step(
    cursor: Cursor, run_key: str, step: str, started_at: datetime.datetime, result: Mapping[str, object]
) -> None:
    """Enter a step as complete; entering it twice keeps the first."""
    cursor.execute(
        "insert into ops.steps (run_key, step, started_at, result) values (%s, %s, %s, %s) on conflict do nothing",
        (run_key, step, started_at, json.dumps(result, default=str)),
    )
