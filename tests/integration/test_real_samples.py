"""Bodies that were not made for the parsers: what the sources really serve, as far as it may stand here."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from luigi_tasks.domain import cleaning
from luigi_tasks.domain.loading import GoodRecord
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.sources import jsonplaceholder
from luigi_tasks.sources.validation import RecordCheck
from luigi_tasks.steps import access, fetch, load, model
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import MADE_WITH, MINUTE

SAMPLES = REPOSITORY / "tests" / "data" / "jsonplaceholder"
SALES = "DRAENEI_SALES_SAMPLE"
LINES, CAPPED = 2823, 1306


@pytest.mark.parametrize(("entity", "number"), [("users", 10), ("posts", 8), ("todos", 12), ("photos", 5)])
def test_what_jsonplaceholder_serves_passes_its_schema_unchanged(entity: str, number: int) -> None:
    records = jsonplaceholder.parse(entity, (SAMPLES / f"{entity}.json").read_bytes()).records
    check = RecordCheck(jsonplaceholder, jsonplaceholder.ENTITIES[entity])
    found = [check.sort(position, record) for position, record in enumerate(records)]
    assert len(found) == number
    assert [record for record in found if not isinstance(record, GoodRecord)] == []
    assert {name for record in records for name in check.unexpected_fields(record)} == set()
    fields = cleaning.fields(jsonplaceholder.ENTITIES[entity].json_schema())
    rows = [cleaning.cleaned(record, fields) for record in records if isinstance(record, dict)]
    assert len(rows) == number
    if entity == "users":
        assert [row["email"] for row in rows][:2] == ["sincere@april.biz", "shanna@melissa.tv"]
    if entity == "photos":
        assert rows[-1] == {
            "album_id": 100,
            "id": 5000,
            "title": "error quasi sunt cupiditate voluptate ea odit beatae",
            "url": "http://placehold.it/600/6dd9cb",
            "thumbnail_url": "http://placehold.it/150/1838a",
        }


@pytest.mark.skipif(SALES not in os.environ, reason=f"set {SALES} to a copy of the published sales_data_sample.csv")
def test_the_published_file_of_sales_gives_its_counts(warehouse: Warehouse) -> None:
    own = warehouse.settings()
    run = Run.at(access.query(own, "sales", str(Path(os.environ[SALES]).absolute())), MINUTE)
    with postgres.transaction(own) as cursor:
        run_ledger.open_run(cursor, run, MADE_WITH)
    fetch.fetch_requests(own, run, open_store(own), Silent())
    sums = load.load(own, run.key, "sales", "lines", open_store(own), Silent())
    assert (sums["received"], sums["loaded"], sums["quarantined"]) == (LINES, LINES, 0)
    model.build(own, run.key, "Model", Silent(), model.selection("sales"))
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*), count(*) filter (where sales_difference <> 0) from draenei_content.fct_sales")
        assert cursor.fetchall() == [(LINES, CAPPED)]
        cursor.execute("select message from ops.dbt_nodes where status = 'warn' and unique_id like '%quantity_times%'")
        assert cursor.fetchall() == [(f"Got {CAPPED} results, configured to warn if != 0",)]
