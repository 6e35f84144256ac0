"""Derive: what is made of stored pictures and known of them, each thing once, for any source.

Work is whatever ops.pictures has and the ledger lacks under the recipes of today, so a killed run goes on where it was,
and a changed setting makes its own derivatives again and no others. Originals are only read. A derivative is put
create-only under a key that says what it is; one that a killed run put is found there, compared and entered.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from luigi_tasks.domain.derivatives import Derived, Made, Recipe, Wanted
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways import derivative_ledger, postgres
from luigi_tasks.gateways.decoders import Decoders, DecodingLimits, usable_cores
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import orders
from luigi_tasks.steps.decoding import sniff
from luigi_tasks.steps.flow import WeightGate, give_back_freed_memory
from luigi_tasks.steps.recipes import recipes
from luigi_tasks.steps.rendering import BYTES_PER_PIXEL, library

PICTURES_AT_ONCE = 64


def derive(
    settings: Settings,
    run_key: str,
    source: str,
    store: ObjectStore,
    progress: Progress,
    *,
    enough: threading.Event | None = None,
) -> dict[str, object]:
    """Measure and derive what a source's stored pictures lack; a bad one is a row, no error, and tried once a run.

    Returns the run's DerivedTotals as a dict. enough: ends this early when it is set, after the pictures in hand.
    Raises StoreError when the store fails, and whatever the warehouse raises; what was entered stays.
    """
    wanted_recipes, versions = recipes(settings, source), library()
    work = derivative_ledger.WorkList(source, wanted_recipes, versions, settings.upload_max_attempts, run_key)
    enough = enough or threading.Event()
    with postgres.transaction(settings) as cursor:
        left = work.count(cursor)
    if left:
        give_back_freed_memory()
        with (
            Decoders(DecodingLimits.of(settings, BYTES_PER_PIXEL)) as decoders,
            ThreadPoolExecutor(usable_cores(), thread_name_prefix="derive") as pool,
        ):
            maker = Maker(settings, store, decoders, wanted_recipes, enough)
            done, size, after = 0, 0, ""
            while not enough.is_set() and (batch := _next(settings, work, after)):
                derived = [one for one in pool.map(maker.make, batch) if one]
                _enter(settings, run_key, derived, versions)
                done += len(derived)
                size += sum(made.bytes or 0 for one in derived for made in one.made)
                progress.update(done, left, bytes_done=size)
                after = batch[-1].sha256
    with postgres.transaction(settings) as cursor:
        crash_point("derive.pass.before")
        if not enough.is_set():
            work.passed(cursor)
        totals = derivative_ledger.totals(cursor, run_key)
    crash_point("derive.pass.after")
    return asdict(totals)


def _next(settings: Settings, work: derivative_ledger.WorkList, after: str) -> list[Wanted]:
    with postgres.transaction(settings) as cursor:
        return work.after(cursor, after, PICTURES_AT_ONCE)


def _enter(settings: Settings, run_key: str, batch: Sequence[Derived], versions: str) -> None:
    crash_point("derive.enter.before")
    with postgres.transaction(settings) as cursor:
        for derived in batch:
            derivative_ledger.enter(cursor, derived, versions, run_key)
    crash_point("derive.enter.after")


class Maker:
    """Makes what a picture lacks; shared by threads. Both gates count bytes, against UPLOAD_MEMORY_BYTES each."""

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        decoders: Decoders,
        wanted_recipes: Sequence[Recipe],
        enough: threading.Event,
    ) -> None:
        self._store, self._decoders, self._enough = store, decoders, enough
        self._recipes = {recipe.digest: recipe for recipe in wanted_recipes}
        self._bodies = WeightGate(settings.upload_memory_bytes)
        self._decoding = WeightGate(settings.upload_memory_bytes)

    def make(self, wanted: Wanted) -> Derived | None:
        """Read the original, have it decoded, put what it gives; None when it is enough.

        Raises StoreError, never PictureError.
        """
        if self._enough.is_set():
            return None
        asked = [self._recipes[digest] for digest in wanted.recipes]
        with self._bodies.hold(wanted.bytes):
            try:
                parts = self._parts(wanted, asked)
            except PictureError as problem:
                failed = tuple(Made(recipe, recipe.key(wanted.sha256), reason=problem.reason) for recipe in asked)
                return Derived(wanted, None, failed, problem.reason if wanted.measure else "")
        facts, copies = orders.read(parts)
        made = tuple(self._put(wanted, recipe, copy) for recipe, copy in zip(asked, copies, strict=True))
        return Derived(wanted, facts, made)

    def _parts(self, wanted: Wanted, asked: Sequence[Recipe]) -> list[bytes]:
        with contextlib.suppress(ObjectMissing):
            body = self._store.get(wanted.object_key)
            file_type = sniff(body)
            if hashlib.sha256(body).hexdigest() != wanted.sha256:
                raise Unreadable("the object is not what was stored")
            if file_type is None:
                raise Unreadable("neither JPEG nor PNG")
            order = orders.write([recipe.rendering for recipe in asked], measured=wanted.measure)
            return self._decoders.make(body, file_type, self._decoding.hold, order)
        raise Unreadable("there is no object")

    def _put(self, wanted: Wanted, recipe: Recipe, copy: bytes) -> Made:
        digest, key = hashlib.sha256(copy).hexdigest(), recipe.key(wanted.sha256)
        crash_point("derive.put.before")
        put = self._store.put_if_absent(
            key,
            copy,
            content_type=recipe.content_type,
            sha256=digest,
            metadata={"made-of": wanted.sha256, "operation": recipe.operation, "recipe": recipe.digest},
        )
        crash_point("derive.put.after")
        if put.sha256 != digest:
            return Made(recipe, key, reason="other bytes are under the key")
        return Made(recipe, key, digest, len(copy))


class Unreadable(PictureError):
    """There is nothing that a derivative could be made of."""

    def __init__(self, reason: str) -> None:
        super().__init__(Outcome.CORRUPT, reason)
