"""Room for a body, as a download asks for it of whoever bounds the bytes in flight, and time that does not count."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from luigi_tasks.domain.publishing import Outcome, PictureError


class Room(Protocol):
    """The room of one body; used by one thread. usual: its bytes, by what is known before it is asked for."""

    usual: int

    def is_scarce(self) -> bool:
        """True when it takes so long to come that nobody should be left waiting for it in the middle of an answer."""

    def take(self, size: int, seconds: float) -> memoryview | None:
        """A block of at least `size` bytes; None when there was no room for so long: the place in the line is kept."""

    def give_back(self) -> None:
        """Hold nothing and stand in no line."""


class PictureTime:
    """The total time of one picture, which stands still while it waits for room."""

    def __init__(self, seconds: float) -> None:
        self._over_at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, above zero. Raises PictureError when there are none."""
        if (left := self._over_at - time.monotonic()) <= 0:
            raise PictureError(Outcome.UNREACHABLE, "not whole within IMAGE_TIMEOUT_SECONDS")
        return left

    def is_enough_for(self, seconds: float) -> bool:
        """True when a wait of so many seconds ends before the time does."""
        return time.monotonic() + seconds < self._over_at

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """The time of the block does not count."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._over_at += time.monotonic() - begun
