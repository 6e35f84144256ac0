"""dbt's nodes in a real luigid of the pinned Luigi: what add_task does there is undocumented, so it is held to it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from luigi_tasks.domain.dbt_graph import Graph, News, Node, State
from luigi_tasks.gateways import central_scheduler
from luigi_tasks.gateways.scheduler_nodes import Place, SchedulerNodes

STARTS = """
import sys
from pathlib import Path
from luigi_tasks.gateways import central_scheduler
central_scheduler.start(Path(sys.argv[1]), int(sys.argv[2]))
"""
GRAPH = Graph(
    {
        "model.t.a": Node("model.t.a", ("source.t.raw",)),
        "test.t.unique_a.1": Node("test.t.unique_a.1", ("model.t.a",)),
        "model.t.b": Node("model.t.b", ("model.t.a",)),
        "test.t.unique_b.2": Node("test.t.unique_b.2", ("model.t.b",)),
    }
)
A, UNIQUE_A, B, UNIQUE_B = GRAPH.order


@dataclass(frozen=True)
class Page:
    """What luigid's page asks for."""

    url: str

    def ask(self, method: str, **data: object) -> Any:
        with urllib.request.urlopen(f"{self.url}api/{method}?data={quote(json.dumps(data))}", timeout=5) as answer:
            return json.loads(answer.read())["response"]

    def graph(self, place: Place) -> dict[str, Any]:
        return self.ask("dep_graph", task_id=place.task_id)

    def status(self, place: Place) -> list[str]:
        graph = self.graph(place)
        return [graph[place.node_id(unique_id)]["status"] for unique_id in GRAPH.order]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("scheduler")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # It outlives the process that starts it, so that is another one.
    subprocess.run([sys.executable, "-c", STARTS, str(home), str(port)], check=True, timeout=60)
    yield Page(f"http://127.0.0.1:{port}/")
    assert central_scheduler.stop(home)


@pytest.fixture
def place(page: Page, request: pytest.FixtureRequest) -> Place:
    own = request.node.name
    return Place(
        page.url, f"Model_{own}", (f"Load_{own}",), "wallhaven", "2026-11-21T07:00", f"wallhaven/{own}", "Model"
    )


