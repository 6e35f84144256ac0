"""Freeze the pending pictures into a manifest, then store each of them once and keep every attempt's outcome.

A run may be killed at any point and started again: what it registered is skipped, what it put and did not register is
found in the store, compared and registered. Any number of processes may publish one manifest: they share its items
by claims, and what a dead or hanging one held is taken over.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import UploadTotals
from luigi_tasks.gateways import postgres, upload_ledger
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits
from luigi_tasks.gateways.download import Downloader
from luigi_tasks.gateways.guarded_store import guard
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.crew import Crew, Meter
from luigi_tasks.steps.flow import give_back_freed_memory
from luigi_tasks.steps.transfer import Transfer


def freeze_step(settings: Settings, run_key: str) -> dict[str, object]:
    """The result of Freeze: {'items': size of the manifest}. The same run again keeps its manifest."""
    with postgres.transaction(settings) as cursor:
        crash_point("freeze.manifest.before")
        items = upload_ledger.freeze(cursor, run_key, settings.upload_batch_limit)
    crash_point("freeze.manifest.after")
    return {"items": items}


def grow(settings: Settings, run_key: str) -> None:
    """Add what is pending by now to the manifest of a run whose crawl goes on; Freeze ends that."""
    with postgres.transaction(settings) as cursor:
        crash_point("freeze.manifest.before")
        upload_ledger.grow(cursor, run_key)
    crash_point("freeze.manifest.after")


def publish(
    settings: Settings, run_key: str, store: ObjectStore, progress: Progress, *, enough: threading.Event | None = None
) -> UploadTotals:
    """Attempt every open item of the run's manifest once; the run's totals, counted from the tables.

    Items of a host that does not answer at all may stay open; `stopped` says so. enough: ends this early when it is
    set, after the pictures in flight; None: signals do, where they may be handled.

    Raises StoreError when the store needs a person (no picture is charged for that), and whatever the warehouse
    raises; KeyboardInterrupt, also for SIGTERM, after the pictures in flight were finished or dropped.
    """
    with postgres.transaction(settings) as cursor:
        before = upload_ledger.totals(cursor, run_key)
    stopped: tuple[str, ...] = ()
    if before.open:
        store.check()
        store, _ = guard(settings, run_key, store)
        give_back_freed_memory()
        stop = threading.Event()
        with (
            _asked_to_stop() if enough is None else contextlib.nullcontext(enough) as asked,
            Downloader(settings, stop) as downloader,
            Decoders(DecodingLimits.of(settings)) as decoders,
        ):
            transfer = Transfer(settings, run_key, store, downloader, decoders)
            crew = Crew(settings, run_key, transfer, Meter(progress, before), stop)
            stopped = crew.work_off(min(settings.upload_concurrency, before.open), asked)
    with postgres.transaction(settings) as cursor:
        return replace(upload_ledger.totals(cursor, run_key), stopped=stopped)


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, where signals may be handled at all: in the main thread.

    An exception that a handler raises is lost when it strikes inside a destructor; an event is not. Leaving the
    block raises KeyboardInterrupt when it is set, a second signal does so at once.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    handled = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.signal(number, ask) for number in handled}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked.is_set():
        raise KeyboardInterrupt
