"""Connections to the warehouse: the server that PG* names, else the embedded one, started when it is down."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.gateways import embedded_postgres

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from luigi_tasks.settings import Settings


def address(settings: Settings) -> dict[str, str]:
    """The libpq variables (PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE) that are known; starts the embedded server."""
    if settings.embedded:
        return embedded_address(embedded_postgres.ensure_running(settings.draenei_home))
    # libpq's own defaults, said aloud so that dbt, whose profile has others, takes the same.
    user = settings.pguser or getpass.getuser()
    given = {
        "PGHOST": settings.pghost,
        "PGPORT": settings.pgport,
        "PGUSER": user,
        "PGPASSWORD": settings.pgpassword and settings.pgpassword.get_secret_value(),
        "PGDATABASE": settings.pgdatabase or user,
    }
    return {name: str(value) for name, value in given.items() if value}


def embedded_address(server: embedded_postgres.Server) -> dict[str, str]:
    """The libpq variables of an embedded server."""
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGPASSWORD": server.password,
        "PGDATABASE": server.dbname,
    }


def connect(settings: Settings, application_name: str = "draenei-collector") -> Connection:
    """A new connection in UTC; a client that dies is noticed by the server within a second.

    Raises WarehouseError when the server cannot be reached.
    """
    import psycopg2
    import psycopg2.extensions

    dsn = psycopg2.extensions.make_dsn(
        **libpq_keywords(address(settings)),
        application_name=application_name,
        connect_timeout="10",
        options="-c timezone=UTC -c client_connection_check_interval=1000",
    )
    try:
        return psycopg2.connect(dsn)
    except psycopg2.OperationalError as problem:
        mend = "Start it with `python -m luigi_tasks up`." if settings.embedded else "Check the PG* settings."
        raise WarehouseError(_first_line(problem), mend=mend) from None


def libpq_keywords(variables: Mapping[str, str]) -> dict[str, str]:
    """The libpq variables as the driver names them."""
    names = {
        "PGHOST": "host",
        "PGPORT": "port",
        "PGUSER": "user",
        "PGPASSWORD": "password",
        "PGDATABASE": "dbname",
    }
    return {names[name]: value for name, value in variables.items()}


Begin = Callable[[], contextlib.AbstractContextManager["Cursor"]]


@contextlib.contextmanager
def transaction(settings: Settings, application_name: str = "draenei-collector") -> Iterator[Cursor]:
    """A cursor in a transaction of its own: committed at the end, rolled back on an error, closed always.

    Raises WarehouseError when the server goes away, lacks the tables, or refuses the user.
    """
    with transactions(settings, application_name) as begin, begin() as cursor:
        yield cursor


@contextlib.contextmanager
def transactions(settings: Settings, application_name: str = "draenei-collector") -> Iterator[Begin]:
    """`transaction` for many, one after the other on one connection: logging in costs 3 ms of CPU time (SCRAM)."""
    connection = connect(settings, application_name)
    try:
        yield lambda: _transaction(connection)
    finally:
        connection.close()


@contextlib.contextmanager
def _transaction(connection: Connection) -> Iterator[Cursor]:
    from psycopg2 import OperationalError, errors

    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except (errors.UndefinedTable, errors.InvalidSchemaName) as problem:
        raise WarehouseError(_first_line(problem), mend="Make the tables: python -m luigi_tasks up") from None
    except (OperationalError, errors.InsufficientPrivilege) as problem:
        raise WarehouseError(_first_line(problem), mend="See `python -m luigi_tasks doctor`.") from None


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]
