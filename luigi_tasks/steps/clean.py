"""Clean: raw zone → clean zone. The good records of each response as typed Parquet, a file a response.

The key names the response's bytes and the file's, so the same response makes the same object however often it comes,
and a schema that changed makes another one beside it: ops.clean_files says which one counts.
"""

from __future__ import annotations

import json
from collections import Counter

from luigi_tasks.domain import cleaning
from luigi_tasks.domain.envelope import digest, unpack
from luigi_tasks.domain.errors import SourceError, StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import clean_ledger, postgres
from luigi_tasks.gateways.clean_ledger import CleanFile
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Source, clean_entities
from luigi_tasks.steps.load import Loader

REPAIR = "Type: python -m luigi_tasks fsck --deep --repair."


class Cleaner:
    """Writes the files of one entity."""

    def __init__(self, source: Source, entity: str, store: ObjectStore) -> None:
        self.source, self.entity, self.store = source, entity, store
        self.loader = Loader(source, entity, store)
        self.fields = cleaning.fields(source.ENTITIES[entity].json_schema())

    def write(self, page: PageRow) -> CleanFile:
        """Put the file of a page. Raises SourceError for a value that does not fit its type."""
        from luigi_tasks.gateways import parquet

        _, body = unpack(self.store.get(page.object_key))
        good, bad = self.loader.sort(self.source.parse(self.entity, body).records)
        try:
            rows = [cleaning.cleaned(json.loads(record.payload), self.fields) for record in good]
            facts = {"source": self.source.NAME, "entity": self.entity, "body_sha256": page.body_sha256}
            packed = parquet.packed(self.fields, rows, facts)
        except (ValueError, TypeError, OverflowError) as problem:
            raise SourceError(
                f"a record passed its schema and does not fit the clean zone's types: {problem}",
                where=self.store.uri(page.object_key),
                mend=f"Tighten {self.source.ENTITIES[self.entity].schema}, then run the same command.",
            ) from None
        return self._put(page, packed, len(good), len(bad))

    def _put(self, page: PageRow, packed: bytes, records: int, quarantined: int) -> CleanFile:
        sha256 = digest(packed)
        key = f"clean/{self.source.NAME}/{self.entity}/{page.body_sha256[:16]}-{sha256[:16]}.parquet"
        crash_point("clean.put.before")
        put(self.store, key, packed)
        crash_point("clean.put.after")
        return CleanFile(key, sha256, len(packed), records, quarantined)


def put(store: ObjectStore, key: str, packed: bytes) -> None:
    """Put a file. Raises StoreError when other bytes stand under its key."""
    from luigi_tasks.gateways import parquet

    sha256 = digest(packed)
    found = store.put_if_absent(key, packed, content_type=parquet.CONTENT_TYPE, sha256=sha256, metadata={})
    if found.sha256 != sha256:
        raise StoreError("a file of the clean zone is damaged", where=store.uri(key), mend=REPAIR)


def remake(settings: Settings, store: ObjectStore, key: str) -> str:
    """Make a file anew whose object is gone, of the responses that became it; what was done, in words.

    Raises StoreError or SourceError when a response cannot be read: then everything stays as it was.
    """
    made = 0
    with postgres.transaction(settings) as cursor:
        pages = clean_ledger.pages_of(cursor, key)
        clean_ledger.forget_file(cursor, key)
        for page, source, lost in pages:
            if not lost:
                file = Cleaner(CATALOGUE[source], page.entity, store).write(page)
                clean_ledger.enter(cursor, source, page, file)
                made += 1
    if made:
        return "made anew from its response"
    return "its response is lost" if pages else "the next Collect of the dataset makes it"


def clean(settings: Settings, run_key: str, source: str, store: ObjectStore, progress: Progress) -> dict[str, object]:
    """Write the file of every page of a run that has none yet. Returns files, records and quarantined."""
    entities = clean_entities(CATALOGUE[source])
    cleaners = {entity: Cleaner(CATALOGUE[source], entity, store) for entity in entities}
    with postgres.transaction(settings) as cursor:
        pages = clean_ledger.pages_to_clean(cursor, run_key, entities)
    sums: Counter[str] = Counter(files=0, records=0, quarantined=0)
    for done, page in enumerate(pages, start=1):
        file = cleaners[page.entity].write(page)
        with postgres.transaction(settings) as cursor:
            clean_ledger.enter(cursor, source, page, file)
        sums.update(files=1, records=file.records, quarantined=file.quarantined)
        progress.update(done, len(pages), note=f"{sums['records']} records")
    return dict(sums)
