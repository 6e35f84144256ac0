"""What people are told of a dataset's run: summary, quarantine and charts say what the tables say."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.damage import Part
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import parquet, postgres, quarantine_ledger, run_ledger, source_figures
from luigi_tasks.steps import archive, summary, takedown, takedown_facts
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.verbs.quarantine import quarantine
from tests.integration.kaggle_fixtures import DATASET, PRODUCTS, Dataset, sha256
from tests.integration.report_fixtures import Page
from twin import kaggle as site

FACTS = f"clean/kaggle/pictures/{DATASET}/"


def assert_told(dataset: Dataset, run: Run, told: dict[str, Any]) -> None:
    """Summary, quarantine and charts say what the tables say."""
    with postgres.transaction(dataset.settings) as cursor:
        for step, result in (("StoreFolder images", told["keep"]), ("Derive", told["derive"])):
            run_ledger.complete_step(cursor, run.key, step, datetime.datetime.now(datetime.UTC), result)
        (unreadable,) = quarantine_ledger.bad_files(cursor, 50)
        drawn = [figure.title for figure in source_figures.of_source(cursor, "kaggle", run.key)]
    words = summary.lines(summary.facts(dataset.settings, run.key))
    assert [line for line in words if line.startswith(f"  uploaded    {PRODUCTS} files, ")] != []
    assert f"  folder      images: {PRODUCTS} files, known 0, stored {PRODUCTS}" in words
    assert f"  derived     measured {PRODUCTS - 1}, unreadable 1, made {4 * (PRODUCTS - 1)}, failed 4" in words
    assert "  failed      1: unreadable 1" in words
    assert (unreadable.outcome, unreadable.run_key) == ("unreadable", run.key)
    assert unreadable.name == f"{DATASET}/images/{site.FIRST_ID + 7 * site.UNREADABLE}.jpg"
    assert unreadable.reason != ""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings_module, "load", lambda: dataset.settings)
        said = CliRunner().invoke(quarantine, ["list"])
    assert f"file  unreadable  {unreadable.name}" in said.output, said.output
    assert drawn == [figure.title for figure in source_figures.FIGURES["kaggle"]]
    assert {f"Products by {name}" for name in ("category", "colour", "season", "gender", "year")} < set(drawn)


def assert_reported(page: Page) -> None:
    """The run's page: how many files came out of the archive, and which cannot be read."""
    said = page.words["files"]
    assert [name for name in ("in the archive", "brought", "unpacked", "stored") if name not in said] == []
    assert said.split().count(str(PRODUCTS)) >= 4, said
    assert (page.tiles["files stored"], page.tiles["bad files"]) == (str(PRODUCTS), "1")
    assert f"images/{site.FIRST_ID + 7 * site.UNREADABLE}.jpg" in page.words["failures"]
    assert f"{PRODUCTS - 1} pictures were measured, 1 cannot be read" in " ".join(page.words["files"].split())


def assert_facts_forget(dataset: Dataset, run: Run, plan: takedown.Plan, digest: str) -> None:
    """The file of facts is another one, without the picture and with all others; what nobody can read goes too."""
    (old,) = plan.facts
    ledger = "select object_key, records from ops.clean_facts"
    ((key, records),) = dataset.warehouse.rows(ledger)
    assert dataset.store.head(old) is None
    assert records == PRODUCTS - 1
    packed = dataset.store.get(key)
    kept = {row["sha256"] for row in parquet.read(packed)}
    assert digest not in kept
    assert len(kept) == PRODUCTS - 1
    assert archive.clean_pictures(dataset.settings, run, dataset.store)["files"] == [key], "a run makes the very same"
    assert fsck(dataset.settings, dataset.store, Part(), deep=True, progress=Silent()).findings == []

    aside, damaged = f"aside/20261121T070000Z/{old}", f"{FACTS}0002-{'0' * 16}.parquet"
    for one, body in ((aside, packed), (damaged, b"no Parquet")):
        dataset.store.put_if_absent(one, body, content_type="", sha256=sha256(body), metadata={})
    alone = takedown.plan(dataset.settings, dataset.store, digest)
    assert alone.facts == alone.unread == (damaged,), "the other one does not hold it"
    other = sorted(kept)[0]
    again = takedown.plan(dataset.settings, dataset.store, other)
    assert (again.facts, again.unread) == (tuple(sorted((aside, damaged, key))), (damaged,))
    assert again.archives == ["kaggle"]
    for one in (aside, damaged):
        assert takedown_facts.rewrite(dataset.settings, dataset.store, one, again.about.hashes) == (None, True)
    assert takedown.plan(dataset.settings, dataset.store, other).facts == (key,)
