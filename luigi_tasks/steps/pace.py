"""How many pictures are in flight: more while the time goes by in waiting, fewer when a host says it is too much.

Hands beyond what this process can feed only take turns at its interpreter: with eight busy ones more made it slower.
So their number doubles while the process computes less than a core's worth, and shrinks when it computes more. A host
that answers 429 or 503 gets half of what it had, and one more for every so many good answers since.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from luigi_tasks.domain.publishing import Outcome, UploadOutcome

FIRST_HANDS = 8
WAITING, COMPUTING = 0.9, 1.3  # seconds of CPU time in a second
LOOK_SECONDS = 0.2


class Pace:
    """Not safe for threads: the caller holds its own lock, but for look(). hands: how many may be busy now."""

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        computed: Callable[[], float] = time.process_time,
    ) -> None:
        self._most, self._clock, self._computed = most, clock, computed
        self.hands = min(FIRST_HANDS, most)
        self._looked_at, self._computed_then, self._was_full = clock(), computed(), False
        self._busy = Counter[str]()
        self._limits: dict[str, float] = {}

    def room(self) -> bool:
        """True when one more may be begun."""
        full = self._busy.total() >= self.hands
        self._was_full = self._was_full or full
        return not full

    def is_full(self, host: str) -> bool:
        """True when a host that complained is asked for as much as it gets."""
        return host in self._limits and self._busy[host] >= int(self._limits[host])

    def begin(self, host: str) -> None:
        """One more is in flight."""
        self._busy[host] += 1

    def end(self, host: str, outcome: UploadOutcome | None) -> None:
        """One less; outcome: what it came to, None when that is not known."""
        if outcome and (outcome.outcome is Outcome.THROTTLED or outcome.http_status == 503):
            self._limits[host] = max(1.0, min(self._limits.get(host, self._most), self._busy[host]) / 2)
        elif host in self._limits and outcome and outcome.outcome is Outcome.STORED:
            self._limits[host] += 1 / self._limits[host]
            if self._limits[host] >= self._most:
                del self._limits[host]
        self._busy[host] -= 1

    def look(self) -> None:
        """See how busy the process was since the last look, and adapt; to be called now and then by one thread."""
        now, computed = self._clock(), self._computed()
        if now - self._looked_at < LOOK_SECONDS:
            return
        cores = (computed - self._computed_then) / (now - self._looked_at)
        if self._was_full and cores < WAITING:
            self.hands = min(self._most, 2 * self.hands)
        elif cores > COMPUTING:
            self.hands = max(min(FIRST_HANDS, self._most), self.hands * 7 // 8)
        self._looked_at, self._computed_then, self._was_full = now, computed, False
