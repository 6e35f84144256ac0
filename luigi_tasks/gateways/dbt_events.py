"""dbt's JSON events, and what gateways/dbt_child.py adds to them, as news of nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from luigi_tasks.domain.dbt_graph import Graph, News, Node, State, Watcher

SHOWN_SQL = 8000  # characters
STATES = {
    "success": State.DONE,
    "pass": State.DONE,
    "warn": State.DONE,
    "no-op": State.DONE,
    "skipped": State.BLOCKED,
    "error": State.FAILED,
    "fail": State.FAILED,
    "runtime error": State.FAILED,
}
TEST_ENDS = frozenset({"LogTestResult", "LogUnitTestResult"})
ENDS = TEST_ENDS | {"LogModelResult", "LogSnapshotResult", "LogSeedResult", "LogNodeResult", "LogFunctionResult"}
STARTS = frozenset({"LogStartLine", "LogHookStartLine"})


@contextlib.contextmanager
def told(watchers: Sequence[Watcher]) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Gives what a build's events are handed to; at its end, however it ends, nothing stays at RUNNING."""
    told = _Told(watchers)
    try:
        yield told.event
    finally:
        for watcher in watchers if told.graph else ():
            watcher.end(told.last_words)


class _Told:
    """Turns events into words to watchers; a build that tells no selection is not watched."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers
        self.graph: Graph | None = None
        self.last_words = ""

    def event(self, event: Mapping[str, Any]) -> None:
        """One event of the build."""
        if "selected" in event:
            self._begin(event["selected"])
        info = event.get("info", {})
        if info.get("level") == "error":
            self.last_words = str(info.get("msg", "")).strip()
        if self.graph and (news := news_of(event)) and news.unique_id in self.graph.nodes:
            for watcher in self._watchers:
                watcher.tell(news)

    def _begin(self, selected: Mapping[str, Any]) -> None:
        self.graph = Graph(
            {
                name: Node(name, tuple(facts["parents"]), facts["compiled"], facts["kept"])
                for name, facts in selected.items()
            }
        )
        for watcher in self._watchers:
            watcher.begin(self.graph)


def news_of(event: Mapping[str, Any]) -> News | None:
    """What an event says of a node's state; None when it says nothing of that kind."""
    kind, data = event.get("info", {}).get("name", ""), event.get("data", {})
    about = data.get("node_info", {})
    unique_id = about.get("unique_id", "")
    if kind in STARTS:
        return News(unique_id, State.RUNNING)
    if kind == "RunResultError":
        return News(unique_id, State.FAILED, "error", message=data.get("msg", ""))
    if kind in ENDS:
        status = str(about.get("node_status", ""))
        word, seconds = str(data.get("status", status)), float(data.get("execution_time", 0.0))
        rows = int(data.get("num_failures", 0)) if kind in TEST_ENDS else None
        return News(unique_id, STATES.get(status, State.FAILED), word, seconds, rows)
    if kind in {"SkippingDetails", "LogSkipBecauseError"}:
        return News(unique_id, State.BLOCKED, "skipped")
    return None


def explain(node: Node, news: News, target: Path) -> str:
    """Why a node failed. First line: which one, and how many rows; then where its SQL stands, and the SQL itself.

    target: dbt's folder of that name.
    """
    file = target / "compiled" / node.compiled
    rows = f"{news.rows} rows that should not be, " if news.rows else ""
    lines = [f"dbt {node.kind} {node.name}: {rows}{news.word}; compiled file {file}", news.message, f"-- {file}"]
    if file.is_file():
        lines.append(file.read_text(errors="replace")[:SHOWN_SQL])
    return "\n".join(filter(None, lines))
