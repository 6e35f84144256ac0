"""Connections to the warehouse: the server that PG* names, else the embedded one, started when it is down.

A connection acts as the loader, who adds to raw and changes nothing there, unless it says that it must do more.
"""

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

LOADER = "draenei_loader"
# Where the role cannot be taken, as far as this process has seen: each connection would be made twice.
_without_role: set[tuple[str, ...]] = set()


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


def connect(settings: Settings, application_name: str = "draenei-collector", *, as_owner: bool = False) -> Connection:
    """A new connection in UTC; a client that dies is noticed by the server within a second.

    It is the loader from its first statement on, and after `reset role` too, where the user may act as it. as_owner:
    it is the user that PG* names, for what makes tables and roles and for what takes something out of raw.

    Raises WarehouseError when the server cannot be reached.
    """
    import psycopg2

    variables = address(settings)
    where = tuple(variables.get(name, "") for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"))
    if as_owner:
        _without_role.discard(where)  # who connects so may be about to make the role
    try:
        return _connected(variables, application_name, "" if as_owner or where in _without_role else LOADER)
    except psycopg2.OperationalError as problem:
        if LOADER in str(problem):  # in every language the server names the role that cannot be taken
            _without_role.add(where)
            return connect(settings, application_name)
        mend = "Start it with `python -m luigi_tasks up`." if settings.embedded else "Check the PG* settings."
        raise WarehouseError(_first_line(problem), mend=mend) from None


def _connected(variables: Mapping[str, str], application_name: str, role: str) -> Connection:
    import psycopg2
    import psycopg2.extensions

    # As an option it is set when the connection stands: no statement, no round trip.
    taken = f" -c role={role}" if role else ""
    dsn = psycopg2.extensions.make_dsn(
        **libpq_keywords(variables),
        application_name=application_name,
        connect_timeout="10",
        options=f"-c timezone=UTC -c client_connection_check_interval=1000{taken}",
    )
    return psycopg2.connect(dsn)


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
def transaction(
    settings: Settings, application_name: str = "draenei-collector", *, as_owner: bool = False
) -> Iterator[Cursor]:
    """A cursor in a transaction of its own: committed at the end, rolled back on an error, closed always.

    as_owner: as `connect` has it.

    Raises WarehouseError when the server goes away, lacks the tables, or refuses the user.
    """
    with transactions(settings, application_name, as_owner=as_owner) as begin, begin() as cursor:
        yield cursor


@contextlib.contextmanager
def transactions(
    settings: Settings, application_name: str = "draenei-collector", *, as_owner: bool = False
) -> Iterator[Begin]:
    """`transaction` for many, one after the other on one connection: logging in costs 3 ms of CPU time (SCRAM)."""
    connection = connect(settings, application_name, as_owner=as_owner)
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
