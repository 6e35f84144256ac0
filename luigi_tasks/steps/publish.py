"""Freeze the pending pictures into a manifest, then store each of them once and keep every attempt's outcome.

A run may be killed at any point and started again: what it registered is skipped, what it put and did not register is
found in the store, compared and registered. Any number of processes may publish one manifest: they share its items
by claims, and what a dead or hanging one held is taken over. Publish itself takes several for a long manifest
(steps/publishers.py).
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import UploadTotals
from luigi_tasks.gateways import postgres, upload_ledger
from luigi_tasks.gateways.guarded_store import guard
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.crew import Meter
from luigi_tasks.steps.flow import give_back_freed_memory
from luigi_tasks.steps.publisher import asked_to_stop, shares, work_off
from luigi_tasks.steps.publishers import Order, Publishers, processes


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
        upload_ledger.grow(cursor, run_key)


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
        meter = Meter(progress, before)
        if enough is None and processes(settings, before.open) > 1:
            stopped = _by_several(settings, run_key, store, meter, before.open)
        else:
            stopped = _by_this_one(settings, run_key, store, meter, before.open, enough)
    with postgres.transaction(settings) as cursor:
        return replace(upload_ledger.totals(cursor, run_key), stopped=stopped)


def _by_this_one(
    settings: Settings, run_key: str, store: ObjectStore, meter: Meter, pictures: int, enough: threading.Event | None
) -> tuple[str, ...]:
    """The store is probed while it is checked and the first pictures come; none is said or put before it is found good,
    and none is asked for before it is checked."""
    give_back_freed_memory()
    (share,) = shares(settings, 1)
    share = replace(share, at_once=min(share.at_once, pictures))
    with (
        asked_to_stop() if enough is None else contextlib.nullcontext(enough) as asked,
        ThreadPoolExecutor(1, thread_name_prefix="publish-probe") as aside,
    ):
        found = aside.submit(guard, settings, run_key, store)
        store.check()
        stopped = work_off(settings, run_key, lambda: found.result()[0], meter, share, asked)
        found.result()  # also when no picture came as far as the store
        return stopped


def _by_several(settings: Settings, run_key: str, store: ObjectStore, meter: Meter, pictures: int) -> tuple[str, ...]:
    """The store is checked and probed here while the program of the others starts; they open it by the settings."""
    with asked_to_stop() as asked, Publishers() as publishers:
        store.check()
        guard(settings, run_key, store)
        return publishers.work_off(Order(settings, run_key, processes(settings, pictures)), meter, asked)
