"""What luigid's /metrics says: Luigi tasks by family and source, and after them the pipeline's own metrics file.

Luigi's collector for Prometheus fails on a task that ends without having been picked up by a worker, and knows only
the last duration of each task; hence one of our own. luigid loads it by deploy/luigid.cfg. dbt's nodes, which stand in
the scheduler's graph without being Luigi's tasks, are not counted: draenei_dbt_nodes_total has them from the ledger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luigi.metrics import MetricsCollector
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

VARIABLE = "METRICS_FILE"
LABELS = ("family", "source")
NOT_TASKS = "dbt."
SECONDS = (1, 5, 15, 60, 300, 900, 3600, 14400)


class SchedulerMetrics(MetricsCollector):
    """Counts what the scheduler hears of tasks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            event: Counter(f"luigi_task_{event}", f"Luigi tasks {event}", LABELS, registry=self._registry)
            for event in ("started", "done", "failed", "disabled")
        }
        self._seconds = Histogram(
            "luigi_task_seconds", "how long tasks ran", LABELS, buckets=SECONDS, registry=self._registry
        )

    def generate_latest(self) -> bytes:
        """The scheduler's own metrics, then the file that METRICS_FILE names, as it is at this moment."""
        own: bytes = generate_latest(self._registry)
        path = Path(os.environ.get(VARIABLE, ""))
        return own + (path.read_bytes() if path.is_file() else b"")

    def configure_http_handler(self, http_handler: Any) -> None:
        """Say what kind of text it is."""
        http_handler.set_header("Content-Type", CONTENT_TYPE_LATEST)

    def handle_task_started(self, task: Any) -> None:
        """A worker has picked it up. That none of its kind has failed is told too: the first failure is seen then."""
        self._count("started", task, told=("failed", "disabled"))

    def handle_task_done(self, task: Any) -> None:
        """It is complete; it may have been so before anybody picked it up."""
        self._count("done", task, timed=True)

    def handle_task_failed(self, task: Any) -> None:
        """It failed."""
        self._count("failed", task, timed=True)

    def handle_task_disabled(self, task: Any, config: Any) -> None:
        """It failed too often."""
        self._count("disabled", task)

    def _count(self, event: str, task: Any, *, timed: bool = False, told: Sequence[str] = ()) -> None:
        if task.family.startswith(NOT_TASKS):
            return
        labels = (task.family, str(task.params.get("source", "")))
        self._counters[event].labels(*labels).inc()
        for other in told:
            self._counters[other].labels(*labels)
        if timed and task.time_running is not None:
            self._seconds.labels(*labels).observe(max(0.0, (task.updated or time.time()) - task.time_running))
