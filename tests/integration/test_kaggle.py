"""A dataset from the zip to the marts: counts that were not made for the parser, resumed, overlapped, taken down."""

from __future__ import annotations

import datetime
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from luigi_tasks.domain.damage import Part
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import (
    derivative_ledger,
    parquet,
    postgres,
    run_ledger,
)
from luigi_tasks.steps import archive, contact_sheet, derive, gallery, model, run_report, takedown, takedown_pages
from luigi_tasks.steps.fsck import fsck
from tests.conftest import Warehouse
from tests.integration import gallery_fixtures
from tests.integration.kaggle_fixtures import DATASET, PRODUCTS, Dataset, changed, pictures, sha256
from tests.integration.kaggle_told import assert_facts_forget, assert_reported, assert_told
from tests.integration.report_fixtures import Page
from twin import kaggle as site


@pytest.fixture
def dataset(warehouse: Warehouse) -> Dataset:
    return Dataset(warehouse, site.archive(PRODUCTS))


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
    audit = (
        "select seen, inserted, quarantined, uploaded, bytes, failures, failures_by_reason"
        " from draenei_content.run_audit where run_key = %s"
    )
    size = sum(len(body) for body in originals.values())
    counts = (2 * PRODUCTS - 2, 2 * PRODUCTS - 2, 2, PRODUCTS, size, 1, {"unreadable": 1})
    assert rows(audit, run.key) == [counts]
    assert_told(dataset, run, told)

    (facts,) = told["facts"]["files"]
    read = {row["picture_id"]: row for row in parquet.read(dataset.store.get(facts))}
    assert len(read) == PRODUCTS
    assert read[f"{DATASET}/images/{product(site.UNREADABLE)}.jpg"]["status"] == "unreadable"
    (styles,) = (head.key for head in dataset.store.list("clean/kaggle/styles/"))
    lines = parquet.read(dataset.store.get(styles))
    assert {type(line["id"]) for line in lines} == {int}
    assert [line["year"] for line in lines].count(None) == 1, "the cell that is empty, not the one that is bad"
    _its_pictures_are_shown(dataset, run)


def _its_pictures_are_shown(dataset: Dataset, run: Run) -> None:
    settings, store = dataset.settings, dataset.store
    drawn = contact_sheet.draw(settings, run.key, store)
    assert drawn["drawn"] == PRODUCTS - 1, "what does not decode is left out"
    assert Path(str(drawn["contact_sheet"])).is_file()
    assert gallery.refresh(settings, store)["gallery_pictures"] == PRODUCTS - 1
    assert gallery.refresh(settings, store) == {}
    folder = gallery.home(settings)
    shown = gallery_fixtures.rows(folder)
    select = "select id, display_name, season, master_category from draenei_content.kaggle_products"
    products = {number: told for number, *told in dataset.warehouse.rows(select)}
    for name, row in shown.items():
        assert (row["source"], row["purity"], row["width"] > 0) == ("kaggle", "sfw", True)
        assert (folder / "../objects" / row["small"]).read_bytes()[8:12] == b"WEBP"
        assert row["colors"]
        assert all(int(colour[at : at + 2], 16) % 0x33 == 0 for colour in row["colors"] for at in (1, 3, 5))
        assert name.startswith(f"{DATASET}/images/")
        title, season, category = products.get(int(Path(name).stem), (None, None, None))
        assert (row["title"], row["category"]) == (title, category)
        assert season is None or season in row["tags"]
    (about,) = gallery_fixtures.said(folder, "index")
    assert about["queries"] == [{"key": f"kaggle/{DATASET}", "text": DATASET, "pictures": PRODUCTS - 1}]
    with postgres.transaction(settings) as cursor:
        run_ledger.complete_step(cursor, run.key, "Report", datetime.datetime.now(datetime.UTC), drawn)
    path = run_report.write(settings, run.key)
    page = Page(path)
    page.assert_stands_alone()
    assert 'src="data:image/webp;base64,' in page.text
    assert_reported(page)
    gone, row = next(iter(shown.items()))
    plan = takedown.plan(settings, store, _sha256(folder, gone))
    takedown.take_down(settings, store, plan, "asked for")
    written = takedown_pages.redraw(settings, store, plan.about)
    assert written[:2] == [drawn["contact_sheet"], str(path)], "the run's sheet and report without it"
    left = PRODUCTS - 1 - sum(one["small"] == row["small"] for one in shown.values())
    assert len(gallery_fixtures.rows(folder)) == left < PRODUCTS - 1


def _sha256(folder: Path, picture_id: str) -> str:
    facts = {name: fact for part in gallery_fixtures.said(folder, "detail") for name, fact in part.items()}
    return str(facts[picture_id]["sha256"])


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


