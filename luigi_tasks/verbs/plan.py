"""plan: what a run would do, without doing it."""

from __future__ import annotations

import click

from luigi_tasks import settings
from luigi_tasks.domain.progress import human_bytes
from luigi_tasks.gateways import audit_ledger, embedded_postgres, postgres
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.sources import CATALOGUE


@click.command(help="What a run would do, from what the warehouse knows; asks the source nothing, writes nothing.")
@click.option("--source", default="wallhaven", show_default=True)
@click.option("--query", "text", default="", help="Search text; default: the setting WALLHAVEN_QUERY.")
def plan(source: str, text: str) -> None:
    """Print the plan."""
    own = settings.load()
    query = CATALOGUE[source].query(text or own.wallhaven_query, own.filters())
    request = CATALOGUE[source].first_request(query)
    click.echo(f"ask       {own.wallhaven_api_url}{request.path}")
    for name, value in request.params:
        click.echo(f"          {name}={value}")
    click.echo(f"budget    {own.wallhaven_rate_per_minute} requests a minute, {own.details_per_run} details a run")
    click.echo(f"store     {open_store(own).uri('wallpapers/')}")
    if own.embedded and embedded_postgres.describe(own.draenei_home) is None:
        click.echo("known     nothing yet: every page is read, every picture is downloaded")
        return
    _known(own)


def _known(own: settings.Settings) -> None:
    with postgres.transaction(own) as cursor:
        if not audit_ledger.modelled(cursor):
            click.echo("known     nothing yet: every page is read, every picture is downloaded")
            return
        statuses = audit_ledger.upload_statuses(cursor)
        due = audit_ledger.backlog(cursor)
    number = due["uploads"] if own.upload_batch_limit is None else min(due["uploads"], own.upload_batch_limit)
    click.echo("known     " + (", ".join(f"{name} {count}" for name, count in statuses.items()) or "nothing yet"))
    click.echo(f"download  {number} pictures that are pending ({human_bytes(float(due['bytes']))}), and what is new")
    click.echo(f"details   {min(due['details'], own.details_per_run)} of {due['details']}")
