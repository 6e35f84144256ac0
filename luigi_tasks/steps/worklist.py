"""Which picture is next: the manifest first, each asked once and quickly; then, with patience, what did not answer.

So nine dead addresses in ten slow nothing: a picture that does not answer goes to the end and gives up its place.
A host whose breaker is open keeps its pictures aside; when it is given up they are left open, for the next run.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

from luigi_tasks.domain.publishing import Claim, Outcome, UploadOutcome
from luigi_tasks.steps.breaker import Breaker, suspicion
from luigi_tasks.steps.pace import FIRST_HANDS, Pace

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
    """Shared by the hands of one process. Use as a context manager: claims are asked for ahead, by a thread of its own.

    claim(n): up to n next pictures of the manifest, none when there are none now; called by one thread at a time.
    others(): how many open ones are not ours.
    """

    def __init__(
        self, claim: Callable[[int], list[Claim]], others: Callable[[], int], stop: threading.Event, pace: Pace
    ) -> None:
        self._claim, self._others, self._stop, self.pace = claim, others, stop, pace
        self._fresh: deque[Claim] = deque()
        self._again: deque[Job] = deque()
        self._aside = defaultdict[str, deque[Job]](deque)
        self._in_hand, self._unregistered, self._exhausted_at, self._asked_at = 0, 0, 0.0, 0.0
        self._changed, self._over = threading.Condition(), False
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="publish-claims")
        self._coming: Future[list[Claim]] | None = None
        self.breaker = Breaker()

    def __enter__(self) -> Worklist:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asking.shutdown()

    def next(self) -> Job | None:
        """The next job, waiting for one if need be; None when nothing is left or the run is stopping."""
        with self._changed:
            while not (self._over or self._stop.is_set()):
                if self.pace.room():
                    if job := self._ready():
                        self._in_hand += 1
                        self.pace.begin(job.host)
                        return job
                    if self._nothing_to_wait_for():
                        self._over = True
                        self._changed.notify_all()
                        return None
                self._changed.wait(TICK_SECONDS)
            return None

    def done(self, job: Job, outcome: UploadOutcome | None) -> UploadOutcome | None:
        """Hand a job back; what is to be registered now, None for nothing. outcome: None when the claim was lost.

        What is to be registered counts as work that is left until registered() is called.
        """
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
                self._aside[job.host].append(job)
                return None
            self._unregistered += 1
            return outcome

    def registered(self) -> None:
        """One outcome less is on its way to the ledger."""
        with self._changed:
            self._unregistered -= 1
            if not self._unregistered:
                self._changed.notify_all()

    def tired(self) -> bool:
        """True when the time for second tries is used up."""
        return bool(self._exhausted_at) and time.monotonic() - self._exhausted_at > PATIENT_SECONDS

    def _ready(self) -> Job | None:
        for host, jobs in self._aside.items():
            if jobs and self._admits(host):
                return jobs.popleft()
        while claim := self._next_claim():
            if self._admits((job := Job(claim)).host):
                return job
            self._aside[job.host].append(job)
            if self.pace.is_full(job.host) and sum(map(len, self._aside.values())) >= MOST_ASIDE:
                return None
        while self._again and not self._coming:
            self._exhausted_at = self._exhausted_at or time.monotonic()
            if self._admits((job := self._again.popleft()).host):
                return job
            self._aside[job.host].append(job)
        return None

    def _admits(self, host: str) -> bool:
        return not self.pace.is_full(host) and self.breaker.admits(host)

    def _next_claim(self) -> Claim | None:
        """Has the database asked for more before there are none, at most once a tick when it had nothing."""
        if self._coming and self._coming.done():
            claims, self._coming = self._coming.result(), None
            self._fresh.extend(claims)
            self._asked_at = self._asked_at if claims else time.monotonic()
        # With few hands none is held ahead: it would be what another process has nothing to do for.
        few = len(self._fresh) <= (self.pace.hands // 2 if self.pace.hands >= FIRST_HANDS else 0)
        if few and not self._coming and time.monotonic() >= self._asked_at + TICK_SECONDS:
            self._coming = self._asking.submit(self._claim, self.pace.hands)
            self._coming.add_done_callback(self._wake)
        return self._fresh.popleft() if self._fresh else None

    def _wake(self, _: Future[list[Claim]]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _nothing_to_wait_for(self) -> bool:
        trials = any(jobs and not self.breaker.gave_up(host) for host, jobs in self._aside.items())
        left = self._in_hand or self._unregistered or self._coming or self._fresh or trials or self._again
        return not (left or self._others())


def may_answer_later(outcome: UploadOutcome) -> bool:
    """True for a host that did not answer or was too busy; a 4xx says the same when it is asked again at once."""
    if outcome.outcome is Outcome.THROTTLED:
        return True
    return outcome.outcome is Outcome.UNREACHABLE and not 400 <= (outcome.http_status or 0) < 500
