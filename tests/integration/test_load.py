"""Load: rows and ledger in one transaction, each body once, and a bad record costs nothing but itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from luigi_tasks.domain.envelope import digest
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps import fetch
from tests.conftest import Warehouse
from tests.image_server import ImageServer, in_turn, serving, whole
from tests.integration.core_fixtures import Collecting
from tests.s3_double import s3_double
from twin import Catalogue, Fault, Twin


@pytest.fixture
def twin() -> Iterator[Twin]:
    """30 wallpapers on 2 pages."""
    with Twin(Catalogue.generate(30, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin."""
    return Collecting(warehouse, twin.api_url)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    """An API whose bodies the test writes."""
    with serving() as running:
        yield running


COUNTS = "select page_name, received, loaded, duplicate, quarantined from ops.loads order by page_id"


def counts(collecting: Collecting) -> dict[str, int]:
    """Rows of every table that Load writes."""
    tables = ("raw.wallhaven_search", "raw.wallhaven_wallpaper", "ops.loads", "ops.batches", "ops.quarantine")
    return {table: collecting.warehouse.rows(f"select count(*) from {table}")[0][0] for table in tables}


def test_every_record_is_a_row_with_its_origin(collecting: Collecting, twin: Twin) -> None:
    run = collecting.run()
    collecting.crawl(run)
    assert collecting.load(run) == {
        "pages": 2,
        "received": 30,
        "loaded": 30,
        "duplicate": 0,
        "quarantined": 0,
        "unexpected_fields": [],
    }
    rows = collecting.warehouse.rows(
        "select r.record_id, r.payload->>'id', r.position, p.page_name, r.fetched_at = p.fetched_at, b.run_key"
        " from raw.wallhaven_search r join ops.pages p using (body_sha256) join ops.batches b using (batch_id)"
        " order by p.page_name, r.position"
    )
    assert [row[0] for row in rows] == list(reversed(twin.catalogue.ids))
    assert all(record_id == payload_id for record_id, payload_id, *_ in rows)
    assert [row[2:] for row in rows] == [
        (number % 24, f"page-0000{number // 24 + 1}", True, run.key) for number in range(30)
    ]
    assert collecting.warehouse.rows(COUNTS) == [("page-00001", 24, 24, 0, 0), ("page-00002", 6, 6, 0, 0)]


def test_what_is_loaded_is_not_loaded_again(collecting: Collecting) -> None:
    run = collecting.run()
    collecting.crawl(run)
    collecting.load(run)
    before = counts(collecting)
    assert collecting.load(run)["pages"] == 0
    assert counts(collecting) == before


def test_the_same_bytes_in_a_later_run_are_observed_not_stored_again(collecting: Collecting) -> None:
    collecting.collect()
    before = counts(collecting)
    again = collecting.collect()
    assert (again["received"], again["loaded"], again["duplicate"]) == (30, 0, 30)
    assert counts(collecting) == before | {"ops.loads": 4, "ops.batches": 2}


def test_a_failure_in_the_middle_leaves_nothing(collecting: Collecting, twin: Twin) -> None:
    run = collecting.run()
    collecting.crawl(run)
    collecting.warehouse.rows(
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'the disk is full'; end $$;"
        "create trigger refuse before insert on ops.loads for each row when (new.page_name = 'page-00002')"
        " execute function refuse()"
    )
    with pytest.raises(psycopg2.Error, match="the disk is full"):
        collecting.load(run)
    assert set(counts(collecting).values()) == {0}, "neither rows nor ledger, nor of the page that was good"
    collecting.warehouse.rows("drop trigger refuse on ops.loads")
    assert collecting.load(run)["loaded"] == 30


@pytest.mark.parametrize("kind", ["truncated", "reset", "garbled"])
def test_a_bucket_whose_answers_break_off_once_costs_a_run_nothing(warehouse: Warehouse, twin: Twin, kind: str) -> None:
    with s3_double() as double:
        collecting = Collecting(warehouse, twin.api_url, **double.settings())
        run = collecting.run()
        collecting.crawl(run)
        double.state.fault(kind, "GET", prefix="raw/", times=1)
        assert collecting.load(run)["loaded"] == 30
        assert not any(fault.times for fault in double.state.faults), "the fault was met"


def test_a_raw_object_that_was_damaged_is_refused_with_words(collecting: Collecting) -> None:
    run = collecting.run()
    collecting.crawl(run)
    path = collecting.settings.draenei_home / "objects" / f"{run.raw_prefix}/search/page-00001.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"raw object is damaged.*another run id"):
        collecting.load(run)
    assert set(counts(collecting).values()) == {0}


@pytest.mark.parametrize(
    ("kind", "options", "path", "words"),
    [
        ("null_byte", {}, "/source", "U+0000"),
        ("lone_surrogate", {}, "/source", "lone surrogate"),
        ("nan", {}, "/views", "finite number"),
        ("huge_number", {}, "/views", "is greater than the maximum"),
        ("missing_field", {}, "", '"path" is a required property'),
        ("set_field", {"field": "purity", "value": None}, "/purity", "null is not one of"),
        ("set_field", {"field": "more", "value": {"deep": ["\0"]}}, "/more/deep/0", "U+0000"),
        ("set_field", {"field": "na\0me", "value": 1}, "/na\\u0000me (name)", "U+0000"),
    ],
)
def test_one_bad_record_is_quarantined_and_the_rest_loads(
    collecting: Collecting, twin: Twin, kind: str, options: dict[str, Any], path: str, words: str
) -> None:
    bad = twin.catalogue.ids[-3]
    twin.faults.add(Fault(kind, "search", page=1, id=bad, **options))
    result = collecting.collect()
    assert (result["received"], result["loaded"], result["quarantined"]) == (30, 29, 1)
    assert collecting.warehouse.rows(COUNTS)[0] == ("page-00001", 24, 23, 0, 1)
    (row,) = collecting.warehouse.rows(
        "select q.record_id, q.position, q.violations, q.record, q.state, p.page_name, p.body_sha256 = q.body_sha256"
        " from ops.quarantine q join ops.pages p using (page_id)"
    )
    assert (row[0], row[1], row[4:]) == (bad, 2, ("open", "page-00001", True))
    ((found, message),) = [(violation["path"], violation["message"]) for violation in row[2]]
    assert found == path
    assert words in message
    assert json.loads(row[3])["id"] == bad
    loaded = {record_id for (record_id,) in collecting.warehouse.rows("select record_id from raw.wallhaven_search")}
    assert loaded == set(twin.catalogue.ids) - {bad}


