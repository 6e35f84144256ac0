"""Counting requests: whatever one comes to is kept with its run, for a 429 is no page and would be forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.gateways import request_ledger
from luigi_tasks.sources.answers import Retry

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@contextlib.contextmanager
def counted(connection: Connection, run_key: str) -> Iterator[None]:
    """Around one request: count it as answered, or as what the SourceError that ended it says."""
    try:
        yield
    except (Retry, SourceError) as problem:
        _count(connection, run_key, problem.cause.outcome if isinstance(problem, Retry) else problem.outcome)
        raise
    _count(connection, run_key, request_ledger.ANSWERED)


def _count(connection: Connection, run_key: str, outcome: str) -> None:
    with connection, connection.cursor() as cursor:
        request_ledger.count(cursor, run_key, outcome)
