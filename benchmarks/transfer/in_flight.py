"""How many requests a server answers at once, counted where its processes share it: a file that they all map."""

from __future__ import annotations

import contextlib
import mmap
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

FILE = "in_flight"  # in the folder of a server
COUNTS = struct.Struct("<qq")  # of each process: how many now, and the most that it saw of all together


class InFlight:
    """The count of one process among several. number: which of them it is."""

    def __init__(self, file: Path, processes: int, number: int) -> None:
        size = processes * COUNTS.size
        with file.open("a+b") as opened:
            opened.truncate(size)
            self._shared = mmap.mmap(opened.fileno(), size)
        self._own, self._changing = number * COUNTS.size, threading.Lock()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A request from its head to the end of its answer."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, change: int) -> None:
        with self._changing:
            now, most = COUNTS.unpack_from(self._shared, self._own)
            COUNTS.pack_into(self._shared, self._own, now + change, most)
            together = sum(count for count, _ in COUNTS.iter_unpack(self._shared[:]))
            COUNTS.pack_into(self._shared, self._own, now + change, max(most, together))


def most(file: Path) -> int:
    """The most at once since the server began, or since it was forgotten."""
    return max(seen for _, seen in COUNTS.iter_unpack(file.read_bytes()))


def forget(file: Path) -> None:
    """Begin anew. In place: a file that is cut would take the memory from under the processes."""
    with file.open("r+b") as opened:
        for start in range(0, file.stat().st_size, COUNTS.size):
            opened.seek(start + COUNTS.size // 2)
            opened.write(bytes(COUNTS.size // 2))
