"""What the tests of replay, redrive and lineage share: a collected world, and a second database beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import canonical_export, databases, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.steps import fetch, model, replay, session
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from twin import Catalogue, Fault, Twin


def build(collecting: Collecting, run: Run) -> None:
    """dbt build, as the Model task of the source does it."""
    model.build(collecting.settings, run.key, "Model", Silent(), model.selection("wallhaven"))


def whole_run(collecting: Collecting, *, modelled: bool = True) -> Run:
    """Fetch, Load, Model if asked for, details; the details wait for the next build."""
    run = collecting.run()
    collecting.crawl(run)
    collecting.load(run)
    if modelled:
        build(collecting, run)
    fetch.fetch_details(collecting.settings, run, collecting.store, Silent())
    collecting.load(run, "wallpaper")
    return run


def lively(collecting: Collecting, twin: Twin) -> Run:
    """Runs between which the site changes, with bad records, a deleted picture and repeated bodies; all is built."""
    ids = twin.catalogue.ids
    twin.faults.add(Fault("set_field", "search", page=1, id=ids[-3], field="purity", value="wild"))
    whole_run(collecting)
    twin.catalogue.upload(2)
    twin.catalogue.bump_views(ids[-1], 7)
    twin.catalogue.rerate(ids[0], "sketchy")
    twin.catalogue.delete(ids[1])
    whole_run(collecting, modelled=False)
    run = whole_run(collecting, modelled=False)
    build(collecting, run)
    return run


@contextmanager
def another_database(warehouse: Warehouse, home: Path) -> Iterator[Settings]:
    """A migrated empty database beside the test's, dropped at the end."""
    live = warehouse.settings()
    with databases.scratch(live) as own:
        session.open_warehouse(own)
        yield own.model_copy(update={"draenei_home": home})


def digests(settings: Settings) -> dict[str, str]:
    """The canonical digests of a warehouse."""
    with closing(postgres.connect(settings, as_owner=True)) as connection, connection:
        return canonical_export.digests(connection)


def replayed(collecting: Collecting, settings: Settings) -> dict[str, Any]:
    """Replay into the database of these settings."""
    return replay.replay(settings, "wallhaven", collecting.store, Silent())


def site() -> Twin:
    """30 wallpapers on 2 pages."""
    return Twin(Catalogue.generate(30, small=True), rate_per_minute=10_000)
