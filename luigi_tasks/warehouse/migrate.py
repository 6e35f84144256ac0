"""Apply migrations/NNNN_name.sql in order, each once, each in a transaction, under an advisory lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import WarehouseError
from luigi_tasks.domain.faults import crash_point

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = "draenei-collector migrations"


@dataclass(frozen=True)
class Migration:
    """One file of DDL."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Of the file's text: an applied migration may not change afterwards."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def available(folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration in the folder, in order."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [Migration(int(file.name[:4]), file.stem[5:], file.read_text()) for file in files]


def migrate(connection: Connection, migrations: list[Migration] | None = None) -> list[Migration]:
    """Bring the warehouse up to date; returns what was applied now. Many processes may call it at once.

    Raises WarehouseError when an applied migration was edited, or when the warehouse is newer than this code.
    """
    wanted = available() if migrations is None else migrations
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (LOCK,))
        cursor.execute("select to_regclass('ops.migrations')")
        row = cursor.fetchone()
        applied: dict[int, str] = {}
        if row and row[0]:
            cursor.execute("select version, sha256 from ops.migrations")
            applied = dict(cursor.fetchall())
        _refuse_surprises(wanted, applied)
        missing = [migration for migration in wanted if migration.version not in applied]
        for migration in missing:
            crash_point("migrate.apply.before")
            cursor.execute(migration.sql)
            crash_point("migrate.apply.after")
            cursor.execute(
                "create table if not exists ops.migrations (version integer primary key, name text not null,"
                " sha256 text not null, applied_at timestamptz not null default clock_timestamp())"
            )
            cursor.execute(
                "insert into ops.migrations (version, name, sha256) values (%s, %s, %s)",
                (migration.version, migration.name, migration.sha256),
            )
        crash_point("migrate.commit.before")
    crash_point("migrate.commit.after")
    return missing


def _refuse_surprises(wanted: list[Migration], applied: dict[int, str]) -> None:
    known = {migration.version: migration for migration in wanted}
    for version, sha256 in sorted(applied.items()):
        if version not in known:
            raise WarehouseError(
                f"the warehouse has migration {version:04}, which this code does not know",
                mend="Update the code: an older version may not write to it.",
            )
        if known[version].sha256 != sha256:
            raise WarehouseError(
                f"migration {version:04}_{known[version].name}.sql was edited after it was applied",
                mend="Restore the file and write a new migration instead.",
            )
