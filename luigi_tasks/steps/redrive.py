"""Redrive: quarantined records judged again by the present parser and schema; what passes now is loaded and closed.

The page's exact body is read again, so a fix of the parser counts as much as one of the schema. Afterwards the tables
are those of a replay with the fixed code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import unpack
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import clean_ledger, page_ledger, pipeline_lock, postgres, quarantine_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import clean_entities
from luigi_tasks.steps import clean, model
from luigi_tasks.steps.load import Loader

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Redriven:
    """Of the open records of some pages: checked = loaded + duplicate + still_bad."""

    checked: int = 0
    loaded: int = 0
    duplicate: int = 0
    still_bad: int = 0


def redrive(
    settings: Settings, source: str, store: ObjectStore, progress: Progress, *, dry_run: bool = False
) -> Redriven:
    """Judge every open quarantined record of a source again, load what passes, build the models.

    A page is a transaction; dry_run: judge only. Raises SourceError for a page whose body the parser cuts into other
    records than when it was loaded: that takes a replay. Raises AlreadyRunning while a Collect of the source runs.
    """
    lock = pipeline_lock.take(settings, source)
    try:
        sums, latest_run = _redrive_pages(settings, source, store, progress, dry_run=dry_run)
        if latest_run and not dry_run:
            _clean_again(settings, source, store, progress)
    finally:
        lock.close()
    if latest_run and not dry_run:
        model.build(settings, latest_run, "Redrive", progress, model.selection(source))
    return sums


def _clean_again(settings: Settings, source: str, store: ObjectStore, progress: Progress) -> None:
    """Write the files of the pages that have more good records now, whichever runs they came with."""
    with postgres.transaction(settings) as cursor:
        runs = clean_ledger.runs_without_files(cursor, source, clean_entities(CATALOGUE[source]))
    for run_key in runs:
        clean.clean(settings, run_key, source, store, progress)


def _redrive_pages(
    settings: Settings, source: str, store: ObjectStore, progress: Progress, *, dry_run: bool
) -> tuple[Redriven, str | None]:
    """The sums, and the run of the last page of which something was loaded."""
    loaders = {entity: Loader(CATALOGUE[source], entity, store) for entity in CATALOGUE[source].ENTITIES}
    with postgres.transaction(settings) as cursor:
        pages = quarantine_ledger.open_pages(cursor, source)
    counts: Counter[str] = Counter()
    latest_run = None
    for done, (page, run_key) in enumerate(pages):
        with postgres.transaction(settings) as cursor:
            of_page = _redrive_page(cursor, page, run_key, loaders[page.entity])
            crash_point("redrive.commit.before")
            if dry_run:
                cursor.connection.rollback()
        crash_point("redrive.commit.after")
        counts.update(asdict(of_page))
        latest_run = run_key if of_page.loaded or of_page.duplicate else latest_run
        progress.update(done + 1, len(pages))
    return Redriven(**counts), latest_run


def _redrive_page(cursor: Cursor, page: PageRow, run_key: str, loader: Loader) -> Redriven:
    envelope, body = unpack(loader.store.get(page.object_key))
    records = loader.source.parse(page.entity, body).records
    quarantined = quarantine_ledger.open_records(cursor, page.page_id)
    _refuse_another_cut(cursor, page, len(records))
    judged = {number: loader.check.sort(position, records[position]) for position, number in quarantined.items()}
    passed = {number: record for number, record in judged.items() if isinstance(record, GoodRecord)}
    still_bad = {number: record for number, record in judged.items() if isinstance(record, BadRecord)}
    first: dict[bytes, GoodRecord] = {}
    for record in passed.values():
        first.setdefault(record.payload, record)
    quarantine_ledger.restate(cursor, still_bad)
    if passed:
        batch_id = page_ledger.open_batch(cursor, run_key)
        crash_point("redrive.copy.before")
        lines = page_ledger.raw_lines(page, envelope, batch_id, first.values())
        page_ledger.copy_lines(cursor, loader.table, [lines])
        crash_point("redrive.copy.after")
        crash_point("redrive.close.before")
        quarantine_ledger.close(cursor, list(passed))
        crash_point("redrive.close.after")
        quarantine_ledger.recount(
            cursor,
            page,
            loaded=len(first),
            duplicate=len(passed) - len(first),
            fields=loader.unexpected_fields(records),
        )
        quarantine_ledger.move_to_batch(cursor, page, batch_id)
        clean_ledger.forget(cursor, loader.source.NAME, page.entity, page.body_sha256)
    return Redriven(len(judged), len(first), len(passed) - len(first), len(still_bad))


def _refuse_another_cut(cursor: Cursor, page: PageRow, number: int) -> None:
    received = page_ledger.received(cursor, page.page_id)
    if number != received:
        raise SourceError(
            f"the page was loaded as {received} records and is now read as {number}",
            where=page.object_key,
            mend="See `python -m luigi_tasks replay --diff`; `replay --into NAME` makes the tables anew.",
        )