@pytest.fixture
def worker(place: Place) -> Iterator[Any]:
    """A Luigi worker that has Load done and runs Model, as luigid sees it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # luigi's own, about an option of its configuration
        from luigi.rpc import RemoteScheduler
    scheduler, name, model = RemoteScheduler(place.url), worker_of(place), place.task_id
    scheduler.add_task(worker=name, task_id=place.upstream[0], status="DONE", family="Load")
    scheduler.add_task(worker=name, task_id=model, status="PENDING", family="Model", deps=list(place.upstream))
    assert scheduler.get_work(worker=name)["task_id"] == model
    yield scheduler
    scheduler.add_task(worker=name, task_id=model, status="DONE")
    assert place.task_id in scheduler.task_list(status="DONE", upstream_status=""), "the worker ends its task itself"
    scheduler.close()


def worker_of(place: Place) -> str:
    """The name of the Luigi worker that runs the task."""
    return f"luigi {place.run_key}"


def explained(node: Node, news: News) -> str:
    return f"{node.name}: {news.rows} rows\n{news.message}"


def test_a_build_is_seen_and_a_failure_explained_and_what_is_below_blocked(
    page: Page, worker: Any, place: Place
) -> None:
    nodes = SchedulerNodes(place, explained)
    nodes.begin(GRAPH)
    nodes.tell(News(A, State.RUNNING))
    nodes.tell(News(A, State.DONE, "INSERT 0 1", 0.1))
    nodes.tell(News(UNIQUE_A, State.FAILED, "fail", 0.1, 3))
    nodes.tell(News(UNIQUE_A, State.FAILED, "error", message="Got 3 results"))
    nodes.tell(News(B, State.BLOCKED, "skipped"))
    nodes.tell(News(UNIQUE_B, State.BLOCKED, "skipped"))
    nodes.end("")
    assert page.status(place) == ["DONE", "FAILED", "PENDING", "PENDING"]
    blocked = page.ask("task_list", status="PENDING", upstream_status="UPSTREAM_FAILED")
    assert sorted(blocked) == sorted(place.node_id(name) for name in (B, UNIQUE_B))
    failed = place.node_id(UNIQUE_A)
    assert page.ask("fetch_error", task_id=failed)["error"] == "unique_a: 3 rows\nGot 3 results"
    graph = page.graph(place)
    assert graph[failed]["status_message"] == "unique_a: 3 rows"
    assert (graph[failed]["name"], graph[failed]["params"]["name"]) == ("dbt.test", "unique_a")
    assert graph[place.node_id(A)]["deps"] == list(place.upstream)
    assert sorted(graph[place.node_id(B)]["deps"]) == sorted([place.node_id(A), failed])
    assert sorted(graph[place.task_id]["deps"]) == sorted([*place.upstream, place.node_id(UNIQUE_B)])
    assert graph[place.task_id]["status"] == "RUNNING", "of Luigi's own task nothing but what it waits for is changed"
    counted = worker.count_pending(worker=worker_of(place))
    assert counted["n_pending_tasks"] == 0
    assert [task["task_id"] for task in counted["running_tasks"]] == [place.task_id], "no node is this worker's"


def seen(page: Page, place: Place, status: str) -> bool:
    """Is the first node at a status, within some seconds?"""
    deadline = time.monotonic() + 10
    while page.graph(place).get(place.node_id(A), {}).get("status") != status:
        if time.monotonic() > deadline:
            return False
    return True


def test_running_is_seen_while_it_runs_and_an_end_that_came_too_soon_leaves_nothing_running(
    page: Page, worker: Any, place: Place
) -> None:
    nodes = SchedulerNodes(place, lambda node, news: f"{node.name}: {news.message}")
    nodes.begin(GRAPH)
    assert seen(page, place, "PENDING")
    for asking in ({"worker": "assistant", "assistant": True}, {"worker": place.worker}, {"worker": worker_of(place)}):
        current = [place.task_id] if asking["worker"] == worker_of(place) else []
        assert worker.get_work(**asking, current_tasks=current)["task_id"] is None, "nobody is given a node"
    nodes.tell(News(A, State.RUNNING))
    assert seen(page, place, "RUNNING")
    nodes.end("killed by -9")
    assert page.status(place) == ["FAILED"] * 4
    assert "killed by -9" in page.ask("fetch_error", task_id=place.node_id(A))["error"]


def test_the_same_step_again_begins_anew_and_ends_well(page: Page, worker: Any, place: Place) -> None:
    for outcome in (State.FAILED, State.DONE):
        nodes = SchedulerNodes(place, explained)
        nodes.begin(GRAPH)
        for name in GRAPH.order:
            nodes.tell(News(name, State.RUNNING))
            nodes.tell(News(name, outcome))
        nodes.end("")
        assert page.status(place) == [outcome.value] * 4
    kept = Graph({name: replace(node, kept=name == A) for name, node in GRAPH.nodes.items()})
    nodes = SchedulerNodes(replace(place, step="Remodel"), explained)
    nodes.begin(kept)
    nodes.end("")
    assert page.graph(place)[nodes.place.node_id(A)]["status"] == "DONE"


def test_nodes_are_not_counted_as_tasks(page: Page, worker: Any, place: Place) -> None:
    nodes = SchedulerNodes(place, explained)
    nodes.begin(GRAPH)
    nodes.tell(News(A, State.FAILED, "error"))
    nodes.end("")
    worker.add_task(worker="other", task_id="Load_2", status="FAILED", family="Load", params={"source": "wallhaven"})
    with urllib.request.urlopen(f"{page.url}metrics", timeout=5) as answer:
        text = answer.read().decode()
    assert 'luigi_task_failed_total{family="Load"' in text
    assert "dbt" not in text


def test_a_scheduler_that_does_not_answer_costs_a_line_and_no_time(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = SchedulerNodes(replace(place, url="http://127.0.0.1:1/"), explained)
    nodes.begin(GRAPH)
    nodes.tell(News(A, State.RUNNING))
    nodes.end("")
    assert [record.message for record in caplog.records if "does not show dbt's nodes" in record.message]
    assert not nodes._thread.is_alive()
