"""At most one Collect of a source: an advisory lock on a connection of its own, which ends with its process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import AlreadyRunning
from luigi_tasks.gateways import postgres
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# The server gives back the lock of a process that has just ended a moment after it.
TRIES, PAUSE_SECONDS = 5, 0.1


def take(settings: Settings, source: str) -> Connection:
    """The connection that holds the lock of a source; closing it gives the lock back. Raises AlreadyRunning."""
    connection = postgres.connect(settings, f"draenei-collector lock {source}")
    connection.autocommit = True
    with connection.cursor() as cursor:
        for number in range(TRIES):
            time.sleep(PAUSE_SECONDS if number else 0)
            cursor.execute(
                "select pg_try_advisory_lock(hashtextextended(%s, 0))", (f"draenei-collector collect {source}",)
            )
            if cursor.fetchone() == (True,):
                return connection
        cursor.execute(
            "select run_key, to_char(started_at, 'HH24:MI:SS') from ops.runs where source = %s and state = 'running'"
            " order by started_at desc limit 1",
            (source,),
        )
        running = cursor.fetchone()
    connection.close()
    what = f"{running[0]}, since {running[1]} UTC" if running else "just started"
    raise AlreadyRunning(
        f"another Collect of {source} is running", where=what, mend="Watch it with `python -m luigi_tasks status`."
    )
