"""retry: let the next run try again what failed."""

from __future__ import annotations

import click

from luigi_tasks import settings
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Outcome
from luigi_tasks.gateways import derivative_ledger, postgres, upload_ledger

DERIVATIVES = "derivative"


@click.command(
    help="Let the next run try again pictures that failed or were given up, and what could not be made of stored ones;"
    " what is stored or made stays."
)
@click.option(
    "--reason",
    type=click.Choice([*(str(outcome) for outcome in Outcome if outcome is not Outcome.STORED), DERIVATIVES]),
    help="Only pictures with this outcome; or only what could not be made of them.",
)
@click.option("--dry-run", is_flag=True, help="Say how many, change nothing.")
def retry(reason: str | None, dry_run: bool) -> None:
    """Re-open failed attempts."""
    with postgres.transaction(settings.load()) as cursor:
        crash_point("retry.reopen.before")
        number = upload_ledger.reopen(cursor, reason) if reason != DERIVATIVES else 0
        copies = derivative_ledger.reopen(cursor) if reason in {None, DERIVATIVES} else 0
        crash_point("retry.reopen.after")
        if dry_run:
            cursor.connection.rollback()
    verb = "would be tried" if dry_run else "will be tried"
    click.echo(f"{number} pictures {verb} again by the next run: luigi --module luigi_tasks Collect")
    if copies:
        click.echo(f"{copies} stored pictures {verb} again by the next run of their source, for what is made of them")
