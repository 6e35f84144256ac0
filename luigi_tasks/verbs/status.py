"""status: recent runs, the collection, what is pending."""

from __future__ import annotations

from typing import Any

import click

from luigi_tasks import settings
from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.domain.progress import human_bytes, human_seconds
from luigi_tasks.gateways import audit_ledger, embedded_postgres, postgres
from luigi_tasks.sources import CATALOGUE

HEAD = f"{'run':<52} {'state':<10} {'seen':>6} {'new':>6} {'stored':>6} {'failed':>6} {'bytes':>10} {'took':>8}"


@click.command(help="Recent runs, every source, the collection, what is pending. Starts nothing.")
@click.option("--runs", default=10, show_default=True, help="How many runs.")
def status(runs: int) -> None:
    """Print what the tables say."""
    own = settings.load()
    if own.embedded and embedded_postgres.status(own.draenei_home) is None:
        raise WarehouseError(
            "the embedded database is down", where=str(own.draenei_home), mend="Start it: python -m luigi_tasks up"
        )
    with postgres.transaction(own) as cursor:
        if not audit_ledger.modelled(cursor):
            click.echo("Nothing was collected yet. Start with: luigi --module luigi_tasks Collect")
            return
        rows = audit_ledger.recent_audit_rows(cursor, runs)
        statuses = audit_ledger.upload_statuses(cursor)
        backlog = audit_ledger.backlog(cursor)
        latest = audit_ledger.latest_runs(cursor)
    click.echo(HEAD)
    for row in rows:
        click.echo(_line(row))
    for source in CATALOGUE:
        click.echo(f"source      {source:<16}{_latest(latest.get(source))}")
    click.echo("collection  " + (", ".join(f"{name} {number}" for name, number in statuses.items()) or "empty"))
    details = audit_ledger.details_in_words(backlog["details"])
    click.echo(f"pending     {backlog['uploads']} pictures due now, {details} details")


def _latest(run: dict[str, Any] | None) -> str:
    if run is None:
        return "was never collected"
    failed = f", {run['runs'] - run['succeeded']} did not succeed" if run["succeeded"] < run["runs"] else ""
    return f"{run['runs']} runs{failed}, the latest {run['run_id']} {run['state']}"


def _line(row: dict[str, Any]) -> str:
    took = human_seconds(row["duration_seconds"]) if row["duration_seconds"] is not None else "…"
    size = human_bytes(float(row["bytes"] or 0))
    return (
        f"{row['run_key']:<52} {row['state']:<10} {row['seen']:>6} {row['inserted']:>6} {row['uploaded']:>6}"
        f" {row['failures']:>6} {size:>10} {took:>8}" + (f"\n    {row['error']}" if row["error"] else "")
    )
