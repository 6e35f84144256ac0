"""takedown: remove a picture for good and keep it out."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from luigi_tasks import settings

if TYPE_CHECKING:
    from luigi_tasks.gateways.objects import ObjectStore
    from luigi_tasks.settings import Settings
    from luigi_tasks.steps.takedown import Plan


@click.group(help="Remove a picture and everything made of it for good, and keep it out; `list` shows what was.")
def takedown() -> None:
    """Group of add, lift and list."""


@takedown.command(
    help="TARGET: a wallpaper's id, or the SHA-256 of the bytes. Without --yes it only says what it would do."
)
@click.argument("target")
@click.option("--reason", required=True, help="Why; kept with the tombstone.")
@click.option("--yes", is_flag=True, help="Do it: objects are deleted, and there is no way back.")
@click.option("--source", default="wallhaven", show_default=True)
def add(target: str, reason: str, yes: bool, source: str) -> None:
    """Bury and delete."""
    from luigi_tasks.gateways import pipeline_lock
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.steps import takedown as steps
    from luigi_tasks.steps import takedown_pages

    if not reason.strip():
        raise click.BadParameter("must say why", param_hint="--reason")
    own = settings.load()
    store = open_store(own)
    with ExitStack() as held:
        held.enter_context(closing(pipeline_lock.take(own, source)))
        intended = steps.plan(own, store, target)
        if yes and _hold_archives(own, intended, source, held):
            intended = steps.plan(own, store, target)  # what their runs have made in between is in it
        if yes:
            kept = steps.take_down(own, store, intended, reason.strip())
            changed = takedown_pages.redraw(own, store, intended.about)
    for wallhaven_id in intended.about.ids:
        click.echo(f"wallpaper {wallhaven_id}")
    for sha256 in intended.about.hashes:
        click.echo(f"bytes     {sha256}")
    for key in intended.keys:
        click.echo(f"{'deleted' if yes else 'would delete'} {store.uri(key)}")
    _say_facts(store, intended, yes)
    if yes:
        for page in changed:
            click.echo(f"rewritten {page}")
        for key in kept:
            click.echo(f"the store may keep earlier versions of {store.uri(key)}: remove them by its own means")
        click.echo("Done. The next dbt build shows it as taken_down. Backups and copies elsewhere are not touched.")
    else:
        click.echo(f"Nothing was changed. Do it: python -m luigi_tasks takedown add {target} --reason … --yes")


def _hold_archives(own: Settings, intended: Plan, source: str, held: ExitStack) -> list[str]:
    """Take the locks of the other sources whose files are changed too; which those are."""
    from luigi_tasks.domain.errors import AlreadyRunning
    from luigi_tasks.gateways import pipeline_lock

    others = [name for name in intended.archives if name != source]
    for other in others:
        try:
            held.enter_context(closing(pipeline_lock.take(own, other)))
        except AlreadyRunning as problem:
            raise AlreadyRunning(
                f"files of {other} speak of it too, and a Collect of {other} is running",
                where=problem.where,
                mend="Nothing was changed. Type the same when `python -m luigi_tasks status` shows that it has ended.",
            ) from None
    return others


def _say_facts(store: ObjectStore, intended: Plan, yes: bool) -> None:
    for key in intended.facts:
        if key in intended.unread:
            verb, why = "deleted" if yes else "would delete", ", which nobody can read; the next Collect makes it anew"
        else:
            verb, why = "rewritten" if yes else "would rewrite", " without it"
        click.echo(f"{verb} {store.uri(key)}{why}")


@takedown.command(help="Let TARGET be collected again; the row stays, with the lift and its reason.")
@click.argument("target")
@click.option("--reason", required=True, help="Why; kept with the tombstone.")
@click.option("--source", default="wallhaven", show_default=True)
def lift(target: str, reason: str, source: str) -> None:
    """End a takedown."""
    from luigi_tasks.gateways import pipeline_lock
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.steps import takedown as steps

    if not reason.strip():
        raise click.BadParameter("must say why", param_hint="--reason")
    own = settings.load()
    with closing(pipeline_lock.take(own, source)):
        lifted = steps.lift(own, open_store(own), target, reason.strip())
    click.echo("\n".join(lifted))
    click.echo("Lifted. The next Collect fetches what the source still has.")


@takedown.command("list", help="Everything that was taken down, when and why.")
def list_() -> None:
    """Print the tombstones."""
    from luigi_tasks.gateways import postgres, takedown_ledger

    with postgres.transaction(settings.load()) as cursor:
        stones = takedown_ledger.tombstones(cursor)
    for stone in stones:
        what = stone.wallhaven_id or f"sha256 {stone.sha256}"
        lifted = f"  lifted {stone.lifted_at:%Y-%m-%d %H:%M}: {stone.lift_reason}" if stone.lifted_at else ""
        click.echo(f"{stone.taken_down_at:%Y-%m-%d %H:%M}  {what}  {stone.reason}{lifted}")
    if not stones:
        click.echo("Nothing was taken down.")
