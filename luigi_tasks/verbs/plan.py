"""plan: what a run would do, without doing it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import click

from luigi_tasks import settings
from luigi_tasks.domain.progress import human_bytes
from luigi_tasks.domain.run import RUN_ID_FORMAT, Query
from luigi_tasks.gateways import audit_ledger, embedded_postgres, postgres
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived, Listing, Request, Requested, Source
from luigi_tasks.steps import access


@click.command(help="What a run would do, from what the warehouse knows; asks the source nothing, writes nothing.")
@click.option("--source", default="wallhaven", show_default=True, type=click.Choice(sorted(CATALOGUE)))
@click.option("--query", "text", default="", help="What to ask; default: the setting WALLHAVEN_QUERY …")
def plan(source: str, text: str) -> None:
    """Print the plan."""
    own = settings.load()
    found = CATALOGUE[source]
    query = access.query(own, source, text)
    reached = access.access(own, query)
    for request in _requests(found, query):
        click.echo(f"ask       {reached.address}{request.path}")
        for name, value in request.params:
            click.echo(f"          {name}={value}")
    if isinstance(found, Archived):
        click.echo(f"ask       the archive of {query.text} from {reached.address}, unless --archive names one at hand")
    if not isinstance(found, Listing):
        click.echo(f"budget    {reached.per_minute} requests a minute")
        for kind in ("raw/", "datasets/") if isinstance(found, Archived) else ("raw/",):
            click.echo(f"store     {open_store(own).uri(kind)}")
        return
    click.echo(f"budget    {reached.per_minute} requests a minute, {own.details_per_run} details a run")
    click.echo(f"store     {open_store(own).uri('wallpapers/')}")
    if own.embedded and embedded_postgres.describe(own.draenei_home) is None:
        click.echo("known     nothing yet: every page is read, every picture is downloaded")
        return
    _known(own)


def _requests(source: Source, query: Query) -> Sequence[Request]:
    """The requests that are known before the first is sent; an archive is downloaded, not asked for by pages."""
    if isinstance(source, Listing):
        return [source.first_request(query)]
    if isinstance(source, Requested):
        return source.requests(query, datetime.datetime.now(datetime.UTC).strftime(RUN_ID_FORMAT))
    return []


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
    click.echo(
        f"details   {min(due['details'], own.details_per_run)} of {audit_ledger.details_in_words(due['details'])}"
    )
