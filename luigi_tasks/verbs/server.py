"""up, down, env: the embedded database and luigid."""

from __future__ import annotations

import shlex

import click

from luigi_tasks import settings
from luigi_tasks.gateways import central_scheduler, embedded_postgres, postgres
from luigi_tasks.steps import session


@click.command(help="Start the embedded database, or reach the one that PG* names; bring its tables up to date.")
@click.option("--scheduler", is_flag=True, help="Start luigid too, on loopback only.")
@click.option("--port", default=central_scheduler.PORT, show_default=True, help="luigid's port.")
def up(scheduler: bool, port: int) -> None:
    """Start what is down."""
    own = settings.load()
    applied = session.open_warehouse(own)
    address = postgres.address(own)
    kind = "embedded" if own.embedded else "external"
    click.echo(f"warehouse  {kind}, {address.get('PGHOST', 'libpq default')}:{address.get('PGPORT', '5432')}")
    if applied:
        click.echo(f"migrated   {', '.join(applied)}")
    if scheduler:
        click.echo(f"luigid     {central_scheduler.start(own.draenei_home, port)}")


@click.command(help="Stop luigid and the embedded database; an external database is left alone.")
def down() -> None:
    """Stop what up started."""
    own = settings.load()
    if central_scheduler.stop(own.draenei_home):
        click.echo("luigid     stopped")
    if not own.embedded:
        click.echo("warehouse  external: left alone")
    elif embedded_postgres.stop(own.draenei_home):
        click.echo("warehouse  stopped")
    else:
        click.echo("warehouse  was not running")


@click.command(help='Print export lines for the shell: eval "$(python -m luigi_tasks env)".')
def env() -> None:
    """Print how to reach the warehouse; starts the embedded one."""
    for name, value in postgres.address(settings.load()).items():
        click.echo(f"export {name}={shlex.quote(value)}")
