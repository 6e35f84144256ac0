"""The guarantees, source by source: one body a proof, the catalogue decides over what it runs."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import pipeline_lock, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import clean_entities
from luigi_tasks.steps import rebuild, redrive, replay, run_report
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import Interrupted, KilledAfter
from tests.integration.replay_fixtures import another_database
from tests.integration.report_fixtures import Page
from tests.integration.source_cases import CASES, World, digests, started
from tests.prove.depth import marks

FIGURES_OF = {
    "kaggle": ["Products by category", "Products by season"],
    "randomuser": ["People of this run by nationality", "People of this run by gender"],
    "sales": ["Revenue by month", "Revenue by product line", "Revenue by territory", "Top customers"],
}
EMPTY = hashlib.sha256().hexdigest()


# The default run replays one, `make prove` the two that differ most, `make prove-deep` all of them.
SAMPLE, PROOF = ("jsonplaceholder",), ("wallhaven",)
every_replay = pytest.mark.parametrize(
    "world",
    [pytest.param(name, marks=marks(name, SAMPLE, PROOF)) for name in sorted(CATALOGUE)],
    indirect=True,
)


@pytest.fixture(params=sorted(CATALOGUE))
def world(request: pytest.FixtureRequest, warehouse: Warehouse) -> Iterator[World]:
    with started(request.param) as twin:
        yield World(request.param, twin, warehouse)


def test_every_source_has_its_case() -> None:
    assert CASES.keys() == CATALOGUE.keys()


@every_replay
def test_replay_quarantine_redrive_and_rebuild_agree_hash_for_hash(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.run()
    with monkeypatch.context() as stricter:
        world.refusing(stricter)
        world.fetch(first)
        sums = world.load(first)
        assert (sums["quarantined"], sums["received"]) == (1, sums["loaded"] + 1)
    world.case.change(world.twin)
    second = world.run()
    world.fetch(second)
    world.load(second)
    done = redrive.redrive(world.settings, world.name, world.store, Silent())
    assert (done.checked, done.still_bad) == (1, 0)
    world.case.modelled(world, first.key, second.key)
    _its_report_says_what_the_models_do(world, second.key)
    live = digests(world.settings, world.name)
    asked = len(world.twin.requests)
    with another_database(world.warehouse, tmp_path / "replayed") as own:
        replay.replay(own, world.name, world.store, Silent())
        assert digests(own, world.name) == live
        changed = own.model_copy(update={"draenei_home": world.settings.draenei_home})
        _spoil(changed, world)
        rebuild.rebuild(changed, world.name, world.store, Silent(), first.run_id, second.run_id)
        assert digests(own, world.name) == live, "--from-raw"
    assert len(world.twin.requests) == asked, "the raw zone was enough"
    filled = {name for name, digest in live.items() if digest != EMPTY}
    assert {entity.table for name, entity in world.source.ENTITIES.items() if name != "wallpaper"} <= filled
    assert any(name.startswith(("draenei_content.", "draenei_restricted.")) for name in filled)


def _its_report_says_what_the_models_do(world: World, run_key: str) -> None:
    page = Page(run_report.write(world.settings, run_key))
    page.assert_stands_alone()
    audit = "select seen, inserted, updated, quarantined from draenei_content.run_audit where run_key = %s"
    (counted,) = world.warehouse.rows(audit, run_key)
    names = ("records seen", "new", "changed", "in quarantine")
    assert [page.tiles[name] for name in names] == [f"{number:,}" for number in counted]
    assert counted[0] > 0
    assert {"funnel", "steps", "requests", "freshness", "records"} <= page.words.keys()
    of_its_own = FIGURES_OF.get(world.name, [])
    assert [title for title in re.findall(r"<h2>(.*?)</h2>", page.text) if title in of_its_own] == of_its_own


def _spoil(settings: Settings, world: World) -> None:
    """Damage what a rebuild makes: rows, and where the source has them the files of the clean zone."""
    entity = world.case.victim(world.twin)[0]
    with postgres.transaction(settings, as_owner=True) as cursor:
        cursor.execute(f"delete from {world.source.ENTITIES[entity].table} where position = 1")
        cursor.execute("delete from ops.clean_files")
    for head in world.store.list(f"clean/{world.name}/"):
        world.store.remove(head.key)
    assert bool(clean_entities(world.source)) == (settings.draenei_home / "objects" / "clean").exists()


def test_a_killed_fetch_goes_on_where_it_stopped(world: World) -> None:
    run = world.run()
    with pytest.raises(Interrupted):
        world.fetch(run, KilledAfter(world.store, min(1, world.case.requests - 1), last_lands=True))
    world.fetch(run)
    assert len(world.twin.requests) == world.case.requests, "nothing was asked for twice"
    world.load(run)
    assert world.load(run)["pages"] == 0
    pages = world.warehouse.rows("select count(*), count(distinct object_key) from ops.pages")
    assert pages == [(world.case.requests, world.case.requests)]


def test_a_second_collect_of_the_source_exits_with_10_and_touches_nothing(world: World) -> None:
    environ = {**os.environ, **world.warehouse.environ, **world.environ, "LUIGI_CONFIG_PATH": "/dev/null"}
    environ["DRAENEI_HOME"] = str(world.settings.draenei_home)
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "luigi_tasks", f"{world.name}.Collect"]
    with closing(pipeline_lock.take(world.settings, world.name)):
        ended = subprocess.run(
            [*command, "--local-scheduler"], cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 10, ended.stderr
    assert f"another Collect of {world.name} is running" in ended.stderr
    assert world.twin.requests == []
    assert world.warehouse.rows("select count(*) from ops.runs") == [(0,)]
