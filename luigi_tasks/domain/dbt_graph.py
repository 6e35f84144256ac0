"""The nodes of one dbt build: which waits for which, and what is told of each while dbt builds."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class State(enum.StrEnum):
    """What a node is at. BLOCKED: dbt skipped it because something above it failed."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True)
class Node:
    """A model, test, snapshot, seed or unit test that is to be built.

    parents: unique ids, of nodes that this build leaves alone too. compiled: its file below dbt's folder `compiled`.
    kept: an earlier build of the step did it well, this one only goes on behind it.
    """

    unique_id: str
    parents: tuple[str, ...] = ()
    compiled: str = ""
    kept: bool = False

    @property
    def kind(self) -> str:
        """model test unit_test snapshot seed …"""
        return self.unique_id.split(".")[0]

    @property
    def name(self) -> str:
        """Its name, without package and hash."""
        return self.unique_id.split(".")[3 if self.kind == "unit_test" else 2]

    @property
    def is_test(self) -> bool:
        """True for what makes nothing, and gates what is below what it tests."""
        return self.kind in {"test", "unit_test"}


@dataclass(frozen=True)
class News:
    """A node's new state. word: dbt's own ('INSERT 0 24', 'fail'); rows: those that a test found."""

    unique_id: str
    state: State
    word: str = ""
    seconds: float = 0.0
    rows: int | None = None
    message: str = ""


class Graph:
    """The nodes of one build in an order in which each stands after what it waits for."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = dict(nodes)
        self._tests = {node.unique_id: frozenset(node.parents) for node in nodes.values() if node.is_test}

    def waits_for(self, unique_id: str) -> frozenset[str]:
        """What dbt builds before it: its parents and, as `dbt build` has it, the tests of what is above it.

        A test gates what stands below everything that it reads, sources too; one that a parent waits for is left out.
        """
        own = self.nodes[unique_id]
        parents = frozenset(parent for parent in own.parents if parent in self.nodes)
        if own.is_test:
            return parents
        above, higher = self._above(unique_id), [self._above(parent) for parent in parents]
        gates = (
            test
            for test, read in self._tests.items()
            if read and read <= above and not any(read <= further for further in higher)
        )
        return parents.union(gates)

    @functools.cached_property
    def order(self) -> tuple[str, ...]:
        """Every unique id, each after what it waits for."""
        placed: dict[str, None] = {}
        for unique_id in sorted(self.nodes):
            self._place(unique_id, placed)
        return tuple(placed)

    @functools.cached_property
    def last(self) -> tuple[str, ...]:
        """Those that nothing waits for: whoever waits for them has waited for all."""
        waited_for = {before for unique_id in self.nodes for before in self.waits_for(unique_id)}
        return tuple(unique_id for unique_id in self.order if unique_id not in waited_for)

    def _place(self, unique_id: str, placed: dict[str, None]) -> None:
        if unique_id not in placed:
            for before in sorted(self.waits_for(unique_id)):
                self._place(before, placed)
            placed[unique_id] = None

    @functools.cache  # noqa: B019 - a graph lives as long as its build
    def _above(self, unique_id: str) -> frozenset[str]:
        parents = self.nodes[unique_id].parents
        return frozenset(parents).union(*(self._above(parent) for parent in parents if parent in self.nodes))


class Watcher(Protocol):
    """Is told of one build as it happens; cheap, and never raises for what it cannot show."""

    def begin(self, graph: Graph) -> None:
        """These nodes are to be built."""

    def tell(self, news: News) -> None:
        """A node's state changed."""

    def end(self, said: str) -> None:
        """The build is over, also when it was stopped; nothing stays at RUNNING. said: dbt's last error, or ''."""
