"""report: write the report of a run and the overview by hand, and with --docs the page of every model."""

from __future__ import annotations

import click

from luigi_tasks import settings


@click.command(
    help="Write the report of the last run (or RUN_KEY) and the overview of all runs; prints where they are.\n\n"
    "\b\nExamples:\n  python -m luigi_tasks report\n"
    "  python -m luigi_tasks report wallhaven/draenei-1a2b3c4d/2026-11-21T07:00\n"
    "  python -m luigi_tasks report --docs    # dbt's documentation as one page beside them; takes seconds"
)
@click.argument("run_key", required=False)
@click.option("--docs", is_flag=True, help="Make dbt's documentation too: every model, column and test.")
def report(run_key: str | None, docs: bool) -> None:
    """Write the pages."""
    from luigi_tasks.gateways import audit_ledger, postgres
    from luigi_tasks.steps import model_docs, overview, run_report

    own = settings.load()
    if docs:
        click.echo(f"models    {model_docs.write(own)}")
    if run_key is None:
        with postgres.transaction(own) as cursor:
            run_key = audit_ledger.last_run_key(cursor)
    if run_key:
        click.echo(f"report    {run_report.write(own, run_key)}")
    click.echo(f"overview  {overview.write(own)}")
    if (gallery := own.draenei_home / "gallery" / "index.html").exists():
        click.echo(f"gallery   {gallery}")
    click.echo(f"scheduler {own.scheduler_page} (python -m luigi_tasks up --scheduler)")
