"""One request budget for every process and host that shares the warehouse, counted by its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.progress import Progress

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# Half a second over the minute: a request reaches the source a little after it was granted, and not always equally so.
WINDOW_SECONDS = 60.5
BURST = 10


@dataclass(frozen=True)
class RequestBudget:
    """per_minute requests in any window, which is the minute; the first ten at once, later ones evenly spaced."""

    connection: Connection
    source: str
    per_minute: int
    window_seconds: float = WINDOW_SECONDS

    def take(self, progress: Progress | None = None) -> int:
        """Wait until a request may be sent; returns how many were sent in the last minute, this one included."""
        while True:
            wait_seconds, used = self._ask()
            if wait_seconds <= 0:
                return used
            if progress and wait_seconds > 1:
                progress.update(0, 0, note=f"{used}/{self.per_minute} per minute, next request in {wait_seconds:.0f} s")
            time.sleep(min(wait_seconds, 5.0))

    def block(self, seconds: float) -> None:
        """Nobody asks the source for so many seconds: it said so."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "update ops.request_budget set blocked_until = greatest(blocked_until,"
                " clock_timestamp() + make_interval(secs => %s)) where source = %s",
                (seconds, self.source),
            )

    def _ask(self) -> tuple[float, int]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "select wait_seconds, used from ops.take_request(%s, %s, %s, make_interval(secs => %s))",
                (self.source, self.per_minute, BURST, self.window_seconds),
            )
            row = cursor.fetchone()
        assert row is not None
        return float(row[0]), int(row[1])
