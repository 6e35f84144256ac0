"""Load: raw zone → raw.* tables. Rows, quarantine and ledger of a batch of pages in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import unpack
from luigi_tasks.domain.errors import QuarantineOverflow
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.loading import BadRecord, GoodRecord, LoadedPage
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import coverage_ledger, page_ledger, postgres, quarantine_ledger, repeated_loads
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Listing, Source, collected_entities
from luigi_tasks.sources.validation import RecordCheck

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

PAGES_PER_BATCH = 100
COPY_BYTES = 8 << 20  # of records that wait in memory, about; a page may be larger than that


@dataclass
class LoadResult:
    """Sums over the pages that this call loaded."""

    pages: int = 0
    received: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    unexpected_fields: list[str] = field(default_factory=list)

    def add(self, page: LoadedPage) -> None:
        """Count one more page in."""
        self.pages += 1
        self.received += page.received
        self.loaded += page.loaded
        self.duplicate += page.duplicate
        self.quarantined += page.quarantined
        self.unexpected_fields = sorted({*self.unexpected_fields, *page.unexpected_fields})


@dataclass
class _Waiting:
    """Records of some pages on their way into the warehouse: lines of COPY, and the bad ones."""

    lines: list[bytes] = field(default_factory=list)
    bad: list[tuple[PageRow, BadRecord]] = field(default_factory=list)
    size: int = 0

    def take(self, lines: bytes, bad: Sequence[tuple[PageRow, BadRecord]]) -> None:
        """The records of one more page."""
        self.lines.append(lines)
        self.bad += bad
        self.size += len(lines) + sum(len(record.record) for _, record in bad)


class Loader:
    """Loads the pages of one entity of one source."""

    def __init__(self, source: Source, entity: str, store: ObjectStore) -> None:
        self.source, self.entity, self.store = source, entity, store
        self.check = RecordCheck(source, source.ENTITIES[entity])

    def load_page(self, cursor: Cursor, page: PageRow, batch_id: int) -> LoadedPage:
        """`load_pages` of one."""
        return self.load_pages(cursor, [page], batch_id)[0]

    def load_pages(self, cursor: Cursor, pages: Sequence[PageRow], batch_id: int) -> list[LoadedPage]:
        """Put the pages' records where they belong, in few statements however many pages these are.

        Raises SourceError when a body is not the entity's.
        """
        known = page_ledger.loaded_bodies(cursor, self.source.NAME, self.entity, [page.body_sha256 for page in pages])
        waiting, loads = _Waiting(), []
        for page in pages:
            envelope, body = unpack(self.store.get(page.object_key))
            records = self.source.parse(self.entity, body).records
            if page.body_sha256 in known:
                loads.append((page, envelope, LoadedPage(len(records), 0, len(records), 0)))
                continue
            known.add(page.body_sha256)
            good, bad = self.sort(records)
            waiting.take(page_ledger.raw_lines(page, envelope, batch_id, good), [(page, record) for record in bad])
            duplicates = len(records) - len(good) - len(bad)
            loaded = LoadedPage(len(records), len(good), duplicates, len(bad), self.unexpected_fields(records))
            loads.append((page, envelope, loaded))
            if waiting.size > COPY_BYTES:
                waiting = self._keep(cursor, waiting, batch_id)
        self._keep(cursor, waiting, batch_id)
        crash_point("load.enter.before")
        page_ledger.enter_loads(cursor, self.source.NAME, batch_id, loads)
        crash_point("load.enter.after")
        return [loaded for _, _, loaded in loads]

    def mark_repeated(self, cursor: Cursor, batch_id: int, loads: Sequence[LoadedPage]) -> None:
        """Mark what of a batch says nothing that was not known: no reason to build the models."""
        listed = isinstance(self.source, Listing)
        if self.entity in collected_entities(self.source) and any(
            page.loaded == page.quarantined == 0 for page in loads
        ):
            tables = {name: entity.table for name, entity in self.source.ENTITIES.items()}
            repeated_loads.mark(cursor, batch_id, self.table, tables, listed=listed)

    def _keep(self, cursor: Cursor, waiting: _Waiting, batch_id: int) -> _Waiting:
        """Write what waits; returns what waits then, which is nothing."""
        crash_point("load.copy.before")
        page_ledger.copy_lines(cursor, self.table, waiting.lines)
        crash_point("load.copy.after")
        crash_point("load.quarantine.before")
        page_ledger.quarantine_records(cursor, self.source.NAME, batch_id, waiting.bad)
        crash_point("load.quarantine.after")
        return _Waiting()

    @property
    def table(self) -> str:
        """The raw table of the entity."""
        return self.source.ENTITIES[self.entity].table

    def sort(self, records: tuple[object, ...]) -> tuple[list[GoodRecord], list[BadRecord]]:
        """Good and bad ones; of records that stand on the page twice to the letter, the first."""
        good: dict[bytes, GoodRecord] = {}
        bad: list[BadRecord] = []
        for position, record in enumerate(records):
            sorted_record = self.check.sort(position, record)
            if isinstance(sorted_record, GoodRecord):
                good.setdefault(sorted_record.payload, sorted_record)
            else:
                bad.append(sorted_record)
        return list(good.values()), bad

    def unexpected_fields(self, records: tuple[object, ...]) -> frozenset[str]:
        """Fields of these records that the schema does not name."""
        return frozenset(name for record in records for name in self.check.unexpected_fields(record))


def load(
    settings: Settings, run_key: str, source: str, entity: str, store: ObjectStore, progress: Progress
) -> dict[str, object]:
    """`load_entities` of one."""
    return load_entities(settings, run_key, source, (entity,), store, progress)


def load_entities(
    settings: Settings, run_key: str, source: str, entities: Sequence[str], store: ObjectStore, progress: Progress
) -> dict[str, object]:
    """Load every page of a run's entities that is not loaded yet; returns the sums as a LoadResult's fields.

    Raises QuarantineOverflow, when all is committed, if more of the run's records than QUARANTINE_MAX_SHARE are bad.
    """
    result = LoadResult()
    with postgres.transactions(settings) as begin:
        for entity in entities:
            loader = Loader(CATALOGUE[source], entity, store)
            while batch := _load_batch(begin, run_key, loader):
                for loaded in batch:
                    result.add(loaded)
                progress.update(result.pages, result.pages, note=f"{result.received} records")
        with begin() as cursor:
            coverage_ledger.count_certificates(cursor, run_key)
            received, bad = quarantine_ledger.share_of_run(cursor, run_key)
    _hold_the_budget(settings, run_key, received, bad)
    return asdict(result)


def _load_batch(begin: postgres.Begin, run_key: str, loader: Loader) -> list[LoadedPage]:
    """Load the next pages in one transaction; empty when none is left."""
    with begin() as cursor:
        pages = page_ledger.pages_to_load(cursor, run_key, loader.entity, PAGES_PER_BATCH)
        if not pages:
            return []
        crash_point("load.batch.before")
        batch_id = page_ledger.open_batch(cursor, run_key)
        crash_point("load.batch.after")
        batch = loader.load_pages(cursor, pages, batch_id)
        loader.mark_repeated(cursor, batch_id, batch)
        crash_point("load.commit.before")
    crash_point("load.commit.after")
    return batch


def _hold_the_budget(settings: Settings, run_key: str, received: int, bad: int) -> None:
    """As the ledger counts, so that the same command again fails again until something was done about it."""
    if bad > received * settings.quarantine_max_share:
        raise QuarantineOverflow(
            f"{bad} of {received} records of the run ({bad / received:.1%}) are in quarantine,"
            f" QUARANTINE_MAX_SHARE allows {settings.quarantine_max_share:.1%}; all of them are kept",
            where=run_key,
            mend="Look at them: `python -m luigi_tasks quarantine list`. After a fix of the schema, or with a larger"
            " QUARANTINE_MAX_SHARE: `python -m luigi_tasks quarantine redrive`, then the same command.",
        )
