"""The request budget over processes: counted by a server, through kills, stops and restarts; ranks and equals."""

from __future__ import annotations

import bisect
import contextlib
import datetime
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from luigi_tasks.domain import faults
from luigi_tasks.domain.errors import SourceUnreachable
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.request_budget import FRESH_SECONDS, WINDOW_SECONDS, Rank, RequestBudget
from luigi_tasks.sources import contract
from luigi_tasks.steps import fetch
from luigi_tasks.steps.fetch import Fetched, Fetcher
from tests.conftest import REPOSITORY, Warehouse
from tests.image_server import ImageServer, Request, serving
from tests.integration.core_fixtures import Collecting, wait_until

# As in earnest, the budget's window is a little longer than the one that the server counts in, and it counts exactly.
# One request too many, evenly spaced, would come LIMIT / (LIMIT + 1) of the budget's window after the first: too early.
LIMIT, WINDOW, SLACK, WINDOWS = 4, 2.5, 0.45, 4
WORKER = """
import sys, urllib.request
from luigi_tasks import settings
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.request_budget import RequestBudget
url, limit, window = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
budget = RequestBudget(postgres.connect(settings.load()), "wallhaven", limit, window)
while True:
    budget.take()
    urllib.request.urlopen(url).read()
"""


class Crew:
    """Worker processes that spend the budget as fast as it lets them; the server notes when they come."""

    def __init__(self, warehouse: Warehouse, server: ImageServer) -> None:
        self.warehouse = warehouse
        self.environ = {**os.environ, **warehouse.environ}
        self.moments: list[float] = []
        self.url = server.url("/x")
        self.workers: list[subprocess.Popen[bytes]] = []
        server.answers["/x"] = self._note

    def _note(self, request: Request) -> None:
        self.moments.append(time.monotonic())
        request.head(200, Content_Length=0)

    def start(self, workers: int, limit: int = LIMIT, window: float = WINDOW + SLACK, fault: str = "") -> None:
        """So many more of them."""
        command = [sys.executable, "-c", WORKER, self.url, str(limit), str(window)]
        environ = {**self.environ, **({faults.VARIABLE: fault} if fault else {})}
        self.workers += [subprocess.Popen(command, cwd=REPOSITORY, env=environ) for _ in range(workers)]

    def kill(self, workers: int) -> None:
        """So many of the oldest, as nothing that they could notice."""
        for worker in self.workers[:workers]:
            worker.kill()
            worker.wait()
        del self.workers[:workers]


@pytest.fixture
def crew(warehouse: Warehouse) -> Iterator[Crew]:
    with serving() as server:
        crew = Crew(warehouse, server)
        yield crew
        crew.kill(len(crew.workers))


def most_in(moments: list[float], seconds: float) -> int:
    """The most requests that came within so many seconds."""
    moments = sorted(moments)
    return max(end - bisect.bisect_left(moments, moments[end - 1] - seconds) for end in range(1, len(moments) + 1))


def test_eight_processes_and_restarts_stay_within_the_limit_and_use_it(crew: Crew) -> None:
    crew.start(8)
    assert wait_until(lambda: len(crew.moments) > LIMIT, 30)
    for already in (2, 3):
        assert wait_until(lambda: len(crew.moments) > already * LIMIT, 30)  # noqa: B023 - called at once
        crew.kill(3)
        crew.start(3)
    assert wait_until(lambda: len(crew.moments) > WINDOWS * LIMIT, 30)
    moments = sorted(crew.moments)
    assert most_in(moments, WINDOW) <= LIMIT
    used = WINDOWS * (WINDOW + SLACK) / (moments[WINDOWS * LIMIT] - moments[0])
    # A grant that grew old on a busy machine is one in sixteen.
    assert used >= 0.85, f"{used:.3f} of the budget"


@pytest.mark.prove
def test_eight_processes_at_45_a_minute_with_kills_stops_and_restarts(crew: Crew) -> None:
    """What the source demands and the product is set to, for two and a half minutes."""
    limit, minute = 45, 60.0
    crew.start(7, limit, WINDOW_SECONDS)
    crew.start(1, limit, WINDOW_SECONDS, fault="fetch.budget.after:2:stop")
    stopped = crew.workers[-1]
    for second in range(0, 150, 25):
        time.sleep(25)
        if second == 50:
            stopped.send_signal(signal.SIGCONT)
        crew.kill(2)
        crew.start(2, limit, WINDOW_SECONDS)
    moments = sorted(crew.moments)
    # Two and a half budgets less what killed and stopped processes were granted, more the burst of the third minute.
    assert len(moments) >= 2.3 * limit, "too few to prove anything, or the budget was not used"
    assert most_in(moments, minute - 0.1) <= limit


def test_a_grant_that_grew_old_while_its_process_was_stopped_is_not_used(crew: Crew) -> None:
    crew.start(1, 10, 60.0, fault="fetch.budget.after:1:stop")
    (worker,) = crew.workers
    state = Path(f"/proc/{worker.pid}/stat")
    assert wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", 30)
    granted = "select cardinality(grants), extract(epoch from grants[2])::float8 from ops.request_budget"
    assert crew.warehouse.rows(granted) == [(1, None)]
    time.sleep(2 * FRESH_SECONDS)
    begun, continued = time.monotonic(), time.time()
    worker.send_signal(signal.SIGCONT)
    assert wait_until(lambda: len(crew.moments) == 9, 30), "the first of ten grants is lost"
    assert min(crew.moments) > begun
    ((_, second),) = crew.warehouse.rows(granted)
    assert second > continued - 0.01
    crew.kill(1)
    assert crew.warehouse.rows(granted)[0][0] == 10


