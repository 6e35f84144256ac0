"""erase: remove a person from a source for good, the raw zone included, and keep the person out."""

from __future__ import annotations

import sys

import click

from luigi_tasks import settings


@click.command(
    help="Erase the person RECORD_ID (login.uuid) from every raw response, table and model of a source, and keep the "
    "person out of what is fetched or replayed later. Without --yes it only says what it would do.\n\n"
    "\b\nExample:\n  python -m luigi_tasks erase 155e77ee-ba6d-486f-95ce-0e0c0fb4b919 --reason 'request 17' --yes"
)
@click.argument("record_id")
@click.option("--source", default="randomuser", show_default=True, help="A source of people.")
@click.option("--reason", required=True, help="Why; kept with the erasure.")
@click.option("--yes", is_flag=True, help="Do it: there is no way back.")
def erase(record_id: str, source: str, reason: str, yes: bool) -> None:
    """Erase one person; exit code 1 when nobody of that id is here."""
    from luigi_tasks.domain.progress import Silent
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.steps import privacy

    if not reason.strip():
        raise click.BadParameter("must say why", param_hint="--reason")
    own = settings.load()
    store, person = open_store(own), privacy.personal(source).person(record_id)
    if yes:
        found = privacy.erase(own, store, source, person, reason.strip(), Silent())
    else:
        found = privacy.plan(own, store, privacy.personal(source), person)
    for page, _ in found.pages:
        click.echo(f"{'rewritten' if yes else 'would rewrite'} {store.uri(page.object_key)}")
    for key in found.evidence:
        click.echo(f"{'deleted' if yes else 'would delete'} {store.uri(key)}")
    for key in found.lost:
        click.echo(f"{'deleted' if yes else 'would delete'} the rows of {store.uri(key)}, whose body is lost")
    if found.finds_nobody and found.before != "begun":
        _say_nobody(found.before == "finished", yes)
    elif yes:
        for key in found.kept:
            click.echo(f"the store may keep earlier versions of {store.uri(key)}: remove them by its own means")
        click.echo("Done.")
    else:
        click.echo(f"Nothing was changed. Do it: python -m luigi_tasks erase {person} --reason … --yes")


def _say_nobody(erased: bool, yes: bool) -> None:
    """Nothing was to do: fine when it was done before, else the id is most likely another's."""
    if erased:
        click.echo("Nobody of that id is here: erased before, and kept out.")
        return
    kept_out = " Whoever comes with it from now on is kept out." if yes else ""
    click.echo(f"Nobody of that id is here: is it the right one?{kept_out}")
    sys.exit(1)
