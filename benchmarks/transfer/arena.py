"""Where a sink keeps bodies: memory that was touched before the run, so that receiving costs a copy and nothing else.

An object is a small file that says in which arena, where and how long; so any process may serve or hash it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote


class Arena:
    """The bodies that one process received, one behind another in a file that is mapped."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / f"arena-{os.getpid()}"
        with self.path.open("w+b") as file:
            file.truncate(size)
            self.memory = memoryview(mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE))
        self._end, self._taking = 0, threading.Lock()

    def take(self, size: int) -> int:
        """Where so many bytes may be written."""
        with self._taking:
            start, self._end = self._end, self._end + size
        if self._end > len(self.memory):
            raise MemoryError(f"{self.path} is full: give the sink a larger arena")
        return start


def located(entry: Path) -> tuple[Path, int, int]:
    """Arena, offset and size of an object. Raises FileNotFoundError."""
    arena, start, size = entry.read_text().rsplit(" ", 2)
    return Path(arena), int(start), int(size)


def read(entry: Path) -> bytes:
    """The bytes of an object."""
    arena, start, size = located(entry)
    with arena.open("rb") as file:
        return os.pread(file.fileno(), size, start)


def stored(root: Path) -> dict[str, str]:
    """Key and SHA-256 of every object that arrived."""
    return {unquote(entry.name): hashlib.sha256(read(entry)).hexdigest() for entry in (root / "objects").iterdir()}


def fill(root: Path, bodies: Iterable[tuple[str, bytes]]) -> None:
    """Put objects there before a sink starts, so that it serves them."""
    (root / "objects").mkdir(parents=True)
    with (root / "arena-offered").open("wb") as arena:
        for key, body in bodies:
            start, size = arena.tell(), arena.write(body)
            (root / "objects" / quote(key, safe="")).write_text(f"{arena.name} {start} {size}")
