"""A warehouse for the benchmark, and a frozen manifest of its pictures; nothing of it is in the measured time."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from benchmarks.transfer.measure import cpu_seconds
from benchmarks.transfer.pictures import Picture
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import embedded_postgres, postgres, run_ledger, upload_ledger
from luigi_tasks.warehouse import migrate

PENDING = """
create schema if not exists draenei_content;
create table if not exists draenei_content.pending_uploads (
    wallhaven_id text, image_url text, s3_key text, file_type text, file_size bigint, width integer, height integer,
    uploaded_at timestamptz default now()
);
truncate draenei_content.pending_uploads;
truncate ops.uploads, ops.upload_intents, ops.upload_claims;
"""
OFFER = "insert into draenei_content.pending_uploads values (%s, %s, %s, %s, %s, %s, %s, default)"


class Warehouse:
    """An embedded server of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        server = embedded_postgres.ensure_running(home)
        self.environ = postgres.embedded_address(server)
        with contextlib.closing(self.connect()) as connection:
            migrate.migrate(connection)

    def connect(self) -> psycopg2.extensions.connection:
        """A new connection."""
        return psycopg2.connect(self.dsn)

    @property
    def dsn(self) -> str:
        """For other programs."""
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
        return " ".join(f"{names[name]}='{value}'" for name, value in self.environ.items())

    def cpu(self) -> float:
        """Seconds of CPU time that the server has taken so far."""
        return cpu_seconds(int((self._home / "postgres/data/postmaster.pid").read_text().split()[0]))

    def statements(self) -> tuple[int, int]:
        """Transactions and rows written so far, by the server's own count."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("select xact_commit, tup_inserted from pg_stat_database where datname = current_database()")
            found = cursor.fetchone() or (0, 0)
            return int(found[0]), int(found[1])

    def freeze(self, pictures: Sequence[Picture], images: str) -> str:
        """A new run whose manifest is these pictures and nothing stored; its key."""
        run = Run(Query.of("wallhaven", "benchmark", {}), datetime.datetime.now(datetime.UTC).isoformat())
        with contextlib.closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(PENDING)
            cursor.executemany(
                OFFER,
                [
                    (p.wallhaven_id, f"{images}/{p.path}", p.s3_key, p.file_type, p.file_size, p.width, p.height)
                    for p in pictures
                ],
            )
            run_ledger.open_run(cursor, run, run_ledger.Circumstances("0", "", "benchmark"))
            upload_ledger.freeze(cursor, run.key, None)
        return run.key


@contextlib.contextmanager
def warehouse(home: Path) -> Iterator[Warehouse]:
    """A warehouse for the time of the block."""
    try:
        yield Warehouse(home)
    finally:
        embedded_postgres.stop(home)


def settings_environ(images: str, s3: str, home: Path) -> dict[str, str]:
    """The settings that lead to the benchmark's servers."""
    return {
        "DRAENEI_HOME": str(home),
        "WALLHAVEN_IMAGE_HOSTS": urlsplit(images).netloc,
        "BUCKET_NAME": "bench",
        "S3_ENDPOINT_URL": s3,
        "S3_FORCE_PATH_STYLE": "true",
        "IMAGE_FULL_DECODE": "false",
        "UPLOAD_CONCURRENCY": "64",
    }
