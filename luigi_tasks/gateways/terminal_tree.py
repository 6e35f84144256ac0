"""A dbt build on the terminal: failures as they happen, and at its end the models as a tree, each with its tests.

Where nobody looks (plain mode) only failures are said, and the slowest nodes of a build that took its time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from luigi_tasks.domain.dbt_graph import Graph, News, Node, State

MARKS = {State.DONE: "✓", State.FAILED: "✗", State.BLOCKED: "·", State.PENDING: "·", State.RUNNING: "·"}
SLOWEST = 3
LONG_SECONDS = 30.0


def tree_for(mode: str, step: str, stream: TextIO | None = None) -> Tree | None:
    """The tree of a step in a mode of the setting DRAENEI_PROGRESS; None where the mode wants no words."""
    stream = stream or sys.stderr
    if mode == "auto":
        mode = "bar" if stream.isatty() else "plain"
    if mode in {"json", "none"}:
        return None
    return Tree(step, _above_the_bar(stream) if mode == "bar" else _line_to(stream), whole=mode == "bar")


class Tree:
    """A Watcher that writes lines."""

    def __init__(self, step: str, say: Callable[[str], None], *, whole: bool) -> None:
        self.step, self.whole = step, whole
        self._say = say
        self._graph = Graph({})
        self._last: dict[str, News] = {}
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def begin(self, graph: Graph) -> None:
        """These are to be built."""
        self._graph = graph

    def tell(self, news: News) -> None:
        """Say a failure at once."""
        with self._lock:
            known = self._last.get(news.unique_id)
            if known and known.state is State.FAILED:
                return
            self._last[news.unique_id] = news
            if news.state is State.FAILED:
                self._say(f"{self.step}: {self._line(self._graph.nodes[news.unique_id])}")

    def end(self, said: str) -> None:
        """Draw the tree, or say which were slowest."""
        if self.whole:
            for line in self.lines():
                self._say(line)
        elif time.monotonic() - self._started > LONG_SECONDS:
            self._say(f"{self.step}: slowest: {', '.join(self.slowest())}")

    def slowest(self) -> list[str]:
        """The nodes that took longest: 'wallpapers 12.3 s'."""
        ended = sorted(self._last.values(), key=lambda news: -news.seconds)[:SLOWEST]
        return [f"{Node(news.unique_id).name} {news.seconds:.1f} s" for news in ended]

    def lines(self) -> Iterator[str]:
        """Each model below the one that it waited for longest, its tests counted, those that failed named."""
        depth: dict[str, int] = {}
        for unique_id in self._graph.order:
            node = self._graph.nodes[unique_id]
            above = [depth[parent] for parent in node.parents if parent in depth]
            depth[unique_id] = max(above, default=-1) + 1
            if not node.is_test:
                yield f"  {'  ' * depth[unique_id]}{self._line(node)}{self._tests(unique_id)}"
            elif self._state(unique_id) is State.FAILED:
                yield f"  {'  ' * depth[unique_id]}{self._line(node)}"

    def _state(self, unique_id: str) -> State:
        if unique_id in self._last:
            return self._last[unique_id].state
        return State.DONE if self._graph.nodes[unique_id].kept else State.PENDING

    def _line(self, node: Node) -> str:
        unknown = News(node.unique_id, *((State.DONE, "as before") if node.kept else (State.PENDING, "not reached")))
        news = self._last.get(node.unique_id) or unknown
        rows = f", {news.rows} rows" if news.rows else ""
        word = news.word.lower() if news.state is not State.DONE or node.is_test else news.word
        kind = "" if node.kind == "model" else f"{node.kind} "
        return f"{MARKS[news.state]} {kind}{node.name}  {word}{rows}  {news.seconds:.1f} s"

    def _tests(self, model: str) -> str:
        own = [test for test, node in self._graph.nodes.items() if node.is_test and model in node.parents]
        good = sum(self._state(test) is State.DONE for test in own)
        return f"  {good}/{len(own)} tests" if own else ""


def _line_to(stream: TextIO) -> Callable[[str], None]:
    return lambda line: print(line, file=stream, flush=True)


def _above_the_bar(stream: TextIO) -> Callable[[str], None]:
    from tqdm import tqdm

    return lambda line: tqdm.write(line, file=stream)
