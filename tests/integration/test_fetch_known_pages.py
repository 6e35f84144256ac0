"""When a crawl may stop, and which details are fetched: nothing known is asked for again, nothing new is missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.domain.errors import SourceError, SourceRefused
from luigi_tasks.steps import fetch
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting, Interrupted, KilledAfter, Notes, ledger, pages_asked
from twin import Catalogue, Fault, Twin


@pytest.fixture
def twin() -> Iterator[Twin]:
    """60 wallpapers on 3 pages."""
    with Twin(Catalogue.generate(60, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin."""
    return Collecting(warehouse, twin.api_url)


def test_an_unchanged_catalogue_costs_two_requests(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    pages_asked(twin)
    result = collecting.collect()
    assert (result["requests"], result["stopped_at"], result["duplicate"]) == (2, "known", 48)
    assert pages_asked(twin) == ["1", "2"]


def test_new_uploads_are_read_until_a_known_page_plus_one(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    fresh = {wallpaper.id for wallpaper in twin.catalogue.upload(30)}
    pages_asked(twin)
    result = collecting.collect()
    assert pages_asked(twin) == ["1", "2", "3", "4"]
    assert result["stopped_at"] == "end"
    loaded = {row[0] for row in collecting.warehouse.rows("select record_id from raw.wallhaven_search")}
    assert fresh <= loaded
    twin.catalogue.upload(2)
    assert collecting.collect()["requests"] == 3


def test_a_crawl_that_was_not_completed_makes_nothing_known(collecting: Collecting, twin: Twin) -> None:
    run = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(run, KilledAfter(collecting.store, 2, last_lands=False))
    collecting.load(run)
    pages_asked(twin)
    assert collecting.collect()["stopped_at"] == "end"
    assert pages_asked(twin) == ["1", "2", "3"]


def test_what_another_query_found_is_not_known(collecting: Collecting, twin: Twin) -> None:
    collecting.collect()
    other = collecting.with_settings(wallhaven_purity="110")
    assert other.collect()["stopped_at"] == "end"


@pytest.mark.parametrize("filters", [{"wallhaven_sorting": "toplist"}, {"wallhaven_order": "asc"}])
def test_an_order_in_which_new_ones_stand_anywhere_is_read_whole(
    warehouse: Warehouse, twin: Twin, filters: dict[str, str]
) -> None:
    collecting = Collecting(warehouse, twin.api_url, **filters)
    collecting.collect()
    pages_asked(twin)
    assert collecting.collect()["stopped_at"] == "end"
    assert pages_asked(twin) == ["1", "2", "3"]


def details(collecting: Collecting, **overrides: Any) -> dict[str, Any]:
    """Fetch details in a new run."""
    own = collecting.with_settings(**overrides) if overrides else collecting
    return fetch.fetch_details(own.settings, own.run(), own.store, Notes())


def test_details_come_newest_first_up_to_the_limit(collecting: Collecting, twin: Twin) -> None:
    newest_first = list(reversed(twin.catalogue.ids))
    collecting.want_details(newest_first)
    result = details(collecting, details_per_run=4)
    assert result == {"fetched": 4, "gone": 0, "withheld": 0, "failed": 0, "wanted": 4, "requests": 4}
    assert [request.route.id for request in twin.api_calls()] == newest_first[:4]
    assert details(collecting, details_per_run=0)["requests"] == 0


def test_deleted_and_rerated_ones_are_answers(collecting: Collecting, twin: Twin) -> None:
    gone, withheld, there = twin.catalogue.ids[:3]
    twin.catalogue.delete(gone)
    twin.catalogue.rerate(withheld, "nsfw")
    collecting.want_details([gone, withheld, there])
    result = details(collecting)
    assert (result["gone"], result["withheld"], result["fetched"], result["failed"]) == (1, 1, 1, 0)
    assert [row[:2] for row in ledger(collecting)] == [(f"w-{gone}", 404), (f"w-{withheld}", 401), (f"w-{there}", 200)]
    run_key = ledger(collecting)[0][5]
    assert collecting.warehouse.rows("select count(*) from ops.pages where run_key = %s", run_key) == [(3,)]


def test_one_that_does_not_answer_is_left_to_a_later_run(collecting: Collecting, twin: Twin) -> None:
    ids = twin.catalogue.ids[:3]
    collecting.want_details(ids)
    twin.faults.add(Fault("status", "detail", id=ids[1], times=None, status=500))
    result = details(collecting, http_max_attempts=1)
    assert (result["fetched"], result["failed"], result["requests"]) == (2, 1, 3)


def test_three_in_a_row_without_an_answer_are_the_sources_fault(collecting: Collecting, twin: Twin) -> None:
    ids = twin.catalogue.ids[:6]
    collecting.want_details(ids)
    twin.faults.add(Fault("status", "detail", after=1, times=None, status=500))
    with pytest.raises(SourceError, match="500 from the source"):
        details(collecting, http_max_attempts=1)
    assert Counter(request.route.id for request in twin.api_calls()) == Counter(ids[:4])


def test_a_source_that_refuses_details_is_not_asked_on(collecting: Collecting, twin: Twin) -> None:
    collecting.want_details(twin.catalogue.ids[:3])
    twin.faults.add(Fault("status", "detail", times=None, status=403))
    with pytest.raises(SourceRefused):
        details(collecting)
    assert len(twin.api_calls()) == 1
