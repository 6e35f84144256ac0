"""Least privilege: what each role may do, what it may not, and that dbt builds everything with no more than its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import errors

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres, warehouse_roles
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_profile import write_profile
from luigi_tasks.gateways.embedded_postgres import Server
from luigi_tasks.steps import model
from tests.conftest import Warehouse, database
from tests.integration.core_fixtures import Collecting
from tests.integration.model_fixtures import Dbt as DbtByHand

RAW = "insert into raw.wallhaven_search select 'x', 0, 'x', '{}', 1, now() where false"
MODEL = "create table draenei_content.mine as select 1 as id"
ALLOWED = [
    ("draenei_transformer", "select payload from raw.wallhaven_search"),
    ("draenei_transformer", "select * from ops.uploads"),
    ("draenei_transformer", "update ops.uploads set modelled_in = 'x' where false"),
    ("draenei_transformer", "delete from ops.applied_batches"),
    ("draenei_transformer", "create table draenei_staging.new (id integer)"),
    ("draenei_transformer", "drop table draenei_content.mine"),
    ("draenei_loader", RAW),
    ("draenei_loader", "delete from ops.upload_intents"),
    ("draenei_loader", "select * from ops.take_request('wallhaven', 1, 1, '1 s', 0, null)"),
    ("draenei_loader", "select * from draenei_content.mine"),
    ("draenei_reader", "select * from draenei_content.mine"),
]
DENIED = [
    ("draenei_transformer", RAW),
    ("draenei_transformer", "update raw.wallhaven_search set record_id = 'x'"),
    ("draenei_transformer", "delete from raw.wallhaven_search"),
    ("draenei_transformer", "truncate raw.wallhaven_search"),
    ("draenei_transformer", "drop table raw.wallhaven_search"),
    ("draenei_transformer", "create table raw.mine (id integer)"),
    ("draenei_transformer", "select * from ops.request_budget"),
    ("draenei_transformer", "select * from ops.upload_intents"),
    ("draenei_transformer", "update ops.uploads set outcome = 'stored'"),
    ("draenei_transformer", "insert into ops.runs select * from ops.runs where false"),
    ("draenei_transformer", "delete from ops.migrations"),
    ("draenei_transformer", "select rolpassword from pg_authid"),
    ("draenei_transformer", "select pg_read_file('/etc/hostname')"),
    ("draenei_transformer", "copy (select 1) to program 'true'"),
    ("draenei_transformer", "create role another"),
    ("draenei_transformer", "create schema another"),
    ("draenei_loader", "delete from raw.wallhaven_search"),
    ("draenei_loader", "update raw.wallhaven_search set record_id = 'x'"),
    ("draenei_loader", "delete from ops.migrations"),
    ("draenei_loader", "drop table draenei_content.mine"),
    ("draenei_reader", "select payload from raw.wallhaven_search"),
    ("draenei_reader", "select * from ops.uploads"),
    ("draenei_reader", "select * from draenei_staging.hidden"),
    ("draenei_reader", "delete from draenei_content.mine"),
    ("draenei_reader", "create table draenei_content.more (id integer)"),
]


@pytest.fixture(scope="module")
def unchanged(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse for all statements: none is committed."""
    with database(postgres_server, f"test_roles_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}") as name:
        yield Warehouse(postgres_server, name, tmp_path_factory.mktemp("roles"))


@pytest.fixture
def cursor(unchanged: Warehouse) -> Iterator[psycopg2.extensions.cursor]:
    """On a warehouse in which dbt has made a mart and a staging table, after the grants; rolled back."""
    with unchanged.rolled_back() as cursor:
        assert warehouse_roles.hand_over(cursor) == "draenei_transformer"
        cursor.execute("set local role draenei_transformer")
        cursor.execute(f"{MODEL}; create table draenei_staging.hidden (id integer)")
        cursor.execute("reset role")
        yield cursor


@pytest.mark.parametrize(("role", "statement"), ALLOWED)
def test_a_role_may_do_its_work(cursor: psycopg2.extensions.cursor, role: str, statement: str) -> None:
    cursor.execute(f"set local role {role}")
    cursor.execute(statement)
    cursor.execute("select current_user")
    assert cursor.fetchone() == (role,)


@pytest.mark.parametrize(("role", "statement"), DENIED)
def test_a_role_may_do_nothing_else(cursor: psycopg2.extensions.cursor, role: str, statement: str) -> None:
    cursor.execute(f"set local role {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        cursor.execute(statement)


def test_dbt_builds_everything_as_its_role_also_over_what_was_made_before(warehouse: Warehouse, tmp_path) -> None:
    by_hand = DbtByHand(tmp_path / "by-hand", warehouse.environ)
    by_hand.run("build")
    owners = "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace::regnamespace::text ~ '^dr'"
    assert warehouse.rows(owners) == [(warehouse.server.user,)]
    run = Collecting(warehouse, "http://127.0.0.1:1/api/v1").run()
    for _ in range(2):
        statuses = model.build(warehouse.settings(), run.key, "Model", Silent())
        assert set(statuses) <= {"success", "pass", "no-op"}
    assert warehouse.rows(owners) == [("draenei_transformer",)]
    by_hand.run("build")


def test_dbt_says_who_it_is(warehouse: Warehouse, tmp_path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: tiny\nprofile: draenei\nmodel-paths: [models]\n")
    (project / "models" / "who.sql").write_text("{{ config(materialized='table') }} select current_user::text as name")
    write_profile(tmp_path / "dbt", None)
    with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
        role = warehouse_roles.hand_over(cursor)
    variables = {**postgres.address(warehouse.settings()), "DRAENEI_DBT_ROLE": role}
    Dbt(variables, tmp_path / "dbt", project).build(Silent()).raise_when_failed()
    assert warehouse.rows("select name from draenei_content.who") == [("draenei_transformer",)]


def test_a_user_who_may_not_act_as_them_goes_without(warehouse: Warehouse) -> None:
    connection = warehouse.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("set local role draenei_reader")
            assert not warehouse_roles.available(cursor)
            assert warehouse_roles.hand_over(cursor) is None
    finally:
        connection.close()


def test_a_login_of_its_own_has_nothing_but_the_role_that_it_takes(warehouse: Warehouse) -> None:
    """What docs/operations.md says to type for a dbt that is not to be the pipeline's user."""
    name, password = f"dbt_{secrets.token_hex(6)}", secrets.token_hex(12)
    with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
        warehouse_roles.hand_over(cursor)
        cursor.execute(f"create role {name} login noinherit password '{password}' in role draenei_transformer")
        cursor.execute(f"alter role {name} set role = draenei_transformer")
    connection = psycopg2.connect(**postgres_words(warehouse) | {"user": name, "password": password})
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"select payload from raw.wallhaven_search; {MODEL}")
            cursor.execute("set role none")
            for statement in (
                "select * from ops.request_budget",
                "select pg_read_file('/etc/hostname')",
                "select payload from raw.wallhaven_search",
                "drop table draenei_content.mine",
                "create role another",
                "set role draenei_loader",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    cursor.execute(statement)
    finally:
        connection.close()
        warehouse.rows(f"drop role {name}")
    assert warehouse.rows("select tableowner from pg_tables where tablename = 'mine'") == [("draenei_transformer",)]


def postgres_words(warehouse: Warehouse) -> dict[str, str]:
    """The server's address as the driver takes it."""
    given = warehouse.environ
    return {"host": given["PGHOST"], "port": given["PGPORT"], "dbname": given["PGDATABASE"]}
