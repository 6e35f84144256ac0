"""What a crawl asks of earlier ones is counted once: that a certificate counts, and records that are expected."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import closing

import pytest

from luigi_tasks.domain.coverage import Position, Span
from luigi_tasks.gateways import listing_ledger, postgres
from luigi_tasks.gateways.listing_ledger import Expected
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from twin import Catalogue, Twin

COUNTED = "select run_key, counted from ops.certificates order by run_key"
EVER = datetime.datetime.min
DAY = datetime.datetime(2026, 11, 1)


@pytest.fixture
def collecting(warehouse: Warehouse) -> Iterator[Collecting]:
    """The query, not collected yet."""
    with Twin(Catalogue.generate(30, small=True, shared_picture=True), rate_per_minute=10_000) as twin:
        yield Collecting(warehouse, twin.api_url)


def test_that_a_certificate_counts_is_kept_by_the_load_that_makes_it_count(collecting: Collecting) -> None:
    never_loaded, loaded = collecting.run(), collecting.run()
    collecting.crawl(never_loaded)
    collecting.crawl(loaded)
    assert collecting.warehouse.rows(COUNTED) == [(never_loaded.key, False), (loaded.key, False)]
    collecting.load(loaded)
    assert collecting.warehouse.rows(COUNTED) == [(never_loaded.key, False), (loaded.key, True)]
    collecting.load(never_loaded)
    assert collecting.warehouse.rows(COUNTED) == [(never_loaded.key, True), (loaded.key, True)]


def test_what_counts_already_is_not_looked_at_again(collecting: Collecting) -> None:
    collecting.collect()
    collecting.warehouse.rows("delete from ops.loads")
    assert collecting.warehouse.rows("select count(*) from ops.counted_certificates") == [(1,)]


def at(hour: int) -> Position:
    """A record that was uploaded so many hours after midnight."""
    return Position(DAY + datetime.timedelta(hours=hour), f"w{hour:05}")


def test_expected_records_are_counted_from_any_moment_and_only_once(collecting: Collecting) -> None:
    earlier, later, asking = collecting.run(), collecting.run(), collecting.run()
    key = asking.query.key
    listed = {one.record_id: one for one in map(at, range(100))}
    kept = {name: one for name, one in listed.items() if one.uploaded_at.hour % 5}
    whole = [Span(at(0).uploaded_at, at(99).uploaded_at)]
    for run, seen in ((earlier, listed), (later, kept)):
        collecting.crawl(run)
        collecting.load(run)
        with postgres.transaction(collecting.settings) as cursor:
            listing_ledger.enter_changes(cursor, run.key, key, seen, whole)
    with closing(postgres.connect(collecting.settings)) as connection:
        expected = Expected(connection, key, asking.key)
        assert expected.since(EVER) == len(kept) < len(listed)
        for hour in (50, 75, 62, 10, 62, 99, 0):
            assert expected.since(at(hour).uploaded_at) == sum(one >= at(hour) for one in kept.values()), hour
        collecting.warehouse.rows("truncate ops.listing_changes")
        assert expected.since(at(75).uploaded_at) > 0, "what was counted is not counted again"
        assert expected.since(at(40).uploaded_at) == expected.since(at(50).uploaded_at), "from where it is known"
