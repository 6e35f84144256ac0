"""Every class of damage, planted for real: found by its own name and alone, repaired, and gone the second time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.damage import Damage, Part
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import pipeline_lock
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ObjectHead, StoreUnavailable
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.steps.repair import Repairer, refuse_mass_repair
from tests.conftest import Warehouse
from tests.contracts.store_fixtures import Bucket, bucket  # noqa: F401
from tests.image_server import serving
from tests.integration.fsck_fixtures import IDS, KEYS, MOMENT, WHOLE, Collection
from tests.integration.fsck_plants import (
    DEEP,
    ON_S3,
    PLANTS,
    Plant,
    clean_file,
    plant_unknown_wallpaper,
    plant_wrong_bytes,
    plant_wrong_clean,
)
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture

ASIDE = "aside/20261121T120000Z/"
OTHER_RUN = "wallhaven/other-00000000/2026-11-20T07:00"


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server:
        yield Publishing(warehouse, server)


@pytest.fixture
def collection(publishing: Publishing) -> Collection:
    return Collection(publishing)


def test_every_damage_has_a_plant() -> None:
    assert {damage for damage, _ in PLANTS.values()} | {Damage.UNREADABLE_OBJECT} == set(Damage)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__[6:])
def test_it_is_found_by_its_name_alone_and_repaired(collection: Collection, plant: Plant) -> None:
    found_and_repaired(collection, plant)


@pytest.mark.parametrize("plant", ON_S3, ids=lambda plant: plant.__name__[6:])
def test_it_is_so_in_a_bucket_too(publishing: Publishing, bucket: Bucket, plant: Plant) -> None:  # noqa: F811
    found_and_repaired(in_bucket(publishing, bucket), plant)


def in_bucket(publishing: Publishing, bucket: Bucket) -> Collection:  # noqa: F811
    names = {"bucket_name", "s3_endpoint_url", "s3_force_path_style"}
    names |= {"aws_access_key_id", "aws_secret_access_key", "aws_default_region"}
    return Collection(publishing, bucket.settings.model_dump(include=names))


def found_and_repaired(c: Collection, plant: Plant) -> None:
    damage, action = PLANTS[plant]
    assert c.found() == [], "a sound collection"
    key = plant(c)
    before = c.bytes_by_key()
    assert c.found(deep=False) == ([] if damage in DEEP or plant is plant_wrong_clean else [(damage, key)])
    assert c.found() == [(damage, key)]
    (repair,) = c.repair()
    assert (repair.damage, repair.key, repair.action) == (damage, key, action)
    after = c.bytes_by_key()
    assert sorted(set(before.values()) - set(after.values())) == [], "no bytes are lost"
    if action == "left":
        assert c.found() == [(damage, key)]
        return
    assert c.found() == [], "the second time"
    if action == "reopened":
        c.show_again()
        run_key = c.collect("2026-11-21T08:00")
        assert list(c.publishing.outcomes(run_key).values()) == ["stored"]
        if plant is plant_unknown_wallpaper:
            return  # what describes it comes with a Load
        assert c.found() == []
        stored = c.warehouse.rows("select wallhaven_id from ops.uploads where outcome = 'stored' and lost_at is null")
        assert sorted(stored) == [(name,) for name in IDS]
    if action in ("reopened", "restored"):
        assert [c.store.get(f"wallpapers/{key.split('/')[1]}") for key in KEYS] == [c.body(n) for n in range(3)]


def test_an_object_that_cannot_be_read_is_damage_and_a_store_that_is_down_is_not(
    publishing: Publishing,
    bucket: Bucket,  # noqa: F811
) -> None:
    collection, statuses = in_bucket(publishing, bucket), iter(["403 Forbidden"])

    def refusing(environ: dict[str, Any], start_response: Any) -> object:
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith(KEYS[1]):
            start_response(next(statuses, "503 Slow Down"), [("Content-Length", "0")])
            return [b""]
        return bucket.app.app(environ, start_response)

    bucket.app.answer = refusing
    assert collection.found() == [(Damage.UNREADABLE_OBJECT, KEYS[1])]
    with pytest.raises(StoreUnavailable):
        collection.check()
    bucket.app.answer = None
    assert collection.found() == []


def test_damage_is_restored_from_the_same_bytes_elsewhere(collection: Collection) -> None:
    collection.publishing.offer("twin00", collection.body(1))
    collection.collect("2026-11-21T07:30")
    collection.write("wallpapers/aaaaa1.png", b"x" * len(collection.body(1)))
    collection.describe("twin00")
    (repair,) = collection.repair()
    assert (repair.action, repair.detail.split(";")[0]) == ("restored", "from wallpapers/twin00.png")
    assert collection.store.get(KEYS[1]) == collection.body(1)
    assert collection.store.get(ASIDE + KEYS[1]) == b"x" * len(collection.body(1))
    assert collection.found() == []
    assert collection.warehouse.rows("select count(*) from ops.uploads where lost_at is not null") == [(0,)]


def test_a_repair_that_was_killed_after_moving_is_taken_up_by_the_next(collection: Collection) -> None:
    collection.write(KEYS[1], collection.body(1), content_type="text/plain")
    collection.warehouse.rows(
        "insert into ops.repairs (damage, object_key, action, aside_key) values ('wrong_content_type', %s, 'restored',"
        " 'aside/1/copy.png')",
        KEYS[1],
    )
    collection.write("aside/1/copy.png", collection.body(1))
    collection.store.remove(KEYS[1])
    assert [repair.action for repair in collection.repair()] == ["restored"]
    assert collection.store.get(KEYS[1]) == collection.body(1)
    assert collection.found() == []


def test_what_a_killed_run_left_is_unfinished_and_no_damage(collection: Collection) -> None:
    body = picture("PNG", seed=9)
    key, packed, _ = collection.packed("page-00001", OTHER_RUN, IDS)
    collection.warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address) values (%s, 'wallhaven', 'wallhaven/other-00000000', '', '{}',"
        " '2026-11-20T07:00', 'killed', '', '', '')",
        OTHER_RUN,
    )
    object_key = "wallpapers/zzzzz9.png"
    collection.warehouse.rows(
        "insert into ops.upload_intents (wallhaven_id, run_key, s3_key, sha256) values ('zzzzz9', %s, %s, %s)",
        OTHER_RUN,
        object_key,
        hashlib.sha256(body).hexdigest(),
    )
    collection.write(object_key, body)
    collection.write(key, packed)
    collection.write(key.replace(".gz", ".refused-070000000001.gz"), packed)
    checked = collection.check()
    assert (checked.findings, checked.unfinished) == ([], 2)
    collection.write(object_key, b"not what was intended")
    assert collection.found() == [(Damage.OBJECT_WITHOUT_ROW, object_key)]


def test_an_earlier_version_in_the_clean_zone_and_one_that_is_not_entered_yet_are_no_damage(
    collection: Collection,
) -> None:
    key = clean_file(collection)
    collection.write(f"{key.rpartition('-')[0]}-{'0' * 16}.parquet", b"of an earlier schema")
    assert (collection.check().findings, collection.check().unfinished) == ([], 0)
    collection.warehouse.rows("delete from ops.clean_files")
    assert (collection.check().findings, collection.check().unfinished) == ([], 2)


def test_a_clean_file_whose_response_cannot_be_read_is_left_and_comes_back_with_it(collection: Collection) -> None:
    key = clean_file(collection)
    ((raw,),) = collection.warehouse.rows("select object_key from ops.pages where source = 'jsonplaceholder'")
    packed, made = collection.store.get(raw), collection.store.get(key)
    collection.write(raw, packed[:-9], "application/gzip")
    collection.store.remove(key)
    checked = collection.check()
    checked.findings[:] = [finding for finding in checked.findings if finding.key == key]
    (repair,) = Repairer(collection.settings(), collection.store, MOMENT).repair(checked, Silent())
    assert (repair.action, collection.warehouse.rows("select object_key from ops.clean_files")) == ("left", [(key,)])
    collection.write(raw, packed, "application/gzip")
    assert [repair.action for repair in collection.repair()] == ["mended"]
    assert collection.store.get(key) == made


class Racing(FolderStore):
    """A folder in which a run goes on while it is listed: whatever it does comes after the listing."""

    def __init__(self, root: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(root)
        self.meanwhile = meanwhile

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        yield from [*super().list(prefix)]
        self.meanwhile()


def test_a_run_at_work_is_no_damage(collection: Collection) -> None:
    collection.publishing.offer("later0", picture(seed=5))
    collection.describe("later0")
    root = collection.publishing.store.root
    racing = Racing(root, lambda: collection.collect("2026-11-21T08:00"))
    checked = fsck(collection.settings(), racing, WHOLE, deep=True, progress=Silent())
    assert collection.store.head("wallpapers/later0.jpg") is not None
    assert (checked.rows, checked.findings) == (4, [])


def test_what_was_in_the_way_of_an_upload_is_moved_aside_and_the_upload_goes_on(collection: Collection) -> None:
    collection.write("wallpapers/later0.jpg", b"other bytes")
    collection.publishing.offer("later0", picture(seed=5))
    run_key = collection.collect("2026-11-21T08:00")
    assert collection.publishing.outcomes(run_key) == {"later0": "conflict"}
    assert [(repair.damage, repair.action) for repair in collection.repair()] == [("object_without_row", "moved aside")]
    assert collection.warehouse.rows(
        "select outcome, reopened_at is null from ops.uploads where outcome = 'conflict'"
    ) == [("conflict", False)]
    assert collection.store.get(f"{ASIDE}wallpapers/later0.jpg") == b"other bytes"


def test_the_parts_are_disjoint_and_together_everything(collection: Collection) -> None:
    for number in range(40):
        collection.write(f"wallpapers/s{number}.png", b"stray")
    whole = collection.check(deep=False)
    parts = [collection.check(deep=False, part=Part(number, 7)) for number in range(1, 8)]
    keys = [finding.key for part in parts for finding in part.findings]
    assert len(keys) == 40
    assert sorted(keys) == sorted(finding.key for finding in whole.findings)
    assert sum(part.rows for part in parts) == 3
    assert sum(part.pages for part in parts) == 2
    assert all(0 < len(part.findings) < 40 for part in parts)


def test_the_wrong_bucket_is_not_repaired(collection: Collection) -> None:
    collection.warehouse.rows(
        "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at)"
        " select run_key, 'm' || n, 1, 'stored', 'wallpapers/m' || n || '.png', sha256, 1, started_at"
        " from ops.uploads, generate_series(1, 30) n where wallhaven_id = 'aaaaa0'"
    )
    with pytest.raises(StoreError, match=r"30 of 35 objects are missing.*BUCKET_NAME.*--force"):
        refuse_mass_repair(collection.check(deep=False))


def test_repairs_are_kept(collection: Collection) -> None:
    plant_wrong_bytes(collection)
    collection.repair()
    assert collection.warehouse.rows("select damage, object_key, wallhaven_id, action, aside_key from ops.repairs") == [
        ("wrong_bytes", KEYS[1], IDS[1], "reopened", ASIDE + KEYS[1])
    ]


def verb(collection: Collection, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **collection.warehouse.environ, "DRAENEI_HOME": str(collection.warehouse.home)}
    return subprocess.run(
        [sys.executable, "-m", "luigi_tasks", *words],
        env={**environ, "DRAENEI_PROGRESS": "none"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def damaged(collection: Collection, series: str = 'draenei_damaged_objects{source="all"}') -> float:
    """What the metrics say."""
    told = (collection.warehouse.home / "metrics" / "draenei.prom").read_text()
    return float(told.partition(f"\n{series} ")[2].partition("\n")[0])


def test_the_verb_says_what_to_type_and_its_exit_code_tells(collection: Collection) -> None:
    done = verb(collection, "fsck", "--deep")
    assert (done.returncode, done.stderr) == (0, "")
    assert "damage    none" in done.stdout
    plant_wrong_bytes(collection)
    assert verb(collection, "fsck").returncode == 0, "quick does not read"
    assert damaged(collection) == 0
    done = verb(collection, "fsck", "--deep")
    assert (done.returncode, damaged(collection)) == (1, 1), "the alerts hear of what nobody watched"
    assert done.stdout.splitlines()[-1] == "next      python -m luigi_tasks fsck --deep --repair"
    lock = pipeline_lock.take(collection.settings(), "sales")
    refused = verb(collection, "fsck", "--deep", "--repair")
    assert refused.returncode == 10
    assert "another Collect of sales" in refused.stderr, "it mends what is of any source"
    assert [damage for damage, _ in collection.found()] == ["wrong_bytes"]
    lock.close()
    done = verb(collection, "fsck", "--deep", "--repair", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["counts"] == {"wrong_bytes": 1}
    assert (damaged(collection), damaged(collection, 'draenei_lost_pictures{source="wallhaven"}')) == (0, 1)
    assert [repair["action"] for repair in said["repairs"]] == ["reopened"]
    assert said["next"] == "luigi --module luigi_tasks Collect, then: python -m luigi_tasks fsck --deep"
    assert verb(collection, "fsck", "--part", "3/2").returncode == 2
