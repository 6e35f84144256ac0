"""Freeze the pending pictures into a manifest, then store each of them once and keep every attempt's outcome.

A run may be killed at any point and started again: what it registered is skipped, what it put and did not register is
found in the store, compared and registered. One run at a time may publish (the pipeline's lock sees to that).
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import NoReturn

from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import ManifestItem, Outcome, UploadOutcome, UploadTotals
from luigi_tasks.gateways import postgres, upload_ledger
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits
from luigi_tasks.gateways.download import Downloader, DownloadStopped
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.flow import give_back_freed_memory
from luigi_tasks.steps.transfer import Transfer

TICK_SECONDS = 0.2


def freeze_step(settings: Settings, run_key: str) -> dict[str, object]:
    """The result of Freeze: {'items': size of the manifest}. The same run again keeps its manifest."""
    with postgres.transaction(settings) as cursor:
        return {"items": upload_ledger.freeze(cursor, run_key, settings.upload_batch_limit)}


def publish(settings: Settings, run_key: str, store: ObjectStore, progress: Progress) -> UploadTotals:
    """Attempt every open item of the run's manifest once; the run's totals, counted from the tables.

    Raises StoreError when the store needs a person (no picture is charged for that), and whatever the warehouse
    raises; KeyboardInterrupt, also for SIGTERM, after the pictures in flight were finished or dropped.
    """
    with postgres.transaction(settings) as cursor:
        items = upload_ledger.open_items(cursor, run_key)
        before = upload_ledger.totals(cursor, run_key)
    if items:
        store.check()
        give_back_freed_memory()
        stop = threading.Event()
        with (
            _terminate_as_interrupt(),
            Downloader(settings, stop) as downloader,
            Decoders(DecodingLimits.of(settings)) as decoders,
        ):
            transfer = Transfer(settings, run_key, store, downloader, decoders)
            _Crew(settings, run_key, transfer, _Meter(progress, before), stop).work_off(items)
    with postgres.transaction(settings) as cursor:
        return upload_ledger.totals(cursor, run_key)


class _Crew:
    """Threads that take the next item until none is left; each has a database connection of its own."""

    def __init__(
        self, settings: Settings, run_key: str, transfer: Transfer, meter: _Meter, stop: threading.Event
    ) -> None:
        self._settings, self._run_key, self._transfer = settings, run_key, transfer
        self._meter, self._stop = meter, stop
        self._taking = threading.Lock()

    def work_off(self, items: list[ManifestItem]) -> None:
        """Return when every item has an outcome; raise the first error of a worker once all have stopped."""
        queue = iter(items)
        hands = min(self._settings.upload_concurrency, len(items))
        with ThreadPoolExecutor(hands, thread_name_prefix="publish") as pool:
            working: set[Future[None]] = {pool.submit(self._work, queue) for _ in range(hands)}
            try:
                while working:  # a wait without end may sleep through a signal
                    done, working = wait(working, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                    for worker in done:
                        worker.result()
            finally:
                self._stop.set()

    def _work(self, queue: Iterator[ManifestItem]) -> None:
        with contextlib.closing(postgres.connect(self._settings)) as connection:

            def intend(item: ManifestItem, sha256: str) -> None:
                with connection, connection.cursor() as cursor:
                    upload_ledger.intend(cursor, self._run_key, item, sha256)

            while (item := self._next(queue)) is not None:
                try:
                    outcome = self._transfer.move(item, intend)
                except DownloadStopped:
                    return
                with connection, connection.cursor() as cursor:
                    upload_ledger.register(cursor, self._run_key, outcome)
                self._meter.count(outcome)

    def _next(self, queue: Iterator[ManifestItem]) -> ManifestItem | None:
        with self._taking:
            return None if self._stop.is_set() else next(queue, None)


class _Meter:
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


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, where signals may be handled at all: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
