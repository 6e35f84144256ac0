"""doctor: everything a run needs, a line each: ok, or the command that mends it."""

from __future__ import annotations

import datetime
import shutil
import sys
from collections.abc import Callable
from importlib import metadata

import click

from luigi_tasks import settings
from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.domain.progress import human_bytes
from luigi_tasks.domain.run import RUN_ID_FORMAT
from luigi_tasks.gateways import central_scheduler, dbt_login, embedded_postgres, postgres, warehouse_roles
from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.gateways.store_probe import probe
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.warehouse import migrate

LOW_ON_DISK = 1 << 30


@click.command(help="Check what a run needs. Exit code 1 when something has to be mended first.")
def doctor() -> None:
    """Print a line for each check."""
    failed = 0
    for name, check in CHECKS:
        try:
            click.echo(f"ok    {name:<11}{check(settings.load())}")
        except PipelineError as problem:
            failed += 1
            click.echo(f"MEND  {name:<11}{problem}")
    sys.exit(1 if failed else 0)


def _settings(own: Settings) -> str:
    found = settings.origins()
    CATALOGUE["wallhaven"].query(own.wallhaven_query, own.filters())
    return f"{len(found)} set, the rest at their defaults"


def _programs(_: Settings) -> str:
    if not (PROJECT / "dbt_project.yml").exists():
        raise PipelineError("dbt_project is missing", where=str(PROJECT), mend="Install the project with `make setup`.")
    names = ("luigi", "dbt-core", "dbt-postgres")
    return f"python {sys.version.split()[0]}, " + ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _warehouse(own: Settings) -> str:
    if own.embedded and embedded_postgres.status(own.draenei_home) is None:
        raise PipelineError("the embedded database is down", mend="Start it: python -m luigi_tasks up")
    with postgres.transaction(own) as cursor:
        cursor.execute("select current_setting('server_version'), to_regclass('ops.migrations') is not null")
        row = cursor.fetchone()
        assert row is not None
        if not row[1]:
            raise PipelineError("the warehouse has no tables yet", mend="Make them: python -m luigi_tasks up")
        cursor.execute("select coalesce(max(version), 0) from ops.migrations")
        newest = cursor.fetchone()
    if newest is None or newest[0] != migrate.available()[-1].version:
        raise PipelineError("the warehouse is not up to date", mend="Migrate it: python -m luigi_tasks up")
    return f"PostgreSQL {row[0]}, migration {newest[0]:04}"


def _roles(own: Settings) -> str:
    if own.embedded and embedded_postgres.status(own.draenei_home) is None:
        return "not known while the database is down"
    with postgres.transaction(own, as_owner=True) as cursor:
        if warehouse_roles.available(cursor):
            who = f"logs in as {own.dbt_pguser}" if dbt_login.is_own(own) else "logs in as the pipeline's user"
            acts = f"dbt {who} and acts as {warehouse_roles.TRANSFORMER}"
            steps = f"the steps act as {postgres.LOADER}, which changes nothing in raw"
            return f"{acts}, which can write neither raw nor what is not its own; {steps}"
    return warehouse_roles.GOES_WITHOUT


def _objects(own: Settings) -> str:
    store = open_store(own)
    store.check()
    return f"{store.uri('')}: {probe(store)}"


def _disk(own: Settings) -> str:
    folder = own.draenei_home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LOW_ON_DISK:
        raise PipelineError(f"{human_bytes(free)} free", where=str(folder), mend="Make room, or move DRAENEI_HOME.")
    return f"{human_bytes(free)} free in {folder}"


def _source(name: str) -> Callable[[Settings], str]:
    def check(own: Settings) -> str:
        from luigi_tasks.steps import source_check

        if own.embedded and embedded_postgres.status(own.draenei_home) is None:
            return f"{name}: not asked while the database is down, which counts the requests"
        said = source_check.check(own, name, f"{datetime.datetime.now(datetime.UTC):{RUN_ID_FORMAT}}")
        return f"{said}; pictures from {', '.join(own.wallhaven_image_hosts)}" if name == "wallhaven" else said

    return check


def _scheduler(_: Settings) -> str:
    if central_scheduler.answers():
        return f"luigid answers on {central_scheduler.ADDRESS}:{central_scheduler.PORT}"
    return "no luigid: runs are scheduled locally (start one: python -m luigi_tasks up --scheduler)"


CHECKS: list[tuple[str, Callable[[Settings], str]]] = [
    ("settings", _settings),
    ("programs", _programs),
    ("disk", _disk),
    ("warehouse", _warehouse),
    ("roles", _roles),
    ("objects", _objects),
    *(("source", _source(name)) for name in CATALOGUE),
    ("scheduler", _scheduler),
]
