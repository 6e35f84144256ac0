"""Personal data: what is redacted before a response is kept, and how a person is erased, the raw zone included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.damage import ASIDE
from luigi_tasks.domain.errors import SettingsError, SourceError, StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import erasure_ledger, page_ledger, pipeline_lock, postgres
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore, StoreUnavailable, obliterate
from luigi_tasks.gateways.page_ledger import PageRow
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Personal, Source
from luigi_tasks.steps import model
from luigi_tasks.steps.load import Loader


@dataclass(frozen=True)
class Erasure:
    """What an erasure concerns: pages that are written anew without the person, and objects beside them that are
    deleted (evidence, and what fsck moved aside).

    lost: pages without a body, of which only the person's rows are left to go. before: 'new', 'begun' or 'finished'.
    kept: removed objects of which the store may keep earlier versions.
    """

    pages: tuple[tuple[PageRow, str], ...]
    evidence: tuple[str, ...]
    lost: tuple[str, ...] = ()
    before: str = "new"
    kept: tuple[str, ...] = ()

    @property
    def finds_nobody(self) -> bool:
        """True when the person stands nowhere."""
        return not (self.pages or self.evidence or self.lost)


def at_rest(settings: Settings, source: Source, erased: Collection[str], body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A body as it may be kept: without the erased, and, with REDACT_AT_REST, without secrets; then their names."""
    if not isinstance(source, Personal):
        return body, ()
    if erased:
        try:
            body = source.erase(body, erased)
        except SourceError:
            # A broken answer cannot be cut into people; as soon as it names one who was erased, none of it is kept.
            body = b"" if any(record_id.encode() in body.lower() for record_id in erased) else body
    return source.redact(body) if settings.redact_at_rest else (body, ())


def personal(name: str) -> Personal:
    """The source. Raises SettingsError when its records are not about people."""
    source = CATALOGUE[name]
    if not isinstance(source, Personal):
        raise SettingsError(f"{name} has no records about people", mend="A picture goes with `takedown`.")
    return source


def plan(settings: Settings, store: ObjectStore, source: Personal, record_id: str) -> Erasure:
    """Where a person stands."""
    return _plan(settings, store, source, record_id, _raw_keys(store, source))


def _plan(settings: Settings, store: ObjectStore, source: Personal, record_id: str, raw_keys: Sequence[str]) -> Erasure:
    tables = [entity.table for entity in source.ENTITIES.values()]
    with postgres.transaction(settings) as cursor:
        candidates = erasure_ledger.pages_of(cursor, source.NAME, tables, record_id)
        loaded = erasure_ledger.pages_with(cursor, tables, record_id)
    readable = [(page, run_key) for page, run_key, is_lost in candidates if not is_lost]
    pages = [found for found in readable if _names(envelopes.unpack(store.get(found[0].object_key))[1], record_id)]
    lost = [page.object_key for page, _, is_lost in candidates if is_lost and page.body_sha256 in loaded]
    named = [key for key in _beside(store, source.NAME, raw_keys) if _may_name(store, key, record_id)]
    return Erasure(tuple(pages), tuple(named), tuple(lost))


def _raw_keys(store: ObjectStore, source: Personal) -> list[str]:
    return [head.key for head in store.list(f"raw/{source.NAME}/")]


def _beside(store: ObjectStore, name: str, raw_keys: Sequence[str]) -> Iterator[str]:
    """Objects of a source that are no pages: evidence, and what fsck moved aside."""
    yield from (key for key in raw_keys if envelopes.EVIDENCE in key)
    yield from (head.key for head in store.list(ASIDE) if f"/raw/{name}/" in head.key)


def _names(body: bytes, record_id: str) -> bool:
    return record_id.encode() in body.lower()


def _may_name(store: ObjectStore, key: str, record_id: str) -> bool:
    try:
        return _names(envelopes.unpack(store.get(key))[1], record_id)
    except StoreUnavailable:
        raise
    except ObjectMissing:
        return False
    except (StoreError, TypeError, KeyError):  # the latter two: an envelope with other fields
        return True  # what cannot be read any more may hold anybody


