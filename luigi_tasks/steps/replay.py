"""Replay: every table of a source, from the raw zone alone. No network, no clock: the same objects, the same tables.

Each response's envelope says whose it was, so runs and pages are entered from it, in the order of (time of the
response, object key), and loaded by the same code as ever. What the raw zone cannot know is not invented: a run's
state is `replayed`, its steps are not complete; of uploads and takedowns it has what the bucket shows
(steps/adopt, steps/tombstones).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from luigi_tasks.domain.envelope import EVIDENCE, Envelope, unpack
from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import page_ledger, pipeline_lock, postgres, replay_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.replay_ledger import ReplayedRun
from luigi_tasks.gateways.run_ledger import Circumstances
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import adopt, clean, model, tombstones
from luigi_tasks.steps.access import address
from luigi_tasks.steps.load import PAGES_PER_BATCH, Loader, LoadResult

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class RawPage:
    """An object of the raw zone and what its envelope says."""

    key: str
    envelope: Envelope


def raw_pages(store: ObjectStore, source: str, only: Collection[str] | None = None) -> list[RawPage]:
    """Every response of a source, in the order of (time, key); of `only` these keys when given.

    Raises StoreError, which names the object, for one that is damaged.
    """
    keys = [head.key for head in store.list(f"raw/{source}/") if EVIDENCE not in head.key]
    pages = (RawPage(key, _open(store, key)[0]) for key in keys if only is None or key in only)
    return sorted(pages, key=lambda page: (page.envelope.fetched_at, page.key))


def replay(
    settings: Settings, source: str, store: ObjectStore, progress: Progress, only: Collection[str] | None = None
) -> dict[str, object]:
    """Fill a warehouse that has no load of the source, then build the models. Returns runs, pages and Load's sums.

    Raises SettingsError when the warehouse is not empty, StoreError when there is nothing to replay or an object
    is damaged.
    """
    lock = pipeline_lock.take(settings, source)
    try:
        _refuse_what_is_there(settings, source)
        pages = raw_pages(store, source, only)
        runs = runs_of(pages, settings)
        if not runs:
            raise StoreError(
                f"the raw zone has no response of {source}",
                where=store.uri(f"raw/{source}/"),
                mend="Is this the right BUCKET_NAME or DRAENEI_HOME?",
            )
        # One transaction: a replay that is interrupted leaves nothing, and can be started again. What the bucket knows
        # is of it: without that the next run would ask for pictures that are there, or that were taken down.
        with postgres.transaction(settings) as cursor:
            sums = _load(cursor, source, store, pages, runs, progress)
            # A comparison is of responses alone; who was taken down decides what they say of a wallpaper's life.
            adopted = _ask_the_bucket(cursor, source, store, progress, adopting=only is None)
            crash_point("replay.commit.before")
        crash_point("replay.commit.after")
        for run_key in runs:
            clean.clean(settings, run_key, source, store, progress)
    finally:
        lock.close()
    model.build(settings, pages[-1].envelope.run_key, "Replay", progress, model.selection(source))
    return {"runs": len(runs), **asdict(sums), "pages": len(pages), **adopted}


def _ask_the_bucket(
    cursor: Cursor, source: str, store: ObjectStore, progress: Progress, *, adopting: bool
) -> dict[str, int]:
    crash_point("adopt.restore.before")
    tombstones.restore(cursor, store)
    crash_point("adopt.restore.after")
    return adopt.adopt(cursor, store, progress) if adopting and source == "wallhaven" else {}


def _refuse_what_is_there(settings: Settings, source: str) -> None:
    with postgres.transaction(settings) as cursor:
        number = replay_ledger.loads_of(cursor, source)
    if number:
        raise SettingsError(
            f"the warehouse has {number} loads of {source} already",
            where=postgres.address(settings).get("PGDATABASE", ""),
            mend="Compare with `replay --diff`, or fill another database with `replay --into NAME`.",
        )


def _open(store: ObjectStore, key: str) -> tuple[Envelope, bytes]:
    try:
        return unpack(store.get(key))
    except StoreError as problem:
        problem.where = store.uri(key)
        raise


def runs_of(pages: Sequence[RawPage], settings: Settings) -> dict[str, ReplayedRun]:
    """The runs that the responses tell of."""
    grouped: dict[str, list[Envelope]] = {}
    for page in pages:
        grouped.setdefault(page.envelope.run_key, []).append(page.envelope)
    return {run_key: _run(run_key, envelopes, settings) for run_key, envelopes in grouped.items()}


def _run(run_key: str, envelopes: list[Envelope], settings: Settings) -> ReplayedRun:
    """The run of these envelopes, in order; the last one says what it was made with, as a resumed run's row does."""
    query_key, _, run_id = run_key.rpartition("/")
    last = envelopes[-1]
    query = next((query for query in map(_query, envelopes) if query.key == query_key), None)
    if query is None:
        raise StoreError(
            "no response of the run says what was asked, or what it says is not what the run is named after",
            where=run_key,
            mend="Restore the run's objects from a backup, or move them out of raw/.",
        )
    made_with = Circumstances(
        last.code_version, last.settings_sha256 or "unknown", last.source_address or address(settings, query)
    )
    return ReplayedRun(Run(query, run_id), made_with, envelopes[0].fetched_at, last.fetched_at)


def _query(envelope: Envelope) -> Query:
    """The query that an envelope tells of; an old one has only the parameters of its own request.

    Whether it is the run's query is for the caller to see, by its key, which has a digest of all of it.
    """
    if envelope.query is not None:
        parameters = envelope.query["parameters"]
        assert isinstance(parameters, Mapping)
        return Query.of(envelope.source, str(envelope.query["text"]), parameters)
    sent = envelope.request.get("params")
    parameters = {name: value for name, value in sent.items() if name != "page"} if isinstance(sent, Mapping) else {}
    return Query.of(envelope.source, str(parameters.get("q", "")), parameters)


def _load(
    cursor: Cursor,
    source: str,
    store: ObjectStore,
    pages: list[RawPage],
    runs: Mapping[str, ReplayedRun],
    progress: Progress,
) -> LoadResult:
    loaders = {entity: Loader(CATALOGUE[source], entity, store) for entity in CATALOGUE[source].ENTITIES}
    result, done = LoadResult(), 0
    for run_key, batch in _batches(pages):
        crash_point("replay.run.before")
        replay_ledger.enter_run(cursor, runs[run_key])
        crash_point("replay.run.after")
        _load_batch(cursor, run_key, batch, loaders, result)
        done += len(batch)
        progress.update(done, len(pages), note=f"{result.received} records")
    return result


def _batches(pages: list[RawPage]) -> Iterator[tuple[str, list[RawPage]]]:
    for run_key, own in itertools.groupby(pages, key=lambda page: page.envelope.run_key):
        while batch := list(itertools.islice(own, PAGES_PER_BATCH)):
            yield run_key, batch


def _load_batch(
    cursor: Cursor, run_key: str, batch: list[RawPage], loaders: Mapping[str, Loader], result: LoadResult
) -> None:
    batch_id = page_ledger.open_batch(cursor, run_key)
    for raw in batch:
        crash_point("replay.page.before")
        page_ledger.enter_page(cursor, raw.envelope, raw.key)
        crash_point("replay.page.after")
        page = page_ledger.find_page(cursor, run_key, raw.envelope.entity, raw.envelope.page_name)
        assert page is not None
        if page.status == 200:
            result.add(loaders[page.entity].load_page(cursor, page, batch_id))
