"""Memory for bodies, used again: a fresh block for each picture costs more CPU time than receiving the picture.

Measured with pictures of 1.4 MB from loopback: a new block each, 1.8 s/GB in the kernel (page faults); reused, 0.4.
"""

from __future__ import annotations

import bisect
import contextlib
import mmap
import threading
from collections.abc import Iterator

STEP = 1 << 18
LARGER_BY = 2  # a kept block serves for a picture of half its size, for no smaller one


class Buffers:
    """Lends blocks; keeps returned ones as long as all of them together fit into `capacity` bytes.

    How much is lent at once is the caller's to bound.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._held = capacity, 0
        self._free: list[tuple[int, int, mmap.mmap]] = []  # by size; the number keeps blocks from being compared
        self._lending = threading.Lock()

    @contextlib.contextmanager
    def lend(self, size: int) -> Iterator[memoryview]:
        """A block of at least `size` bytes with anything in it, until the end of the block."""
        block = self._kept(size) or mmap.mmap(-1, -(-size // STEP) * STEP)
        try:
            with memoryview(block) as view:
                yield view
        finally:
            with self._lending:
                bisect.insort(self._free, (len(block), id(block), block))

    def _kept(self, size: int) -> mmap.mmap | None:
        """The smallest kept block that will do; None when one is to be made, for which room was made."""
        dropped = []  # unmapped when the lock is free again: each gives the interpreter away, while all hands wait
        with self._lending:
            place = bisect.bisect_left(self._free, (size,))
            if place < len(self._free) and self._free[place][0] <= max(LARGER_BY * size, STEP):
                return self._free.pop(place)[2]
            while self._free and self._held + size > self._capacity:
                dropped.append(self._free.pop())  # the largest: the fewest for the room
                self._held -= dropped[-1][0]
            self._held += -(-size // STEP) * STEP
            return None
