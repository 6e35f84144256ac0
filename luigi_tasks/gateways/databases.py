"""Databases beside the live one, on the same server: to replay into, to compare with, to throw away."""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from luigi_tasks.domain.errors import SettingsError, WarehouseError
from luigi_tasks.gateways import dbt_login, postgres
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SCRATCH = "draenei_replay_"  # then the second of its creation, by the server's clock, and a random part
LEFTOVER_SECONDS = 3600
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def beside(settings: Settings, name: str, home: Path) -> Settings:
    """The same server with another database, and a home of its own for what dbt writes."""
    address = postgres.address(settings)
    password = address.get("PGPASSWORD")
    changes = {
        "pghost": address.get("PGHOST"),
        "pgport": int(address["PGPORT"]) if "PGPORT" in address else None,
        "pguser": address["PGUSER"],
        "pgpassword": SecretStr(password) if password else None,
        "pgdatabase": name,
        "dbt_pgpassword": SecretStr(dbt_login.password(settings)) if dbt_login.is_own(settings) else None,
        "draenei_home": home,
    }
    return settings.model_copy(update=changes)


def create(settings: Settings, name: str) -> bool:
    """Create a database unless it exists; True when it was created now. Raises SettingsError for a bad name."""
    if not NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name for a database", mend="Use a-z, 0-9 and _, at most 63 of them.")
    with _administering(settings) as connection, connection.cursor() as cursor:
        cursor.execute("select from pg_database where datname = %s", (name,))
        if cursor.fetchone() is not None:
            return False
        cursor.execute(f'create database "{name}"')
        return True


@contextlib.contextmanager
def scratch(settings: Settings) -> Iterator[Settings]:
    """Settings of a new empty database that is dropped at the end, and those that killed processes left with it."""
    with _administering(settings) as connection:
        now = _drop_leftovers(connection)
        name = f"{SCRATCH}{now}_{secrets.token_hex(4)}"
        create(settings, name)
        settings.draenei_home.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".replay-", dir=settings.draenei_home) as home:
                own = beside(settings, name, Path(home))
                # A database that somebody is connected to is not a leftover.
                with contextlib.closing(postgres.connect(own, as_owner=True)):
                    yield own
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f'drop database if exists "{name}" with (force)')


def _drop_leftovers(connection: Connection) -> int:
    """Drop scratch databases of an hour ago and more that nobody is connected to; the server's time in seconds."""
    with connection.cursor() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::bigint")
        (now,) = cursor.fetchone() or (0,)
        cursor.execute(
            "select datname from pg_database d where starts_with(datname, %s)"
            " and split_part(datname, '_', 3) ~ '^[0-9]{10}$' and split_part(datname, '_', 3)::bigint < %s"
            " and not exists (select from pg_stat_activity a where a.datname = d.datname)",
            (SCRATCH, now - LEFTOVER_SECONDS),
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'drop database if exists "{name}"')
    return int(now)


@contextlib.contextmanager
def _administering(settings: Settings) -> Iterator[Connection]:
    from psycopg2 import errors

    with contextlib.closing(postgres.connect(settings, "draenei-collector databases", as_owner=True)) as connection:
        connection.autocommit = True
        try:
            yield connection
        except errors.InsufficientPrivilege as problem:
            raise WarehouseError(
                f"this user may not create a database: {str(problem).strip()}",
                mend="As an administrator: alter role … createdb.",
            ) from None
