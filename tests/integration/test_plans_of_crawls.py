"""What Fetch, Load and the metrics ask of the ledgers costs what is new, beside some thousand runs.

Without dbt: test_plans.py has the models, and what is asked of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from benchmarks import collection, crawled
from luigi_tasks.domain.coverage import Certificate, Interval, Position, Span
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import (
    coverage_ledger,
    listing_ledger,
    metrics_ledger,
    page_ledger,
    postgres,
    run_ledger,
    table_statistics,
)
from luigi_tasks.gateways.listing_ledger import Slice
from luigi_tasks.sources import CATALOGUE
from tests.conftest import Warehouse
from tests.integration.test_plans import Asked

PAGES, PER_PAGE, RUNS = 1500, 4, 4000
BLOCKS_A_STATEMENT = 150  # for eight records; the listing's changes have as many
# A hundred certificates; eight lookups, where passing over all changes takes 118.
OWN_BOUNDS = {"closed_intervals": 600, "enter_changes": 80}
MINUTE = datetime.datetime(2026, 11, 21, 7)
NEW = Run(Query.of("wallhaven", "draenei", {"q": "draenei"}), "2026-11-21T07:00")
KEY = NEW.query.key
NEWEST = PAGES * PER_PAGE - 1


def record(number: int) -> Position:
    """An item of the collection, as benchmarks/collection.py places it."""
    return Position(datetime.datetime(2014, 1, 1) + datetime.timedelta(minutes=number), f"{number:06x}")


SEEN = {one.record_id: one for one in map(record, range(NEWEST - 2 * PER_PAGE + 1, NEWEST + 1))}
SPAN = Span(min(SEEN.values()).uploaded_at, max(SEEN.values()).uploaded_at)
WHOLE = Interval(record(NEWEST), record(0), to_end=True)
CERTIFICATE = Certificate(
    ordered=True,
    reads=2,
    rereads=0,
    ids_seen=len(SEEN),
    stopped_at="known",
    intervals=(WHOLE,),
    coverage=(WHOLE,),
    gaps=(),
    total_first=NEWEST,
    total_last=NEWEST,
    accounted_total=NEWEST,
    unexplained=0,
)
SWEPT = Slice(2, WHOLE, 3, NEWEST, 2, datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC))
MADE_WITH = run_ledger.Circumstances("test", "0" * 64, "http://127.0.0.1/api/v1")
MOMENTS = (SWEPT.last_read_at, SWEPT.last_read_at)


def search(cursor: Any) -> None:
    """Its first count, of all records."""
    cursor.execute(listing_ledger.NUMBER, {"query": KEY, "run": NEW.key, "from": "-infinity", "until": "infinity"})


ASKED: dict[str, Callable[[Any], Any]] = {
    "open_run": lambda cursor: run_ledger.open_run(cursor, NEW, MADE_WITH),
    "find_page": lambda cursor: page_ledger.find_page(cursor, NEW.key, "search", "page-00001"),
    "known_ids": lambda cursor: page_ledger.known_ids(cursor, "raw.wallhaven_search", "search", KEY, sorted(SEEN)),
    "closed_intervals": lambda cursor: coverage_ledger.closed_intervals(cursor, KEY, NEW.key),
    "accounted_total": lambda cursor: coverage_ledger.accounted_total(cursor, KEY, NEW.key),
    "sweep: standing": lambda cursor: listing_ledger.standing(cursor, KEY, NEW.key),
    "enter_certificate": lambda cursor: coverage_ledger.enter_certificate(cursor, NEW.key, KEY, CERTIFICATE, MOMENTS),
    "enter_slice": lambda cursor: listing_ledger.enter_slice(cursor, NEW.key, KEY, SWEPT),
    "enter_changes": lambda cursor: listing_ledger.enter_changes(cursor, NEW.key, KEY, SEEN, [SPAN]),
    "search: what is expected": search,
    "complete_step": lambda cursor: run_ledger.complete_step(cursor, NEW.key, "Fetch", MOMENTS[0], {}),
    "pages_to_load": lambda cursor: page_ledger.pages_to_load(cursor, NEW.key, "search", 100),
    "open_batch": lambda cursor: page_ledger.open_batch(cursor, NEW.key),
    "count_certificates": lambda cursor: coverage_ledger.count_certificates(cursor, NEW.key),
    "metrics: add_run": lambda cursor: metrics_ledger.add_run(cursor, NEW.key, "succeeded"),
    "metrics: gauges": lambda cursor: metrics_ledger.gauges(cursor, sorted(CATALOGUE), ["randomuser"]),
    "settle_run": lambda cursor: run_ledger.settle_run(cursor, NEW.key),
}
# A search is made when the total disagrees: it counts the listing once, in the server (decision 0039).
READ_WHOLE = {"search: what is expected": {"listing_changes", "certificates", "steps"}}


def test_what_a_crawl_asks_is_found_by_indexes(warehouse: Warehouse) -> None:
    with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
        collection.add_items(cursor, 1, PAGES, PER_PAGE)
        collection.register_all(cursor)
        crawled.add_crawl(cursor, NEW.query, "pillow", runs=RUNS, nodes=1)
    with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
        table_statistics.analyze_changed(cursor)
        run_ledger.open_run(cursor, NEW, MADE_WITH)
    asked = {}
    with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
        for name, ask in ASKED.items():
            asked[name] = Asked(cursor)
            ask(asked[name])
    assert [name for name, one in asked.items() if not one.statements] == []
    scanned = {name: one.scanned for name, one in asked.items()}
    assert {name: tables for name, tables in scanned.items() if tables} == READ_WHOLE
    most = {name: one.blocks for name, one in asked.items() if name not in READ_WHOLE}
    assert {name: number for name, number in most.items() if number > OWN_BOUNDS.get(name, BLOCKS_A_STATEMENT)} == {}
