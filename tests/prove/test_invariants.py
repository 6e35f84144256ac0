"""The checker's own proof: a whole world breaks no invariant, and each invariant sees what is planted against it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.conftest import Warehouse
from tests.prove.conftest import CANARY, Collected, Plant
from tests.prove.invariants import INVARIANTS, Ended, World, check
from tests.prove.invariants_objects import PROCESSES_AT_ONCE
from tests.prove.world import NAMELESS

TOMBSTONE = "insert into ops.tombstones (wallhaven_id, reason) select min(wallhaven_id), 'x' from ops.uploads"
UPLOAD = (
    "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at)"
    " select run_key, wallhaven_id, attempt + 1, '{}', s3_key, sha256, bytes, now() from ops.uploads limit 1"
)
FENCED = (  # an attempt that counts no more, so that nothing but its fence and times speaks against it
    "insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, reopened_at, started_at, fence) select"
    " run_key, wallhaven_id, attempt + 1, 'unreachable', now(), {}, fence {} from ops.uploads where upload_id = 1"
)
INTENT = (
    "update ops.uploads set outcome = 'unstored' where upload_id = 1;"
    " insert into ops.upload_intents (wallhaven_id, run_key, s3_key, sha256, fence)"
    " select wallhaven_id, run_key, s3_key, sha256, fence - 1 from ops.uploads where upload_id = 1"
)
SECOND_RUN = (
    "insert into ops.runs select run_key || '1', source, query_key, query, parameters, run_id || '1', '{}',"
    " code_version, settings_sha256, source_address, started_at, {}, null from ops.runs;"
)
CLAIM = (
    "insert into ops.upload_claims (wallhaven_id, run_key, worker, fence, leased_until)"
    " select wallhaven_id, run_key, 1, nextval('ops.upload_fences'), now() from ops.uploads limit 1"
)
QUARANTINE = (
    "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, record_id, violations,"
    " record, state, closed_at) select source, entity, page_id, batch_id, body_sha256, {}, '{}', '[]', '', '{}', {}"
    " from ops.loads limit 1"
)


def sql(statement: str) -> Plant:
    """Plant by a statement."""
    return lambda world, warehouse: warehouse.rows(statement)


def picture(world: World) -> Path:
    """A stored picture's file."""
    return min((world.settings.draenei_home / "objects" / "wallpapers").iterdir())


def raw(world: World) -> Path:
    """A raw page's file."""
    return min((world.settings.draenei_home / "objects" / "raw").rglob("*.gz"))


def other_bytes(world: World, _: Warehouse) -> None:
    """Overwrite an object that was seen before."""
    check(world)
    picture(world).write_bytes(b"other")


def requests_without_grant(world: World, warehouse: Warehouse) -> None:
    warehouse.rows("update ops.request_budget set grants = grants[2:]")


def too_many_requests(world: World, _: Warehouse) -> None:
    assert world.twin
    world.per_minute = len(world.twin.api_calls()) - 1


def file(*parts: str, text: str = "x") -> Plant:
    """Plant a file below the home."""

    def plant(world: World, _: Warehouse) -> None:
        path = world.settings.draenei_home.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return plant


def many_temporary_files(world: World, warehouse: Warehouse) -> None:
    for number in range(PROCESSES_AT_ONCE * world.settings.upload_concurrency + 1):
        file("objects", ".tmp", f"half-{number}")(world, warehouse)


def packed_canary(world: World, _: Warehouse) -> None:
    path = world.files[0] / "log.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CANARY.encode()))


def asked_bait(world: World, _: Warehouse) -> None:
    assert world.bait
    world.bait.asked["/bait"] += 1


def good_one_failed(world: World, warehouse: Warehouse) -> None:
    """One that nobody made to fail ends as a conflict, without its object."""
    warehouse.rows("update ops.uploads set outcome = 'conflict' where upload_id = 1")
    ((key,),) = warehouse.rows("select s3_key from ops.uploads where upload_id = 1")
    (world.settings.draenei_home / "objects" / key).unlink()


def failed_otherwise(world: World, warehouse: Warehouse) -> None:
    """One that was to be gone is a conflict."""
    good_one_failed(world, warehouse)
    ((wallhaven_id,),) = warehouse.rows("select wallhaven_id from ops.uploads where upload_id = 1")
    world.planted[wallhaven_id] = "gone"


def ended_too_early(world: World, warehouse: Warehouse) -> None:
    ((run_key,),) = warehouse.rows("delete from ops.steps where step = 'Report' returning run_key")
    world.ended.append(Ended(run_key, "Report", 0))


