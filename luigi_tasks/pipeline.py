"""The graph on one page.

                                                        ┌ Load ──┐
every source:       Collect ─ Report ─────────── Model ─┤        ├ Fetch
                                                        └ Clean ─┘
one with pictures:  Collect ─ Report ─ Remodel ┬ Derive ─ Publish ─ Freeze ─ Model ─ Load ─ Fetch
                                               └ LoadDetails ─ FetchDetails ─ Model
an archive:         as every source, and Model ─ Derive ─ StoreFolder (one a folder) ─ Fetch

Fetch         responses of the source → raw zone; beside a long crawl, rounds of what follows (steps/rounds.py)
Load          raw zone → raw.* and the ledger
Clean         raw zone → typed Parquet in the clean zone, for entities that say so
Model         dbt build of the source's models: wallpapers and the pending views …
Freeze        pending_uploads → a manifest, the work list of this run
Publish       download, verify, put once, register
StoreFolder   one folder of the archive → the lake, entry by entry
Derive        measure the stored pictures, make thumbnails and the like, each once
FetchDetails  tags and uploaders of wallpapers that lack them → raw zone, within the request budget
LoadDetails   as Load
Remodel       dbt build again, when uploads or details came in
Report        summary, contact sheet, gallery

A step is complete when its row in ops.steps is. Luigi is for chunks, the database is for items.

A task imports its step when it runs: `luigi --help` and a run that is complete need none of the drivers.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

import luigi

from luigi_tasks.domain.progress import Progress
from luigi_tasks.domain.run import Run
from luigi_tasks.lifecycle import hold
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import clean_entities, collected_entities
from luigi_tasks.targets import LedgerTarget, own_settings
from luigi_tasks.tasks import RunTask, in_namespaces
from luigi_tasks.watching import beside, watchers

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings


class Fetch(RunTask):
    """Responses of the source → raw zone."""

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Crawl the query, ask what the source says that a run asks, or open the source's archive."""
        from luigi_tasks.steps import archive, crawl, fetch, session

        store = session.guarded_store(own, run)
        if self.is_archive:
            return archive.fetch_archive(own, run, self.archive, store, progress)
        if self.has_pictures:
            return crawl.crawl(own, run, store, progress, lambda step: beside(self, own, run, step))
        return fetch.fetch_requests(own, run, store, progress)


class Load(RunTask):
    """Raw zone → raw.* and the ledger."""

    def requires(self) -> RunTask:
        """The pages."""
        return self.clone(Fetch)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Load what Fetch brought."""
        from luigi_tasks.steps import load, session

        entities = collected_entities(CATALOGUE[self.source])
        return load.load_entities(own, run.key, self.source, entities, session.checked_store(own), progress)


class Clean(RunTask):
    """Raw zone → typed Parquet in the clean zone."""

    def requires(self) -> RunTask:
        """The responses."""
        return self.clone(Fetch)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Write a file a response."""
        from luigi_tasks.steps import clean, session

        return clean.clean(own, run.key, self.source, session.checked_store(own), progress)


class Model(RunTask):
    """dbt build of the source's models: wallpapers and the pending views …"""

    unit = "nodes"

    def requires(self) -> list[RunTask]:
        """The records, in the warehouse and, if the source has some there, in the clean zone; an archive's pictures."""
        cleaned = [self.clone(Clean)] if clean_entities(CATALOGUE[self.source]) else []
        return [self.clone(Load), *cleaned, *([self.clone(Derive)] if self.is_archive else [])]

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Build and test the source's models, unless a build would find what the last one found."""
        from luigi_tasks.steps import model

        return model.build_what_is_new(own, run.key, "Model", progress, self.source, watchers(self, own, run))


class Freeze(RunTask):
    """pending_uploads → a manifest."""

    def requires(self) -> RunTask:
        """The view."""
        return self.clone(Model)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Freeze the work list."""
        from luigi_tasks.steps import publish

        return publish.freeze_step(own, run.key)


class Publish(RunTask):
    """Download, verify, put once, register."""

    unit = "images"
    priority = 10

    def process_resources(self) -> dict[str, int]:
        """One at a time for a source, also when a backfill with several workers has more than one run at hand."""
        return {f"publish {self.source}": 1}

    def requires(self) -> RunTask:
        """The manifest."""
        return self.clone(Freeze)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Publish the manifest's pictures."""
        from luigi_tasks.steps import publish, session

        return publish.publish(own, run.key, session.checked_store(own), progress).as_dict()


