"""Fetch against a twin: every page once, whatever goes wrong, and never a failure taken for the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.domain.envelope import unpack
from luigi_tasks.domain.errors import (
    PipelineError,
    SourceError,
    SourceRefused,
    SourceThrottled,
    SourceUnreachable,
)
from luigi_tasks.steps import fetch
from tests.conftest import Warehouse
from tests.image_server import serving, whole
from tests.integration.core_fixtures import Collecting, Interrupted, KilledAfter, Notes
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


def pages_asked(twin: Twin) -> list[str]:
    """The pages that were asked for since the last look."""
    asked = [request.params["page"] for request in twin.api_calls()]
    twin.clear_requests()
    return asked


def ledger(collecting: Collecting) -> list[tuple[Any, ...]]:
    """Every page that the ledger knows, with its object."""
    return collecting.warehouse.rows(
        "select page_name, status, body_sha256, body_bytes, object_key, run_key from ops.pages order by page_id"
    )


def test_every_page_is_kept_byte_for_byte_with_its_envelope(collecting: Collecting, twin: Twin) -> None:
    run = collecting.run()
    result = collecting.crawl(run)
    assert result == {"pages": 3, "records": 60, "requests": 3, "claimed_total": 60, "stopped_at": "end"}
    assert pages_asked(twin) == ["1", "2", "3"]
    ids = []
    for number, (name, status, sha256, size, key, run_key) in enumerate(ledger(collecting), start=1):
        envelope, body = unpack(collecting.store.get(key))
        assert (name, status, run_key) == (f"page-{number:05}", 200, run.key)
        assert key == f"{run.raw_prefix}/search/{name}.gz"
        assert (envelope.sha256, envelope.body_bytes, len(body)) == (sha256, size, size)
        assert envelope.request["params"] == {**dict(run.query.parameters), "page": str(number)}
        ids += [record["id"] for record in json.loads(body)["data"]]
    assert sorted(ids) == sorted(twin.catalogue.ids)


def test_the_filters_reach_the_source(warehouse: Warehouse, twin: Twin) -> None:
    filters = {"wallhaven_sorting": "toplist", "wallhaven_top_range": "1y", "wallhaven_ai_art_filter": "1"}
    collecting = Collecting(warehouse, twin.api_url, wallhaven_query="+draenei", **filters)
    collecting.crawl(collecting.run())
    request = twin.api_calls()[0]
    assert request.query.endswith("&q=%2Bdraenei")
    assert request.params == {
        "ai_art_filter": "1",
        "categories": "111",
        "order": "desc",
        "page": "1",
        "purity": "100",
        "q": "+draenei",
        "sorting": "toplist",
        "topRange": "1y",
    }


@pytest.mark.parametrize("last_lands", [False, True], ids=["before the object", "between the object and its row"])
def test_an_interrupted_crawl_asks_for_no_finished_page_again(
    collecting: Collecting, twin: Twin, last_lands: bool
) -> None:
    run = collecting.run()
    with pytest.raises(Interrupted):
        collecting.crawl(run, KilledAfter(collecting.store, 1, last_lands=last_lands))
    assert pages_asked(twin) == ["1", "2"]
    assert len(ledger(collecting)) == 1
    result = collecting.crawl(run)
    assert pages_asked(twin) == (["3"] if last_lands else ["2", "3"])
    assert (result["pages"], result["records"]) == (3, 60)
    assert [row[0] for row in ledger(collecting)] == ["page-00001", "page-00002", "page-00003"]
    assert collecting.load(run)["loaded"] == 60


def test_a_complete_crawl_asks_nothing_at_all(collecting: Collecting, twin: Twin) -> None:
    run = collecting.run()
    first = collecting.crawl(run)
    pages_asked(twin)
    assert collecting.crawl(run) == {**first, "requests": 0}
    assert pages_asked(twin) == []


def test_a_429_is_obeyed_and_all_processes_hear_of_it(collecting: Collecting, twin: Twin) -> None:
    twin.faults.add(Fault("throttle", "search", page=2, retry_after=1))
    run, begun = collecting.run(), time.monotonic()
    result = collecting.crawl(run)
    assert 1.0 <= time.monotonic() - begun < 5
    assert (result["records"], result["requests"]) == (60, 4)
    asked = [request.at for request in twin.api_calls()]
    assert asked[2] - asked[1] >= 0.99
    rows = collecting.warehouse.rows(
        "select b.blocked_until - p.fetched_at > interval '0.9 s' from ops.request_budget b, ops.pages p"
        " where p.page_name = 'page-00001'"
    )
    assert rows == [(True,)], "another process finds the block in the warehouse"
    (evidence,) = collecting.refused(run)
    assert (evidence["status"], evidence["headers"]["retry-after"]) == (429, "1")


def test_a_wait_that_is_longer_than_our_patience_is_an_error_at_once(collecting: Collecting, twin: Twin) -> None:
    twin.faults.add(Fault("throttle", "search", times=None, retry_after=3600))
    with pytest.raises(SourceThrottled, match=r"wait 3600 s.*HTTP_MAX_WAIT_SECONDS"):
        collecting.crawl(collecting.run())
    assert pages_asked(twin) == ["1"]


def test_an_answer_that_says_the_budget_is_used_up_is_an_answer(warehouse: Warehouse) -> None:
    body = b'{"data": [], "meta": {"current_page": 1, "last_page": 1, "total": 0}}'
    with serving() as server:
        server.answers["/search"] = whole(
            body, "application/json", X_RateLimit_Remaining=0, X_RateLimit_Reset=int(time.time()) + 30
        )
        collecting = Collecting(warehouse, server.url(""), http_max_wait_seconds=5)
        assert collecting.crawl(collecting.run())["requests"] == 1
    wait = "select extract(epoch from blocked_until - clock_timestamp()) from ops.request_budget"
    assert 20 < warehouse.rows(wait)[0][0] < 31


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html_200", "search", page=2),
        Fault("wrong_type", "search", page=2),
        Fault("bad_json", "search", page=2),
        Fault("empty_data", "search", page=2),
        Fault("status", "search", page=2, status=502),
        Fault("truncate", "search", page=2),
        Fault("truncate_silent", "search", page=2),
        Fault("reset", "search", page=2),
    ],
    ids=lambda fault: fault.kind,
)
def test_what_is_no_answer_is_asked_again_and_never_the_end(collecting: Collecting, twin: Twin, fault: Fault) -> None:
    twin.faults.add(fault)
    run, notes = collecting.run(), Notes()
    result = collecting.crawl(run, progress=notes)
    assert (result["pages"], result["records"], result["requests"]) == (3, 60, 4)
    assert any(note.startswith("attempt 1: ") and note.endswith("; trying again") for note in notes.notes)
    came = fault.kind not in {"truncate", "reset"}
    assert len(collecting.refused(run)) == came, "what came is kept as evidence"
    assert len(ledger(collecting)) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "words", "requests"),
    [
        (Fault("html_200", "search", times=None), SourceError, "200 with text/html where JSON was due", 2),
        (Fault("empty_data", "search", times=None), SourceError, "page 1 of 3 is empty though the source", 2),
        (Fault("status", "search", times=None, status=503), SourceError, "503 from the source", 2),
        (Fault("throttle", "search", times=None, retry_after=0), SourceThrottled, "429: too many requests", 2),
        (Fault("reset", "search", times=None), SourceUnreachable, "no whole answer", 2),
        (Fault("status", "search", times=None, status=403), SourceRefused, "403: the source refuses us", 1),
        (Fault("status", "search", times=None, status=401), SourceRefused, "401: the source refuses us", 1),
        (Fault("status", "search", times=None, status=418), SourceError, "418, which is no answer", 1),
        (Fault("redirect", "search", times=None, location="http://127.0.0.1:1/"), SourceError, "302, which is no", 1),
        (Fault("gzip_bomb", "search", times=None, amount=32 << 20), SourceError, "larger than 16777216 bytes", 1),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_stays_wrong_is_an_error_that_names_it(
    warehouse: Warehouse, twin: Twin, fault: Fault, kind: type[PipelineError], words: str, requests: int
) -> None:
    twin.faults.add(fault)
    collecting = Collecting(warehouse, twin.api_url, http_max_attempts=2)
    run = collecting.run()
    with pytest.raises(kind, match=words) as failed:
        collecting.crawl(run)
    assert type(failed.value) is kind
    assert twin.api_url in str(failed.value)
    assert pages_asked(twin) == ["1"] * requests
    assert ledger(collecting) == []
    evidence = collecting.refused(run)
    assert len(evidence) == (0 if fault.kind in {"reset", "gzip_bomb"} else requests)
    twin.faults.clear()
    assert collecting.crawl(run)["records"] == 60, "nothing is in the way of the same command"


def test_no_secret_reaches_the_raw_zone_or_the_ledger(warehouse: Warehouse, twin: Twin) -> None:
    collecting = Collecting(warehouse, twin.api_url, wallhaven_api_key="canary-7f3a")
    run = collecting.run()
    with pytest.raises(SourceRefused) as refused:
        collecting.crawl(run)
    assert "canary" not in str(refused.value)
    assert "canary" not in json.dumps(collecting.refused(run))
    assert twin.api_calls()[0].headers["x-api-key"] == "canary-7f3a"


def test_page_numbers_that_lead_nowhere_are_an_error(warehouse: Warehouse) -> None:
    body = b'{"data": [{"id": "a"}], "meta": {"current_page": 1, "last_page": 5, "total": 100}}'
    with serving() as server:
        server.answers["/search"] = whole(body, "application/json")
        collecting = Collecting(warehouse, server.url(""))
        with pytest.raises(SourceError, match="page numbers lead back to page-00002"):
            collecting.crawl(collecting.run())
        assert server.asked["/search"] == 2


def test_a_query_with_more_pages_than_expected_is_an_error_not_the_end(warehouse: Warehouse, twin: Twin) -> None:
    with pytest.raises(SourceError, match=r"more than 2 pages.*WALLHAVEN_MAX_PAGES"):
        Collecting(warehouse, twin.api_url, wallhaven_max_pages=2).collect()
    exactly = Collecting(warehouse, twin.api_url, wallhaven_max_pages=3).with_settings(wallhaven_max_pages=3)
    assert exactly.collect()["pages"] == 3


# The stop rule: newest first, until the first page wholly known plus one.


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


# Details.


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
