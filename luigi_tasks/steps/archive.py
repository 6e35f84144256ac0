"""Runs of a source that comes as one zip: the archive into the raw zone (its tables) and into the lake (its folders).

Nothing is unpacked to disk and no more than one file is in memory. The tables become pages, so that Load, Clean and
replay know them as any other; a file of a folder becomes an object `datasets/{owner}/{name}/{folder}/…`, put once. What
a later version of the dataset changed becomes one more object beside it, and the ledger says which of them counts.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import tenacity

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.archive import Entry, refusal
from luigi_tasks.domain.cleaning import Field
from luigi_tasks.domain.damage import DATASETS
from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.errors import SourceError, SourceUnreachable
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.identity import CODE_VERSION
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import archive_ledger, clean_ledger, page_ledger, parquet, postgres
from luigi_tasks.gateways.archive_file import Archive, CorruptEntry, sha256_of
from luigi_tasks.gateways.archive_ledger import FileOutcome, OpenedArchive
from luigi_tasks.gateways.clean_ledger import CleanFile
from luigi_tasks.gateways.kaggle_download import Download
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.request_budget import RequestBudget
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived
from luigi_tasks.steps import clean
from luigi_tasks.steps.access import access
from luigi_tasks.steps.counting import counted
from luigi_tasks.steps.decoding import sniff

FILES_AT_ONCE = 100
FACTS_AT_ONCE = 50_000
COLUMNS = {
    **dict.fromkeys(("picture_id", "object_key", "sha256", "status", "reason", "format", "mode"), "string"),
    **dict.fromkeys(("exif", "colours"), "json"),
    **dict.fromkeys(("bytes", "width", "height", "orientation", "dhash", "phash"), "integer"),
    "has_profile": "boolean",
    **dict.fromkeys(("brightness", "entropy"), "number"),
}


def fetch_archive(
    settings: Settings, run: Run, at_hand: str, store: ObjectStore, progress: Progress
) -> dict[str, object]:
    """Obtain the dataset's zip (at_hand: the path of one, '' to download it) and keep its tables as pages.

    Returns pages, entries, bytes and sha256 of the archive. Raises SourceError and its kinds.
    """
    with postgres.transaction(settings) as cursor:
        known = archive_ledger.archive_of(cursor, run.key)
    if at_hand:
        path = Path(at_hand).expanduser().resolve()
    elif known and _is_there(known):  # this run was killed after its download
        path = Path(known.path)
    else:
        path = _downloaded(settings, run, progress)
    sha256 = sha256_of(path)
    source = _source(run)
    with Archive(path, settings.kaggle_max_entries, settings.kaggle_max_bytes) as archive:
        root = source.root(archive.names)
        opened = OpenedArchive(run.query.text, str(path), path.stat().st_size, sha256, root, len(archive.names))
        tables = [name for name in archive.names if name.startswith(root) and source.entity_of(name[len(root) :])]
        with postgres.transaction(settings) as cursor:
            archive_ledger.open_archive(cursor, run.key, opened)
        for name in tables:
            _keep(settings, run, store, opened, archive, archive.entry(name))
    return {"pages": len(tables), "entries": opened.entries, "bytes": opened.bytes, "sha256": sha256}


def store_folder(
    settings: Settings, run: Run, folder: str, store: ObjectStore, progress: Progress
) -> dict[str, object]:
    """Put every file of a folder of the run's archive that is not stored yet; how many came to which outcome."""
    with postgres.transaction(settings) as cursor:
        opened = archive_ledger.archive_of(cursor, run.key)
        known = archive_ledger.stored(cursor, run.query.text, folder)
        buried = archive_ledger.tombstoned(cursor)
    if opened is None or not _is_there(opened):
        raise SourceError(
            "the archive of this run is not there any more",
            where=opened.path if opened else run.key,
            mend="Put it back, or collect under another --run-id.",
        )
    counts: Counter[str] = Counter(stored=0, known=0)
    with Archive(Path(opened.path), settings.kaggle_max_entries, settings.kaggle_max_bytes) as archive:
        entries = list(archive.entries(f"{opened.root}{folder}/"))
        keeper = Keeper(settings, run, opened, store, buried)
        todo = [entry for entry in entries if known.get(entry.name[len(opened.root) :]) != (entry.crc32, entry.size)]
        counts["known"] = len(entries) - len(todo)
        for some in _chunks(iter(todo)):
            outcomes = [keeper.keep(archive, entry) for entry in some]
            crash_point("archive.enter.before")
            with postgres.transaction(settings) as cursor:
                archive_ledger.enter(cursor, run.key, run.query.text, folder, outcomes)
            crash_point("archive.enter.after")
            counts.update(outcome.outcome for outcome in outcomes)
            progress.update(sum(counts.values()), len(entries))
    return {"files": len(entries), **counts}


def clean_pictures(settings: Settings, run: Run, store: ObjectStore) -> dict[str, object]:
    """What is known of the dataset's pictures as Parquet in the clean zone: {'facts': rows, 'files': keys}."""
    fields = [Field(name, name, kind) for name, kind in COLUMNS.items()]
    files: list[CleanFile] = []
    with postgres.transaction(settings) as cursor:
        found = archive_ledger.facts(cursor, run.query.source, f"{run.query.text}/")
        while some := list(itertools.islice(found, FACTS_AT_ONCE)):
            plain = [
                {name: _text(row[name]) if kind == "json" else row[name] for name, kind in COLUMNS.items()}
                for row in some
            ]
            packed = parquet.packed(fields, plain, {"source": run.query.source, "entity": "pictures"})
            digest = envelopes.digest(packed)
            key = f"clean/{run.query.source}/pictures/{run.query.text}/{len(files) + 1:04}-{digest[:16]}.parquet"
            clean.put(store, key, packed)
            files.append(CleanFile(key, digest, len(packed), len(some), 0))
    with postgres.transaction(settings) as cursor:
        for file in files:
            clean_ledger.enter_facts(cursor, run.key, run.query.source, run.query.text, file)
    return {"facts": sum(file.records for file in files), "files": [file.object_key for file in files]}