def erase(
    settings: Settings, store: ObjectStore, name: str, record_id: str, reason: str, progress: Progress
) -> Erasure:
    """Erase a person: every body, row and model; whatever comes later comes without. May be interrupted and repeated.

    Raises AlreadyRunning while a Collect of the source runs, SettingsError for what cannot be anybody's key.
    """
    source = personal(name)
    record_id = source.person(record_id)
    with closing(pipeline_lock.take(settings, name)):
        with postgres.transaction(settings) as cursor:
            crash_point("erase.enter.before")
            before = erasure_ledger.enter(cursor, name, record_id, reason)
        crash_point("erase.enter.after")
        raw_keys = _raw_keys(store, source)  # nobody else adds to them: the lock is ours
        planned = replace(_plan(settings, store, source, record_id, raw_keys), before=before)
        for page, run_key in planned.pages:
            _rewrite(settings, store, source, page, run_key, record_id)
        if planned.lost:
            tables = [entity.table for entity in source.ENTITIES.values()]
            with postgres.transaction(settings, as_owner=True) as cursor:
                erasure_ledger.forget_person(cursor, name, tables, source.PERSONAL_TABLES, record_id)
        for key in (*planned.evidence, *_superseded(settings, source, raw_keys)):
            crash_point("erase.remove.before")
            if not obliterate(store, key):
                planned = replace(planned, kept=(*planned.kept, key))
            crash_point("erase.remove.after")
    _finish(settings, planned, name, record_id, progress)
    return planned


def _finish(settings: Settings, planned: Erasure, name: str, record_id: str, progress: Progress) -> None:
    with postgres.transaction(settings) as cursor:
        run_key = planned.pages[-1][1] if planned.pages else erasure_ledger.last_run(cursor, name)
    if run_key and (planned.pages or planned.lost or planned.before == "begun"):
        model.build(settings, run_key, "Erase", progress, model.selection(name))
    with postgres.transaction(settings) as cursor:
        crash_point("erase.finish.before")
        erasure_ledger.finish(cursor, name, record_id)
    crash_point("erase.finish.after")


def _rewrite(
    settings: Settings, store: ObjectStore, source: Personal, page: PageRow, run_key: str, record_id: str
) -> None:
    """Put the body without the person beside the old one, then let page, records and models be of that one."""
    envelope, body = envelopes.unpack(store.get(page.object_key))
    body = source.erase(body, {record_id})
    changed = replace(envelope, sha256=envelopes.digest(body), body_bytes=len(body))
    packed = envelopes.pack(changed, body)
    key = f"{_original(page.object_key).removesuffix('.gz')}.erased-{changed.sha256[:16]}.gz"
    crash_point("erase.put.before")
    store.put_if_absent(key, packed, content_type=envelopes.CONTENT_TYPE, sha256=envelopes.digest(packed), metadata={})
    crash_point("erase.put.after")
    loader = Loader(source, page.entity, store)
    with postgres.transaction(settings, as_owner=True) as cursor:
        crash_point("erase.page.before")
        erasure_ledger.forget_page(cursor, source.NAME, page, loader.table, source.PERSONAL_TABLES)
        erasure_ledger.replace_page(cursor, page, changed, key)
        batch_id = page_ledger.open_batch(cursor, run_key)
        loader.load_page(cursor, replace(page, object_key=key, body_sha256=changed.sha256), batch_id)
    crash_point("erase.page.after")


def _original(key: str) -> str:
    """The key that a page had before anybody was erased from it."""
    start, mark, _ = key.partition(".erased-")
    return f"{start}.gz" if mark else key


def _superseded(settings: Settings, source: Personal, raw_keys: Sequence[str]) -> list[str]:
    """Objects of the raw zone that a rewritten page has left behind, also of an erasure that was interrupted."""
    with postgres.transaction(settings) as cursor:
        current = erasure_ledger.erased_page_keys(cursor, source.NAME)
    originals = {_original(key) for key in current}
    return [key for key in raw_keys if key not in current and _original(key) in originals]
