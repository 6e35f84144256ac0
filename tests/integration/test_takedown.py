"""A takedown removes everything that is made of a picture and keeps it out, by id and by its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from luigi_tasks.domain.damage import TAKEDOWNS, Damage
from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import databases, pipeline_lock, postgres
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.steps import contact_sheet, run_report, session, takedown, takedown_pages, tombstones
from luigi_tasks.steps.contact_sheet import GAP
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.contracts.store_fixtures import Bucket, bucket  # noqa: F401
from tests.image_server import serving
from tests.integration.fsck_fixtures import IDS, KEYS, Collection
from tests.integration.publish_fixtures import Publishing
from tests.integration.test_fsck import in_bucket, verb
from tests.pictures import picture

REASON = "the artist asked"


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server:
        yield Publishing(warehouse, server)


@pytest.fixture
def collection(publishing: Publishing) -> Collection:
    return Collection(publishing)


def take_down(c: Collection, target: str) -> takedown.Plan:
    plan = takedown.plan(c.settings(), c.store, target)
    takedown.take_down(c.settings(), c.store, plan, REASON)
    return plan


def refusals(c: Collection, run_key: str) -> list[tuple[str, str, str]]:
    return c.warehouse.rows(
        "select wallhaven_id, outcome, reason from ops.uploads where run_key = %s order by 1", run_key
    )


def test_everything_made_of_it_goes_and_nothing_else(collection: Collection) -> None:
    made_of_it = ["derivatives/thumb/aaaaa1.webp", f"aside/20261101T000000Z/{KEYS[1]}"]
    for key in [*made_of_it, "derivatives/thumb/aaaaa2.webp", "aside/20261101T000000Z/wallpapers/aaaaa10.png"]:
        collection.write(key, b"small")
    before = collection.bytes_by_key()
    plan = take_down(collection, IDS[1])
    gone = {KEYS[1], *made_of_it}
    assert (plan.about.ids, set(plan.keys)) == ((IDS[1],), gone)
    after = {key: body for key, body in collection.bytes_by_key().items() if not key.startswith(TAKEDOWNS)}
    assert after == {key: body for key, body in before.items() if key not in gone}
    assert collection.found() == []
    digest = hashlib.sha256(collection.body(1)).hexdigest()
    assert collection.warehouse.rows("select wallhaven_id, sha256, reason from ops.tombstones order by 1") == [
        (IDS[1], None, REASON),
        (None, digest, REASON),
    ]
    (row,) = collection.warehouse.rows(
        "select outcome, sha256, lost_at is null, modelled_in from ops.uploads where wallhaven_id = %s", IDS[1]
    )
    assert row == ("stored", digest, False, None), "the history stays"


def test_it_is_refused_by_id_even_from_a_frozen_manifest_and_is_not_asked_for(collection: Collection) -> None:
    collection.publishing.offer("frozen", picture(seed=7))
    run_key = collection.publishing.freeze("2026-11-21T08:00")
    take_down(collection, "frozen")
    totals = publish(collection.settings(), run_key, collection.store, Silent())
    assert refusals(collection, run_key) == [("frozen", "refused", f"taken down: {REASON}")]
    assert totals.open == 0
    assert collection.publishing.server.asked["/full/frozen"] == 0
    assert collection.store.head("wallpapers/frozen.jpg") is None
    assert collection.found() == []


def test_a_lift_lets_it_come_back_by_the_usual_way_and_keeps_the_row(collection: Collection) -> None:
    take_down(collection, IDS[1])
    with pytest.raises(SettingsError, match="no takedown of aaaaa2 stands"):
        takedown.lift(collection.settings(), collection.store, IDS[2], "she agreed")
    digest = hashlib.sha256(collection.body(1)).hexdigest()
    assert takedown.lift(collection.settings(), collection.store, IDS[1], "she agreed") == [
        f"bytes {digest}",
        f"wallpaper {IDS[1]}",
    ]
    collection.show_again()
    run_key = collection.collect("2026-11-21T08:00")
    assert refusals(collection, run_key) == [(IDS[1], "stored", "")]
    assert collection.store.head(KEYS[1]) is not None
    assert collection.found() == [], "fsck takes no offence"
    assert collection.warehouse.rows("select distinct reason, lift_reason, lifted_at is null from ops.tombstones") == [
        (REASON, "she agreed", False)
    ]
    take_down(collection, IDS[1])
    assert collection.warehouse.rows("select count(*) from ops.tombstones where lifted_at is null") == [(2,)]


def test_the_same_bytes_under_another_id_are_refused(collection: Collection) -> None:
    take_down(collection, IDS[1])
    collection.publishing.offer("again0", collection.body(1))
    collection.publishing.offer("other0", picture(seed=8))
    run_key = collection.collect("2026-11-21T08:00")
    assert refusals(collection, run_key) == [
        (IDS[1], "refused", f"taken down: {REASON}"),
        ("again0", "refused", f"taken down: {REASON}"),
        ("other0", "stored", ""),
    ]
    assert collection.publishing.server.asked["/full/again0"] == 1
    assert collection.store.head("wallpapers/again0.png") is None
    assert collection.warehouse.rows("select * from ops.upload_intents") == []


def test_by_hash_every_wallpaper_with_the_bytes_goes(publishing: Publishing, bucket: Bucket) -> None:  # noqa: F811
    collection = in_bucket(publishing, bucket)
    publishing.offer("twin00", collection.body(1))
    collection.collect("2026-11-21T08:00")
    plan = take_down(collection, hashlib.sha256(collection.body(1)).hexdigest())
    assert plan.about.ids == (IDS[1], "twin00")
    assert plan.keys == (KEYS[1], "wallpapers/twin00.png")
    assert not {KEYS[1], "wallpapers/twin00.png"} & collection.bytes_by_key().keys()
    assert collection.found() == []


def test_contact_sheet_and_report_of_its_run_are_made_anew_without_it(collection: Collection) -> None:
    own, store = collection.settings(), collection.store
    contact_sheet.draw(own, collection.run_key, store)
    sheet = contact_sheet.path(own, collection.run_key)
    before = base64.b64encode(sheet.read_bytes()).decode()
    collection.warehouse.rows(
        "insert into ops.steps (run_key, step, started_at, result) values (%s, 'Report', now(), %s)",
        *(collection.run_key, json.dumps({"contact_sheet": str(sheet)})),
    )
    report = run_report.write(own, collection.run_key)
    assert before in report.read_text()
    plan = take_down(collection, IDS[1])
    takedown_pages.redraw(own, store, plan.about)
    shown = base64.b64encode(sheet.read_bytes()).decode()
    assert shown != before
    assert (before in report.read_text(), shown in report.read_text()) == (False, True)
    with Image.open(sheet) as without:
        assert without.width == GAP + 2 * (64 + GAP), "two pictures are left"


def test_a_sheet_of_nothing_else_is_gone(collection: Collection) -> None:
    own = collection.settings()
    contact_sheet.draw(own, collection.run_key, collection.store)
    for wallhaven_id in IDS:
        takedown_pages.redraw(own, collection.store, take_down(collection, wallhaven_id).about)
    assert not contact_sheet.path(own, collection.run_key).exists()


def test_versions_that_the_bucket_kept_go_too_or_it_says_so(
    publishing: Publishing,
    bucket: Bucket,  # noqa: F811
) -> None:
    collection = in_bucket(publishing, bucket)
    name = bucket.settings.bucket_name
    bucket.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in KEYS[1:]:
        collection.write(key, b"an earlier one")
        collection.write(key, collection.body(KEYS.index(key)))

    def versions(key: str) -> int:
        return len(bucket.client.list_object_versions(Bucket=name, Prefix=key).get("Versions", ()))

    assert versions(KEYS[1]) == 3
    plan = takedown.plan(collection.settings(), collection.store, IDS[1])
    assert takedown.take_down(collection.settings(), collection.store, plan, REASON) == []
    assert (versions(KEYS[1]), versions(KEYS[2])) == (0, 3)

    def refusing(environ: dict[str, Any], start_response: Any) -> object:
        if "versions" in environ["QUERY_STRING"]:
            start_response("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        return bucket.app.app(environ, start_response)

    bucket.app.answer = refusing
    plan = takedown.plan(collection.settings(), collection.store, IDS[2])
    assert takedown.take_down(collection.settings(), collection.store, plan, REASON) == [KEYS[2]]
    bucket.app.answer = None
    assert collection.store.head(KEYS[2]) is None
    plan = takedown.plan(collection.settings(), collection.store, IDS[2])
    assert (plan.keys, plan.former) == ((), (KEYS[2],)), "asked again, with more rights it is deleted"
    assert takedown.take_down(collection.settings(), collection.store, plan, REASON) == []
    assert versions(KEYS[2]) == 0


class Dying(FolderStore):
    """The folder of a process that is killed at its first removal."""

    def remove(self, key: str) -> None:
        raise KeyboardInterrupt


def test_killed_in_between_fsck_knows_it_and_the_same_command_deletes_the_rest(collection: Collection) -> None:
    plan = takedown.plan(collection.settings(), collection.store, IDS[1])
    with pytest.raises(KeyboardInterrupt):
        takedown.take_down(collection.settings(), Dying(collection.publishing.store.root), plan, REASON)
    assert collection.found() == [(Damage.TOMBSTONED_OBJECT, KEYS[1])]
    (left,) = collection.repair()
    assert (left.action, KEYS[1] in collection.bytes_by_key()) == ("left", True)
    assert f"takedown add {IDS[1]} --reason" in left.detail
    assert take_down(collection, IDS[1]).keys == (KEYS[1],)
    assert collection.found() == []


def test_another_database_learns_from_the_bucket_what_was_taken_down_and_lifted(collection: Collection) -> None:
    take_down(collection, IDS[1])
    takedown.lift(collection.settings(), collection.store, IDS[1], "she agreed")
    take_down(collection, IDS[1])
    take_down(collection, IDS[2])
    rows = (
        "select wallhaven_id, sha256, reason, taken_down_at, lifted_at, lift_reason from ops.tombstones"
        " order by wallhaven_id, sha256, taken_down_at"
    )
    before = collection.warehouse.rows(rows)
    assert sum(row[4] is None for row in before) == 4
    with databases.scratch(collection.settings()) as empty:
        session.open_warehouse(empty)
        for _ in range(2):
            with postgres.transaction(empty) as cursor:
                assert tombstones.restore(cursor, collection.store) == len(before) == 6
        with postgres.transaction(empty) as cursor:
            cursor.execute(rows)
            assert cursor.fetchall() == before
    collection.write(f"{TAKEDOWNS}aaaaa0/20261121T000000000000Z.json", b"{}", "application/json")
    with (
        postgres.transaction(collection.settings()) as cursor,
        pytest.raises(StoreError, match="should say what was taken down"),
    ):
        tombstones.restore(cursor, collection.store)


def test_a_takedown_without_its_object_is_written_down_by_the_next_one(collection: Collection) -> None:
    take_down(collection, IDS[1])
    kept = [head.key for head in collection.store.list(TAKEDOWNS)]
    collection.store.remove(kept[0])
    take_down(collection, IDS[2])
    assert len([head.key for head in collection.store.list(TAKEDOWNS)]) == 4
    assert collection.store.head(kept[0])


def test_a_target_that_is_neither_is_refused(collection: Collection) -> None:
    with pytest.raises(SettingsError, match="neither"):
        takedown.plan(collection.settings(), collection.store, "../etc")


def test_the_verb_does_nothing_without_yes_and_waits_for_no_run(collection: Collection) -> None:
    before = collection.bytes_by_key()
    done = verb(collection, "takedown", "add", IDS[1], "--reason", REASON)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"would delete {collection.store.uri(KEYS[1])}" in done.stdout
    assert collection.bytes_by_key() == before
    assert verb(collection, "takedown", "list").stdout == "Nothing was taken down.\n"
    lock = pipeline_lock.take(collection.settings(), "wallhaven")
    done = verb(collection, "takedown", "add", IDS[1], "--reason", REASON, "--yes")
    assert (done.returncode, collection.bytes_by_key()) == (10, before)
    assert "another Collect of wallhaven" in done.stderr
    lock.close()
    assert verb(collection, "takedown", "add", IDS[1], "--reason", " ", "--yes").returncode == 2
    done = verb(collection, "takedown", "add", IDS[1], "--reason", REASON, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    left = {key for key in collection.bytes_by_key() if not key.startswith(TAKEDOWNS)}
    assert left == before.keys() - {KEYS[1]}
    assert f"{IDS[1]}  {REASON}" in verb(collection, "takedown", "list").stdout


def test_files_of_another_source_are_changed_under_its_lock_and_an_unreadable_one_is_told_apart(
    collection: Collection,
) -> None:
    facts = f"clean/kaggle/pictures/shop/products/0001-{'0' * 16}.parquet"
    command = ("takedown", "add", IDS[1], "--reason", REASON)
    assert "parquet" not in verb(collection, *command).stdout
    collection.write(facts, b"no Parquet")
    before = collection.bytes_by_key()
    lock = pipeline_lock.take(collection.settings(), "kaggle")
    assert f"/{facts}, which nobody can read" in verb(collection, *command).stdout, "nobody is held up by asking"
    done = verb(collection, *command, "--yes")
    assert (done.returncode, collection.bytes_by_key()) == (10, before)
    assert "a Collect of kaggle is running" in done.stderr
    assert "Nothing was changed. Type the same when" in done.stderr
    assert collection.warehouse.rows("select count(*) from ops.tombstones") == [(0,)]
    lock.close()
    done = verb(collection, *command, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    (said,) = [line for line in done.stdout.splitlines() if facts in line]
    assert said.startswith("deleted ")
    assert facts not in collection.bytes_by_key()
