"""Who is told of the nodes of a dbt build: the terminal, and the central scheduler's page beside Luigi's own tasks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import luigi
import luigi.interface

from luigi_tasks.domain.dbt_graph import Watcher
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways.dbt_events import explain
from luigi_tasks.gateways.scheduler_nodes import Place, SchedulerNodes
from luigi_tasks.gateways.terminal_tree import tree_for

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings


def watchers(task: luigi.Task, own: Settings, run: Run) -> list[Watcher]:
    """Those of a task that builds."""
    step = task.get_task_family().rpartition(".")[2]
    found: list[Watcher] = []
    if tree := tree_for(own.draenei_progress, step):
        found.append(tree)
    return [*found, *beside(task, own, run, step)]


def beside(task: luigi.Task, own: Settings, run: Run, step: str) -> list[Watcher]:
    """Those of a build that goes on beside what the task itself tells the terminal: the scheduler's page alone."""
    if not own.dbt_nodes_in_scheduler or not (url := scheduler_url()):
        return []
    upstream = tuple(before.task_id for before in luigi.task.flatten(task.requires()))
    place = Place(url, task.task_id, upstream, run.query.source, run.run_id, run.key, step)
    return [SchedulerNodes(place, functools.partial(explain, target=own.draenei_home / "dbt" / "target"))]


def scheduler_url() -> str | None:
    """The central scheduler's address as Luigi itself has it; None when it schedules locally."""
    where = luigi.interface.core()
    if where.local_scheduler:
        return None
    return str(where.scheduler_url or f"http://{where.scheduler_host}:{where.scheduler_port}/")
