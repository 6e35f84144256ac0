"""What the tables say of a run, for the report, the summary and the status verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luigi_tasks.gateways import selects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

MOST_DETAILS = 10_000


def modelled(cursor: Cursor) -> bool:
    """True when dbt has built the audit view at least once."""
    return selects.exists(cursor, "draenei_content.run_audit")


def run_row(cursor: Cursor, run_key: str) -> dict[str, Any] | None:
    """The run's row of ops.runs, None for a run that never was."""
    return selects.first(cursor, "select * from ops.runs where run_key = %s", (run_key,))


def last_run_key(cursor: Cursor) -> str | None:
    """The run that started last, None before the first."""
    row = selects.first(cursor, "select run_key from ops.runs order by started_at desc limit 1")
    return row["run_key"] if row else None


def audit_row(cursor: Cursor, run_key: str) -> dict[str, Any] | None:
    """The run's row of draenei_content.run_audit."""
    return selects.first(cursor, "select * from draenei_content.run_audit where run_key = %s", (run_key,))


def recent_audit_rows(cursor: Cursor, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first."""
    return selects.rows(cursor, "select * from draenei_content.run_audit order by started_at desc limit %s", (limit,))


def latest_runs(cursor: Cursor) -> dict[str, dict[str, Any]]:
    """{source: its latest run's run_id and state, how many runs it had and how many succeeded}."""
    rows = selects.rows(
        cursor,
        "select distinct on (source) source, run_id, state, count(*) over source as runs,"
        " count(*) filter (where state in ('succeeded', 'replayed')) over source as succeeded"
        " from ops.runs window source as (partition by source) order by source, started_at desc",
    )
    return {row["source"]: row for row in rows}


def has_pictures(cursor: Cursor) -> bool:
    """True when dbt has built the wallpapers at least once."""
    return selects.exists(cursor, "draenei_content.pending_uploads")


def backlog(cursor: Cursor) -> dict[str, int]:
    """What is due now: uploads (pictures), bytes of them by their records, details.

    details is counted up to MOST_DETAILS: they are fetched by the thousand a day, and there may be millions. Who may be
    gone is not counted: that is found out by asking about each.
    """
    if not has_pictures(cursor):
        return {"uploads": 0, "bytes": 0, "details": 0}
    row = selects.first(
        cursor,
        "select count(*) as uploads, coalesce(sum(file_size), 0)::bigint as bytes,"
        " (select count(*) from ("
        "   select from draenei_content.pending_details where reason = 'details' limit %s"
        " ) as first) as details"
        " from draenei_content.pending_uploads",
        (MOST_DETAILS,),
    )
    assert row is not None
    return row


def upload_statuses(cursor: Cursor) -> dict[str, int]:
    """How many wallpapers have which upload_status, as `wallpapers` and its triggers keep it."""
    if not has_pictures(cursor):
        return {}
    rows = selects.rows(cursor, "select * from ops.upload_statuses where number > 0 order by number desc")
    return {row["upload_status"]: row["number"] for row in rows}


def details_in_words(number: int) -> str:
    """What backlog() counted."""
    return f"{number} or more" if number == MOST_DETAILS else str(number)


def step_results(cursor: Cursor, run_key: str) -> dict[str, dict[str, Any]]:
    """What each complete step of a run reported."""
    rows = selects.rows(cursor, "select step, result from ops.steps where run_key = %s", (run_key,))
    return {row["step"]: row["result"] for row in rows}