def left_open(_: World, warehouse: Warehouse) -> object:
    """A session that holds a lock, for as long as what this returns is held."""
    connection = warehouse.connect()
    connection.cursor().execute("select pg_advisory_lock(1)")
    return connection


def changed(name: str) -> Plant:
    """Digests that are not the same before and after."""
    return lambda world, _: getattr(world, name).append(({"raw.x": "1"}, {"raw.x": "2"}))


PLANTS: list[tuple[str, Plant]] = [
    ("row_has_object", lambda world, _: picture(world).unlink()),
    ("object_has_owner", file("objects", "wallpapers", "zzzzzz.jpg")),
    ("object_has_owner", sql("update ops.uploads set outcome = 'unstored' where upload_id = 1")),
    ("bytes_are_the_rows", other_bytes),
    ("bytes_are_the_rows", sql("update ops.uploads set sha256 = repeat('0', 64) where upload_id = 1")),
    ("one_version_a_key", other_bytes),
    ("key_is_the_wallpapers", sql("update ops.uploads set s3_key = 'wallpapers/zzzzzz.jpg' where upload_id = 1")),
    ("raw_bytes_kept", lambda world, _: raw(world).unlink()),
    ("raw_bytes_kept", sql("update ops.pages set body_sha256 = repeat('0', 64)")),
    ("raw_object_has_owner", lambda world, _: raw(world).with_name("page-9.gz").write_bytes(b"x")),
    ("received_is_the_page", sql("update ops.loads set received = received + 1, duplicate = duplicate + 1")),
    ("secrets_nowhere", file("dbt", "logs", "dbt.log", text=f"key={CANARY}")),
    ("secrets_nowhere", packed_canary),
    ("secrets_nowhere", sql(f"update ops.runs set error = 'said {CANARY}'")),
    ("allowed_hosts_only", asked_bait),
    ("allowed_hosts_only", sql("update ops.manifest_items set image_url = 'http://elsewhere/x' where position = 1")),
    ("taken_down_is_gone", sql(TOMBSTONE)),
    ("temporary_is_of_puts", many_temporary_files),
    ("temporary_is_empty", file("objects", ".tmp", "half")),
    ("temporary_is_empty", file("reports", "wallhaven", ".contact-sheet.webp.7")),
    ("fsck_finds_nothing", file("objects", "wallpapers", "strange.txt")),
    ("everything_is_stored", lambda world, _: picture(world).unlink()),
    ("everything_is_stored", good_one_failed),
    ("everything_is_stored", failed_otherwise),
    ("one_stored_row", sql("drop index ops.uploads_stored;" + UPLOAD.format("stored"))),
    ("ids_once", sql("insert into draenei_content.wallpapers select * from draenei_content.wallpapers limit 1")),
    ("received_adds_up", sql("update ops.loads set received = received + 1, quarantined = quarantined + 1")),
    ("received_adds_up", sql("delete from raw.wallhaven_search where position = 0")),
    ("records_come_with_their_load", sql("delete from ops.loads")),
    ("wallpapers_come_from_records", sql("update draenei_content.wallpapers set wallhaven_id = 'zzzzzz'")),
    ("attempts_in_order", sql(UPLOAD.format("unreachable"))),
    ("attempts_in_order", sql("update ops.uploads set attempt = 2 where upload_id = 1")),
    ("no_old_fence_writes", sql(UPLOAD.format("unreachable"))),
    ("no_old_fence_writes", sql(CLAIM)),
    ("no_old_fence_writes", sql(FENCED.format("finished_at", "- 1"))),
    ("no_old_fence_writes", sql("select nextval('ops.upload_fences'); " + FENCED.format("started_at", "+ 1"))),
    ("no_old_fence_writes", sql("update ops.uploads set fence = fence + 1000000 where upload_id = 1")),
    ("no_old_fence_writes", sql(INTENT)),
    ("uploads_are_of_a_manifest", sql("delete from ops.manifest_items where position = 1")),
    ("quarantine_is_told_apart", sql(QUARANTINE.format(0, "x", "open", "null"))),
    ("quarantine_is_told_apart", sql(QUARANTINE.format(99, "nowhere", "closed", "now()"))),
    ("taken_down_is_not_stored", sql(TOMBSTONE)),
    ("everything_is_loaded", sql("delete from ops.loads")),
    ("every_item_has_its_outcome", sql("delete from ops.uploads where upload_id = 1")),
    (
        "nothing_is_pending_that_is_stored",
        sql(
            "drop view draenei_content.pending_uploads; create table draenei_content.pending_uploads as"
            " select wallhaven_id from ops.uploads"
        ),
    ),
    ("nothing_is_invented", sql("update raw.wallhaven_search set record_id = 'zzzzzz' where position = 0")),
    ("certificate_claims_no_more", sql("update ops.certificates set ids_seen = ids_seen + 1")),
    ("certificate_claims_no_more", sql("delete from raw.wallhaven_search where position = 3")),
    ("explain_resolves", sql("update draenei_content.wallpaper_versions set page_name = 'page-9'")),
    ("migrated_whole", sql("drop table ops.migrations")),
    ("one_run_at_a_time", sql(SECOND_RUN.format("running", "null") + "update ops.runs set state = 'running'")),
    (
        "one_run_at_a_time",
        sql(
            SECOND_RUN.format("failed", "now()") + "insert into ops.steps select run_key || '1', step, started_at,"
            " finished_at, result from ops.steps"
        ),
    ),
    ("a_run_that_succeeded_is_whole", sql("delete from ops.steps where step = 'Report'")),
    (
        "every_run_is_audited",
        sql("create or replace view draenei_content.run_audit as select run_key from ops.runs where false"),
    ),
    ("no_run_is_open", sql("update ops.runs set state = 'running', finished_at = null")),
    (
        "no_intent_is_open",
        sql("insert into ops.upload_intents select wallhaven_id, run_key, s3_key, sha256 from ops.uploads"),
    ),
    ("no_claim_is_open", sql(CLAIM)),
    ("nobody_is_left", left_open),
    ("steps_in_order", sql("delete from ops.steps where step = 'Load'")),
    ("zero_means_complete", ended_too_early),
    ("budget_is_kept", requests_without_grant),
    ("budget_is_kept", too_many_requests),
    ("again_changes_nothing", changed("reruns")),
    ("incremental_is_full", changed("refreshes")),
    ("replay_is_live", changed("replays")),
]
IDS = [f"{name}-{number}" for number, (name, _) in enumerate(PLANTS)]