def test_every_violation_of_a_record_is_kept(collecting: Collecting, twin: Twin, server: ImageServer) -> None:
    record = {"id": "abc123", "views": -1, "source": "\0", "purity": "nice"}
    server.answers["/search"] = listing([record, None, "text"])
    own = Collecting(collecting.warehouse, server.url(""), quarantine_max_share=1)
    assert own.collect()["quarantined"] == 3
    rows = own.warehouse.rows("select record_id, violations, position from ops.quarantine order by position")
    assert [(row[0], row[2]) for row in rows] == [("abc123", 0), (None, 1), (None, 2)]
    paths = [violation["path"] for violation in rows[0][1]]
    assert {"/views", "/source", "/purity"} <= set(paths)
    assert paths.count("") == 14, "one for each field that is missing"


def listing(records: list[Any], **meta: int) -> Any:
    """An answer with these records."""
    meta = {"current_page": 1, "last_page": 1, "total": len(records), **meta}
    return whole(json.dumps({"data": records, "meta": meta}).encode(), "application/json")


def test_an_unknown_field_is_reported_and_loaded(collecting: Collecting, twin: Twin) -> None:
    twin.faults.add(Fault("extra_field", "search", page=2, field="größe", value={"a": 1}))
    result = collecting.collect()
    assert (result["loaded"], result["quarantined"], result["unexpected_fields"]) == (30, 0, ["größe"])
    rows = collecting.warehouse.rows("select unexpected_fields from ops.loads order by page_id")
    assert rows == [([],), (["größe"],)]
    assert collecting.warehouse.rows("select payload->'größe' from raw.wallhaven_search where payload ? 'größe'") == [
        ({"a": 1},)
    ]


def test_a_record_that_stands_twice_on_its_page_is_one(collecting: Collecting, twin: Twin) -> None:
    twin.faults.add(Fault("duplicate_item", "search", page=1))
    result = collecting.collect()
    assert (result["received"], result["loaded"], result["duplicate"]) == (31, 30, 1)
    assert collecting.warehouse.rows(COUNTS)[0] == ("page-00001", 25, 24, 1, 0)


def test_one_wallpaper_in_two_versions_on_a_page_is_two_records(collecting: Collecting, server: ImageServer) -> None:
    collecting.collect()
    (payload,) = collecting.warehouse.rows("select payload from raw.wallhaven_search limit 1")[0]
    server.answers["/search"] = listing([payload, payload | {"views": payload["views"] + 1}])
    own = Collecting(collecting.warehouse, server.url(""), wallhaven_purity="110")
    assert own.collect()["loaded"] == 2


def test_a_bad_record_in_a_body_that_comes_again_is_quarantined_once(warehouse: Warehouse, server: ImageServer) -> None:
    server.answers["/search"] = listing([{"id": "abc123"}])
    collecting = Collecting(warehouse, server.url(""), quarantine_max_share=1)
    assert collecting.collect()["quarantined"] == 1
    again = collecting.collect()
    assert (again["quarantined"], again["duplicate"]) == (0, 1)
    assert counts(collecting)["ops.quarantine"] == 1


def test_text_that_csv_would_trip_over_arrives_unchanged(collecting: Collecting, twin: Twin) -> None:
    nasty = 'a"b\\.\n\\N\r\n,\t\\u0041 \u2028 🐐 "" \\x00'
    twin.faults.add(Fault("set_field", "search", page=1, field="source", value=nasty))
    collecting.collect()
    newest = twin.catalogue.ids[-1]
    rows = collecting.warehouse.rows("select payload->>'source' from raw.wallhaven_search where record_id = %s", newest)
    assert rows == [(nasty,)]


def test_details_go_to_a_table_of_their_own_and_what_is_gone_has_no_record(collecting: Collecting, twin: Twin) -> None:
    gone, there = twin.catalogue.ids[:2]
    twin.catalogue.delete(gone)
    collecting.want_details([gone, there])
    run = collecting.run()
    fetch.fetch_details(collecting.settings, run, collecting.store, Silent())
    assert collecting.load(run, "wallpaper")["loaded"] == 1
    rows = collecting.warehouse.rows("select record_id, payload ? 'tags' from raw.wallhaven_wallpaper")
    assert rows == [(there, True)]
    assert collecting.load(run, "search")["pages"] == 0


def test_the_ledger_says_what_the_bytes_are(warehouse: Warehouse, server: ImageServer) -> None:
    bodies = [
        json.dumps({"data": [], "meta": {"current_page": 1, "last_page": 1, "total": 0}, "x": x}).encode()
        for x in (1, 2)
    ]
    server.answers["/search"] = in_turn(*(whole(body, "application/json") for body in bodies))
    collecting = Collecting(warehouse, server.url(""))
    collecting.collect()
    collecting.collect()
    rows = warehouse.rows("select body_sha256 from ops.loads order by page_id")
    assert [row[0] for row in rows] == [digest(body) for body in bodies]
