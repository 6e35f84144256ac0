"""kill -9 in Load and in Clean, over every source: the same steps again give what nobody disturbed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import canonical_export, postgres
from luigi_tasks.gateways.embedded_postgres import Server
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import clean_entities
from tests.conftest import Warehouse
from tests.integration.source_cases import World, started
from tests.prove import invariants

PROGRAM = """
    import sys
    from luigi_tasks.domain.progress import Silent
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.settings import load
    from luigi_tasks.sources import CATALOGUE
    from luigi_tasks.sources.contract import collected_entities
    from luigi_tasks.steps import clean
    from luigi_tasks.steps.load import load_entities
    own, (source, run_key) = load(), sys.argv[1:]
    store = open_store(own)
    load_entities(own, run_key, source, collected_entities(CATALOGUE[source]), store, Silent())
    clean.clean(own, run_key, source, store, Silent())
"""
# The default run kills the two cheapest; `make prove` every one.
SAMPLE = ("jsonplaceholder", "randomuser")


def killed(world: World, run: Run, fault: str) -> None:
    """A process that does Load and Clean and is killed where the fault says."""
    own = {**os.environ, **world.warehouse.environ, **world.environ}
    own |= {"DRAENEI_HOME": str(world.settings.draenei_home), "DRAENEI_FAULT": f"{fault}:kill"}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), world.name, run.key]
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@contextmanager
def copied(world: World, server: Server, folder: Path) -> Iterator[World]:
    """The same world as it is now, in a database and with objects of its own."""
    name = f"undisturbed_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}_{world.name}"
    shutil.copytree(world.warehouse.home, folder)
    with closing(Warehouse(server, "postgres", folder).connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f'create database "{name}" template "{world.warehouse.dbname}"')
        try:
            yield World(world.name, world.twin, Warehouse(server, name, folder))
        finally:
            cursor.execute(f'drop database "{name}" with (force)')


@pytest.mark.parametrize(
    "source", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.prove) for name in sorted(CATALOGUE)]
)
def test_after_kill_9_in_load_and_in_clean_the_same_run_is_as_if_nobody_had_killed_it(
    source: str, warehouse: Warehouse, postgres_server: Server, tmp_path: Path
) -> None:
    with started(source) as twin:
        world = World(source, twin, warehouse)
        run, promised = world.run(), invariants.World(world.settings)
        world.fetch(run)
        with copied(world, postgres_server, tmp_path / "undisturbed") as other:
            other.load(run)
            undisturbed = loaded(other), objects(other)
        for fault in ("load.enter.after:1", "load.commit.before:1"):
            killed(world, run, fault)
            assert invariants.check(promised) == {}
            assert warehouse.rows("select count(*) from ops.loads") == [(0,)]
        cleaned = bool(clean_entities(world.source))
        if cleaned:
            killed(world, run, "clean.put.before:1")
            assert not objects(world) & clean_objects(undisturbed[1]), "nothing was put yet"
            killed(world, run, "clean.put.after:1")
            assert len(clean_objects(objects(world))) == 1
            assert warehouse.rows("select count(*) from ops.clean_files") == [(0,)], "put, not entered"
        world.load(run)
        assert (loaded(world), objects(world)) == undisturbed
        assert invariants.check(promised, at_rest=True, without={"no_run_is_open"}) == {}
        assert bool(clean_objects(undisturbed[1])) == cleaned
        assert warehouse.rows("select count(*) > 0 from ops.loads") == [(True,)]


def loaded(world: World) -> dict[str, tuple[str, int]]:
    """Digest and rows of every table that Load and Clean fill."""
    tables = [t for t in canonical_export.tables_of(world.name) if t.name.startswith(("raw.", "ops."))]
    with closing(postgres.connect(world.settings)) as connection, connection:
        return {table.name: canonical_export.digest(connection, table) for table in tables}


def objects(world: World) -> set[str]:
    """The keys of all objects."""
    return {head.key for head in world.store.list("")}


def clean_objects(keys: set[str]) -> set[str]:
    """Those of the clean zone."""
    return {key for key in keys if key.startswith("clean/")}