def test_a_whole_world_breaks_none(collected: Collected, tmp_path: Path) -> None:
    with collected.copy(tmp_path / "home") as (world, _):
        assert check(world, at_rest=True) == {}
        assert check(world) == {}


@pytest.mark.parametrize(("name", "plant"), PLANTS, ids=IDS)
def test_what_is_planted_is_seen(collected: Collected, tmp_path: Path, name: str, plant: Plant) -> None:
    with collected.copy(tmp_path / "home") as (world, warehouse):
        kept = plant(world, warehouse)
        assert name in check(world, at_rest=True)
        assert (name in check(world)) is not INVARIANTS[name].at_rest
        del kept


def test_what_failed_as_it_was_planted_is_excused(collected: Collected, tmp_path: Path) -> None:
    with collected.copy(tmp_path / "home") as (world, warehouse):
        good_one_failed(world, warehouse)
        ((wallhaven_id,),) = warehouse.rows("select wallhaven_id from ops.uploads where upload_id = 1")
        world.planted[wallhaven_id] = "conflict"
        assert "everything_is_stored" not in check(world, at_rest=True)


def test_a_record_without_a_name_excuses_its_wallpaper_only_while_it_is_kept(
    collected: Collected, tmp_path: Path
) -> None:
    with collected.copy(tmp_path / "home") as (world, warehouse):
        good_one_failed(world, warehouse)
        ((wallhaven_id,),) = warehouse.rows("select wallhaven_id from ops.uploads where upload_id = 1")
        world.planted[wallhaven_id] = NAMELESS
        assert "everything_is_stored" in check(world, at_rest=True)
        warehouse.rows(QUARANTINE.format(99, "x", "open", "null") + "; update ops.quarantine set record_id = null")
        assert "everything_is_stored" not in check(world, at_rest=True)


def test_every_invariant_has_a_plant_and_there_are_at_least_twenty() -> None:
    assert {name for name, _ in PLANTS} == INVARIANTS.keys()
    assert len(INVARIANTS) >= 20


def test_what_is_not_to_be_checked_is_not(collected: Collected, tmp_path: Path) -> None:
    with collected.copy(tmp_path / "home") as (world, warehouse):
        warehouse.rows("update ops.runs set state = 'running', finished_at = null")
        assert check(world, at_rest=True, without={"no_run_is_open"}) == {}
        with pytest.raises(AssertionError, match="no invariants"):
            check(world, without={"no_such"})
