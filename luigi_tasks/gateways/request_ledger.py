"""ops.requests: what the requests of a run came to, also those whose answer never became a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

ANSWERED = "answered"


def count(cursor: Cursor, run_key: str, outcome: str) -> None:
    """One more request of the run came to this: 'answered', or a SourceError's outcome."""
    cursor.execute(
        "insert into ops.requests as r (run_key, outcome, requests) values (%s, %s, 1)"
        " on conflict (run_key, outcome) do update set requests = r.requests + 1",
        (run_key, outcome),
    )
