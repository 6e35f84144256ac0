"""Bounds on what is in flight at once, whatever the number of things."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
LARGE_BLOCK_BYTES = 1 << 20
TURN_TICK_SECONDS = 0.05


def give_back_freed_memory(large: int = LARGE_BLOCK_BYTES) -> None:
    """Make freed blocks of `large` bytes and more leave the process at once, for the rest of its life, and keep no more
    than two such of smaller ones; glibc only.

    By default glibc raises its limit for such blocks up to 32 MiB and then keeps them, for every thread apart:
    120 wallpapers at 16 at once, bounded at 32 MiB, took 1,008 MB so and 250 MB with the limit fixed.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, large)
        mallopt(M_TRIM_THRESHOLD, 2 * large)


class OneAtATime:
    """A turn that one thread of one process has, of all that were forked from where this was made; a process that
    dies gives its turn back. To be closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._own = threading.Lock()  # the file's lock is the process's, not the thread's
        self.close = self._file.close

    def take(self, seconds: float | None = None) -> bool:
        """Wait for the turn, so long at most; True when it is ours now. Not re-entrant.

        It is asked for again and again, never waited for in the kernel: there the threads of a process are one, and
        two processes of which each waits for a turn that the other has would be told of a deadlock that is none.
        """
        until = math.inf if seconds is None else time.monotonic() + seconds
        if not self._own.acquire(timeout=-1 if seconds is None else seconds):
            return False
        ours = False
        try:
            while not (ours := self._locked()) and time.monotonic() < until:
                time.sleep(TURN_TICK_SECONDS)
        finally:
            if not ours:
                self._own.release()
        return ours

    def give_back(self) -> None:
        """End the turn, which may be another thread's of this process."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._own.release()

    def _locked(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX leaves open which of the two
            return False
        return True


class WeightGate:
    """Admits holders while their weights together fit into the capacity, strictly first come, first served.

    First come, first served so that a stream of light ones never starves a heavy one. A weight above the capacity
    counts as the whole of it: its holder is then alone, with `above` also among the processes that share it. The unit
    is the caller's.
    """

    def __init__(self, capacity: int, above: OneAtATime | None = None) -> None:
        self.capacity, self.above = capacity, above
        self._held = 0
        self._line: deque[Place] = deque()
        self._changing = threading.Lock()
        self._last_wait = 0.0

    @contextlib.contextmanager
    def hold(self, weight: int) -> Iterator[None]:
        """Wait for room for `weight`, and give it back at the end. Not re-entrant."""
        with contextlib.closing(Place(self, weight)) as place:
            place.wait()
            yield

    def wait_seconds(self) -> float:
        """How long those waited who came in last or stand first in the line; 0.0 while nobody waits."""
        with self._changing:
            return max(self._last_wait, time.monotonic() - self._line[0].since) if self._line else 0.0

    def line_up(self, place: Place) -> None:
        """For Place: go to the end of the line."""
        with self._changing:
            self._line.append(place)
            self._admit()

    def leave(self, place: Place) -> None:
        """For Place: give back what it holds, or its place in the line."""
        with self._changing:
            if place.admitted.is_set():
                self._held -= place.weight
            else:
                self._line.remove(place)
            self._admit()

    def _admit(self) -> None:
        """Wake who may come in now, and nobody else: all who wait, each time, would be the square of their number."""
        while self._line and self._held + self._line[0].weight <= self.capacity:
            place = self._line.popleft()
            self._held += place.weight
            self._last_wait = time.monotonic() - place.since
            place.admitted.set()


class Place:
    """A place in a gate's line, then the room itself; kept while its one holder does something else. To be closed."""

    def __init__(self, gate: WeightGate, weight: int) -> None:
        self._gate, self.weight = gate, max(0, min(weight, gate.capacity))
        self._turn = gate.above if weight > gate.capacity else None
        self._has_turn, self.since, self.admitted = False, 0.0, threading.Event()

    def wait(self, seconds: float | None = None) -> bool:
        """True once there is room; False after so many seconds, with the place in the line kept."""
        until = None if seconds is None else time.monotonic() + seconds
        if self._turn and not self._has_turn:
            if not self._turn.take(seconds):
                return False
            self._has_turn = True
        if not self.since:
            self.since = time.monotonic()
            self._gate.line_up(self)
        return self.admitted.wait(None if until is None else max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Give back all that was got."""
        if self.since:
            self._gate.leave(self)
        if self._turn and self._has_turn:
            self._turn.give_back()
