"""A dataset whose Collect was killed: the same run completes, and nothing is put or entered twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.steps import derive
from tests.conftest import Warehouse
from tests.integration.dying_store import Dying
from tests.integration.kaggle_fixtures import DATASET, PRODUCTS, Dataset, pictures, sha256
from twin import kaggle as site


@pytest.fixture
def dataset(warehouse: Warehouse) -> Dataset:
    return Dataset(warehouse, site.archive(PRODUCTS))


def test_a_killed_upload_goes_on(dataset: Dataset) -> None:
    run = dataset.run()
    dataset.fetch(run)
    with pytest.raises(StoreError, match="killed"):
        dataset.keep(run, Dying(dataset.store.root, left=7))
    assert len(list(dataset.store.list("datasets/"))) == 7
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": PRODUCTS, "known": 0}
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": 0, "known": PRODUCTS}
    assert len(list(dataset.store.list("datasets/"))) == PRODUCTS


PROGRAM = """
    import sys
    from luigi_tasks.domain.progress import Silent
    from luigi_tasks.domain.run import Query, Run
    from luigi_tasks.gateways.objects import open_store
    from luigi_tasks.settings import load
    from luigi_tasks.steps import archive, derive
    own, (step, dataset, run_id) = load(), sys.argv[1:]
    run = Run(Query.of("kaggle", dataset, {}), run_id)
    if step == "StoreFolder":
        archive.store_folder(own, run, "images", open_store(own), Silent())
    else:
        derive.derive(own, run.key, "kaggle", open_store(own), Silent())
"""


def killed(dataset: Dataset, run: Run, step: str, point: str) -> None:
    """A process that does the step and kills itself, as kill -9 would, where the point says."""
    own = {
        "DRAENEI_HOME": str(dataset.warehouse.home),
        "KAGGLE_DERIVATIVES": "greyscale",
        "DRAENEI_FAULT": f"{point}:kill",
    }
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), step, DATASET, run.run_id]
    done = subprocess.run(
        command,
        env=os.environ | dataset.warehouse.environ | own,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_after_kill_9_of_store_folder_and_of_derive_the_same_run_completes(dataset: Dataset) -> None:
    originals = pictures(dataset.path.read_bytes())
    run = dataset.run()
    dataset.fetch(run)
    for point, there in (("archive.put.before:3", 2), ("archive.put.after:9", 9), ("archive.enter.before:1", PRODUCTS)):
        killed(dataset, run, "StoreFolder", point)
        assert len(list(dataset.store.list("datasets/"))) == there
        assert dataset.warehouse.rows("select * from ops.archive_entries") == []
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": PRODUCTS, "known": 0}
    stored = {key: body for key, body in dataset.objects().items() if key.startswith("datasets/")}
    assert stored == {f"datasets/{DATASET}/{name}": body for name, body in originals.items()}
    for point in ("derive.put.after:5", "derive.enter.before:1"):
        killed(dataset, run, "Derive", point)
        assert dataset.warehouse.rows("select * from ops.derivatives") == []
    put = {key: body for key, body in dataset.objects().items() if key.startswith("derivatives/")}
    assert len(put) == PRODUCTS - 1, "all but the unreadable one"
    told = derive.derive(dataset.settings, run.key, "kaggle", dataset.store, Silent())
    assert (told["made"], told["failed"]) == (PRODUCTS - 1, 1)
    assert {key: body for key, body in dataset.objects().items() if key.startswith("derivatives/")} == put
    made = dataset.warehouse.rows("select object_key, sha256 from ops.derivatives where status = 'made'")
    assert dict(made) == {key: sha256(body) for key, body in put.items()}
