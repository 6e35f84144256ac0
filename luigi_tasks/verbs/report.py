"""report: write the report of a run and the overview by hand, and with --docs the page of every model."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from luigi_tasks import settings

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings


@click.command(
    help="Write the report of the last run (or RUN_KEY) and the overview of all runs; prints where all pages are.\n\n"
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
        click.echo(f"models    {model_docs.write(own).as_uri()}")
    if run_key is None:
        with postgres.transaction(own) as cursor:
            run_key = audit_ledger.last_run_key(cursor)
    if run_key:
        click.echo(f"report    {run_report.write(own, run_key).as_uri()}")
    click.echo(f"overview  {overview.write(own).as_uri()}")
    if run_key and (gallery := _gallery(own, run_key)):
        click.echo(f"gallery   {gallery}")
    click.echo(f"scheduler {_scheduler(own)}")


def _gallery(own: Settings, run_key: str) -> str | None:
    """Of a run without pictures none: what stands there is another source's."""
    from luigi_tasks.sources import CATALOGUE
    from luigi_tasks.sources.contract import Archived, Listing

    page = own.draenei_home / "gallery" / "index.html"
    pictured = isinstance(CATALOGUE.get(run_key.partition("/")[0]), Listing | Archived)
    return page.as_uri() if pictured and page.exists() else None


def _scheduler(own: Settings) -> str:
    from luigi_tasks.gateways import central_scheduler

    where = urlsplit(own.scheduler_page)
    if where.hostname == central_scheduler.ADDRESS and not central_scheduler.answers(where.port or 80):
        return "not running; start it: python -m luigi_tasks up --scheduler"
    return own.scheduler_page
