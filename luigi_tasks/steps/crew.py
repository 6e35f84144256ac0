"""The hands that work a manifest off: claim, move, register. One clerk writes the ledger for all of them."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import (
    Claim,
    ClaimLost,
    Outcome,
    UploadOutcome,
    UploadTotals,
)
from luigi_tasks.gateways import upload_claims
from luigi_tasks.gateways.download import DownloadStopped
from luigi_tasks.settings import Settings
from luigi_tasks.steps.clerk import Clerk
from luigi_tasks.steps.pace import Pace
from luigi_tasks.steps.transfer import Transfer
from luigi_tasks.steps.worklist import Job, Worklist

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LOOK_SECONDS = 0.05  # how soon the hands are there that the pace allows
UNSTORED_IN_A_ROW = 8  # each was repeated by the driver already


class Counter(Protocol):
    """Told of every outcome once it is registered; safe for threads."""

    def count(self, outcome: UploadOutcome) -> None:
        """One more item is done."""


class Crew:
    """Threads that take the next picture until none is left. Any number of crews may share a manifest."""

    def __init__(
        self, settings: Settings, run_key: str, transfer: Transfer, counter: Counter, stop: threading.Event
    ) -> None:
        self._settings, self._run_key, self._transfer = settings, run_key, transfer
        self._counter, self._stop = counter, stop
        self._after, self._unstored, self._asking = 0, 0, threading.Lock()

    def work_off(self, hands: int, pace: Pace, asked_to_stop: threading.Event) -> tuple[str, ...]:
        """Return when nothing is left that could be done now: a sentence for each host that was given up.

        Begins nothing new once it is asked to stop. Raises the first error of a hand once all have stopped,
        StoreError also when the store confirms nothing.
        """
        with (
            upload_claims.Worker(self._settings, self._run_key, self._stop.set) as worker,
            contextlib.closing(upload_claims.connect(self._settings, durable=False)) as connection,
            Worklist(
                lambda limit: self._claim(worker, connection, limit),
                lambda: self._others(worker, connection),
                self._stop,
                pace,
            ) as worklist,
        ):
            with Clerk(
                self._settings,
                self._run_key,
                lambda outcome: self._registered(worklist, outcome),
                self._stop.set,
                2 * hands,
            ) as clerk:
                self._run(worklist, clerk, hands, asked_to_stop)
            worker.check()
            return worklist.breaker.stopped()

    def _run(self, worklist: Worklist, clerk: Clerk, hands: int, asked_to_stop: threading.Event) -> None:
        with ThreadPoolExecutor(hands, thread_name_prefix="publish") as pool:
            working: set[Future[None]] = set()
            done: set[Future[None]] = set()
            try:
                while not done or working:  # a wait without end may sleep through a signal
                    if not done:  # the first that ends found nothing left to do
                        more = range(len(working), min(hands, worklist.pace.hands))
                        working |= {pool.submit(self._work, worklist, clerk) for _ in more}
                    ended, working = wait(working, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                    for hand in ended:
                        hand.result()
                    done |= ended
                    if asked_to_stop.is_set():
                        self._stop.set()
            finally:
                self._stop.set()

    def _claim(self, worker: upload_claims.Worker, connection: Connection, limit: int) -> list[Claim]:
        crash_point("publish.claim.before")
        with self._asking:
            claims, position = worker.take(connection, self._after, limit)
            if not claims and self._after:  # what others gave back stands further up
                claims, position = worker.take(connection, 0, limit)
        self._after = position if claims else 0
        if claims:
            crash_point("publish.claim.after")
        return claims

    def _others(self, worker: upload_claims.Worker, connection: Connection) -> int:
        with self._asking, connection, connection.cursor() as cursor:
            return worker.others(cursor)

    def _work(self, worklist: Worklist, clerk: Clerk) -> None:
        while (job := worklist.next()) is not None:
            try:
                outcome = worklist.done(job, self._attempt(clerk, job, tired=worklist.tired()))
                if outcome:
                    crash_point("publish.register.before")
                    clerk.register(job.claim, outcome)
                    self._note(outcome)
            except DownloadStopped:
                return

    def _attempt(self, clerk: Clerk, job: Job, *, tired: bool) -> UploadOutcome | None:
        """None when the claim was lost on the way."""
        if job.first and tired:
            return job.first
        if reason := job.claim.taken_down:
            return UploadOutcome(job.claim.item.wallhaven_id, Outcome.REFUSED, 0.0, reason=f"taken down: {reason}")

        def intend(sha256: str) -> None:
            crash_point("publish.intent.before")
            clerk.intend(job.claim, sha256)
            crash_point("publish.intent.after")

        try:
            return self._transfer.move(job.claim.item, intend, quick=job.first is None)
        except ClaimLost:
            clerk.give_back(job.claim)
            return None

    def _registered(self, worklist: Worklist, outcome: UploadOutcome | None) -> None:
        worklist.registered()
        if outcome:
            self._counter.count(outcome)

    def _note(self, outcome: UploadOutcome) -> None:
        self._unstored = self._unstored + 1 if outcome.outcome is Outcome.UNSTORED else 0
        if self._unstored >= UNSTORED_IN_A_ROW:
            raise StoreError(
                f"the object store confirmed none of {self._unstored} pictures in a row",
                where=outcome.reason,
                mend="See `python -m luigi_tasks doctor`, then run the same command again.",
            )


class Meter:
    """Adds outcomes up for Progress, from where an interrupted run left off."""

    def __init__(self, progress: Progress, before: UploadTotals) -> None:
        self._progress, self._total = progress, before.items
        self._done, self._bytes = before.items - before.open, before.stored_bytes
        self._failed = before.attempts - before.outcomes.get(Outcome.STORED, 0)
        self._counting = threading.Lock()
        progress.update(self._done, self._total, bytes_done=self._bytes)

    def count(self, outcome: UploadOutcome) -> None:
        """One more item is done."""
        if outcome.outcome is Outcome.STORED:
            self.add(stored=1, size=outcome.bytes or 0)
        else:
            self.add(failed=1)

    def add(self, *, stored: int = 0, failed: int = 0, size: int = 0) -> None:
        """So many more items are done; size: bytes of those that were stored."""
        with self._counting:
            self._done += stored + failed
            self._failed += failed
            self._bytes += size
            note = f"{self._failed} not stored" if self._failed else ""
            self._progress.update(self._done, self._total, bytes_done=self._bytes, note=note)
