"""The room that one picture takes of its process's memory: nothing, a place in the line, or a block of its own."""

from __future__ import annotations

import contextlib

from luigi_tasks.gateways.buffers import Buffers
from luigi_tasks.steps.flow import Place, WeightGate

SCARCE_SECONDS = 1.0


class BodyRoom:
    """For Downloader: room in `gate`, which counts bytes, and a block of `buffers` with it. To be closed.

    Of a body whose size is known before it comes, a head is worth waiting with: the room is then held for the
    body's own time. Not where room takes SCARCE_SECONDS to come, because the store is slow: hosts would wait.
    """

    def __init__(self, gate: WeightGate, buffers: Buffers, usual: int) -> None:
        self._gate, self._buffers, self.usual = gate, buffers, usual
        self._place: Place | None = None
        self._block: memoryview | None = None
        self._size, self._held = 0, contextlib.ExitStack()
        self.close = self.give_back

    def is_scarce(self) -> bool:
        """As Room."""
        return self._gate.wait_seconds() >= SCARCE_SECONDS

    def take(self, size: int, seconds: float) -> memoryview | None:
        """As Room."""
        if self._place and size > self._size:
            self.give_back()
        if not self._place:
            self._size, self._place = size, self._held.enter_context(contextlib.closing(Place(self._gate, size)))
        if not self._block and self._place.wait(seconds):
            self._block = self._held.enter_context(self._buffers.lend(self._size))
        return self._block

    def give_back(self) -> None:
        """As Room."""
        self._place = self._block = None
        self._held.close()
