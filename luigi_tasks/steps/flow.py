"""Bounds on what is in flight at once, whatever the number of things."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import tempfile
import threading
from collections import deque
from collections.abc import Iterator

M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
LARGE_BLOCK_BYTES = 1 << 20


def give_back_freed_memory() -> None:
    """Make freed blocks of 1 MiB and more leave the process at once, for the rest of its life; glibc only.

    By default glibc raises its limit for such blocks up to 32 MiB and then keeps them, for every thread apart:
    120 wallpapers at 16 at once, bounded at 32 MiB, took 1,008 MB so and 250 MB with the limit fixed.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


class OneAtATime:
    """A turn that one thread of one process has, of all that were forked from where this was made; a process that
    dies gives its turn back. To be closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._own = threading.Lock()  # the file's lock is the process's, not the thread's
        self.close = self._file.close

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and give it back at the end. Not re-entrant."""
        with self._own:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class WeightGate:
    """Admits holders while their weights together fit into the capacity, strictly first come, first served.

    First come, first served so that a stream of light ones never starves a heavy one. A weight above the capacity
    counts as the whole of it: its holder is then alone, with `above` also among the processes that share it. The unit
    is the caller's.
    """

    def __init__(self, capacity: int, above: OneAtATime | None = None) -> None:
        self.capacity, self._above = capacity, above
        self._held = 0
        self._line: deque[tuple[int, threading.Event]] = deque()
        self._changing = threading.Lock()

    @contextlib.contextmanager
    def hold(self, weight: int) -> Iterator[None]:
        """Wait for room for `weight`, and give it back at the end. Not re-entrant."""
        alone = self._above.turn() if self._above and weight > self.capacity else contextlib.nullcontext()
        with alone, self._held_here(max(0, min(weight, self.capacity))):
            yield

    @contextlib.contextmanager
    def _held_here(self, weight: int) -> Iterator[None]:
        ticket = (weight, threading.Event())
        with self._changing:
            self._line.append(ticket)
            self._admit()
        try:
            ticket[1].wait()
            yield
        finally:
            with self._changing:
                if ticket[1].is_set():
                    self._held -= weight
                else:
                    self._line.remove(ticket)
                self._admit()

    def _admit(self) -> None:
        """Wake who may come in now, and nobody else: all who wait, each time, would be the square of their number."""
        while self._line and self._held + self._line[0][0] <= self.capacity:
            weight, admitted = self._line.popleft()
            self._held += weight
            admitted.set()
