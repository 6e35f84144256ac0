"""Which picture is next: the manifest first, each asked once and quickly; then, with patience, what did not answer.

So nine dead addresses in ten slow nothing: a picture that does not answer goes to the end and gives up its place.
A host whose breaker is open keeps its pictures aside; when it is given up they are left open, for the next run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from luigi_tasks.domain.publishing import Claim, Outcome, UploadOutcome
from luigi_tasks.steps.breaker import Breaker, suspicion
from luigi_tasks.steps.pace import Pace

TICK_SECONDS = 0.2
MOST_ASIDE = 256  # of hosts that want to be asked less at once; those of a host that is down are all put aside
PATIENT_SECONDS = 60.0  # for all that is tried again in a run; what is left then keeps its first outcome


@dataclass(frozen=True)
class Job:
    """One attempt to make. first: what the quick try came to; None: this is the quick try."""

    claim: Claim
    first: UploadOutcome | None = None

    @property
    def host(self) -> str:
        """host[:port] of the picture."""
        return urlsplit(self.claim.item.image_url).netloc


class Worklist:
    """Shared by the hands of one process. claim(n): up to n next pictures of the manifest, none when there are none
    now; others(): how many open ones are not ours; both are called by one thread at a time."""

    def __init__(
        self, claim: Callable[[int], list[Claim]], others: Callable[[], int], stop: threading.Event, pace: Pace
    ) -> None:
        self._claim, self._others, self._stop, self.pace = claim, others, stop, pace
        self._fresh: deque[Claim] = deque()
        self._again: deque[Job] = deque()
        self._aside: deque[Job] = deque()
        self._in_hand, self._exhausted_at, self._asked_at = 0, 0.0, 0.0
        self._changed = threading.Condition()
        self.breaker = Breaker()

    def next(self) -> Job | None:
        """The next job, waiting for one if need be; None when nothing is left or the run is stopping."""
        with self._changed:
            while not self._stop.is_set():
                if self.pace.room():
                    if job := self._ready():
                        self._in_hand += 1
                        self.pace.begin(job.host)
                        return job
                    if self._nothing_to_wait_for():
                        return None
                self._changed.wait(TICK_SECONDS)
            return None

    def done(self, job: Job, outcome: UploadOutcome | None) -> UploadOutcome | None:
        """Hand a job back; what is to be registered now, None for nothing. outcome: None when the claim was lost."""
        with self._changed:
            self._in_hand -= 1
            self.pace.end(job.host, outcome)
            self._changed.notify()  # one place is free; what else changed is seen within a tick
            if outcome is None:
                self.breaker.drop(job.host)
                return None
            self.breaker.note(job.host, outcome, patient=job.first is not None)
            if job.first is None and may_answer_later(outcome):
                self._again.append(Job(job.claim, outcome))
                return None
            if suspicion(outcome) and self.breaker.gave_up(job.host):
                self._aside.append(job)
                return None
            return outcome

    def tired(self) -> bool:
        """True when the time for second tries is used up."""
        return bool(self._exhausted_at) and time.monotonic() - self._exhausted_at > PATIENT_SECONDS

    def _ready(self) -> Job | None:
        for _ in range(len(self._aside)):
            job = self._aside.popleft()
            if self._admits(job):
                return job
            self._aside.append(job)
        while claim := self._next_claim():
            if self._admits(job := Job(claim)):
                return job
            self._aside.append(job)
            if self.pace.is_full(job.host) and len(self._aside) >= MOST_ASIDE:
                return None
        while self._again:
            self._exhausted_at = self._exhausted_at or time.monotonic()
            if self._admits(job := self._again.popleft()):
                return job
            self._aside.append(job)
        return None

    def _admits(self, job: Job) -> bool:
        return not self.pace.is_full(job.host) and self.breaker.admits(job.host)

    def _next_claim(self) -> Claim | None:
        """Asks the database, at most once a tick when it had nothing."""
        if not self._fresh:
            if time.monotonic() < self._asked_at + TICK_SECONDS:
                return None
            self._fresh.extend(self._claim(self.pace.hands))
            if not self._fresh:
                self._asked_at = time.monotonic()
                return None
        return self._fresh.popleft()

    def _nothing_to_wait_for(self) -> bool:
        trials = any(not self.breaker.gave_up(job.host) for job in self._aside)
        return not (self._in_hand or trials or self._again or self._others())


def may_answer_later(outcome: UploadOutcome) -> bool:
    """True for a host that did not answer or was too busy; a 4xx says the same when it is asked again at once."""
    if outcome.outcome is Outcome.THROTTLED:
        return True
    return outcome.outcome is Outcome.UNREACHABLE and not 400 <= (outcome.http_status or 0) < 500
