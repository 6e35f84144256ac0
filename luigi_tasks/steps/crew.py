"""The hands that work a manifest off: claim, move, register, each with a database connection of its own."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import (
    Claim,
    ClaimLost,
    ManifestItem,
    Outcome,
    PictureError,
    UploadOutcome,
    UploadTotals,
)
from luigi_tasks.gateways import takedown_ledger, upload_claims, upload_ledger
from luigi_tasks.gateways.download import DownloadStopped
from luigi_tasks.settings import Settings
from luigi_tasks.steps.transfer import Transfer
from luigi_tasks.steps.worklist import TICK_SECONDS, Job, Worklist

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

UNSTORED_IN_A_ROW = 8  # each was repeated by the driver already


class Crew:
    """Threads that take the next picture until none is left. Any number of crews may share a manifest."""

    def __init__(
        self, settings: Settings, run_key: str, transfer: Transfer, meter: Meter, stop: threading.Event
    ) -> None:
        self._settings, self._run_key, self._transfer = settings, run_key, transfer
        self._meter, self._stop = meter, stop
        self._after, self._unstored = 0, 0

    def work_off(self, hands: int, asked_to_stop: threading.Event) -> tuple[str, ...]:
        """Return when nothing is left that could be done now: a sentence for each host that was given up.

        Begins nothing new once it is asked to stop. Raises the first error of a hand once all have stopped,
        StoreError also when the store confirms nothing.
        """
        with (
            upload_claims.Worker(self._settings, self._run_key, self._stop.set) as worker,
            contextlib.closing(upload_claims.connect(self._settings)) as connection,
        ):
            worklist = Worklist(
                lambda: self._claim(worker, connection), lambda: self._others(worker, connection), self._stop
            )
            self._run(worklist, hands, asked_to_stop)
            worker.check()
            return worklist.breaker.stopped()

    def _run(self, worklist: Worklist, hands: int, asked_to_stop: threading.Event) -> None:
        with ThreadPoolExecutor(hands, thread_name_prefix="publish") as pool:
            working: set[Future[None]] = {pool.submit(self._work, worklist) for _ in range(hands)}
            try:
                while working:  # a wait without end may sleep through a signal
                    done, working = wait(working, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                    for hand in done:
                        hand.result()
                    if asked_to_stop.is_set():
                        self._stop.set()
            finally:
                self._stop.set()

    def _claim(self, worker: upload_claims.Worker, connection: Connection) -> Claim | None:
        crash_point("publish.claim.before")
        with connection, connection.cursor() as cursor:
            taken = worker.take(cursor, self._after)
            if taken is None and self._after:  # what others gave back stands further up
                taken = worker.take(cursor, 0)
        claim, self._after = taken or (None, 0)
        if claim:
            crash_point("publish.claim.after")
        return claim

    def _others(self, worker: upload_claims.Worker, connection: Connection) -> int:
        with connection, connection.cursor() as cursor:
            return worker.others(cursor)

    def _work(self, worklist: Worklist) -> None:
        with contextlib.closing(upload_claims.connect(self._settings)) as connection:
            while (job := worklist.next()) is not None:
                try:
                    outcome = worklist.done(job, self._attempt(connection, job, tired=worklist.tired()))
                    if outcome:
                        self._register(connection, job.claim, outcome)
                except DownloadStopped:
                    return
                except ClaimLost:
                    self._give_back(connection, job.claim)

    def _attempt(self, connection: Connection, job: Job, *, tired: bool) -> UploadOutcome | None:
        """None when the claim was lost on the way."""
        if job.first and tired:
            return job.first

        def intend(sha256: str) -> None:
            crash_point("publish.intent.before")
            with connection, connection.cursor() as cursor:
                takedown_ledger.refuse_taken_down(cursor, job.claim.item, sha256)
                upload_ledger.intend(cursor, self._run_key, job.claim, sha256)
            crash_point("publish.intent.after")

        if refused := _refused(connection, job.claim.item):
            return refused
        try:
            return self._transfer.move(job.claim.item, intend, quick=job.first is None)
        except ClaimLost:
            self._give_back(connection, job.claim)
            return None

    def _register(self, connection: Connection, claim: Claim, outcome: UploadOutcome) -> None:
        crash_point("publish.register.before")
        with connection, connection.cursor() as cursor:
            upload_ledger.register(cursor, self._run_key, claim, outcome)
        crash_point("publish.register.after")
        self._meter.count(outcome)
        self._unstored = self._unstored + 1 if outcome.outcome is Outcome.UNSTORED else 0
        if self._unstored >= UNSTORED_IN_A_ROW:
            raise StoreError(
                f"the object store confirmed none of {self._unstored} pictures in a row",
                where=outcome.reason,
                mend="See `python -m luigi_tasks doctor`, then run the same command again.",
            )

    def _give_back(self, connection: Connection, claim: Claim) -> None:
        with connection, connection.cursor() as cursor:
            crash_point("publish.giveback.before")
            upload_claims.release(cursor, claim)
        crash_point("publish.giveback.after")


def _refused(connection: Connection, item: ManifestItem) -> UploadOutcome | None:
    """The outcome of a wallpaper that was taken down, also since its manifest was frozen; nothing is asked for."""
    try:
        with connection, connection.cursor() as cursor:
            takedown_ledger.refuse_taken_down(cursor, item)
    except PictureError as problem:
        return UploadOutcome(item.wallhaven_id, problem.outcome, 0.0, reason=problem.reason)
    return None


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
        with self._counting:
            self._done += 1
            if outcome.outcome is Outcome.STORED:
                self._bytes += outcome.bytes or 0
            else:
                self._failed += 1
            note = f"{self._failed} not stored" if self._failed else ""
            self._progress.update(self._done, self._total, bytes_done=self._bytes, note=note)
