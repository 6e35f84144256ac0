"""A dataset from the zip to the marts: counts that were not made for the parser, resumed, overlapped, taken down."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.errors import SourceError, StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import parquet, postgres, run_ledger
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import Put
from luigi_tasks.steps import archive, clean, derive, load, model, takedown
from tests.conftest import Warehouse
from twin import kaggle as site

DATASET = "owner/name"
PRODUCTS = 50
MADE_WITH = run_ledger.Circumstances("test", "0" * 64, "http://127.0.0.1/kaggle")


class Dataset:
    """One dataset collected again and again; each run() is a minute later."""

    def __init__(self, warehouse: Warehouse, body: bytes) -> None:
        self.warehouse = warehouse
        self.settings = warehouse.settings(kaggle_derivatives="greyscale")
        self.store = FolderStore(warehouse.home / "objects")
        self.path = warehouse.home / "archive.zip"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(body)
        self._minute = 0

    def run(self) -> Run:
        """A new run."""
        run = Run(Query.of("kaggle", DATASET, {}), f"2026-11-21T07:{self._minute:02}")
        self._minute += 1
        with postgres.transaction(self.settings) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        return run

    def fetch(self, run: Run) -> dict[str, object]:
        """Open the archive."""
        return archive.fetch_archive(self.settings, run, str(self.path), self.store, Silent())

    def keep(self, run: Run, store: Any = None) -> dict[str, object]:
        """Store the folder."""
        return archive.store_folder(self.settings, run, "images", store or self.store, Silent())

    def collect(self) -> tuple[Run, dict[str, Any]]:
        """A whole run up to the models."""
        run, told = self.run(), {}
        told["fetch"] = self.fetch(run)
        told["load"] = load.load_entities(self.settings, run.key, "kaggle", ("styles", "images"), self.store, Silent())
        told["clean"] = clean.clean(self.settings, run.key, "kaggle", self.store, Silent())
        told["keep"] = self.keep(run)
        told["derive"] = derive.derive(self.settings, "kaggle", self.store, Silent())
        told["facts"] = archive.clean_pictures(self.settings, run, self.store)
        return run, told

    def objects(self) -> dict[str, bytes]:
        """Everything in the lake."""
        return {head.key: self.store.get(head.key) for head in self.store.list("")}


@pytest.fixture
def dataset(warehouse: Warehouse) -> Iterator[Dataset]:
    return Dataset(warehouse, site.archive(PRODUCTS))


def pictures(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return {name: packed.read(name) for name in packed.namelist() if name.startswith("images/")}


def changed(body: bytes, **other: bytes | None) -> bytes:
    """The zip with other files; None leaves one out."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            if name not in other:
                new.writestr(name, old.read(name))
        for name, content in other.items():
            if content is not None:
                new.writestr(name, content)
    return file.getvalue()


def test_from_the_zip_to_the_marts(dataset: Dataset) -> None:
    dataset.settings = dataset.warehouse.settings()
    run, told = dataset.collect()
    model.build(dataset.settings, run.key, "Model", Silent(), model.selection("kaggle"))
    rows, originals = dataset.warehouse.rows, pictures(site.archive(PRODUCTS))
    assert len(originals) == PRODUCTS
    assert {key: told["load"][key] for key in ("received", "loaded", "quarantined")} == {
        "received": 2 * PRODUCTS,
        "loaded": 2 * PRODUCTS - 2,
        "quarantined": 2,
    }
    stored = {key: body for key, body in dataset.objects().items() if key.startswith("datasets/")}
    assert stored == {f"datasets/{DATASET}/{name}": body for name, body in originals.items()}
    assert (told["derive"]["measured"], told["derive"]["unreadable"]) == (PRODUCTS - 1, 1)
    assert (told["derive"]["made"], told["derive"]["failed"]) == (4 * (PRODUCTS - 1), 4)

    def product(number: int) -> int:
        return site.FIRST_ID + 7 * number

    name = "select display_name from draenei_content.kaggle_products where id = %s"
    assert rows(name, product(site.COMMAS))[0][0].endswith(", pack of 2, gift box")
    assert rows(name, product(site.BAD_YEAR)) == [], "quarantined, not half there"
    picture = (
        "select status, format, mode, exif <> '{}', width from draenei_content.kaggle_images where product_id = %s"
    )
    assert rows(picture, product(site.UNREADABLE)) == [("unreadable", None, None, None, None)]
    assert rows(picture, product(site.PNG))[0][:4] == ("measured", "PNG", "RGB", False)
    assert rows(picture, product(site.CMYK))[0][:4] == ("measured", "JPEG", "CMYK", False)
    assert rows(picture, product(site.GREY))[0][:4] == ("measured", "JPEG", "L", False)
    assert rows(picture, product(site.WITH_EXIF))[0][:4] == ("measured", "JPEG", "RGB", True)
    joined = "select has_product, has_picture, count(*) from draenei_content.kaggle_product_images group by 1, 2"
    assert sorted(rows(joined)) == [(False, True, 3), (True, False, 1), (True, True, PRODUCTS - 3)]
    counted = "select dimension, sum({}) from draenei_content.{} group by 1"
    by_product = dict(rows(counted.format("products", "kaggle_product_counts")))
    assert set(by_product.values()) == {PRODUCTS - 2}
    assert {"gender", "master_category", "base_colour", "season", "season_year"} <= by_product.keys()
    by_picture = dict(rows(counted.format("pictures", "kaggle_picture_counts")))
    assert by_picture == dict.fromkeys(("size", "shape", "mode", "brightness"), PRODUCTS - 1)
    audit = "select seen, inserted, quarantined from draenei_content.run_audit where run_key = %s"
    assert rows(audit, run.key) == [(2 * PRODUCTS - 2, 2 * PRODUCTS - 2, 2)]

    (facts,) = told["facts"]["files"]
    read = {row["picture_id"]: row for row in parquet.read(dataset.store.get(facts))}
    assert len(read) == PRODUCTS
    assert read[f"{DATASET}/images/{product(site.UNREADABLE)}.jpg"]["status"] == "unreadable"
    (styles,) = (head.key for head in dataset.store.list("clean/kaggle/styles/"))
    lines = parquet.read(dataset.store.get(styles))
    assert {type(line["id"]) for line in lines} == {int}
    assert [line["year"] for line in lines].count(None) == 1, "the cell that is empty, not the one that is bad"


