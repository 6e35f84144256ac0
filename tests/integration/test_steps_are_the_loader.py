"""The steps act as the loader: whatever stands in their SQL, the database lets none of them change raw."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing

import psycopg2
import pytest
from click.testing import CliRunner
from psycopg2 import errors

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import pipeline_lock, postgres, upload_claims
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.settings import Settings
from luigi_tasks.steps import session
from luigi_tasks.steps.clerk import Clerk
from luigi_tasks.steps.fetch import Fetcher
from luigi_tasks.verbs.doctor import doctor
from tests.conftest import Warehouse

FORBIDDEN = (
    "update raw.wallhaven_search set record_id = 'x'",
    "delete from raw.wallhaven_search",
    "truncate raw.wallhaven_search",
    "drop table raw.wallhaven_search",
    "alter table ops.uploads drop column outcome",
    "create table raw.mine (id integer)",
    "delete from ops.migrations",
    "drop schema draenei_content cascade",
    "create role another",
    "reset role; delete from raw.wallhaven_search",
    "reset session authorization; delete from raw.wallhaven_search",
)
Opened = Callable[[Settings], AbstractContextManager["psycopg2.extensions.connection"]]


@contextlib.contextmanager
def _transaction(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    with postgres.transaction(settings) as cursor:
        yield cursor.connection
        cursor.connection.rollback()


@contextlib.contextmanager
def _fetcher(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    run = Run(Query.of("wallhaven", "draenei", {}), "2026-11-21T07:00")
    with Fetcher(settings, run, open_store(settings), Silent()) as fetcher:
        yield fetcher.connection


@contextlib.contextmanager
def _worker(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    with upload_claims.Worker(settings, "a/run", lambda: None) as worker:
        yield worker._connection


@contextlib.contextmanager
def _clerk(settings: Settings) -> Iterator[psycopg2.extensions.connection]:
    with Clerk(settings, "a/run", lambda _: None, lambda: None, waiting=1) as clerk:
        yield clerk._connection


SESSIONS: dict[str, Opened] = {
    "a transaction of Load, Derive, Clean, fsck, Report": _transaction,
    "Fetch": _fetcher,
    "Publish, its claims": _worker,
    "Publish, its ledger": _clerk,
    "the lock of a run": lambda settings: closing(pipeline_lock.take(settings, "wallhaven")),
}


@pytest.mark.parametrize("opened", SESSIONS.values(), ids=SESSIONS)
def test_no_step_can_change_raw(warehouse: Warehouse, opened: Opened) -> None:
    with opened(warehouse.settings()) as connection:
        for statement in FORBIDDEN:
            connection.rollback()
            with connection.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("insert into ops.tombstones (wallhaven_id, reason) values ('a', 'its own work')")
        connection.rollback()


def test_the_role_costs_no_statement(warehouse: Warehouse) -> None:
    with closing(postgres.connect(warehouse.settings())) as connection:
        said = "select query from pg_stat_activity where pid = %s"
        assert warehouse.rows(said, connection.info.backend_pid) == [("",)]
        with connection.cursor() as cursor:
            cursor.execute("select current_user")
            assert cursor.fetchone() == ("draenei_loader",)


@pytest.fixture
def plain(warehouse: Warehouse) -> Iterator[Settings]:
    """Settings of a user who is no member of the roles but owns the tables, as on a server of somebody else's."""
    name = f"plain_{secrets.token_hex(6)}"
    warehouse.rows(f"create role {name} login password 'plain'")
    warehouse.rows(f"grant all on schema raw, ops to {name}; grant all on all tables in schema raw, ops to {name}")
    yield warehouse.settings(pguser=name, pgpassword="plain")
    warehouse.rows(f"drop owned by {name}; drop role {name}")


def test_where_the_role_cannot_be_taken_the_pipeline_goes_on_and_says_so(
    plain: Settings, warehouse: Warehouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with postgres.transaction(plain) as cursor:
            cursor.execute("select current_user")
            assert cursor.fetchone() == (plain.pguser,)
    session.open_warehouse(plain)
    assert [record.getMessage() for record in caplog.records] == [
        "nothing in the database keeps the steps or dbt from changing raw: they act as the connected user; an"
        " administrator may make and grant draenei_loader, draenei_transformer, draenei_reader"
    ]
    monkeypatch.setattr("luigi_tasks.settings.load", lambda: plain)
    assert "keeps the steps or dbt from changing raw" in CliRunner().invoke(doctor).output
    warehouse.rows(f"grant draenei_loader, draenei_transformer, draenei_reader to {plain.pguser}")
    session.open_warehouse(plain)
    with postgres.transaction(plain) as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone() == ("draenei_loader",), "also in a process that went without"


def test_roles_that_come_after_the_tables_get_what_they_need_at_the_next_start(warehouse: Warehouse) -> None:
    warehouse.rows("revoke all on all tables in schema raw, ops from draenei_loader")
    warehouse.rows("revoke usage on all sequences in schema ops from draenei_loader")
    with pytest.raises(errors.InsufficientPrivilege), closing(postgres.connect(warehouse.settings())) as connection:
        connection.cursor().execute("select from ops.runs")
    assert session.open_warehouse(warehouse.settings()) == []
    with upload_claims.Worker(warehouse.settings(), "a/run", lambda: None) as worker:
        assert worker.number > 0


def test_a_later_migrations_tables_are_the_loaders_at_once(warehouse: Warehouse) -> None:
    warehouse.rows("create table raw.later (id integer); create table ops.later (id integer); create sequence ops.next")
    with postgres.transaction(warehouse.settings()) as cursor:
        cursor.execute("insert into raw.later select nextval('ops.next')")
        cursor.execute("insert into ops.later values (1); update ops.later set id = 2; delete from ops.later")
        with pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("delete from raw.later")
        cursor.connection.rollback()