class Keeper:
    """Puts single files of an archive."""

    def __init__(
        self, settings: Settings, run: Run, opened: OpenedArchive, store: ObjectStore, buried: frozenset[str]
    ) -> None:
        self._settings, self._run, self._opened, self._store, self._buried = settings, run, opened, store, buried

    def keep(self, archive: Archive, entry: Entry) -> FileOutcome:
        """Store one file, byte for byte. Raises StoreError; a bad file is an outcome."""
        name = entry.name[len(self._opened.root) :]
        if reason := refusal(entry, self._settings.image_max_bytes):
            return FileOutcome(name, "refused", entry.size, entry.crc32, reason)
        try:
            body = archive.read(entry)
        except CorruptEntry as problem:
            return FileOutcome(name, "corrupt", entry.size, entry.crc32, str(problem))
        sha256, key = hashlib.sha256(body).hexdigest(), f"{DATASETS}{self._opened.dataset}/{name}"
        if sha256 in self._buried:
            return FileOutcome(name, "refused", entry.size, entry.crc32, "taken down")
        for place in (key, key_of_version(key, sha256)):
            crash_point("archive.put.before")
            put = self._store.put_if_absent(
                place,
                body,
                content_type=sniff(body) or "application/octet-stream",
                sha256=sha256,
                metadata={"sha256": sha256, "run-key": self._run.key, "archive-sha256": self._opened.sha256},
            )
            crash_point("archive.put.after")
            if put.sha256 == sha256:
                return FileOutcome(name, "stored", entry.size, entry.crc32, "", place, sha256)
        return FileOutcome(name, "conflict", entry.size, entry.crc32, "other bytes are under both its keys")


def key_of_version(key: str, sha256: str) -> str:
    """Where bytes go whose key an earlier version of the dataset has: a/b.jpg → a/b~0123456789abcdef.jpg."""
    folder, slash, name = key.rpartition("/")
    stem, dot, extension = name.partition(".")
    return f"{folder}{slash}{stem}~{sha256[:16]}{dot}{extension}"


def _downloaded(settings: Settings, run: Run, progress: Progress) -> Path:
    per_minute = access(settings, run.query).per_minute
    connection = postgres.connect(settings, "draenei-collector fetch")

    def attempt() -> Path:
        RequestBudget(connection, run.query.source, per_minute).take(progress)
        with counted(connection, run.key):
            return Download(settings, run.query.text, settings.draenei_home / "archives", progress).attempt()

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(SourceUnreachable),
        stop=tenacity.stop_after_attempt(settings.http_max_attempts),
        wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=30),
        reraise=True,
    )
    try:
        return retrying(attempt)
    finally:
        connection.close()


def _keep(
    settings: Settings, run: Run, store: ObjectStore, opened: OpenedArchive, archive: Archive, entry: Entry
) -> None:
    """One table as a page: its exact bytes, once for the run."""
    if reason := refusal(entry, settings.source_page_max_bytes):
        raise SourceError(f"{entry.name}: {reason}", where=opened.path, mend="See SOURCE_PAGE_MAX_BYTES.")
    try:
        body = archive.read(entry)
    except CorruptEntry as problem:
        raise SourceError(f"{entry.name} {problem}", where=opened.path, mend="Fetch the archive anew.") from None
    entity = _source(run).entity_of(entry.name[len(opened.root) :])
    assert entity, "only tables are kept"
    envelope = Envelope(
        run_key=run.key,
        source=run.query.source,
        entity=entity,
        page_name=entity,
        request={"method": "ZIP", "path": entry.name, "params": {"archive": opened.sha256}},
        status=200,
        headers={"content-type": "text/csv"},
        fetched_at=datetime.datetime.now(datetime.UTC),
        sha256=envelopes.digest(body),
        body_bytes=len(body),
        code_version=CODE_VERSION,
        query={"text": run.query.text, "parameters": dict(run.query.parameters)},
        source_address=access(settings, run.query).address,
        settings_sha256=settings.digest(),
    )
    key = f"{run.raw_prefix}/{entity}/{entity}.gz"
    if store.head(key) is None:
        packed = envelopes.pack(envelope, body)
        store.put_if_absent(
            key, packed, content_type=envelopes.CONTENT_TYPE, sha256=envelopes.digest(packed), metadata={}
        )
    else:  # of a run that was killed here
        envelope, _ = envelopes.unpack(store.get(key))
    with postgres.transaction(settings) as cursor:
        page_ledger.enter_page(cursor, envelope, key)


def _is_there(opened: OpenedArchive) -> bool:
    path = Path(opened.path)
    return path.exists() and path.stat().st_size == opened.bytes


def _source(run: Run) -> Archived:
    return cast("Archived", CATALOGUE[run.query.source])


def _chunks(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while some := list(itertools.islice(entries, FILES_AT_ONCE)):
        yield some


def _text(value: object) -> str | None:
    import json

    return None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