class StoreFolder(RunTask):
    """One folder of an archive → the lake."""

    folder = luigi.Parameter(description="below the dataset's root, such as images")
    unit = "files"

    def requires(self) -> RunTask:
        """The archive."""
        return self.clone(Fetch)

    @property
    def step(self) -> str:
        """One a folder."""
        return f"StoreFolder {self.folder}"

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Put what is not there yet, entry by entry."""
        from luigi_tasks.steps import archive, session

        return archive.store_folder(own, run, self.folder, session.checked_store(own), progress)


class Derive(RunTask):
    """Measure the stored pictures, make thumbnails and the like, each once."""

    unit = "pictures"

    def requires(self) -> list[RunTask]:
        """The pictures."""
        if self.is_archive:
            return [self.clone(StoreFolder, folder=folder) for folder in own_settings().kaggle_folders]
        return [self.clone(Publish)]

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Make what the source's pictures lack, also those of earlier runs; an archive's facts as Parquet, too."""
        from luigi_tasks.steps import archive, derive, session

        store = session.checked_store(own)
        result = derive.derive(own, run.key, self.source, store, progress)
        return result | (archive.clean_pictures(own, run, store) if self.is_archive else {})


class FetchDetails(RunTask):
    """Tags and uploaders of wallpapers that lack them → raw zone."""

    unit = "details"

    def requires(self) -> RunTask:
        """The view that lists them."""
        return self.clone(Model)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Fetch details, newest wallpaper first, within the budget and the limit."""
        from luigi_tasks.steps import fetch, session

        return fetch.fetch_details(own, run, session.guarded_store(own, run), progress)


class LoadDetails(RunTask):
    """Raw zone → raw.* and the ledger."""

    def requires(self) -> RunTask:
        """The pages."""
        return self.clone(FetchDetails)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Load the details."""
        from luigi_tasks.steps import load, session

        return load.load(own, run.key, self.source, "wallpaper", session.checked_store(own), progress)


class Remodel(RunTask):
    """dbt build again, when uploads or details came in."""

    unit = "nodes"

    def requires(self) -> list[RunTask]:
        """What may have changed something since Model."""
        return [self.clone(Publish), self.clone(Derive), self.clone(LoadDetails)]

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """Build once more, unless no upload's outcome, no fact of a picture and no detail came in with this run."""
        from luigi_tasks.steps import model

        published, derived, loaded = (task.output().result() or {} for task in self.requires())
        if not published.get("attempts") and not derived.get("pictures") and not loaded.get("received"):
            return {"skipped": 1}
        return model.build_what_is_new(own, run.key, "Remodel", progress, self.source, watchers(self, own, run))


class Report(RunTask):
    """Summary, contact sheet, gallery."""

    def requires(self) -> RunTask:
        """The tables as they are after this run."""
        return self.clone(Remodel if self.has_pictures else Model)

    def work(self, own: Settings, run: Run, progress: Progress) -> dict[str, object]:
        """The contact sheet of what the run stored and the gallery of all; without pictures the tables say it all."""
        from luigi_tasks.steps import contact_sheet, gallery, report, session

        if not (self.has_pictures or self.is_archive):
            return {}
        store = session.checked_store(own)
        pending = report.backlog(own) if self.has_pictures else {}
        return pending | contact_sheet.draw(own, run.key, store) | gallery.refresh(own, store)


class Collect(RunTask):
    """The whole run: everything that a query finds, collected.

    One at a time for a source: a second one exits with 10 and touches nothing.
    """

    file = luigi.Parameter(default="", description="sales: a path, http(s):// or s3:// address; as --query")

    @property
    def asked(self) -> str:
        """The query, or the file that stands for it."""
        return self.query or self.dataset or self.file

    def requires(self) -> RunTask:
        """The whole graph, its query spelled out as it shows in the scheduler's page."""
        return self.clone(Report, query=self.collected_run.query.text)

    def output(self) -> LedgerTarget:
        """Complete when the report is."""
        return LedgerTarget(self.collected_run.key, "Report")

    def complete(self) -> bool:
        """True when the run was collected; else it takes the source's lock, for which it must be the first to be asked.

        Luigi asks the root task before any other, in the process that stays until the end: the place where
        a second pipeline can still be turned away untouched.
        """
        hold(own_settings(), self.collected_run)
        return bool(super().complete())

    @classmethod
    def bulk_complete(cls, minutes: Iterable[datetime.datetime]) -> list[datetime.datetime]:
        """Of some minutes those whose run is collected: how Luigi's RangeByMinutes finds what a backfill has to do."""
        from luigi_tasks.steps import session

        keys = {minute: cls(run_id=minute).collected_run.key for minute in minutes}
        complete = session.complete_runs(own_settings(), keys.values())
        return [minute for minute, key in keys.items() if key in complete]

    def run(self) -> None:
        """Nothing is left to do: the graph did it."""


in_namespaces([Fetch, Load, Clean, Model, Freeze, Publish, StoreFolder, Derive])
in_namespaces([FetchDetails, LoadDetails, Remodel, Report, Collect])
