"""The crawl against a twin whose catalogue changes between two pages: nothing is missed, nothing claimed too much."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.walk import MAX_REREADS
from luigi_tasks.steps import crawl, summary
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting, Interrupted, KilledAfter
from twin import Catalogue, Twin

SIZE = 100


@pytest.fixture
def twin() -> Iterator[Twin]:
    """100 wallpapers on 5 pages."""
    with Twin(Catalogue.generate(SIZE, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin."""
    return Collecting(warehouse, twin.api_url)


def names(collecting: Collecting, run_key: str) -> list[str]:
    """The pages of a run in the order in which they were fetched."""
    sql = "select page_name from ops.pages where run_key = %s order by page_id"
    return [row[0].removeprefix("page-000") for row in collecting.warehouse.rows(sql, run_key)]


def loaded(collecting: Collecting) -> set[str]:
    """Every wallpaper in the warehouse."""
    return {row[0] for row in collecting.warehouse.rows("select record_id from raw.wallhaven_search")}


def certificate(collecting: Collecting, run_key: str) -> dict[str, Any]:
    """The run's certificate."""
    (row,) = collecting.warehouse.rows("select to_jsonb(c) from ops.certificates c where run_key = %s", run_key)
    return dict(row[0])


def said(collecting: Collecting, run_key: str) -> str:
    """The run's summary."""
    stream = io.StringIO()
    summary.say(collecting.settings, run_key, stream)
    return stream.getvalue()


def after_page(twin: Twin, number: int, change: Callable[[], object], times: int = 1) -> None:
    """Change the catalogue right after the source has answered with a page."""
    left = [times]

    def when(page: str) -> None:
        if page == str(number) and left[0]:
            left[0] -= 1
            change()

    twin.after_search = when


def test_a_picture_that_a_deletion_moves_to_a_page_already_read_is_read(collecting: Collecting, twin: Twin) -> None:
    newest_first = twin.catalogue.ids[::-1]
    after_page(twin, 2, lambda: twin.catalogue.delete(newest_first[3]))
    run = collecting.run()
    result = collecting.crawl(run)
    collecting.load(run)
    assert names(collecting, run.key) == ["01", "02", "03", "02-r1", "03-r1", "04", "05"]
    assert loaded(collecting) == set(newest_first), "the deleted one was seen before it went"
    assert (result["rereads"], result["requests"], "gaps" in result) == (2, 7, False)
    row = certificate(collecting, run.key)
    assert (row["reads"], row["rereads"], row["ids_seen"], row["gaps"]) == (7, 2, SIZE, [])
    assert (row["total_first"], row["total_last"]) == (SIZE, SIZE - 1)
    (interval,) = row["intervals"]
    assert interval["to_end"]
    assert (interval["newest"]["record_id"], interval["oldest"]["record_id"]) == (newest_first[0], newest_first[-1])
    assert "  certificate complete from " in said(collecting, run.key)


def test_an_upload_between_two_pages_is_left_to_the_next_run(collecting: Collecting, twin: Twin) -> None:
    before = set(twin.catalogue.ids)
    after_page(twin, 2, lambda: twin.catalogue.upload(30))
    first = collecting.collect()
    assert ("rereads" in first, first["pages"]) == (False, 6), "a page that repeats records proves itself"
    assert before == loaded(collecting)
    twin.clear_requests()
    second = collecting.collect()
    assert loaded(collecting) == set(twin.catalogue.ids)
    assert second["stopped_at"] == "known"
    twin.clear_requests()
    assert collecting.collect()["requests"] == 2
    assert [call.params["page"] for call in twin.api_calls()] == ["1", "2"]


def test_a_killed_crawl_goes_on_and_asks_nothing_twice(collecting: Collecting, twin: Twin) -> None:
    newest_first = twin.catalogue.ids[::-1]
    after_page(twin, 2, lambda: twin.catalogue.delete(newest_first[3]))
    run = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(run, KilledAfter(collecting.store, 4, last_lands=True))
    assert collecting.warehouse.rows("select count(*) from ops.certificates") == [(0,)]
    assert "certificate none: the crawl is not complete" in said(collecting, run.key)
    collecting.crawl(run)
    assert names(collecting, run.key) == ["01", "02", "03", "02-r1", "03-r1", "04", "05"]
    assert len(twin.api_calls()) == 7
    collecting.load(run)
    assert loaded(collecting) == set(newest_first)
    kept = certificate(collecting, run.key)
    assert collecting.crawl(run)["requests"] == 0
    again = certificate(collecting, run.key)
    assert (kept.pop("counted"), again.pop("counted")) == (True, False), "it is for Load to say so anew"
    assert {**again, "certified_at": 0} == {**kept, "certified_at": 0}, "the same pages, the same certificate"
    assert collecting.warehouse.rows("select count(*) from ops.counted_certificates") == [(1,)]


