"""A long crawl is loaded, modelled, published and derived while it goes on; a short one is what it always was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from luigi_tasks.domain.dbt_graph import Graph, News, State
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres, upload_ledger
from luigi_tasks.steps import derive, load, model, publish, rounds
from luigi_tasks.steps.publish import freeze_step
from tests.conftest import Warehouse
from tests.image_server import ImageServer, serving
from tests.integration.core_fixtures import Collecting, Interrupted, pages_asked, wait_until
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture
from twin import Catalogue, Fault, Twin

PAGES = 5
PATIENCE = 180.0


@pytest.fixture
def twin() -> Iterator[Twin]:
    """100 wallpapers on 5 pages."""
    with Twin(Catalogue.generate(100, small=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """A round a page."""
    return Collecting(warehouse, twin.api_url, wallhaven_image_hosts=(twin.image_host,), chunk_pages=1)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    """An image host."""
    with serving() as running:
        yield running


class AfterPage(Silent):
    """A Progress that acts once when a page has come, before the next one is asked for."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self._number, self._act = number, act

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Act when it is the page."""
        if done == self._number:
            self._act()


class Watching:
    """A Watcher of every build that remembers what was done."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.done: set[str] = set()
        self._graph = Graph({})

    def of(self, step: str) -> list[Watching]:
        """As rounds ask for it."""
        self.steps.append(step)
        return [self]

    def begin(self, graph: Graph) -> None:
        """Remember the nodes."""
        self._graph = graph

    def tell(self, news: News) -> None:
        """Remember what is done."""
        if news.state is State.DONE:
            self.done.add(self._graph.nodes[news.unique_id].name)

    def end(self, said: str) -> None:
        """Nothing is left to tell."""


def no_thread_is_left() -> bool:
    return not any(one.name.startswith(("rounds", "publish", "derive")) for one in threading.enumerate())


def numbers(collecting: Collecting, sql: str) -> list[Any]:
    return [row[0] for row in collecting.warehouse.rows(sql)]


@pytest.mark.prove
def test_the_first_pictures_are_stored_and_measured_before_the_last_page_is_fetched(
    collecting: Collecting, twin: Twin
) -> None:
    seen: list[tuple[bool, int]] = []
    derived = "select count(*) from ops.image_metadata as m inner join ops.derivatives on source_sha256 = m.sha256"

    def look() -> None:
        there = wait_until(lambda: numbers(collecting, derived) != [0], PATIENCE)
        seen.append((there, len(pages_asked(twin))))

    run, watched = collecting.run(), Watching()
    result = collecting.crawl(run, progress=AfterPage(2, look), watch=watched.of)
    assert set(watched.steps) == {rounds.STEP}
    assert {"stg_wallhaven__wallpapers", "wallpapers"} <= watched.done
    assert seen == [(True, 2)]
    assert result["pages"] == PAGES
    assert result["rounds"] >= 1
    assert "round_problem" not in result
    assert no_thread_is_left()
    assert numbers(collecting, "select count(*) from ops.uploads where outcome = 'stored'") != [0]
    assert numbers(collecting, "select step from ops.steps") == ["Fetch"]
    assert set(numbers(collecting, "select step from ops.dbt_nodes")) == {rounds.STEP}
    assert_the_steps_that_follow_do_the_rest(collecting, run.key)


def assert_the_steps_that_follow_do_the_rest(collecting: Collecting, run_key: str) -> None:
    before = numbers(collecting, "select wallhaven_id from ops.manifest_items order by position")
    early = numbers(collecting, "select upload_id from ops.uploads order by 1")
    loaded = collecting.warehouse.rows("select page_name from ops.loads")
    assert early
    assert 0 < len(loaded) <= PAGES
    sums = load.load(collecting.settings, run_key, "wallhaven", "search", collecting.store, Silent())
    assert sums["pages"] == PAGES - len(loaded)
    model.build(collecting.settings, run_key, "Model", Silent(), model.selection("wallhaven"))
    assert freeze_step(collecting.settings, run_key) == {"items": 100}
    totals = publish.publish(collecting.settings, run_key, collecting.store, Silent())
    assert (totals.items, totals.open, totals.outcomes) == (100, 0, {"stored": 100})
    items = collecting.warehouse.rows("select position, wallhaven_id from ops.manifest_items order by position")
    assert [position for position, _ in items] == list(range(1, 101))
    assert [one for _, one in items][: len(before)] == before
    assert numbers(collecting, "select upload_id from ops.uploads order by 1")[: len(early)] == early
    assert numbers(collecting, "select growing from ops.manifests") == [False]
    assert_derive_does_the_rest_and_tells_of_all(collecting, run_key)


def assert_derive_does_the_rest_and_tells_of_all(collecting: Collecting, run_key: str) -> None:
    measured, made = "select sha256 from ops.image_metadata", "select bytes from ops.derivatives"
    early = collecting.warehouse.rows("select sha256, measured_at, attempts from ops.image_metadata")
    assert early
    totals = derive.derive(collecting.settings, run_key, "wallhaven", collecting.store, Silent())
    pictures, copies = numbers(collecting, measured), numbers(collecting, made)
    assert set(pictures) == set(numbers(collecting, "select sha256 from ops.pictures"))
    assert (totals["pictures"], totals["measured"]) == (len(pictures), len(pictures))
    assert (totals["made"], totals["bytes"], totals["failed"]) == (len(copies), sum(copies), 0)
    assert set(early) <= set(collecting.warehouse.rows("select sha256, measured_at, attempts from ops.image_metadata"))


