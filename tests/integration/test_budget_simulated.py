"""The request budget over ten minutes of a simulated clock: ops.take_request itself, told what time it is."""

from __future__ import annotations

import bisect
import datetime
import heapq
from collections.abc import Iterator

import psycopg2
import pytest

from luigi_tasks.gateways.request_budget import BURST, LOOK_AGAIN_SECONDS, WINDOW_SECONDS
from tests.conftest import Warehouse

LIMIT, SECONDS, ASKERS = 45, 600.0, 4
BEGIN = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
# A function of this name that is found before the server's own.
CLOCK = """
create schema simulated;
create function simulated.clock_timestamp() returns timestamptz language sql volatile
as $$ select current_setting('simulated.now')::timestamptz $$;
set local search_path = simulated, pg_catalog
"""
ASK = """
select set_config('simulated.now', %s, true);
select wait_seconds, granted_at, place from ops.take_request('wallhaven', %s, %s, make_interval(secs => %s), 0, %s)
"""


@pytest.fixture
def cursor(warehouse: Warehouse) -> Iterator[psycopg2.extensions.cursor]:
    """Of a transaction in which the clock is simulated; rolled back."""
    with warehouse.rolled_back() as cursor:
        cursor.execute(CLOCK)
        yield cursor


def granted(cursor: psycopg2.extensions.cursor, away: float, blocked: tuple[float, float] = (0, 0)) -> list[float]:
    """Seconds at which requests were granted to processes that ask as RequestBudget does.

    away: seconds for which a process is busy with what it was granted. blocked: as the source says, from and until.
    """
    moments, asking = [], [(0.01 * number, number, None) for number in range(ASKERS)]
    heapq.heapify(asking)
    told = not blocked[1]
    while asking[0][0] < SECONDS:
        now, number, ticket = heapq.heappop(asking)
        if not told and now >= blocked[0]:
            told = True
            until = BEGIN + datetime.timedelta(seconds=blocked[1])
            cursor.execute("update ops.request_budget set blocked_until = %s", (until,))
        said = (BEGIN + datetime.timedelta(seconds=now)).isoformat()
        cursor.execute(ASK, (said, LIMIT, BURST, WINDOW_SECONDS, ticket))
        wait, at, place = cursor.fetchone() or (0, None, None)
        if at:
            moments.append((at - BEGIN).total_seconds())
        rest = away if at else min(wait, LOOK_AGAIN_SECONDS)
        heapq.heappush(asking, (now + max(rest, 0.001), number, None if at else place))
    return moments


def most_in(moments: list[float], seconds: float) -> int:
    """The most requests within so many seconds, wherever they begin."""
    return max(index + 1 - bisect.bisect_right(moments, moments[index] - seconds) for index in range(len(moments)))


@pytest.mark.parametrize("away", [0.05, 2.0])
def test_ten_minutes_use_98_percent_and_never_more_than_the_limit(
    cursor: psycopg2.extensions.cursor, away: float
) -> None:
    moments = granted(cursor, away)
    assert most_in(moments, 60.0) <= LIMIT
    assert len(moments) >= 0.98 * LIMIT * SECONDS / 60


def test_after_a_block_the_limit_holds_and_what_is_left_is_used(cursor: psycopg2.extensions.cursor) -> None:
    moments = granted(cursor, 0.05, blocked=(130.0, 190.0))
    assert most_in(moments, 60.0) <= LIMIT
    assert not [moment for moment in moments if 130.5 < moment < 190]
    assert len([moment for moment in moments if moment >= 190]) >= 0.98 * LIMIT * (SECONDS - 190) / 60