def test_the_same_archive_again_changes_nothing_and_reads_nothing(dataset: Dataset) -> None:
    dataset.collect()
    before, entries = dataset.objects(), dataset.warehouse.rows("select * from ops.archive_entries order by name")
    _, told = dataset.collect()
    assert told["keep"] == {"files": PRODUCTS, "stored": 0, "known": PRODUCTS}
    assert (told["load"]["loaded"], told["derive"]["made"]) == (0, 0)
    assert dataset.warehouse.rows("select * from ops.archive_entries order by name") == entries
    new = {key: body for key, body in dataset.objects().items() if key not in before}
    assert all(key.startswith("raw/") for key in new)
    assert {key: dataset.objects()[key] for key in before} == before


class Dying(FolderStore):
    """The store of a process that is killed after some puts."""

    left = 7

    def put_if_absent(self, *arguments: Any, **facts: Any) -> Put:
        self.left -= 1
        if self.left < 0:
            raise StoreError("killed", where="", mend="")
        return super().put_if_absent(*arguments, **facts)


def test_a_killed_upload_goes_on(dataset: Dataset) -> None:
    run = dataset.run()
    dataset.fetch(run)
    with pytest.raises(StoreError, match="killed"):
        dataset.keep(run, Dying(dataset.store.root))
    assert len(list(dataset.store.list("datasets/"))) == 7
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": PRODUCTS, "known": 0}
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": 0, "known": PRODUCTS}
    assert len(list(dataset.store.list("datasets/"))) == PRODUCTS


def test_a_newer_version_adds_and_overwrites_nothing(dataset: Dataset) -> None:
    run = dataset.run()
    dataset.fetch(run)
    dataset.keep(run)
    before = dataset.objects()
    name = f"images/{site.FIRST_ID}.jpg"
    body = changed(site.archive(PRODUCTS), **{name: b"another picture", "images/new.jpg": b"new"})
    dataset.path.write_bytes(body)
    later = dataset.run()
    dataset.fetch(later)
    assert dataset.keep(later) == {"files": PRODUCTS + 1, "stored": 1, "known": PRODUCTS - 1, "conflict": 1}
    assert dataset.store.get(f"datasets/{DATASET}/{name}") == before[f"datasets/{DATASET}/{name}"]
    assert dataset.store.get(f"datasets/{DATASET}/images/new.jpg") == b"new"


def test_bad_files_are_outcomes_and_nothing_leads_out(dataset: Dataset) -> None:
    bad = {"images/../../evil.jpg": b"evil", "images/bomb.jpg": bytes(3 << 20), "images\\x.jpg": b"x"}
    packed = io.BytesIO(changed(site.archive(PRODUCTS), **{"images/good.jpg": b"good"}))
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as file:
        for name, body in bad.items():
            file.writestr(name, body)
    dataset.path.write_bytes(packed.getvalue())
    run = dataset.run()
    dataset.fetch(run)
    told = dataset.keep(run)
    assert told["stored"] == PRODUCTS + 1
    assert told["refused"] == 2
    reasons = dict(dataset.warehouse.rows("select name, reason from ops.archive_entries where outcome = 'refused'"))
    assert reasons.keys() == {"images/../../evil.jpg", "images/bomb.jpg"}
    assert not list(dataset.warehouse.home.rglob("evil.jpg"))


def test_without_tables_or_without_the_archive_the_way_is_said(dataset: Dataset) -> None:
    run = dataset.run()
    dataset.fetch(run)
    dataset.path.rename(dataset.path.with_name("moved.zip"))
    with pytest.raises(SourceError, match="not there any more"):
        dataset.keep(run)
    dataset.path.write_bytes(changed(site.archive(PRODUCTS), **{"styles.csv": None}))
    with pytest.raises(SourceError, match=r"no styles\.csv"):
        dataset.fetch(dataset.run())


def test_a_takedown_by_hash_removes_the_file_and_all_that_is_made_of_it(dataset: Dataset) -> None:
    run, _ = dataset.collect()
    name, body = sorted(pictures(site.archive(PRODUCTS)).items())[1]
    digest = hashlib.sha256(body).hexdigest()
    plan = takedown.plan(dataset.settings, dataset.store, digest)
    assert f"datasets/{DATASET}/{name}" in plan.keys
    assert len(plan.keys) == 2
    takedown.take_down(dataset.settings, dataset.store, plan, "asked")
    assert dataset.store.head(f"datasets/{DATASET}/{name}") is None
    again = dataset.run()
    dataset.fetch(again)
    assert dataset.keep(again) == {"files": PRODUCTS, "stored": 0, "known": PRODUCTS - 1, "refused": 1}
    assert derive.derive(dataset.settings, "kaggle", dataset.store, Silent())["made"] == 0
    assert Path(dataset.store.root, "datasets").exists()
    assert run.key != again.key
