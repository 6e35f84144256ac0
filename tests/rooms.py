"""Room for bodies in tests of the download: as much as is asked for, or only when the test says so."""

from __future__ import annotations

import mmap
import threading


class AnyRoom:
    """A new block each time it is asked for, as long as `open` is set. asked: the sizes; held: what is held now."""

    def __init__(self, usual: int = 1 << 16, *, scarce: bool = False) -> None:
        self.usual, self.scarce = usual, scarce
        self.open, self.held = threading.Event(), 0
        self.open.set()
        self.asked: list[int] = []
        self._block: memoryview | None = None

    def is_scarce(self) -> bool:
        return self.scarce

    def take(self, size: int, seconds: float) -> memoryview | None:
        if size > self.held:
            self.give_back()
            if self.asked[-1:] != [size]:
                self.asked.append(size)
            if self.open.wait(seconds):
                self._block, self.held = memoryview(mmap.mmap(-1, size)), size
        return self._block

    def give_back(self) -> None:
        self._block, self.held = None, 0
