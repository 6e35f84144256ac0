"""KAGGLE_FOLDERS with more than one folder: a task each."""

from __future__ import annotations

import datetime
import warnings

import pytest

from luigi_tasks import settings
from tests.conftest import Warehouse
from tests.integration.kaggle_fixtures import DATASET, PRODUCTS, Dataset, changed
from tests.pictures import picture
from twin import kaggle as site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # luigi deprecates what it does itself while it is imported
    from luigi_tasks import pipeline

STEPS = "select step, result ->> 'stored' from ops.steps where starts_with(step, 'StoreFolder')"


def test_two_folders_are_two_tasks_and_both_are_stored(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset(warehouse, b"")
    own = dataset.settings = dataset.warehouse.settings(kaggle_folders="images, extra/")
    monkeypatch.setattr(settings, "load", lambda: own)
    more = {
        "extra/a.jpg": picture("JPEG", seed=901),
        "extra/deep/b.jpg": picture("JPEG", seed=902),
        "other/c.jpg": b"c",
    }
    dataset.path.write_bytes(changed(site.archive(PRODUCTS), **more))
    run = dataset.run()
    dataset.fetch(run)
    deriving = pipeline.Derive(source="kaggle", dataset=DATASET, run_id=datetime.datetime(2026, 11, 21, 7, 0))
    folders = deriving.requires()
    assert [(task.step, task.complete()) for task in folders] == [
        ("StoreFolder images", False),
        ("StoreFolder extra", False),
    ]
    for task in folders:
        task.run()
    assert all(task.complete() for task in folders)
    rows = "select folder, outcome, count(*) from ops.archive_entries group by 1, 2 order by 1"
    assert dataset.warehouse.rows(rows) == [("extra", "stored", 2), ("images", "stored", PRODUCTS)]
    stored = {key: body for key, body in dataset.objects().items() if key.startswith(f"datasets/{DATASET}/extra/")}
    assert stored == {f"datasets/{DATASET}/{name}": more[name] for name in ("extra/a.jpg", "extra/deep/b.jpg")}
    steps = dict(warehouse.rows(STEPS))
    assert steps == {"StoreFolder images": str(PRODUCTS), "StoreFolder extra": "2"}
