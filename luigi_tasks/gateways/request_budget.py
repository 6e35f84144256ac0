"""One request budget for every process and host that shares the warehouse, counted by its clock.

Who waits stands in a line (ops.request_line): crawls before details before what only refreshes, and within a rank who
came first, so that equals share alike. A process that dies while it waits leaves the line with its database session.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# Half a second over the minute: a request reaches the source a little after it was granted, and not always equally so.
WINDOW_SECONDS = 60.5
# A grant that is older when its turn comes (the process was stopped, the machine slept) is not used: what is left of
# the half second is for the way.
FRESH_SECONDS = 0.4
BURST = 10
LOOK_AGAIN_SECONDS = 1.0  # often enough that the line, which forgets who is silent for 3 s, knows us


class Rank(IntEnum):
    """Whose request goes first. CRAWL: the listing; DETAILS: tags, uploaders; REFRESH: sweeps, existence, repairs."""

    CRAWL = 0
    DETAILS = 1
    REFRESH = 2


@dataclass(frozen=True)
class RequestBudget:
    """per_minute requests in any window, which is the minute; the first ten at once, later ones evenly spaced.

    rank: nothing is taken while one of a lower number waits, in whatever process.
    """

    connection: Connection
    source: str
    per_minute: int
    window_seconds: float = WINDOW_SECONDS
    rank: Rank = Rank.CRAWL

    def take(self, progress: Progress | None = None) -> int:
        """Wait until a request may be sent, and send it at once; returns how many the last minute had, with this one.

        A grant that has grown old by the time this would return is let go of, and counts all the same.
        """
        while True:
            crash_point("fetch.budget.before")
            used, granted_at = self._wait(progress)
            crash_point("fetch.budget.after")
            if self._age(granted_at) <= FRESH_SECONDS:
                return used

    def _wait(self, progress: Progress | None) -> tuple[int, datetime.datetime]:
        ticket: int | None = None
        while True:
            wait_seconds, used, granted_at, ticket = self._ask(ticket)
            if granted_at:
                return used, granted_at
            if progress and wait_seconds > 1:
                note = f"{used}/{self.per_minute} per minute, next request in {wait_seconds:.0f} s"
                progress.update(0, 0, note=note)
            time.sleep(min(wait_seconds, LOOK_AGAIN_SECONDS))

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

    def _ask(self, ticket: int | None) -> tuple[float, int, datetime.datetime | None, int | None]:
        """Seconds to wait, requests in the window, when one was granted, and the place in the line."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "select wait_seconds, used, granted_at, place"
                " from ops.take_request(%s, %s, %s, make_interval(secs => %s), %s, %s)",
                (self.source, self.per_minute, BURST, self.window_seconds, int(self.rank), ticket),
            )
            row = cursor.fetchone()
        assert row is not None
        return float(row[0]), int(row[1]), row[2], row[3]

    def _age(self, granted_at: datetime.datetime) -> float:
        """Seconds by the clock that granted: ours may have stood still as well."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("select extract(epoch from clock_timestamp() - %s)", (granted_at,))
            row = cursor.fetchone()
        assert row is not None
        return float(row[0])
