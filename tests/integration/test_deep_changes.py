"""What changes deep down in a listing: found by a search with few requests, else by the rotating sweep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting, Interrupted, KilledAfter, pages_asked
from twin import Catalogue, Fault, Twin

SIZE = 400
PAGES = 17
HIDDEN = 60  # from the oldest


@pytest.fixture
def twin() -> Iterator[Twin]:
    """400 wallpapers on 17 pages, one of them hidden."""
    with Twin(Catalogue.generate(SIZE, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        running.catalogue.rerate(running.catalogue.ids[HIDDEN], "sketchy")
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected once."""
    first = Collecting(warehouse, twin.api_url)
    first.collect()
    pages_asked(twin)
    return first


def absent(collecting: Collecting) -> list[tuple[str, str]]:
    """What a run found to have left the listing, and the run."""
    sql = "select record_id, run_key from ops.listing_changes where not present order by record_id"
    return [(row[0], row[1]) for row in collecting.warehouse.rows(sql)]


def has(collecting: Collecting, record_id: str) -> bool:
    """True when the record is loaded."""
    return collecting.warehouse.rows(
        "select exists (select from raw.wallhaven_search where record_id = %s)", record_id
    ) == [(True,)]


def test_one_removal_deep_down_is_found_by_a_few_requests(collecting: Collecting, twin: Twin) -> None:
    doomed = twin.catalogue.ids[100]
    twin.catalogue.delete(doomed)
    run = collecting.run()
    result = collecting.crawl(run)
    collecting.load(run)
    assert result["stopped_at"] == "known"
    assert result["requests"] <= 2 + (PAGES).bit_length() + 3
    assert (result["searched"], result["vanished"]) == (result["requests"] - 2, 1)
    assert absent(collecting) == [(doomed, run.key)]
    unexplained, searched, intervals = collecting.warehouse.rows(
        "select unexplained, searched, jsonb_array_length(intervals) from ops.certificates where run_key = %s", run.key
    )[0]
    assert (unexplained, searched) == (0, result["searched"])
    assert 1 < intervals <= 1 + searched
    assert collecting.collect()["requests"] == 2


def test_one_late_arrival_deep_down_is_found_by_a_few_requests(collecting: Collecting, twin: Twin) -> None:
    late = twin.catalogue.ids[HIDDEN]
    twin.catalogue.rerate(late, "sfw")
    result = collecting.collect()
    assert has(collecting, late)
    assert result["requests"] <= 2 + (PAGES).bit_length() + 3
    assert collecting.collect()["requests"] == 2


def test_a_search_ends_at_its_bound_and_says_what_is_left(collecting: Collecting, twin: Twin) -> None:
    bounded = collecting.with_settings(wallhaven_search_pages=2)
    twin.catalogue.rerate(twin.catalogue.ids[HIDDEN], "sfw")
    run = bounded.run()
    assert bounded.crawl(run)["requests"] == 4
    assert bounded.warehouse.rows("select unexplained, searched from ops.certificates where run_key = %s", run.key) == [
        (1, 2)
    ]


def test_a_killed_search_goes_on_and_asks_nothing_twice(collecting: Collecting, twin: Twin) -> None:
    twin.catalogue.rerate(twin.catalogue.ids[HIDDEN], "sfw")
    run = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(run, KilledAfter(collecting.store, 4, last_lands=True))
    collecting.crawl(run)
    asked = pages_asked(twin)
    names = "select page_name from ops.pages where run_key = %s"
    assert len(asked) == len(collecting.warehouse.rows(names, run.key)), "each answer was kept and used"
    collecting.load(run)
    assert has(collecting, twin.catalogue.ids[HIDDEN])


def test_what_no_total_tells_is_found_by_the_sweep_which_goes_on_from_run_to_run(
    collecting: Collecting, twin: Twin
) -> None:
    doomed, late = twin.catalogue.ids[200], twin.catalogue.ids[HIDDEN]
    sweeping = collecting.with_settings(wallhaven_sweep_pages=4, wallhaven_sweep_rest_hours=0)
    twin.catalogue.delete(doomed)
    twin.catalogue.rerate(late, "sfw")
    for _ in range(3):
        assert sweeping.collect()["stopped_at"] == "known"
        twin.catalogue.upload(5)
    killed = sweeping.run()
    with pytest.raises(Interrupted):
        sweeping.crawl(killed, KilledAfter(sweeping.store, 3, last_lands=False))
    for _ in range(3):
        sweeping.collect()
    assert has(sweeping, late)
    assert doomed in {record_id for record_id, _ in absent(sweeping)}
    first, second, *_ = sweeping.warehouse.rows(
        "select rotation, slices, completed_at is not null from ops.sweeps order by rotation"
    )
    assert first == (1, 1, True), "the first crawl read everything"
    assert (second[0], second[2]) == (2, True)
    assert 5 <= second[1] <= 6
    asked = {int(page) for page in pages_asked(twin)}
    assert asked >= set(range(1, PAGES + 1))


def test_a_sweep_that_gets_no_answer_is_left_to_a_later_run(collecting: Collecting, twin: Twin) -> None:
    sweeping = collecting.with_settings(wallhaven_sweep_pages=2, wallhaven_sweep_rest_hours=0, http_max_attempts=1)
    twin.faults.add(Fault("status", match="search", status=503, times=None, after=2))
    result = sweeping.collect()
    assert (result["stopped_at"], "sweep_problem" in result) == ("known", True)
    assert sweeping.warehouse.rows("select count(*) from ops.listing_changes where not present") == [(0,)]


def test_a_listing_that_was_just_read_whole_is_not_swept(collecting: Collecting) -> None:
    resting = collecting.with_settings(wallhaven_sweep_pages=4)
    assert resting.collect()["requests"] == 2
