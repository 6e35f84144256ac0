"""A raw page whose object is lost comes back only as the very same bytes; what Fetch puts first stays."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.domain.damage import Part, Repair
from luigi_tasks.domain.envelope import digest, pack, unpack
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.objects import Put
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import access
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.steps.refetch import Refetcher
from luigi_tasks.steps.repair import Repairer
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from tests.integration.source_cases import World, started
from twin import Catalogue, Fault, Twin

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


@pytest.fixture
def twin() -> Iterator[Twin]:
    """Two pages."""
    with Twin(Catalogue.generate(30, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin; the object of its page 2 is lost."""
    found = Collecting(warehouse, twin.api_url)
    found.collect()
    return found


def lose(collecting: Collecting) -> tuple[str, bytes]:
    """Take the object of page 2 away; its key and what it was."""
    ((key,),) = collecting.warehouse.rows("select object_key from ops.pages where page_name = 'page-00002'")
    packed = collecting.store.get(key)
    collecting.store.remove(key)
    return key, packed


def repaired(collecting: Collecting, api_url: str | None = None) -> list[Repair]:
    """fsck --repair."""
    own = collecting.settings.model_copy(update={"wallhaven_api_url": api_url or collecting.settings.wallhaven_api_url})
    checked = fsck(own, collecting.store, Part(), deep=True, progress=Silent())
    return Repairer(own, collecting.store, NOW, Refetcher(own).ask).repair(checked, Silent())


def clean(collecting: Collecting) -> bool:
    """True when a deep fsck finds nothing."""
    return not fsck(collecting.settings, collecting.store, Part(), deep=True, progress=Silent()).findings


def test_a_lost_page_that_the_source_still_answers_identically_is_fetched_again(collecting: Collecting) -> None:
    collecting.warehouse.rows("update ops.runs set source_address = %s", collecting.settings.wallhaven_api_url)
    key, before = lose(collecting)
    assert [(repair.action, repair.key) for repair in repaired(collecting)] == [("restored", key)]
    (then, body), (now, same) = unpack(before), unpack(collecting.store.get(key))
    assert body == same
    assert (now.run_key, now.page_name, now.fetched_at, now.request) == (
        then.run_key,
        then.page_name,
        then.fetched_at,
        then.request,
    )
    assert clean(collecting)


def test_a_lost_page_that_is_answered_otherwise_is_lost_for_good_and_says_what_that_means(
    collecting: Collecting, twin: Twin
) -> None:
    collecting.warehouse.rows("update ops.runs set source_address = %s", collecting.settings.wallhaven_api_url)
    key, _ = lose(collecting)
    twin.catalogue.upload(1)
    (repair,) = repaired(collecting)
    assert repair.action == "given up"
    assert "lost for good, and a replay goes without them" in repair.detail
    assert "other bytes" in repair.detail
    assert collecting.store.head(key) is None
    assert clean(collecting)


def test_another_address_is_not_taken_for_the_same_and_nothing_is_given_up(collecting: Collecting) -> None:
    key, _ = lose(collecting)
    (repair,) = repaired(collecting)
    assert repair.action == "left", "the run says another address"
    assert "not the source of these settings" in repair.detail
    assert [repair.key for repair in repaired(collecting)] == [key], "and the next time it is asked for again"


@pytest.fixture(params=sorted(CATALOGUE))
def world(request: pytest.FixtureRequest, warehouse: Warehouse) -> Iterator[World]:
    """A fetched and loaded run of every source; ops.runs says where it asked, as a session has it."""
    with started(request.param) as twin:
        found = World(request.param, twin, warehouse)
        run = found.run()
        found.fetch(run)
        found.load(run)
        warehouse.rows(
            "update ops.runs set state = 'succeeded', finished_at = now(), source_address = %s",
            access.address(found.settings, run.query),
        )
        yield found


def mend(world: World) -> set[str]:
    """fsck --repair; the actions."""
    checked = fsck(world.settings, world.store, Part(), deep=True, progress=Silent())
    repairer = Repairer(world.settings, world.store, NOW, Refetcher(world.settings).ask)
    return {repair.action for repair in repairer.repair(checked, Silent())}


def test_every_source_gives_its_lost_pages_again_as_they_were_kept(world: World) -> None:
    before = {head.key: world.store.get(head.key) for head in world.store.list("raw/")}
    for key in before:
        world.store.remove(key)
    assert mend(world) == {"restored"}
    after = {head.key: world.store.get(head.key) for head in world.store.list("raw/")}
    assert {key: unpack(packed)[1] for key, packed in after.items()} == {
        key: unpack(packed)[1] for key, packed in before.items()
    }
    assert {unpack(packed)[0].redacted for packed in after.values()} == {
        unpack(packed)[0].redacted for packed in before.values()
    }
    assert mend(world) == set()


def test_a_source_that_does_not_answer_is_left_for_later(world: World) -> None:
    (head, *_) = world.store.list("raw/")
    before = world.store.get(head.key)
    world.store.remove(head.key)
    world.twin.faults.add(Fault("status", status=503, times=None))
    for path in (world.settings.draenei_home / "archives").glob("**/*.zip"):
        path.rename(path.with_suffix(".away"))
    assert mend(world) == {"left"}
    assert world.warehouse.rows("select count(*) from ops.pages where lost_at is not null") == [(0,)]
    world.twin.faults.clear()
    for path in (world.settings.draenei_home / "archives").glob("**/*.away"):
        path.rename(path.with_suffix(".zip"))
    assert mend(world) == {"restored"}
    assert unpack(world.store.get(head.key))[1] == unpack(before)[1]


def test_what_is_not_to_be_waited_for_is_given_up(collecting: Collecting) -> None:
    lose(collecting)
    checked = fsck(collecting.settings, collecting.store, Part(), deep=True, progress=Silent())
    repairer = Repairer(collecting.settings, collecting.store, NOW, Refetcher(collecting.settings).ask, give_up=True)
    assert [repair.action for repair in repairer.repair(checked, Silent())] == ["given up"]
    assert clean(collecting)


def test_the_answer_that_was_put_first_is_the_page(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    run, put = collecting.run(), collecting.store.put_if_absent

    def somebody_is_first(key: str, body: bytes, **facts: Any) -> Put:
        if "page-00001" in key:
            envelope, answer = unpack(body)
            first = pack(dataclasses.replace(envelope, fetched_at=NOW), answer)
            put(key, first, **{**facts, "sha256": digest(first)})
        return put(key, body, **facts)

    monkeypatch.setattr(collecting.store, "put_if_absent", somebody_is_first)
    collecting.crawl(run)
    assert collecting.warehouse.rows(
        "select fetched_at from ops.pages where run_key = %s and page_name = 'page-00001'", run.key
    ) == [(NOW,)]
