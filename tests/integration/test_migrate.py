"""Migrations: each once, whoever comes first, whole or not at all, and never over a surprise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.warehouse import migrate
from luigi_tasks.warehouse.migrate import Migration
from tests.conftest import Warehouse

FIRST = Migration(1, "first", "create schema ops; create table ops.one (n integer)")
SECOND = Migration(2, "second", "create table ops.two (n integer); insert into ops.two values (2)")
BROKEN = Migration(3, "broken", "create table ops.three (n integer); select no_such_column from ops.two")


@pytest.fixture
def empty(warehouse: Warehouse) -> Warehouse:
    """The warehouse before any migration."""
    warehouse.rows("drop schema raw cascade; drop schema ops cascade")
    return warehouse


@pytest.fixture
def connection(empty: Warehouse) -> Iterator[Connection]:
    """A connection to it."""
    opened = empty.connect()
    yield opened
    opened.close()


def tables(warehouse: Warehouse) -> set[str]:
    """What stands in ops."""
    return {name for (name,) in warehouse.rows("select tablename from pg_tables where schemaname = 'ops'")}


def test_the_second_time_there_is_nothing_to_do(connection: Connection) -> None:
    applied = migrate.migrate(connection)
    assert applied == migrate.available()
    assert applied[0].version == 1
    assert migrate.migrate(connection) == []


def test_a_later_migration_is_added_to_what_is_there(empty: Warehouse, connection: Connection) -> None:
    assert migrate.migrate(connection, [FIRST]) == [FIRST]
    assert migrate.migrate(connection, [FIRST, SECOND]) == [SECOND]
    assert tables(empty) == {"migrations", "one", "two"}
    rows = empty.rows("select version, name, sha256 from ops.migrations order by version")
    assert rows == [(1, "first", FIRST.sha256), (2, "second", SECOND.sha256)]


def test_of_six_that_race_one_applies(empty: Warehouse) -> None:
    counts: list[int] = []
    start = threading.Barrier(6)

    def race() -> None:
        own = empty.connect()
        start.wait()
        counts.append(len(migrate.migrate(own)))
        own.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 0, 0, len(migrate.available())]
    assert empty.rows("select count(*) from ops.migrations") == [(len(migrate.available()),)]


def test_an_applied_migration_may_not_change(empty: Warehouse, connection: Connection) -> None:
    migrate.migrate(connection, [FIRST])
    edited = Migration(1, "first", FIRST.sql + " -- a word more")
    with pytest.raises(WarehouseError, match=r"0001_first\.sql was edited.*write a new migration"):
        migrate.migrate(connection, [edited, SECOND])
    assert tables(empty) == {"migrations", "one"}


def test_an_older_code_does_not_write_to_a_newer_warehouse(empty: Warehouse, connection: Connection) -> None:
    migrate.migrate(connection, [FIRST, SECOND])
    with pytest.raises(WarehouseError, match=r"migration 0002, which this code does not know.*Update the code"):
        migrate.migrate(connection, [FIRST])


def test_a_migration_that_fails_leaves_nothing_behind(empty: Warehouse, connection: Connection) -> None:
    migrate.migrate(connection, [FIRST])
    with pytest.raises(psycopg2.Error, match="no_such_column"):
        migrate.migrate(connection, [FIRST, SECOND, BROKEN])
    assert tables(empty) == {"migrations", "one"}
    assert empty.rows("select version from ops.migrations") == [(1,)]
    assert migrate.migrate(connection, [FIRST, SECOND]) == [SECOND], "the lock was given back"


def test_files_are_taken_by_number(tmp_path: Path) -> None:
    for name in ("0010_ten.sql", "0002_two.sql", "notes.sql", "3_three.sql", "0001_one.txt"):
        (tmp_path / name).write_text(f"-- {name}")
    assert [(m.version, m.name) for m in migrate.available(tmp_path)] == [(2, "two"), (10, "ten")]
