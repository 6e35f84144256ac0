"""The request budget: never more than so many in any window, over all that share the warehouse."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from luigi_tasks.gateways.request_budget import BURST, WINDOW_SECONDS, RequestBudget
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Notes

Open = Callable[..., RequestBudget]


@pytest.fixture
def budget(warehouse: Warehouse) -> Iterator[Open]:
    """Budgets on connections of their own, as processes have them."""
    connections = []

    def opened(per_window: int, window_seconds: float = 1.0, source: str = "wallhaven") -> RequestBudget:
        connections.append(warehouse.connect())
        return RequestBudget(connections[-1], source, per_window, window_seconds)

    yield opened
    for connection in connections:
        connection.close()


def granted(warehouse: Warehouse) -> list[float]:
    """When requests were granted, by the server's clock."""
    return [
        float(moment)
        for (moment,) in warehouse.rows(
            "select extract(epoch from g) from ops.request_budget, unnest(grants) as g order by g"
        )
    ]


def test_the_window_is_longer_than_the_sources_minute() -> None:
    assert WINDOW_SECONDS > 60


def test_never_more_than_the_limit_in_any_window(warehouse: Warehouse, budget: Open) -> None:
    limit, window, sent = 12, 0.6, []

    def ask(own: RequestBudget) -> None:
        for _ in range(5):
            own.take()
            sent.append(time.monotonic())

    threads = [threading.Thread(target=ask, args=(budget(limit, window),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.sort()
    assert len(sent) == 40
    # What is measured here is a little later than what was granted, and not always equally so: 50 ms of grace.
    gaps = [late - early for early, late in zip(sent, sent[limit:], strict=False)]
    assert min(gaps) >= window - 0.05
    assert len(granted(warehouse)) <= limit, "what is older than the window is forgotten"


def test_a_burst_is_granted_at_once(budget: Open) -> None:
    begun, own = time.monotonic(), budget(20, 60.0)
    assert [own.take() for _ in range(BURST)] == list(range(1, BURST + 1))
    assert time.monotonic() - begun < 3 * (BURST - 1) / 2, "half of what even spacing takes"


def test_after_a_burst_requests_are_spaced_evenly(warehouse: Warehouse, budget: Open) -> None:
    own = budget(20, 2.0)
    used = [own.take() for _ in range(BURST)]
    assert used == list(range(1, BURST + 1))
    for _ in range(4):
        own.take()
    moments = granted(warehouse)
    gaps = [late - early for early, late in itertools.pairwise(moments)]
    assert min(gaps[BURST - 1 :]) >= 0.1
    assert statistics.median(gaps[BURST - 1 :]) < 0.5


def test_late_requests_are_caught_up_with(warehouse: Warehouse, budget: Open) -> None:
    """Those that follow a slow time come faster than evenly, but never faster than at half the spacing."""
    own = budget(50, 5.0)
    spacing = 0.1
    for _ in range(BURST):
        own.take()
    for _ in range(BURST):
        own.take()
        time.sleep(1.4 * spacing)
    for _ in range(6):
        own.take()
    gaps = [after - before for before, after in itertools.pairwise(granted(warehouse)[-7:])]
    assert min(gaps) >= spacing / 2
    assert sum(gaps) < 6 * spacing * 0.9


def test_a_limit_below_the_burst_holds(budget: Open) -> None:
    own = budget(2, 0.4)
    begun = time.monotonic()
    for _ in range(5):
        own.take()
    assert time.monotonic() - begun >= 0.8


def test_who_blocks_blocks_all_and_the_longest_holds(budget: Open) -> None:
    one, other = budget(100), budget(100)
    one.take()
    begun = time.monotonic()
    one.block(0.6)
    one.block(0.1)
    assert other.take() == 2
    assert 0.55 <= time.monotonic() - begun < 20


def test_two_sources_do_not_wait_for_each_other(budget: Open) -> None:
    one, other = budget(1, 30.0), budget(1, 30.0, "jsonplaceholder")
    one.take()
    one.block(30)
    begun = time.monotonic()
    assert other.take() == 1
    assert time.monotonic() - begun < 20


def test_a_wait_is_explained(budget: Open) -> None:
    own, notes = budget(1, 1.4), Notes()
    own.take(notes)
    assert notes.notes == []
    own.take(notes)
    assert notes.notes == ["1/1 per minute, next request in 1 s"]
