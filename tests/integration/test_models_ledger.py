"""The batch ledger is written in the transaction of the model that reads by it: nothing is lost, nothing half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from tests.integration.model_fixtures import EPOCH, Dbt, Page, attempt, item, load

FAIL = """
create function ops.fail() returns trigger language plpgsql as $$ begin raise 'the disk is full'; end $$;
create trigger fail before insert on draenei_content.{table} for each row execute function ops.fail();
"""
WAIT = """
create function ops.wait() returns trigger language plpgsql
    as $$ begin perform pg_advisory_xact_lock(42); return new; end $$;
create trigger wait after insert on ops.applied_batches for each row
    when (new.model = 'wallpaper_versions') execute function ops.wait();
"""


@pytest.fixture
def dbt(warehouse: Any, tmp_path: Path) -> Dbt:
    return Dbt(tmp_path / "dbt", warehouse.environ)


@pytest.fixture
def connection(warehouse: Any) -> Iterator[Connection]:
    with closing(warehouse.connect()) as connection:
        yield connection


def page(number: int, *ids: str, **changes: Any) -> Page:
    records = tuple(item(wallhaven_id, **changes) for wallhaven_id in ids)
    return Page(f"wallhaven/draenei/run-{number}", "search", "page-00001", EPOCH + timedelta(hours=number), records)


def one(connection: Connection, sql: str) -> Any:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = [row[0] if len(row) == 1 else row for row in cursor.fetchall()]
    return rows[0] if len(rows) == 1 else rows


def execute(connection: Connection, sql: str) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.prove
def test_a_model_that_fails_takes_its_ledger_rows_back(dbt: Dbt, connection: Connection) -> None:
    load(connection, [page(0, "aaaaaa")])
    dbt.run("run")
    ledger = "select array_agg(batch_id order by batch_id) from ops.applied_batches where model = '{}'"
    assert one(connection, ledger.format("wallpapers")) == [1]

    load(connection, [page(1, "bbbbbb")])
    attempt(connection, "aaaaaa", 1, "stored", EPOCH)
    connection.commit()
    execute(connection, FAIL.format(table="wallpapers"))
    failed = dbt.run("run", check=False)
    assert failed.returncode == 1
    assert "the disk is full" in failed.stdout
    assert one(connection, ledger.format("wallpaper_versions")) == [1, 2]
    assert one(connection, ledger.format("wallpapers")) == [1]
    assert one(connection, "select modelled_in is null from ops.uploads") is True
    assert one(connection, "select wallhaven_id from draenei_content.wallpapers") == "aaaaaa"

    execute(connection, "drop function ops.fail() cascade")
    dbt.run("run", "--select", "wallpapers")
    assert one(connection, "select wallhaven_id, upload_status from draenei_content.wallpapers order by 1") == [
        ("aaaaaa", "stored"),
        ("bbbbbb", "pending"),
    ]
    # Parsed once and then from the cache: the id is that of the invocation all the same.
    assert (
        one(connection, "select count(distinct invocation_id) from ops.applied_batches where model = 'wallpapers'") == 2
    )


@pytest.mark.prove
def test_a_batch_that_commits_while_a_build_runs_is_taken_by_the_next(
    dbt: Dbt, connection: Connection, warehouse: Any
) -> None:
    load(connection, [page(0, "aaaaaa")])
    dbt.run("run")
    with closing(warehouse.connect()) as slow, closing(warehouse.connect()) as gate:
        load(slow, [page(1, "slowly")], commit=False)
        load(connection, [page(2, "bbbbbb")])
        execute(connection, WAIT)
        with gate.cursor() as cursor, ThreadPoolExecutor(1) as pool:
            cursor.execute("select pg_advisory_lock(42)")
            building = pool.submit(dbt.run, "run")
            _await_waiter(connection, building)
            slow.commit()
            cursor.execute("select pg_advisory_unlock(42)")
            building.result()
    seen = "select array_agg(wallhaven_id order by wallhaven_id) from draenei_content.wallpapers"
    assert one(connection, seen) == ["aaaaaa", "bbbbbb"]
    dbt.run("run")
    assert one(connection, seen) == ["aaaaaa", "bbbbbb", "slowly"]


def _await_waiter(connection: Connection, building: Any) -> None:
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and not granted"
    until = time.monotonic() + 300
    while not one(connection, waiting):
        assert not building.done(), building.result().stdout
        assert time.monotonic() < until, "the build has not come to the gate"
        time.sleep(0.02)
