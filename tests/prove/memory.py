"""The memory of a process and everything it starts, sampled while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import psutil

EVERY_SECONDS = 0.5


@dataclass
class Samples:
    """Resident bytes of a process tree, over time; use as a context manager. taken: (monotonic seconds, bytes)."""

    pid: int
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

    def thirds(self, begun: float, ended: float) -> tuple[float, float]:
        """Mean bytes in the first and in the last third of a span of time. Raises ValueError when it is too short."""
        third = (ended - begun) / 3
        first = [size for moment, size in self.taken if begun <= moment <= begun + third]
        last = [size for moment, size in self.taken if ended - third <= moment <= ended]
        if not first or not last:
            raise ValueError(f"{ended - begun:.1f} s are too short for samples {EVERY_SECONDS} s apart")
        return sum(first) / len(first), sum(last) / len(last)

    @property
    def peak(self) -> int:
        """The largest sample."""
        return max((size for _, size in self.taken), default=0)

    def _sample(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.taken.append((time.monotonic(), _resident(self.pid)))


def _resident(pid: int) -> int:
    size = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                size += process.memory_info().rss
    return size
