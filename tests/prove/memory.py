"""The memory of a process and everything it starts, sampled while it runs."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import psutil

EVERY_SECONDS = 0.5


@dataclass
class Samples:
    """Resident bytes of a process tree, over time; use as a context manager. taken: (monotonic seconds, bytes).

    What processes share is counted for each. counted: a word of a command line; at_once: the most processes of the
    tree with that word.
    """

    pid: int
    counted: str = ""
    at_once: int = 0
    taken: list[tuple[float, int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Samples:
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def peak(self, begun: float = 0.0, ended: float = math.inf) -> int:
        """The largest sample in a span of time."""
        return max((size for moment, size in self.taken if begun <= moment <= ended), default=0)

    def _sample(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            size, counted = _resident(self.pid, self.counted)
            self.taken.append((time.monotonic(), size))
            self.at_once = max(self.at_once, counted)


def _resident(pid: int, word: str) -> tuple[int, int]:
    size = counted = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                size += process.memory_info().rss
                counted += bool(word) and word in process.cmdline()
    return size, counted
