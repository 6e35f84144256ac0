"""dbt's nodes in the central scheduler's graph, by calls that luigid offers to workers: add_task and its kin.

They are undocumented (luigi/scheduler.py is what they are), so tests/integration/test_scheduler_nodes.py holds the
pinned luigid to what is used here, and whatever goes wrong ends the showing, never the build.

- A node's task is not runnable and has no worker, so no worker is ever given it.
- Its worker's name is made of the run and the step: luigid lets only the worker that it knows as running end a task.
- luigid disables what failed `retry_count` times, and would show it so; hence a count of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import requests

from luigi_tasks.domain.dbt_graph import Graph, News, Node, State

log = logging.getLogger("luigi-interface")
FAMILY = "dbt"
NOBODY = "nobody"  # the worker in whose name a node is ended that none has begun
CALL_SECONDS = (2, 5)  # to connect, to answer
PING_SECONDS = 15.0  # luigid forgets a worker after a minute of silence
PAUSE_SECONDS = 0.5  # nobody sees more in a page than that
LAST_CALLS_SECONDS = 10.0
NEVER_DISABLED = {"retry_count": 1_000_000}


@dataclass(frozen=True)
class Place:
    """Where the nodes of a build stand in the graph: between a Luigi task that builds and those that it requires."""

    url: str
    task_id: str
    upstream: tuple[str, ...]
    source: str
    run_id: str
    run_key: str
    step: str

    @property
    def worker(self) -> str:
        """The same for every build of the step."""
        return f"dbt of {self.run_key} {self.step}"

    def node_id(self, unique_id: str) -> str:
        """The node's task id: of this run and step alone."""
        own = hashlib.sha256(f"{self.run_key} {self.step} {unique_id}".encode()).hexdigest()[:10]
        return re.sub(r"[^A-Za-z0-9_.]", "_", f"{FAMILY}.{Node(unique_id).kind}_{Node(unique_id).name}_{own}")


class SchedulerNodes:
    """A Watcher whose thread tells luigid the latest state of each node; one that was overtaken is left out."""

    def __init__(self, place: Place, explain: Callable[[Node, News], str]) -> None:
        self.place = place
        self._explain = explain
        self._graph = Graph({})
        self._states: dict[str, State] = {}
        self._failures: dict[str, News] = {}
        self._wanted: dict[str, News] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._session = requests.Session()
        self._thread = threading.Thread(target=self._tell_on, name="dbt nodes", daemon=True)

    def begin(self, graph: Graph) -> None:
        """Begin to show them, as pending."""
        self._graph = graph
        self._states = {name: State.PENDING for name in graph.order if not graph.nodes[name].kept}
        self._thread.start()

    def tell(self, news: News) -> None:
        """Show it soon."""
        with self._changed:
            failed = self._failures.get(news.unique_id)
            if news.state is State.FAILED:  # dbt tells of it when it happens, and of its message at the end
                news = replace(failed, message=news.message) if failed else news
                self._failures[news.unique_id] = news
            self._states[news.unique_id] = news.state
            self._wanted[news.unique_id] = news
            self._changed.notify()

    def end(self, said: str) -> None:
        """Fail what dbt left unfinished, and wait until luigid knows everything, or does not listen."""
        for unique_id, state in list(self._states.items()):
            if state in {State.RUNNING, State.PENDING}:
                self.tell(News(unique_id, State.FAILED, "unfinished", message=f"dbt ended before it: {said}"))
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(LAST_CALLS_SECONDS)

    def _tell_on(self) -> None:
        try:
            with self._session:
                self._add_all()
                while self._tell_next():
                    pass
        except (requests.RequestException, ValueError) as problem:
            log.warning("The scheduler's page does not show dbt's nodes: %s", problem)

    def _tell_next(self) -> bool:
        with self._changed:
            if not self._wanted and not self._ended:
                self._changed.wait(PING_SECONDS)
            batch, self._wanted = self._wanted, {}
            going_on = not self._ended
        for news in batch.values():
            self._show(news)
        if not batch and going_on:
            self._call("ping", worker=self.place.worker)
        with self._changed:  # what begins and ends meanwhile is told once
            self._changed.wait_for(lambda: self._ended, PAUSE_SECONDS)
        return going_on or bool(batch)

    def _add_all(self) -> None:
        self._call("add_worker", worker=self.place.worker, info=[["workers", 1], ["first_task", self.place.task_id]])
        for unique_id in self._graph.order:
            before = [self.place.node_id(parent) for parent in self._graph.waits_for(unique_id)]
            state = State.DONE if self._graph.nodes[unique_id].kept else State.PENDING
            self._add(unique_id, state, deps=sorted(before) or list(self.place.upstream))
        last = [self.place.node_id(unique_id) for unique_id in self._graph.last]
        # RUNNING is what it is: the call only adds what it waits for, until Luigi itself schedules it again.
        own = {"worker": self.place.worker, "task_id": self.place.task_id}
        self._call("add_task", **own, status="RUNNING", runnable=False, new_deps=last)

    def _add(self, unique_id: str, state: State, **more: Any) -> None:
        node = self._graph.nodes[unique_id]
        params = {"name": node.name, "run_id": self.place.run_id, "source": self.place.source, "step": self.place.step}
        self._call(
            "add_task",
            worker=self.place.worker,
            task_id=self.place.node_id(unique_id),
            status=state.value,
            runnable=False,
            # Not a family a node: the graph page gives each family a row of its own unless one stands below itself.
            family=f"{FAMILY}.{node.kind}",
            params=params,
            retry_policy_dict=NEVER_DISABLED,
            **more,
        )

    def _show(self, news: News) -> None:
        if news.state is State.FAILED:
            message = self._explain(self._graph.nodes[news.unique_id], news)
            self._add(news.unique_id, State.FAILED, expl=message)
            self._say(news, message.splitlines()[0])
        elif news.state is State.BLOCKED:
            self._say(news, "not built: something above it failed")
        else:
            self._add(news.unique_id, news.state)
            if news.word == "warn":
                self._say(news, f"warning: {news.rows} rows")

    def _say(self, news: News, message: str) -> None:
        self._call("set_task_status_message", task_id=self.place.node_id(news.unique_id), status_message=message)

    def _call(self, method: str, **arguments: Any) -> None:
        data = {"data": json.dumps(arguments)}
        address = f"{self.place.url.rstrip('/')}/api/{method}"
        self._session.post(address, data=data, timeout=CALL_SECONDS).raise_for_status()
