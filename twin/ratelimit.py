"""The API's rate limit as probed: a fixed window for each client address (45 calls in 60 s)."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """What one call was granted. retry_after: whole seconds to the next window, 0 when the call is allowed."""

    limit: int
    remaining: int
    retry_after: int
    reset_epoch: int

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The two headers of every API response."""
        return (("x-ratelimit-limit", str(self.limit)), ("x-ratelimit-remaining", str(self.remaining)))


class FixedWindow:
    """`limit` calls in a window of `seconds`, which opens with a client's first call; thread-safe."""

    def __init__(self, limit: int, seconds: float = 60.0, clock: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, client: str) -> Allowance:
        """Count one call of `client`; a refused call does not lengthen the wait."""
        now = self._clock()
        with self._lock:
            opened, used = self._windows.get(client, (now, 0))
            if now - opened >= self.seconds:
                opened, used = now, 0
            used += 1
            self._windows[client] = (opened, used)
        left = opened + self.seconds - now
        refused = used > self.limit
        return Allowance(
            limit=self.limit,
            remaining=max(0, self.limit - used),
            retry_after=max(1, math.ceil(left)) if refused else 0,
            reset_epoch=math.ceil(opened + self.seconds),
        )

    def forget(self) -> None:
        """Open a fresh window for everyone."""
        with self._lock:
            self._windows.clear()
