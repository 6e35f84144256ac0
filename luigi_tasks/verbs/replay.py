"""replay: rebuild the tables of a source from the raw zone, or say what a rebuild would change."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from luigi_tasks import settings
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import canonical_export, databases, postgres
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.gateways.terminal import progress_for
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import differences, rebuild, session
from luigi_tasks.steps import replay as steps

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings


@click.command(
    help="Rebuild every table of a source from the raw zone, without network, in a warehouse that has none of it."
)
@click.option("--source", default="wallhaven", show_default=True, type=click.Choice(sorted(CATALOGUE)))
@click.option("--into", metavar="NAME", help="Fill this database of the same server; it is created when missing.")
@click.option("--from-raw", is_flag=True, help="Make runs anew in place: clean zone and tables.")
@click.option("--run", "first", metavar="RUN_ID", help="With --from-raw: the run, or the first of a range.")
@click.option("--to", "last", metavar="RUN_ID", help="With --from-raw: the last run of the range.")
@click.option("--diff", is_flag=True, help="Change nothing: say what a replay changes, by table and field.")
def replay(source: str, into: str | None, from_raw: bool, first: str | None, last: str | None, diff: bool) -> None:
    """Replay, or compare. Exit code 1 when --diff finds differences."""
    own = settings.load()
    store = open_store(own)
    progress = progress_for(own.draenei_progress, "Replay", "pages")
    if from_raw or first or last:
        if not (from_raw and first) or into or diff:
            raise SettingsError(
                "--from-raw makes given runs anew in place", mend="Name them: --from-raw --run ID, or --run ID --to ID."
            )
        session.open_warehouse(own)
        _say(rebuild.rebuild(own, source, store, progress, first, last or first))
        return
    if diff:
        if into:
            raise SettingsError("--diff uses a database of its own", mend="Leave out --into.")
        found = differences.differences(own, source, store, progress)
        click.echo("\n".join(differences.lines(found)))
        sys.exit(0 if all(difference.equal for difference in found) else 1)
    target = _target(own, into)
    session.open_warehouse(target)
    result = steps.replay(target, source, store, progress)
    _say(result)
    with postgres.transaction(target, as_owner=True) as cursor:
        for name, sha256 in canonical_export.digests(cursor.connection, source).items():
            click.echo(f"{sha256}  {name}")


def _say(result: Mapping[str, object]) -> None:
    click.echo("  ".join(f"{name} {number}" for name, number in result.items() if number != []))


def _target(own: Settings, into: str | None) -> Settings:
    if into is None:
        return own
    databases.create(own, into)
    return databases.beside(own, into, own.draenei_home / "replay" / into)
