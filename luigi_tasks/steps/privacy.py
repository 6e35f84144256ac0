"""Personal data: what is redacted before a response is kept, and how a person is erased, the raw zone included."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, replace

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import erasure_ledger, page_ledger, pipeline_lock, postgres
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Personal, Source
from luigi_tasks.steps import model
from luigi_tasks.steps.load import Loader

EVIDENCE = ".refused-"


@dataclass(frozen=True)
class Erasure:
    """What an erasure concerns: pages that are written anew without the person, and evidence that is deleted."""

    pages: tuple[tuple[PageRow, str], ...]
    evidence: tuple[str, ...]


def at_rest(settings: Settings, source: Source, erased: Collection[str], body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A body as it may be kept: without the erased, and, with REDACT_AT_REST, without secrets; then their names."""
    if not isinstance(source, Personal):
        return body, ()
    if erased:
        try:
            body = source.erase(body, erased)
        except SourceError:
            # A broken answer cannot be cut into people; as soon as it names one who was erased, none of it is kept.
            body = b"" if any(record_id.encode() in body for record_id in erased) else body
    return source.redact(body) if settings.redact_at_rest else (body, ())


def personal(name: str) -> Personal:
    """The source. Raises SettingsError when its records are not about people."""
    source = CATALOGUE[name]
    if not isinstance(source, Personal):
        raise SettingsError(f"{name} has no records about people", mend="A picture goes with `takedown`.")
    return source


def plan(settings: Settings, store: ObjectStore, source: Personal, record_id: str) -> Erasure:
    """Where a person stands."""
    tables = [entity.table for entity in source.ENTITIES.values()]
    with postgres.transaction(settings) as cursor:
        candidates = erasure_ledger.pages_of(cursor, source.NAME, tables, record_id)
    pages = [found for found in candidates if record_id.encode() in _body(store, found[0].object_key)]
    evidence = [head.key for head in store.list(f"raw/{source.NAME}/") if EVIDENCE in head.key]
    named = [key for key in evidence if record_id.encode() in _body(store, key)]
    return Erasure(tuple(pages), tuple(named))


def _body(store: ObjectStore, key: str) -> bytes:
    return envelopes.unpack(store.get(key))[1]


def erase(
    settings: Settings, store: ObjectStore, name: str, record_id: str, reason: str, progress: Progress
) -> Erasure:
    """Erase a person: every body, row and model; whatever comes later comes without. May be interrupted and repeated.

    Raises AlreadyRunning while a Collect of the source runs.
    """
    source = personal(name)
    with closing(pipeline_lock.take(settings, name)):
        with postgres.transaction(settings) as cursor:
            erasure_ledger.enter(cursor, name, record_id, reason)
        planned = plan(settings, store, source, record_id)
        for page, run_key in planned.pages:
            _rewrite(settings, store, source, page, run_key, record_id)
        for key in (*planned.evidence, *_superseded(settings, store, source)):
            store.remove(key)
    if planned.pages:
        model.build(settings, planned.pages[-1][1], "Erase", progress, model.selection(name))
    return planned


def _rewrite(
    settings: Settings, store: ObjectStore, source: Personal, page: PageRow, run_key: str, record_id: str
) -> None:
    """Put the body without the person beside the old one, then let page, records and models be of that one."""
    envelope, body = envelopes.unpack(store.get(page.object_key))
    body = source.erase(body, {record_id})
    changed = replace(envelope, sha256=envelopes.digest(body), body_bytes=len(body))
    packed = envelopes.pack(changed, body)
    key = f"{_original(page.object_key).removesuffix('.gz')}.erased-{changed.sha256[:16]}.gz"
    store.put_if_absent(key, packed, content_type="application/gzip", sha256=envelopes.digest(packed), metadata={})
    loader = Loader(source, page.entity, store)
    with postgres.transaction(settings) as cursor:
        erasure_ledger.forget_page(cursor, source.NAME, page, loader.table, source.PERSONAL_TABLES)
        erasure_ledger.replace_page(cursor, page, changed, key)
        batch_id = page_ledger.open_batch(cursor, run_key)
        loader.load_page(cursor, replace(page, object_key=key, body_sha256=changed.sha256), batch_id)


def _original(key: str) -> str:
    """The key that a page had before anybody was erased from it."""
    start, mark, _ = key.partition(".erased-")
    return f"{start}.gz" if mark else key


def _superseded(settings: Settings, store: ObjectStore, source: Personal) -> list[str]:
    """Objects of the raw zone that a rewritten page has left behind, also of an erasure that was interrupted."""
    with postgres.transaction(settings) as cursor:
        current = erasure_ledger.erased_page_keys(cursor, source.NAME)
    originals = {_original(key) for key in current}
    listed = (head.key for head in store.list(f"raw/{source.NAME}/"))
    return [key for key in listed if key not in current and _original(key) in originals]
