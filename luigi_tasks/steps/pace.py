"""How many pictures are in flight: more as long as more get done by it, fewer when a host says it is too much.

Hands beyond what a process can feed only take turns at its interpreter: on loopback 64 were slower than eight, with a
round trip of 60 ms eight times as fast. So their number doubles while that gets at least a tenth more done, and the
question is asked again after a while. Where the quickest of the first answers took FAR_SECONDS, nothing is tried out:
there all hands begin, until an answer is quicker, for that of a busy machine looks as if it came from far. A host that
answers 429 or 503 gets half of what it had, and more again with good answers. Of no host are there ever more than the
settings allow.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from luigi_tasks.domain.publishing import Outcome, UploadOutcome

FIRST_HANDS = 16
WORTH_IT = 1.1
WINDOW_SECONDS = 0.5
SETTLED_SECONDS = 20.0
FAR_SECONDS = 0.02


class Pace:
    """Not safe for threads: the caller holds its own lock. hands: how many may be busy now."""

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        first: int = FIRST_HANDS,
        answer_seconds: Callable[[], float | None] = lambda: None,
        most_per_host: int | None = None,
    ) -> None:
        self._most, self._clock, self._answer_seconds = most, clock, answer_seconds
        self.hands = self._first = min(first, most)
        self._far = False
        self._since, self._done, self._was_full = clock(), 0, False
        self._settled_until, self._rate_before, self._warming_up = 0.0, 0.0, self.hands
        self._busy = Counter[str]()
        self._limits: dict[str, float] = {}
        self._most_per_host = most_per_host or most

    def room(self) -> bool:
        """True when one more may be begun."""
        self._leap()
        full = self._busy.total() >= self.hands
        self._was_full = self._was_full or full
        return not full

    def is_full(self, host: str) -> bool:
        """True when a host is asked for as much as it gets."""
        return self._busy[host] >= min(int(self._limits.get(host, self._most)), self._most_per_host)

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
        self._done += 1
        self._look()

    def _leap(self) -> None:
        """Hosts are far away: hands wait, they do not work, so that all of them are needed at once."""
        far = (self._answer_seconds() or 0.0) >= FAR_SECONDS
        if far != self._far:
            self._far, self.hands = far, self._most if far else self._first
            self._warming_up = self.hands

    def _look(self) -> None:
        """Compare what gets done with what got done by fewer hands."""
        now = self._clock()
        if self._warming_up:  # what was begun by fewer hands says nothing of more
            self._warming_up -= 1
            self._since, self._done = now, 0
            return
        if now - self._since < WINDOW_SECONDS or self._done < 2 * self.hands:
            return
        rate = self._done / (now - self._since)
        if self._rate_before and rate < WORTH_IT * self._rate_before:
            self.hands, self._rate_before = max(1, self.hands // 2), 0.0
            self._settled_until = now + SETTLED_SECONDS
        elif self._was_full and self.hands < self._most and now >= self._settled_until:
            self.hands, self._rate_before = min(self._most, 2 * self.hands), rate
            self._warming_up = self.hands
        else:
            self._rate_before = 0.0
        self._since, self._done, self._was_full = now, 0, False
