"""Fixtures that every test may use: a real Postgres for the session and a fresh migrated database for each test."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from luigi_tasks import secret_sources, settings
from luigi_tasks.gateways import embedded_postgres, warehouse_roles
from luigi_tasks.settings import Settings
from luigi_tasks.warehouse import migrate
from tests import parse_cache
from tests.parse_cache import SERVER_HOME

REPOSITORY = Path(__file__).parent.parent
TEMPLATE = "test_template"


class Warehouse:
    """A fresh migrated database on the session's server; every way to reach it."""

    def __init__(self, server: embedded_postgres.Server, dbname: str, home: Path) -> None:
        self.server, self.dbname, self.home = server, dbname, home
        self.environ = {
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGUSER": server.user,
            "PGPASSWORD": server.password,
            "PGDATABASE": dbname,
        }

    def settings(self, **overrides: object) -> Settings:
        """Settings of a pipeline on this database and in this test's home."""
        given = {name.lower(): value for name, value in self.environ.items()}
        return Settings(**{**given, "draenei_home": self.home, **overrides})

    def connect(self) -> psycopg2.extensions.connection:
        """A new connection; the test closes it."""
        return _connect(self.server, self.dbname)

    def rows(self, sql: str, *arguments: object) -> list[tuple]:
        """What a statement returns, in a transaction of its own."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, arguments or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    @contextlib.contextmanager
    def rolled_back(self) -> Iterator[psycopg2.extensions.cursor]:
        """A cursor in a transaction of which nothing is left."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            yield cursor
            connection.rollback()


def _connect(server: embedded_postgres.Server, dbname: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=dbname
    )


def pytest_configure(config: pytest.Config) -> None:
    """One server home a session, made by the controller and handed to the xdist workers by environment."""
    if not hasattr(config, "workerinput"):
        os.environ[SERVER_HOME] = tempfile.mkdtemp(prefix="draenei-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller stops the server when every worker is done."""
    if not hasattr(config, "workerinput") and (home := os.environ.pop(SERVER_HOME, None)):
        embedded_postgres.stop(Path(home))
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the machine it runs on, nor those that an earlier one has read."""
    for remembered in (settings.load, secret_sources._aws, secret_sources._vault):
        remembered.cache_clear()
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith(("PG", "LUIGI_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> embedded_postgres.Server:
    """The session's server, with a migrated template database."""
    home = Path(os.environ[SERVER_HOME])
    server = embedded_postgres.ensure_running(home)
    with (home / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare_template(server)
    return server


def _prepare_template(server: embedded_postgres.Server) -> None:
    # Else it would depend on the minute a test falls in what the planner knows of its tables.
    _administer(server, "alter system set autovacuum = off")
    # It ends with the session: on a busy disk a test would wait longer for its database than for anything else.
    for durable in ("fsync", "synchronous_commit", "full_page_writes"):
        _administer(server, f"alter system set {durable} = off")
    _administer(server, "select pg_reload_conf()")
    _administer(server, f"create database {TEMPLATE}", unless=TEMPLATE)
    connection = _connect(server, TEMPLATE)
    try:
        migrate.migrate(connection)
        with connection, connection.cursor() as cursor:
            warehouse_roles.hand_over(cursor)
    finally:
        connection.close()


def _administer(server: embedded_postgres.Server, statement: str, unless: str | None = None) -> None:
    connection = _connect(server, "postgres")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (unless,))
            if not cursor.fetchone():
                cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture
def warehouse(postgres_server: embedded_postgres.Server, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh migrated database, dropped after the test."""
    # Of one name for all tests of a worker: dbt's parse of the project holds the database's.
    dbname = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
    with database(postgres_server, dbname):
        warehouse = Warehouse(postgres_server, dbname, tmp_path / "home")
        parse_cache.lend(warehouse.home / "dbt")
        yield warehouse
        parse_cache.keep(warehouse.home / "dbt")


@contextlib.contextmanager
def database(server: embedded_postgres.Server, dbname: str, template: str = TEMPLATE) -> Iterator[str]:
    """A fresh migrated database of that name, or a copy of the template, dropped at the end."""
    _administer(server, f'drop database if exists "{dbname}" with (force)')
    _administer(server, f'create database "{dbname}" template "{template}" strategy file_copy')
    yield dbname
    _administer(server, f'drop database if exists "{dbname}" with (force)')
