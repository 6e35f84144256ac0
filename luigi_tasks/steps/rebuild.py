"""replay --from-raw: what some runs brought, made anew in place from their raw objects: tables and clean zone.

Every response of theirs is parsed and judged by the present code again. A body is stored once however many runs
received it, so all loads of such a body are made anew with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import clean_ledger, page_ledger, pipeline_lock, postgres, replay_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import clean_entities
from luigi_tasks.steps import clean, model, replay
from luigi_tasks.steps.load import Loader, LoadResult
from luigi_tasks.steps.replay import RawPage

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def rebuild(
    settings: Settings, source: str, store: ObjectStore, progress: Progress, first: str, last: str
) -> dict[str, object]:
    """Make the runs from run id `first` to `last`, both included, anew. Returns runs, pages and Load's sums.

    Raises SettingsError when the raw zone has no such run, AlreadyRunning while a Collect of the source runs.
    """
    lock = pipeline_lock.take(settings, source)
    try:
        keys = {head.key for head in store.list(f"raw/{source}/") if first <= _run_id(head.key) <= last}
        pages = replay.raw_pages(store, source, only=keys)
        if not pages:
            raise SettingsError(
                f"the raw zone has no run of {source} from {first} to {last}",
                where=store.uri(f"raw/{source}/"),
                mend="Run ids are minutes in UTC: `python -m luigi_tasks status` lists them.",
            )
        with postgres.transaction(settings, as_owner=True) as cursor:
            sums = _load_anew(cursor, source, store, pages, settings)
            runs = clean_ledger.runs_without_files(cursor, source, clean_entities(CATALOGUE[source]))
        for run_key in runs:
            clean.clean(settings, run_key, source, store, progress)
    finally:
        lock.close()
    model.build(settings, pages[-1].envelope.run_key, "Rebuild", progress, model.selection(source), from_the_start=True)
    return {"runs": len({page.envelope.run_key for page in pages}), **asdict(sums)}


def _run_id(key: str) -> str:
    """'…/20261121T0700Z/…' → '2026-11-21T07:00'."""
    compact = key.split("/")[3]
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:11]}:{compact[11:13]}"


def _load_anew(
    cursor: Cursor, source: str, store: ObjectStore, pages: Sequence[RawPage], settings: Settings
) -> LoadResult:
    for run_key, entered in replay.runs_of(pages, settings).items():
        replay_ledger.enter_run(cursor, entered)
        for page in pages:
            if page.envelope.run_key == run_key:
                page_ledger.enter_page(cursor, page.envelope, page.key)
    loaders = {entity: Loader(CATALOGUE[source], entity, store) for entity in CATALOGUE[source].ENTITIES}
    result = LoadResult()
    bodies = {(page.envelope.entity, page.envelope.sha256) for page in pages if page.envelope.status == 200}
    batches: dict[str, int] = {}
    for entity, body_sha256 in sorted(bodies):
        replay_ledger.forget_body(cursor, source, entity, loaders[entity].table, body_sha256)
        for row, run_key in replay_ledger.pages_of_body(cursor, source, entity, body_sha256):
            if run_key not in batches:
                batches[run_key] = page_ledger.open_batch(cursor, run_key)
            result.add(loaders[entity].load_page(cursor, row, batches[run_key]))
    return result
