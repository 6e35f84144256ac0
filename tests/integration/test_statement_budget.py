"""What Load and a run without news may say to the warehouse, by counts that are the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from luigi_tasks.gateways import postgres
from luigi_tasks.steps import load
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from tests.integration.test_transfer_budget import Counting, counting
from twin import Catalogue, Twin

__all__ = ["counting"]

PAGES = 6


@pytest.fixture
def twin() -> Iterator[Twin]:
    """Six pages of 24."""
    with Twin(Catalogue.generate(24 * PAGES, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, not collected yet."""
    return Collecting(warehouse, twin.api_url)


def test_a_load_is_as_many_statements_for_one_record_as_for_many(
    collecting: Collecting, twin: Twin, counting: type[Counting]
) -> None:
    said = {}
    for records in (24 * PAGES, 1):
        run = collecting.run()
        collecting.crawl(run)
        Counting.said.clear()
        assert collecting.load(run)["loaded"] >= records
        said[records] = Counting.said.total()
        twin.catalogue.upload(1)  # the next run loads a page of which one record is new, and one that is known
    assert said[24 * PAGES] == said[1] <= 10, "a copy, a row for each page at once, and the ledger's own"


def test_a_load_of_several_batches_logs_in_once(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PAGES_PER_BATCH", 2)
    run = collecting.run()
    collecting.crawl(run)
    with patch.object(postgres, "connect", wraps=postgres.connect) as login:
        assert collecting.load(run)["pages"] == PAGES
    assert login.call_count == 1


def test_a_run_without_news_says_as_much_after_many_runs_as_after_one(
    collecting: Collecting, counting: type[Counting]
) -> None:
    collecting.collect()
    said = []
    for _ in range(4):
        Counting.said.clear()
        assert collecting.collect()["requests"] == 2
        said.append(Counting.said.total())
    assert set(said) == {said[0]}, "whatever there is"
    assert said[0] <= 40, "two pages asked for, entered and loaded, and a certificate"
