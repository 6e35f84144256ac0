"""One request budget for every process and host that shares the warehouse, counted by its clock.

Crawls come first: while one waits it holds a shared advisory lock, and who gives way (details) takes nothing unless it
can have that lock for itself. The lock is the connection's, so a crawl that dies while it waits stops nobody.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

# Half a second over the minute: a request reaches the source a little after it was granted, and not always equally so.
WINDOW_SECONDS = 60.5
BURST = 10
LOOK_AGAIN_SECONDS = 0.25


@dataclass(frozen=True)
class RequestBudget:
    """per_minute requests in any window, which is the minute; the first ten at once, later ones evenly spaced.

    gives_way: takes nothing while one that does not is waiting, in whatever process.
    """

    connection: Connection
    source: str
    per_minute: int
    window_seconds: float = WINDOW_SECONDS
    gives_way: bool = False

    def take(self, progress: Progress | None = None) -> int:
        """Wait until a request may be sent; returns how many were sent in the last minute, this one included."""
        wait_seconds, used = self._ask()
        if wait_seconds <= 0:
            return used
        with self._first_in_line():
            while wait_seconds > 0:
                if progress and wait_seconds > 1:
                    note = f"{used}/{self.per_minute} per minute, next request in {wait_seconds:.0f} s"
                    progress.update(0, 0, note=note)
                time.sleep(min(wait_seconds, 5.0))
                wait_seconds, used = self._ask()
        return used

    @contextlib.contextmanager
    def _first_in_line(self) -> Iterator[None]:
        if self.gives_way:
            yield
            return
        self._one("select pg_advisory_lock_shared(hashtextextended(%s, 0))", self._line)
        try:
            yield
        finally:
            if not self.connection.closed:
                self._one("select pg_advisory_unlock_shared(hashtextextended(%s, 0))", self._line)

    @property
    def _line(self) -> str:
        return f"draenei-collector budget {self.source}"

    def block(self, seconds: float) -> None:
        """Nobody asks the source for so many seconds: it said so."""
        crash_point("fetch.block.before")
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "update ops.request_budget set blocked_until = greatest(blocked_until,"
                " clock_timestamp() + make_interval(secs => %s)) where source = %s",
                (seconds, self.source),
            )
        crash_point("fetch.block.after")

    def _ask(self) -> tuple[float, int]:
        with self.connection, self.connection.cursor() as cursor:
            if self.gives_way and not self._is_free(cursor):
                return min(self.window_seconds / self.per_minute, LOOK_AGAIN_SECONDS), self.per_minute
            cursor.execute(
                "select wait_seconds, used from ops.take_request(%s, %s, %s, make_interval(secs => %s))",
                (self.source, self.per_minute, BURST, self.window_seconds),
            )
            row = cursor.fetchone()
        assert row is not None
        return float(row[0]), int(row[1])

    def _is_free(self, cursor: Cursor) -> bool:
        cursor.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (self._line,))
        row = cursor.fetchone()
        return bool(row and row[0])

    def _one(self, statement: str, argument: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement, (argument,))
