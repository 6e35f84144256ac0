"""quarantine: the records that were not loaded, why, and another try for them."""

from __future__ import annotations

import json

import click

from luigi_tasks import settings
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import dangling_ledger, postgres, quarantine_ledger
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.gateways.terminal import progress_for
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import redrive as steps


@click.group(help="Bad records: what is wrong with each, and another try after a fix.")
def quarantine() -> None:
    """The verbs below."""


@quarantine.command(name="list", help="The latest open records, references to nothing and bad files, and why.")
@click.option("--all", "closed", is_flag=True, help="The closed ones too.")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
def listing(closed: bool, limit: int) -> None:
    """Print a line for each record and violation."""
    with postgres.transaction(settings.load()) as cursor:
        records = quarantine_ledger.listed(cursor, closed=closed, limit=limit)
        files = quarantine_ledger.bad_files(cursor, limit)
        dangling = dangling_ledger.listed(cursor, sorted(CATALOGUE), limit)
    _say_records(records)
    for one in dangling:
        click.echo(f"  dangling  {one.source} {one.entity} {one.record_id}  {one.run_key}")
        click.echo(f"        refers to {one.reason}")
    if dangling:
        click.echo("These stand in their tables, and here until a run finds them mended at the source.")
    for file in files:
        click.echo(f"  file  {file.outcome:<10}  {file.name}  {file.run_key}")
        click.echo(f"        {file.reason}")
    if files:
        click.echo("Another try of what was made of them: python -m luigi_tasks retry --reason derivative")


def _say_records(records: list[quarantine_ledger.QuarantinedRecord]) -> None:
    if not records:
        click.echo("No record is in quarantine.")
        return
    for record in records:
        click.echo(f"{record.quarantine_id:>6}  {record.state:<6}  {record.record_id or '?':<12}  {_place(record)}")
        for violation in record.violations:
            click.echo(f"        {violation['path'] or '/'}  {violation['message']}")
    click.echo("One in full: python -m luigi_tasks quarantine show ID")


@quarantine.command(help="One record in full: what is wrong, where it stands, its JSON.")
@click.argument("quarantine_id", type=int)
def show(quarantine_id: int) -> None:
    """Print the record."""
    with postgres.transaction(settings.load()) as cursor:
        record = quarantine_ledger.find(cursor, quarantine_id)
    if record is None:
        raise SettingsError(
            f"there is no quarantined record {quarantine_id}", mend="See `python -m luigi_tasks quarantine list --all`."
        )
    click.echo(f"id        {record.record_id or 'none that is usable'}")
    click.echo(f"state     {record.state}, since {record.quarantined_at}")
    click.echo(f"page      {_place(record)}")
    click.echo(f"object    {open_store(settings.load()).uri(record.object_key)}")
    for violation in record.violations:
        click.echo(f"wrong     {violation['path'] or '/'}  {violation['message']}")
    click.echo(_pretty(record.record))


@quarantine.command(help="Judge the open records again by the present schema; load what passes, build the models.")
@click.option("--source", default="wallhaven", show_default=True, type=click.Choice(sorted(CATALOGUE)))
@click.option("--dry-run", is_flag=True, help="Say what would pass, change nothing.")
def redrive(source: str, dry_run: bool) -> None:
    """Drive the records again."""
    own = settings.load()
    progress = progress_for(own.draenei_progress, "Redrive", "pages")
    done = steps.redrive(own, source, open_store(own), progress, dry_run=dry_run)
    verb = "would be loaded" if dry_run else "loaded"
    click.echo(
        f"{done.checked} records checked: {done.loaded} {verb}, {done.duplicate} stand there already,"
        f" {done.still_bad} are bad still"
    )


def _place(record: quarantine_ledger.QuarantinedRecord) -> str:
    return f"{record.run_key} {record.page_name} position {record.position}"


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True)
    except ValueError:
        return text