def test_what_was_given_up_is_tried_again_when_asked(dataset: Dataset) -> None:
    own = dataset.settings = dataset.warehouse.settings(kaggle_derivatives="greyscale", upload_max_attempts=1)
    run = dataset.run()
    dataset.fetch(run)
    dataset.keep(run)
    later = (dataset.run().key for _ in range(3))
    assert derive.derive(own, run.key, "kaggle", dataset.store, Silent())["failed"] == 1
    assert derive.derive(own, next(later), "kaggle", dataset.store, Silent())["pictures"] == 0, "given up"
    with postgres.transaction(own) as cursor:
        assert derivative_ledger.reopen(cursor) == 1
    again = derive.derive(own, next(later), "kaggle", dataset.store, Silent())
    assert (again["pictures"], again["failed"]) == (1, 1)
    assert derive.derive(own, next(later), "kaggle", dataset.store, Silent())["pictures"] == 0


COUNTING = "select sha256 from ops.archive_entries where name = %s and outcome = 'stored' and lost_at is null"
EARLIER = "select sha256 from ops.archive_versions where name = %s"


def test_a_changed_file_is_a_new_object_and_the_ledger_says_which_counts(dataset: Dataset) -> None:
    run, rows = dataset.run(), dataset.warehouse.rows
    dataset.fetch(run)
    dataset.keep(run)
    before, name = dataset.objects(), f"images/{site.FIRST_ID}.jpg"
    key, first, second = f"datasets/{DATASET}/{name}", sha256(pictures(dataset.path.read_bytes())[name]), sha256(b"2nd")
    original = dataset.path.read_bytes()
    newer = changed(original, **{name: b"2nd", "images/new.jpg": b"new"})

    def collect(body: bytes) -> dict[str, object]:
        dataset.path.write_bytes(body)
        later = dataset.run()
        dataset.fetch(later)
        return dataset.keep(later)

    assert collect(newer) == {"files": PRODUCTS + 1, "stored": 2, "known": PRODUCTS - 1}
    assert (rows(COUNTING, name), rows(EARLIER, name)) == ([(second,)], [(first,)])
    assert dataset.store.get(key) == before[key]
    assert dataset.store.get(archive.key_of_version(key, second)) == b"2nd"
    assert rows("select object_key from ops.pictures where picture_id = %s", f"{DATASET}/{name}") == [
        (archive.key_of_version(key, second),)
    ]
    assert collect(newer) == {"files": PRODUCTS + 1, "stored": 0, "known": PRODUCTS + 1}
    assert collect(original)["stored"] == 1
    assert (rows(COUNTING, name), rows(EARLIER, name)) == ([(first,)], [(second,)])
    assert collect(newer)["stored"] == 1
    assert (rows(COUNTING, name), rows(EARLIER, name)) == ([(second,)], [(first,)])
    assert {key: dataset.objects()[key] for key in before} == before
    assert len(list(dataset.store.list("datasets/"))) == PRODUCTS + 2
    rows("update ops.runs set state = 'succeeded', finished_at = now()")
    checked = fsck(dataset.settings, dataset.store, Part(), deep=True, progress=Silent())
    assert (checked.findings, checked.files, checked.unfinished) == ([], PRODUCTS + 2, 0)
    plan = takedown.plan(dataset.settings, dataset.store, first)
    takedown.take_down(dataset.settings, dataset.store, plan, "asked")
    assert dataset.store.head(key) is None, "an earlier version is taken down too"
    assert rows(EARLIER + " and lost_at is null", name) == []
    assert fsck(dataset.settings, dataset.store, Part(), deep=True, progress=Silent()).findings == []


def test_a_stranger_under_both_keys_is_a_conflict_until_he_is_gone(dataset: Dataset) -> None:
    run = dataset.run()
    dataset.fetch(run)
    name, body = sorted(pictures(dataset.path.read_bytes()).items())[0]
    for key in (place := f"datasets/{DATASET}/{name}", archive.key_of_version(place, sha256(body))):
        dataset.store.put_if_absent(key, b"x", content_type="", sha256=sha256(b"x"), metadata={})
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": PRODUCTS - 1, "known": 0, "conflict": 1}
    dataset.store.remove(place)
    assert dataset.keep(run) == {"files": PRODUCTS, "stored": 1, "known": PRODUCTS - 1}


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
    assert_facts_forget(dataset, run, plan, digest)
    again = dataset.run()
    dataset.fetch(again)
    assert dataset.keep(again) == {"files": PRODUCTS, "stored": 0, "known": PRODUCTS - 1, "refused": 1}
    assert derive.derive(dataset.settings, again.key, "kaggle", dataset.store, Silent())["made"] == 0
    assert Path(dataset.store.root, "datasets").exists()
    assert run.key != again.key