@pytest.fixture
def budgets(warehouse: Warehouse) -> Iterator[list[RequestBudget]]:
    """One of each rank, in order, on connections of their own."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(warehouse.connect())) for _ in Rank]
        yield [
            RequestBudget(connection, "wallhaven", 4, 0.8, rank)
            for rank, connection in zip(Rank, connections, strict=True)
        ]


class Takers:
    """Threads that take as fast as they may, and who got what; leaving ends them."""

    def __init__(self) -> None:
        self.grants: list[object] = []
        self._enough, self._threads = threading.Event(), list[threading.Thread]()

    def start(self, name: object, budget: RequestBudget) -> None:
        """One more."""

        def take() -> None:
            while not self._enough.is_set():
                budget.take()
                self.grants.append(name)

        self._threads.append(threading.Thread(target=take))
        self._threads[-1].start()

    def __enter__(self) -> Takers:
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()


def waiting(warehouse: Warehouse, number: int) -> bool:
    """So many stand in the line before long."""
    return wait_until(lambda: warehouse.rows("select count(*) from ops.request_line") == [(number,)], 60)


def test_crawls_go_before_details_and_details_before_refreshing(
    warehouse: Warehouse, budgets: list[RequestBudget]
) -> None:
    budgets[0].take()
    budgets[0].block(2.0)
    order: list[Rank] = []

    def take(budget: RequestBudget) -> None:
        for _ in range(2):
            budget.take()
            order.append(budget.rank)

    threads = [threading.Thread(target=take, args=(budget,)) for budget in reversed(budgets)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        assert waiting(warehouse, number), "the last in rank came first"
    for thread in threads:
        thread.join()
    # Between its two requests one is not in line, and the next may have its turn then.
    assert order[0] is Rank.CRAWL
    assert order.index(Rank.DETAILS) < order.index(Rank.REFRESH)
    assert order[-1] is Rank.REFRESH
    assert warehouse.rows("select * from ops.request_line") == []


def test_of_two_crawls_each_gets_its_half_though_one_is_slower_to_ask(
    budgets: list[RequestBudget], warehouse: Warehouse
) -> None:
    class Distant(RequestBudget):
        """On a host from which the database is far away: at every look the other one was there before."""

        def _ask(self, ticket: int | None) -> tuple[float, int, datetime.datetime | None, int | None]:
            time.sleep(0.03)
            return super()._ask(ticket)

    with contextlib.closing(warehouse.connect()) as connection, Takers() as takers:
        takers.start("far", Distant(connection, "wallhaven", 20, 2.0))
        takers.start("near", RequestBudget(budgets[0].connection, "wallhaven", 20, 2.0))
        assert wait_until(lambda: len(takers.grants) >= 40, 30)
    contested = takers.grants[10:40]
    assert min(contested.count("far"), contested.count("near")) >= 0.4 * len(contested)


def test_who_alone_wants_the_budget_has_all_of_it(budgets: list[RequestBudget]) -> None:
    begun = time.monotonic()
    for _ in range(9):
        budgets[Rank.REFRESH].take()
    assert time.monotonic() - begun < 2 * 0.8 + 2


def test_one_that_dies_while_it_waits_holds_nobody_up(warehouse: Warehouse, budgets: list[RequestBudget]) -> None:
    crawl, details = budgets[Rank.CRAWL], budgets[Rank.DETAILS]
    for _ in range(4):
        crawl.take()
    assert crawl._ask(None)[0] > 0
    crawl.connection.close()
    begun = time.monotonic()
    details.take()
    assert time.monotonic() - begun < 2.8, "sooner than the line forgets who is silent"


def test_one_that_hangs_while_it_waits_is_passed_over(warehouse: Warehouse, budgets: list[RequestBudget]) -> None:
    crawl, details = budgets[Rank.CRAWL], budgets[Rank.DETAILS]
    for _ in range(4):
        crawl.take()
    *_, ticket = crawl._ask(None)
    warehouse.rows("update ops.request_line set asked_at = asked_at - interval '4 s' where ticket = %s", ticket)
    begun = time.monotonic()
    for _ in range(4):
        details.take()
    assert time.monotonic() - begun < 2.8, "sooner than it would have been forgotten"
    assert crawl._ask(ticket)[3] == ticket
    assert warehouse.rows("select ticket from ops.request_line") == [(ticket,)], "it takes its place again"


def test_each_request_of_a_run_has_its_rank(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Rank]] = []

    def note(self: Fetcher, request: contract.Request) -> Fetched:
        asked.append((request.page_name, self.budget.rank))
        raise SourceUnreachable("no", where="", mend="")

    monkeypatch.setattr(Fetcher, "obtain", note)
    collecting = Collecting(warehouse, "http://127.0.0.1:1/api/v1", http_max_attempts=1)
    collecting.want_details(["aaaaaa", "bbbbbb"])
    warehouse.rows("update draenei_content.pending_details set reason = 'existence' where wallhaven_id = 'aaaaaa'")
    run = collecting.run()
    fetch.fetch_details(collecting.settings, run, collecting.store, Silent())
    with pytest.raises(SourceUnreachable):
        collecting.crawl(run)
    assert [rank for _, rank in asked] == [Rank.DETAILS, Rank.REFRESH, Rank.CRAWL]
    assert ["bbbbbb" in asked[0][0], "aaaaaa" in asked[1][0]] == [True, True]
