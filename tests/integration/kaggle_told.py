"""What people are told of a dataset's run: summary, quarantine and charts say what the tables say."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, quarantine_ledger, run_ledger, source_figures
from luigi_tasks.steps import summary
from luigi_tasks.verbs.quarantine import quarantine
from tests.integration.kaggle_fixtures import DATASET, PRODUCTS, Dataset
from twin import kaggle as site


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
