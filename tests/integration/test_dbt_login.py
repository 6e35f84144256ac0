"""dbt's process has a login of its own: what it may not do stays so whatever the dbt project says."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors, sql

from luigi_tasks.domain.errors import ModelError, SettingsError, WarehouseError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import databases, dbt_login, embedded_postgres, postgres, warehouse_roles
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_profile import write_profile
from luigi_tasks.settings import Settings
from luigi_tasks.warehouse import migrate
from tests.conftest import Warehouse

FORBIDDEN = (
    "insert into raw.wallhaven_search select 'x', 0, 'x', '{}', 1, now() where false",
    "select payload from raw.wallhaven_search",
    "select * from ops.request_budget",
    "select * from ops.runs",
    "delete from ops.uploads",
    "drop table draenei_content.mine",
    "create role another",
    "set role draenei_loader",
    "select rolpassword from pg_authid",
    "select pg_read_file('/etc/hostname')",
)


@pytest.fixture
def own(warehouse: Warehouse) -> Iterator[Settings]:
    """Settings of a server that PG* names and on which dbt is to have a login."""
    settings = warehouse.settings(
        dbt_pguser=f"dbt_{secrets.token_hex(6)}", dbt_pgpassword=f"it's {secrets.token_hex(12)}"
    )
    with postgres.transaction(settings, as_owner=True) as cursor:
        warehouse_roles.hand_over(cursor)
    yield settings
    warehouse.rows("drop table if exists draenei_content.mine; drop table if exists draenei_content.who")
    warehouse.rows(f"drop role if exists {settings.dbt_pguser}")


def connected(variables: dict[str, str]) -> psycopg2.extensions.connection:
    """A connection of the login, each statement for itself."""
    connection = psycopg2.connect(**postgres.libpq_keywords(variables))
    connection.autocommit = True
    return connection


def test_it_may_act_as_the_transformer_and_has_nothing_besides(own: Settings) -> None:
    with closing(connected(dbt_login.address(own))) as connection, connection.cursor() as cursor:
        cursor.execute("create table draenei_content.mine as select 1 as id")
        cursor.execute("select payload from raw.wallhaven_search; reset role; select current_user")
        assert cursor.fetchone() == ("draenei_transformer",)
        cursor.execute("set role none")
        for statement in FORBIDDEN:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)


def test_another_password_is_set_and_sixteen_at_once_make_one_login(
    own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: dbt_login.address(own), range(16)))
    assert all(one == found[0] for one in found)
    assert caplog.messages == []
    changed = own.model_copy(update={"dbt_pgpassword": Settings(dbt_pgpassword="another").dbt_pgpassword})
    connected(dbt_login.address(changed)).close()
    (said,) = caplog.messages
    assert f"login {own.dbt_pguser} was made" in said
    assert "DBT_PGUSER of their own" in said
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connected(found[0])


def test_who_may_not_make_it_is_told_what_to_do(own: Settings, warehouse: Warehouse) -> None:
    plain = f"plain_{secrets.token_hex(6)}"
    warehouse.rows(f"create role {plain} login password 'plain'")
    try:
        as_plain = own.model_copy(update={"pguser": plain, "pgpassword": Settings(pgpassword="plain").pgpassword})
        with pytest.raises(WarehouseError, match=r"administrator.*unset DBT_PGPASSWORD"):
            dbt_login.address(as_plain)
    finally:
        warehouse.rows(f"drop role {plain}")


def test_nobody_elses_login_is_taken(own: Settings, warehouse: Warehouse) -> None:
    other = f"other_{secrets.token_hex(6)}"
    warehouse.rows(f"create role {other} login createdb password 'theirs'")
    try:
        with pytest.raises(WarehouseError, match="somebody else's login"):
            dbt_login.address(own.model_copy(update={"dbt_pguser": other}))
        assert warehouse.rows("select rolcreatedb, rolinherit from pg_roles where rolname = %s", other) == [
            (True, True)
        ]
    finally:
        warehouse.rows(f"drop role {other}")
    with pytest.raises(SettingsError, match="are the same"):
        dbt_login.address(own.model_copy(update={"dbt_pguser": own.pguser}))
    assert warehouse.rows("select rolsuper from pg_roles where rolname = %s", own.pguser) == [(True,)]


def test_dbt_logs_in_as_it_and_a_project_that_resets_its_role_gets_nowhere(own: Settings, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    start = "create table draenei_staging.at_start as select current_user::text as acts"
    (project / "dbt_project.yml").write_text(
        f"name: tiny\nprofile: draenei\nmodel-paths: [models]\non-run-start: {start}\n"
    )
    (project / "models" / "who.sql").write_text(
        "{{ config(materialized='table') }} select session_user::text as login, current_user::text as acts,"
        " '{{ env_var('PGUSER') }}' as told, '{{ env_var('PGPASSFILE', 'none') }}' as file"
    )
    write_profile(tmp_path / "dbt", None)
    variables = {**dbt_login.address(own), "DRAENEI_DBT_ROLE": warehouse_roles.TRANSFORMER}
    assert own.pgpassword
    assert own.pgpassword.get_secret_value() not in str(variables)
    Dbt(variables, tmp_path / "dbt", project).build(Silent()).raise_when_failed()
    with postgres.transaction(own, as_owner=True) as cursor:
        cursor.execute("select * from draenei_content.who")
        assert cursor.fetchall() == [(own.dbt_pguser, "draenei_transformer", own.dbt_pguser, "none")]
        cursor.execute("select acts from draenei_staging.at_start")
        assert cursor.fetchall() == [("draenei_transformer",)], "hooks too"
        cursor.execute("drop table draenei_staging.at_start")
    (project / "models" / "who.sql").write_text(
        "{{ config(materialized='table', pre_hook='set role none; delete from raw.wallhaven_search') }} select 1 as id"
    )
    with pytest.raises(ModelError, match=r"permission denied for (table|schema)"):
        Dbt(variables, tmp_path / "dbt", project).build(Silent()).raise_when_failed()


def test_without_a_password_for_it_dbt_has_the_pipelines_login(warehouse: Warehouse) -> None:
    assert dbt_login.address(warehouse.settings()) == postgres.address(warehouse.settings())


def test_an_embedded_home_of_before_gets_it_and_so_does_a_database_beside(tmp_path: Path) -> None:
    settings = Settings(draenei_home=tmp_path / "home")
    file = tmp_path / "home" / "postgres" / "dbt_password"
    try:
        with closing(postgres.connect(settings, as_owner=True)) as connection:
            migrate.migrate(connection)
        found = dbt_login.address(settings)
        assert (found["PGUSER"], found["PGPASSWORD"]) == ("draenei_dbt", file.read_text().strip())
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
        with postgres.transaction(settings, as_owner=True) as cursor:
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier("draenei_dbt")))
        assert dbt_login.address(settings)["PGPASSWORD"] == file.read_text().strip() != found["PGPASSWORD"]
        beside = databases.beside(settings, found["PGDATABASE"], tmp_path / "beside")
        assert dbt_login.address(beside) == dbt_login.address(settings)
    finally:
        embedded_postgres.stop(settings.draenei_home)