@pytest.mark.prove
def test_deriving_gives_way_to_the_next_round_and_to_the_end(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the pictures in hand are held up where they would be entered, until they have to be the last ones."""
    monkeypatch.setattr(derive, "PICTURES_AT_ONCE", 16)
    run, measured = collecting.run(), "select count(*) from ops.image_metadata"
    waiting = "select count(*) from pg_locks where not granted and relation = 'ops.image_metadata'::regclass"
    hold_up = "lock table ops.image_metadata in share mode"
    collecting.with_settings(chunk_pages=0).crawl(run)
    with closing(collecting.warehouse.connect()) as other, other.cursor() as cursor:
        with rounds.Rounds(collecting.settings, run) as going:
            cursor.execute(hold_up)
            going.note(1)
            assert wait_until(lambda: numbers(collecting, waiting) == [1], PATIENCE)
            going.note(2)
            other.rollback()
            assert wait_until(lambda: going.note(3) or going.begun == 2, PATIENCE)
            cursor.execute(hold_up)
            assert numbers(collecting, measured) == [16]
            assert wait_until(lambda: numbers(collecting, waiting) == [1], PATIENCE)
            threading.Timer(0.5, other.rollback).start()
        assert numbers(collecting, measured) == [32]
        assert no_thread_is_left()


@pytest.mark.parametrize("different", [{"chunk_pages": PAGES}, {"chunk_pages": 0}, {"upload_batch_limit": 10}])
def test_a_short_crawl_has_no_rounds(collecting: Collecting, different: dict[str, int]) -> None:
    other = collecting.with_settings(**{"chunk_pages": 1, **different})
    result = other.crawl(other.run())
    assert result["pages"] == PAGES
    assert "rounds" not in result
    for table in ("ops.loads", "ops.dbt_nodes", "ops.manifests", "ops.uploads"):
        assert numbers(other, f"select count(*) from {table}") == [0]
    assert no_thread_is_left()


def test_a_round_that_fails_is_left_to_its_step(collecting: Collecting, twin: Twin) -> None:
    newest = twin.catalogue.ids[-1]
    twin.faults.add(Fault("set_field", "search", times=None, page=1, id=newest, field="purity", value="wild"))
    strict = collecting.with_settings(wallhaven_image_hosts=(twin.image_host,), chunk_pages=1, quarantine_max_share=0)
    loaded = AfterPage(
        3, lambda: wait_until(lambda: numbers(strict, "select count(*) from ops.loads") != [0], PATIENCE)
    )
    result = strict.crawl(strict.run(), progress=loaded)
    assert (result["pages"], result["rounds"]) == (PAGES, 1)
    assert "are in quarantine" in result["round_problem"]
    assert numbers(strict, "select count(*) from ops.certificates") == [1]


def test_a_round_that_meets_a_bug_fails_the_crawl(collecting: Collecting) -> None:
    collecting.warehouse.rows("alter table ops.batches rename column run_key to elsewhere")
    with pytest.raises(psycopg2.Error, match="run_key"):
        collecting.crawl(collecting.run())
    assert numbers(collecting, "select count(*) from ops.certificates") == [0]


def test_a_crawl_that_is_stopped_stops_its_round(collecting: Collecting) -> None:
    """In the middle of dbt: no build, no claim and no thread is left, and what is left is enough to go on."""
    sessions = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'dbt'"

    def interrupt() -> None:
        assert wait_until(lambda: numbers(collecting, sessions) != [0], PATIENCE)
        raise Interrupted

    run = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(run, progress=AfterPage(PAGES - 1, interrupt))
    assert no_thread_is_left()
    assert numbers(collecting, "select count(*) from ops.dbt_nodes") == [0]
    assert numbers(collecting, "select count(*) from ops.upload_claims") == [0]
    assert wait_until(lambda: numbers(collecting, sessions) == [0], 20)
    assert collecting.with_settings(chunk_pages=0).crawl(run)["pages"] == PAGES


def test_a_manifest_grows_until_it_is_frozen(collecting: Collecting, warehouse: Warehouse, server: ImageServer) -> None:
    publishing, run_key = Publishing(warehouse, server), collecting.run().key

    def manifest() -> list[tuple[Any, ...]]:
        return warehouse.rows("select position, wallhaven_id from ops.manifest_items order by position")

    def items() -> list[tuple[Any, ...]]:
        return warehouse.rows("select items, growing from ops.manifests")

    for name in ("aaaaaa", "bbbbbb"):
        publishing.offer(name, picture("JPEG"))
    publish.grow(publishing.settings(), run_key)
    assert (manifest(), items()) == ([(1, "bbbbbb"), (2, "aaaaaa")], [(2, True)])
    for name in ("cccccc", "dddddd"):
        publishing.offer(name, picture("JPEG"))
    publish.grow(publishing.settings(), run_key)
    publish.grow(publishing.settings(), run_key)
    assert (manifest()[2:], items()) == ([(3, "dddddd"), (4, "cccccc")], [(4, True)])
    for name in ("eeeeee", "ffffff"):
        publishing.offer(name, picture("JPEG"))
    assert freeze_step(publishing.settings(upload_batch_limit=5), run_key) == {"items": 5}
    assert (manifest()[4:], items()) == ([(5, "ffffff")], [(5, False)])
    assert freeze_step(publishing.settings(), run_key) == {"items": 5}
    with postgres.transaction(publishing.settings()) as cursor:
        upload_ledger.grow(cursor, run_key)
    assert items() == [(5, False)]