def test_an_interrupted_crawl_is_closed_by_the_next_run(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    fresh = {wallpaper.id for wallpaper in twin.catalogue.upload(60)}
    killed = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(killed, KilledAfter(collecting.store, 2, last_lands=False))
    collecting.load(killed)
    assert len(fresh & loaded(collecting)) == 48
    result = collecting.collect()
    assert fresh <= loaded(collecting)
    assert (result["requests"], result["stopped_at"]) == (5, "known")


def test_what_was_fetched_and_never_loaded_lets_no_later_run_stop(collecting: Collecting, twin: Twin) -> None:
    never_loaded = collecting.run()
    collecting.crawl(never_loaded)
    assert certificate(collecting, never_loaded.key)["stopped_at"] == "end"
    assert collecting.warehouse.rows("select count(*) from ops.counted_certificates") == [(0,)]
    assert collecting.collect()["stopped_at"] == "end"
    assert loaded(collecting) == set(twin.catalogue.ids)


def test_a_total_that_was_fetched_and_never_loaded_explains_nothing(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    twin.catalogue.upload(60)
    collecting.crawl(collecting.run())
    result = collecting.collect()
    assert loaded(collecting) == set(twin.catalogue.ids)
    assert (result["requests"], result["stopped_at"]) == (5, "known")
    assert collecting.collect()["requests"] == 2


def test_a_crawl_whose_fetch_was_not_entered_lets_no_later_run_stop(collecting: Collecting) -> None:
    run = collecting.run()
    crawl.crawl(collecting.settings, run, collecting.store, Silent())
    collecting.load(run)
    assert collecting.warehouse.rows("select count(*) from ops.counted_certificates") == [(0,)]
    assert collecting.collect()["stopped_at"] == "end"


def test_a_source_that_flickers_ends_with_a_known_gap_which_the_next_run_closes(
    collecting: Collecting, twin: Twin
) -> None:
    after_page(twin, 2, lambda: twin.catalogue.delete(twin.catalogue.ids[-1]), times=MAX_REREADS + 1)
    run = collecting.run()
    result = collecting.crawl(run)
    collecting.load(run)
    assert (result["gaps"], result["stopped_at"]) == (1, "end")
    assert names(collecting, run.key).count("02-r3") == 1
    row = certificate(collecting, run.key)
    (gap,) = row["gaps"]
    above, below = row["intervals"]
    assert above["oldest"]["uploaded_at"] >= gap["newer"]["uploaded_at"] >= gap["older"]["uploaded_at"]
    assert gap["older"]["uploaded_at"] >= below["newest"]["uploaded_at"]
    assert "certificate incomplete from" in said(collecting, run.key)
    assert "not certain to be read" in said(collecting, run.key)
    healed = collecting.run()
    collecting.crawl(healed)
    collecting.load(healed)
    assert certificate(collecting, healed.key)["gaps"] == []
    assert set(twin.catalogue.ids) <= loaded(collecting)
    collecting.collect()
    assert collecting.collect()["requests"] == 2


def test_an_old_picture_that_newly_matches_is_found_by_the_total(collecting: Collecting, twin: Twin) -> None:
    hidden = twin.catalogue.ids[10]
    twin.catalogue.rerate(hidden, "sketchy")
    collecting.collect()
    assert hidden not in loaded(collecting)
    twin.catalogue.rerate(hidden, "sfw")
    swept = collecting.run()
    assert collecting.crawl(swept)["stopped_at"] == "end"
    collecting.load(swept)
    assert certificate(collecting, swept.key)["unexplained"] == 0, "the total is explained when it is found"
    assert hidden in loaded(collecting)
    assert collecting.collect()["requests"] == 2


def test_a_removal_deep_down_is_noticed_by_the_total(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    twin.catalogue.delete(twin.catalogue.ids[10])
    run = collecting.run()
    assert collecting.crawl(run)["stopped_at"] == "end"
    collecting.load(run)
    row = certificate(collecting, run.key)
    assert (row["unexplained"], row["ids_seen"], row["accounted_total"]) == (-1, SIZE - 1, SIZE - 1)
    assert collecting.collect()["requests"] == 2


def test_an_order_that_proves_nothing_is_not_certified(warehouse: Warehouse, twin: Twin) -> None:
    collecting = Collecting(warehouse, twin.api_url, wallhaven_order="asc")
    run = collecting.run()
    collecting.crawl(run)
    row = certificate(collecting, run.key)
    assert (row["ordered"], row["intervals"], row["ids_seen"]) == (False, [], SIZE)
    assert warehouse.rows("select count(*) from ops.coverage") == [(0,)]
    assert "certificate none: in this order" in said(collecting, run.key)
