"""Fetch against a twin: every page once, whatever goes wrong, and never a failure taken for the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.envelope import unpack
from luigi_tasks.domain.errors import (
    SourceError,
    SourceFailed,
    SourceRefused,
    SourceThrottled,
    SourceUnreachable,
)
from tests.conftest import Warehouse
from tests.image_server import serving, whole
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


def counted(collecting: Collecting) -> dict[str, int]:
    """What the requests of all runs came to."""
    return dict(collecting.warehouse.rows("select outcome, sum(requests)::integer from ops.requests group by 1"))


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
    assert 1.0 <= time.monotonic() - begun < 30
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
    assert counted(collecting) == {"answered": 3, "throttled": 1}


@pytest.mark.parametrize("kind", ["throttle", "status"])
def test_a_wait_that_is_longer_than_our_patience_is_an_error_at_once(
    collecting: Collecting, twin: Twin, kind: str
) -> None:
    twin.faults.add(Fault(kind, "search", times=None, status=503, retry_after=3600))
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
        (Fault("status", "search", times=None, status=503), SourceFailed, "503 from the source", 2),
        (Fault("throttle", "search", times=None, retry_after=0), SourceThrottled, "429: too many requests", 2),
        (Fault("reset", "search", times=None), SourceUnreachable, "no whole answer", 2),
        (Fault("status", "search", times=None, status=403), SourceRefused, "403: the source refuses us", 1),
        (Fault("status", "search", times=None, status=401), SourceRefused, "401: the source refuses us", 1),
        (Fault("status", "search", times=None, status=418), SourceError, "418, which is no answer", 1),
        (Fault("redirect", "search", times=None, location="http://127.0.0.1:1/"), SourceError, "302, which is no", 1),
        (Fault("gzip_bomb", "search", times=None, amount=32 << 20), SourceError, "more than 200 times its size", 1),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_stays_wrong_is_an_error_that_names_it(
    warehouse: Warehouse, twin: Twin, fault: Fault, kind: type[SourceError], words: str, requests: int
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
    assert counted(collecting) == {kind.outcome: requests}, "what is no page is counted all the same"
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
