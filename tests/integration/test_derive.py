"""Derive on a real warehouse: all once, resumed after a kill, one parameter at a time, hostile pictures as rows."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import derivative_ledger, postgres
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import Put
from luigi_tasks.steps import takedown
from luigi_tasks.steps.derive import derive
from luigi_tasks.steps.recipes import recipes
from luigi_tasks.steps.rendering import render
from tests.conftest import Warehouse
from tests.hostile.images.jpegs import deep_scans
from tests.image_server import serving
from tests.integration.dying_store import Dying
from tests.integration.fsck_fixtures import IDS, Collection
from tests.integration.publish_fixtures import Publishing
from tests.pictures import encoded, picture

MADE = "select source_sha256, operation, status, reason, object_key, sha256, bytes from ops.derivatives order by 5"
FACTS = "select sha256, status, reason, format, width, height, exif, dhash from ops.image_metadata order by 1"


@pytest.fixture
def collection(warehouse: Warehouse) -> Iterator[Collection]:
    with serving() as server:
        yield Collection(Publishing(warehouse, server))


def derived(c: Collection, **different: object) -> dict[str, Any]:
    """As a run of its own."""
    return derive(c.settings(**different), uuid.uuid4().hex, "wallhaven", c.store, Silent())


def hashes(c: Collection) -> list[str]:
    return sorted(hashlib.sha256(c.body(number)).hexdigest() for number in range(3))


def test_every_picture_once_and_the_second_time_nothing(collection: Collection) -> None:
    before = collection.bytes_by_key()
    totals = derived(collection)
    assert (totals["pictures"], totals["measured"], totals["made"], totals["failed"]) == (3, 3, 6, 0)
    after = collection.bytes_by_key()
    assert {key: after[key] for key in before} == before, "originals untouched"
    rows = collection.warehouse.rows(MADE)
    wanted = {recipe.key(sha256) for sha256 in hashes(collection) for recipe in recipes(collection.settings(), "x")}
    assert {row[4] for row in rows} == wanted == after.keys() - before.keys()
    for *_, key, sha256, size in rows:
        assert (hashlib.sha256(after[key]).hexdigest(), len(after[key])) == (sha256, size)
    facts = collection.warehouse.rows(FACTS)
    assert [row[0] for row in facts] == hashes(collection)
    assert [(row[1], row[4], row[5], row[6]) for row in facts] == [("measured", 64, 40, {})] * 3
    assert derived(collection)["pictures"] == 0
    assert collection.bytes_by_key() == after
    assert collection.found() == []


def test_one_parameter_rebuilds_its_dependants_alone(collection: Collection) -> None:
    all_three = {"derivatives": "thumbnail,standard,greyscale"}
    derived(collection, **all_three)
    before = {row[4]: row[5] for row in collection.warehouse.rows(MADE)}
    assert len(before) == 12
    totals = derived(collection, **all_three, standard_quality=50)
    assert (totals["made"], totals["measured"]) == (3, 0)
    after = {row[4]: row[5] for row in collection.warehouse.rows(MADE)}
    assert {key: after[key] for key in before} == before
    assert {key.split("/")[1] for key in after.keys() - before.keys()} == {"standard"}
    assert derived(collection, **all_three)["pictures"] == 0, "the earlier parameters are there still"


def test_what_a_killed_run_put_is_taken_up(collection: Collection) -> None:
    dying = Dying(collection.publishing.folder, left=3)
    with pytest.raises(StoreError, match="killed"):
        derive(collection.settings(), collection.run_key, "wallhaven", dying, Silent())
    put = {head.key for head in collection.store.list("derivatives/")}
    assert len(put) == 3
    assert collection.warehouse.rows(MADE) == []
    assert collection.found() == [], "unfinished is no damage"
    assert derived(collection)["made"] == 6
    assert len(list(collection.store.list("derivatives/"))) == 6
    assert collection.found() == []


def test_other_bytes_under_the_key_are_never_overwritten(collection: Collection) -> None:
    sha256 = hashes(collection)[0]
    key = recipes(collection.settings(), "x")[0].key(sha256)
    collection.write(key, b"a stranger's")
    totals = derived(collection)
    assert (totals["made"], totals["failed"]) == (5, 1)
    assert totals["reasons"] == {"other bytes are under the key": 1}
    assert collection.store.get(key) == b"a stranger's"


def test_hostile_and_missing_pictures_are_rows_and_the_rest_goes_on(collection: Collection) -> None:
    bodies = {"deep": deep_scans(30_000), "cut": picture("JPEG", (800, 600))[:3000], "text": b"no picture"}
    for name, body in bodies.items():
        key = f"wallpapers/{name}.jpg"
        collection.write(key, body)
        collection.warehouse.rows(
            "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at)"
            " select run_key, %s, 1, 'stored', %s, %s, %s, now() from ops.runs",
            *(name, key, hashlib.sha256(body).hexdigest(), len(body)),
        )
    collection.store.remove(f"wallpapers/{IDS[0]}.jpg")
    totals = derived(collection, image_decode_seconds=1, upload_max_attempts=2)
    assert (totals["pictures"], totals["measured"], totals["unreadable"]) == (6, 2, 4)
    reasons = {sha256: reason for sha256, status, reason, *_ in collection.warehouse.rows(FACTS) if reason}
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
    assert {name: reasons[digest] for name, digest in digests.items()} == {
        "deep": "does not decode: over IMAGE_DECODE_SECONDS",
        "cut": "does not decode: OSError",
        "text": "neither JPEG nor PNG",
    }
    assert reasons[hashlib.sha256(collection.body(0)).hexdigest()] == "there is no object"
    assert derived(collection, image_decode_seconds=1, upload_max_attempts=2)["pictures"] == 4, "once more"
    assert derived(collection, image_decode_seconds=1, upload_max_attempts=2)["pictures"] == 0, "and then no more"


def test_a_run_tries_a_picture_once_and_tells_of_all_that_it_did(collection: Collection) -> None:
    """However often it derives, as it does in rounds: what failed is another run's to try, or retry's."""
    run_key, key = collection.run_key, f"wallpapers/{IDS[0]}.jpg"
    body = collection.store.get(key)
    collection.store.remove(key)

    def again(run_key: str) -> dict[str, Any]:
        return derive(collection.settings(), run_key, "wallhaven", collection.store, Silent())

    told = again(run_key)
    counted = {"pictures": 3, "measured": 2, "unreadable": 1, "made": 4, "failed": 2}
    assert {name: told[name] for name in counted} == counted
    assert told["reasons"] == {"there is no object": 1}
    assert told["bytes"] == sum(row[6] or 0 for row in collection.warehouse.rows(MADE))
    collection.write(key, body, "image/jpeg")
    assert again(run_key) == told
    with postgres.transaction(collection.settings()) as cursor:
        assert derivative_ledger.reopen(cursor) == 1
    assert again(run_key)["made"] == 6
    collection.store.remove(key)
    collection.warehouse.rows("delete from ops.image_metadata where format = 'JPEG'")
    assert again("another")["unreadable"] == 1
    assert (again(run_key)["pictures"], again("another")["pictures"]) == (3, 1)
    collection.write(key, body, "image/jpeg")
    assert again("a third")["measured"] == 1, "a later run tries it"


def test_enough_is_after_the_picture_in_hand_and_the_rest_comes_later(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = threading.Event()

    class Ending(FolderStore):
        def put_if_absent(self, *arguments: Any, **facts: Any) -> Put:
            enough.set()
            return super().put_if_absent(*arguments, **facts)

    store = Ending(collection.publishing.folder)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    early = derive(collection.settings(), collection.run_key, "wallhaven", store, Silent(), enough=enough)
    assert (early["pictures"], early["measured"], early["made"]) == (1, 1, 2)
    assert collection.warehouse.rows("select * from ops.derive_passes") == [], "not all were looked at"
    told = derive(collection.settings(), collection.run_key, "wallhaven", store, Silent())
    assert (told["pictures"], told["measured"], told["made"]) == (3, 3, 6)


def test_takedown_takes_derivatives_and_facts_along(collection: Collection) -> None:
    derived(collection)
    gone = hashlib.sha256(collection.body(1)).hexdigest()
    plan = takedown.plan(collection.settings(), collection.store, IDS[1])
    assert sum(gone in key for key in plan.keys) == 2
    takedown.take_down(collection.settings(), collection.store, plan, "asked")
    assert {key.partition("/")[0] for key in collection.bytes_by_key() if gone in key} <= {"takedowns"}
    assert gone not in {row[0] for row in collection.warehouse.rows(MADE) + collection.warehouse.rows(FACTS)}
    assert derived(collection)["pictures"] == 0
    assert collection.found() == []


def test_the_child_makes_what_the_function_says(collection: Collection) -> None:
    derived(collection)
    for recipe in recipes(collection.settings(), "wallhaven"):
        for number in range(3):
            body = collection.body(number)
            key = recipe.key(hashlib.sha256(body).hexdigest())
            assert collection.store.get(key) == render(body, recipe.rendering)


def test_a_picture_of_twelve_megapixels_fits_into_its_child(collection: Collection) -> None:
    with Image.new("CMYK", (4000, 3000), (9, 99, 199, 20)) as image:
        body = encoded(image, "JPEG", progressive=True)
    collection.publishing.offer("large0", body)
    collection.collect("2026-11-21T08:00")
    collection.describe("large0")
    totals = derived(collection, derivatives="thumbnail,greyscale")
    assert (totals["made"], totals["reasons"]) == (12, {})
