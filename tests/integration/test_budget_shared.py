"""The request budget over processes: counted by a server, through kills and restarts, and crawls before details."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.errors import SourceUnreachable
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import request_budget
from luigi_tasks.gateways.request_budget import RequestBudget
from luigi_tasks.steps import fetch
from tests.conftest import REPOSITORY, Warehouse
from tests.image_server import ImageServer, Request, serving
from tests.integration.core_fixtures import Collecting, wait_until

LIMIT, WINDOW, GRACE, WINDOWS = 8, 2.5, 0.5, 4
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
        self.environ = {**os.environ, **warehouse.environ}
        self.moments: list[float] = []
        self.url = server.url("/x")
        self.workers: list[subprocess.Popen[bytes]] = []
        server.answers["/x"] = self._note

    def _note(self, request: Request) -> None:
        self.moments.append(time.monotonic())
        request.head(200, Content_Length=0)

    def start(self, workers: int) -> None:
        """So many more of them."""
        for number in range(workers):
            command = [
                sys.executable,
                "-c",
                WORKER,
                f"{self.url}?{len(self.workers) + number}",
                str(LIMIT),
                str(WINDOW),
            ]
            self.workers.append(subprocess.Popen(command, cwd=REPOSITORY, env=self.environ))

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


def test_eight_processes_and_restarts_stay_within_the_limit_and_use_it(crew: Crew) -> None:
    crew.start(8)
    assert wait_until(lambda: len(crew.moments) > LIMIT, 30)
    for already in (2, 3):
        assert wait_until(lambda: len(crew.moments) > already * LIMIT, 30)  # noqa: B023 - called at once
        crew.kill(3)
        crew.start(3)
    assert wait_until(lambda: len(crew.moments) > WINDOWS * LIMIT, 30)
    moments = sorted(crew.moments)
    closest = min(late - early for early, late in zip(moments, moments[LIMIT:], strict=False))
    assert closest >= WINDOW - GRACE, "the server counts more than the limit in its window"
    used = WINDOWS * WINDOW / (moments[WINDOWS * LIMIT] - moments[0])
    assert used >= 0.98, f"{used:.3f} of the budget"


@pytest.fixture
def budgets(warehouse: Warehouse) -> Iterator[dict[str, RequestBudget]]:
    """A crawl's and a details fetcher's, on connections of their own."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(warehouse.connect())) for _ in range(2)]
        yield {
            "crawl": RequestBudget(connections[0], "wallhaven", 4, 0.8),
            "details": RequestBudget(connections[1], "wallhaven", 4, 0.8, gives_way=True),
        }


def test_details_take_nothing_while_a_crawl_waits(budgets: dict[str, RequestBudget]) -> None:
    grants: list[tuple[float, str]] = []
    waits: list[tuple[float, float]] = []
    enough = threading.Event()

    def fetch_details() -> None:
        while not enough.is_set():
            budgets["details"].take()
            grants.append((time.monotonic(), "details"))

    thread = threading.Thread(target=fetch_details)
    thread.start()
    time.sleep(0.3)
    for _ in range(8):
        asked = time.monotonic()
        budgets["crawl"].take()
        waits.append((asked, time.monotonic()))
    begun, ended = waits[0][0], waits[-1][1]
    # Between two takes the crawl is not in line: what details get there is theirs.
    during = [moment for moment, _ in grants if any(asked + 0.15 < moment < had - 0.02 for asked, had in waits)]
    enough.set()
    thread.join()
    assert ended - begun > 1.2, "the case is of no use unless the crawl had to wait"
    assert len(during) <= 1
    assert grants, "alone, details have the whole budget"


def test_details_go_on_when_a_waiting_crawl_dies(warehouse: Warehouse, budgets: dict[str, RequestBudget]) -> None:
    crawl, details = budgets["crawl"], budgets["details"]
    with crawl._first_in_line():
        assert details._ask()[0] > 0
        crawl.connection.close()
        assert wait_until(lambda: details._ask()[0] <= 0, 3)


def test_a_crawl_that_got_its_turn_leaves_the_line(budgets: dict[str, RequestBudget]) -> None:
    for _ in range(6):
        budgets["crawl"].take()
    begun = time.monotonic()
    budgets["details"].take()
    assert time.monotonic() - begun < 2


def test_the_details_of_a_run_give_way_and_its_crawl_does_not(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    class Noting(request_budget.RequestBudget):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            made.append(self.gives_way)

    monkeypatch.setattr(fetch, "RequestBudget", Noting)
    collecting = Collecting(warehouse, "http://127.0.0.1:1/api/v1", http_max_attempts=1)
    collecting.want_details([])
    run = collecting.run()
    fetch.fetch_details(collecting.settings, run, collecting.store, Silent())
    with pytest.raises(SourceUnreachable):
        collecting.crawl(run)
    assert made == [True, False]
