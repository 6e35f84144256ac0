"""A run with nothing new builds nothing; every kind of news, doubt or damage makes a build."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.errors import ModelError
from luigi_tasks.gateways import build_ledger, dbt_project, postgres
from luigi_tasks.gateways.build_ledger import EVERYTHING, Asked, Reads
from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import model
from luigi_tasks.steps.model import OLDEST
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Notes
from tests.integration.model_fixtures import RUN
from tests.integration.source_cases import World, started
from twin.jsonplaceholder import Jsonplaceholder

ASKED = Asked(("path:models/*/wallhaven",), "as it is")
READS = Reads(
    "wallhaven", ("raw.wallhaven_search", "raw.wallhaven_wallpaper"), pictures=True, people=True, archive=True
)
BUILT = """
create schema if not exists draenei_content;
create table draenei_content.one (id integer);
create view draenei_content.two as select 1 as id;
"""
PAGE = """
insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                       content_type, fetched_at)
values ('r', 'wallhaven', 'search', 'p', '{}', 200, 'k', 'ab', 1, '', now());
insert into ops.batches (run_key) values ('r');
"""
LOAD = (
    PAGE
    + """
insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at, received, loaded,
                       duplicate, quarantined, repeats)
select page_id, (select max(batch_id) from ops.batches), 'wallhaven', 'search', 'r', 'p', 'ab', now(), 1, 0, 1, 0,
       REPEATS
from ops.pages
"""
)
UPLOAD = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, started_at, modelled_in, tested_in)
values ('r', 'aaaaaa', 1, 'gone', now(), MODELLED, TESTED)
"""
HASH = "'" + "ab" * 32 + "'"
RECORD = """
insert into raw.wallhaven_search values ('ab', 0, 'aaaaaa', '{}', (select max(batch_id) from ops.batches), now())
"""
NEWS = {
    "a load": LOAD.replace("REPEATS", "false"),
    "an upload": UPLOAD.replace("MODELLED", "null").replace("TESTED", "null"),
    "an upload that no test has seen": UPLOAD.replace("MODELLED", "'i'").replace("TESTED", "null"),
    "a picture to look at": "insert into ops.picture_changes (model, wallhaven_id) values ('m', 'aaaaaa')",
    "a takedown": "insert into ops.tombstones (wallhaven_id, reason) values ('bbbbbb', 'asked')",
    "a takedown lifted": "update ops.tombstones set lifted_at = now(), lift_reason = 'mistaken'",
    "an erasure": "insert into ops.erasures (source, record_id, reason) values ('wallhaven', 'a', 'asked')",
    "a bad record": PAGE + "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position,"
    " violations, record) select 'wallhaven', 'search', page_id, (select max(batch_id) from ops.batches), 'ab', 0,"
    " '[]', '' from ops.pages",
    "a file of an archive": "insert into ops.archive_entries (dataset, name, folder, run_key, outcome, reason, bytes,"
    " crc32) values ('d', 'n', 'f', 'r', 'refused', 'too large', 1, 1)",
    "a measured file of an archive": f"insert into ops.image_metadata (sha256, status, reason, measured_with, bytes)"
    f" values ({HASH}, 'unreadable', 'broken', 'pillow', 1)",
    "a table emptied by hand": "truncate raw.wallhaven_search",
    "a dropped table": "drop table draenei_content.one",
    "a dropped view": "drop view draenei_content.two",
    "a build by hand": "insert into ops.dbt_builds (invocation_id, untested_batches) values ('by hand', '{}')",
    "a build that was killed": f"insert into ops.builds (selection, asked) values ('{ASKED.selection}', 'as it is')",
    "a build of everything": f"insert into ops.builds (selection, asked) values ('{EVERYTHING}', 'x')",
    "a day gone": "update ops.builds set settled_at = settled_at - interval '25 hours'",
}
BEFORE = {
    "a takedown lifted": "insert into ops.tombstones (wallhaven_id, reason) values ('bbbbbb', 'asked')",
    "a measured file of an archive": "insert into ops.archive_entries (dataset, name, folder, run_key, outcome, bytes,"
    f" crc32, sha256, object_key) values ('d', 'n', 'f', 'r', 'stored', 1, 1, {HASH}, 'k')",
    "a table emptied by hand": PAGE + RECORD,
}


def build(cursor: Any, asked: Asked = ASKED, *, well: bool = True, invocation: str = "i") -> int:
    number = build_ledger.begin(cursor, asked, READS)
    cursor.execute("insert into ops.dbt_builds (invocation_id, untested_batches) values (%s, '{}')", (invocation,))
    build_ledger.end(cursor, number, invocation, ["one", "two"], well=well)
    return number


def stands(cursor: Any, asked: Asked = ASKED) -> int | None:
    found = build_ledger.unchanged_since(cursor, asked, READS, OLDEST)
    return found.number if found else None


@pytest.fixture
def cursor(warehouse: Warehouse) -> Iterator[Any]:
    with warehouse.rolled_back() as cursor:
        cursor.execute(RUN + BUILT)
        yield cursor


def test_what_repeats_and_what_others_build_is_no_news(cursor: Any) -> None:
    assert stands(cursor) is None, "nothing was built"
    number = build(cursor)
    cursor.execute(LOAD.replace("REPEATS", "true"))
    cursor.execute(UPLOAD.replace("MODELLED", "'i'").replace("TESTED", "'i'"))
    build(cursor, Asked(("path:models/*/sales",), "another"), well=False, invocation="of another source")
    assert stands(cursor) == number
    assert stands(cursor, Asked(ASKED.select, "another project")) is None
    build(cursor, well=False, invocation="j")
    assert stands(cursor) is None, "the last one failed"
    assert build(cursor, invocation="k") == stands(cursor)


def test_every_kind_of_news_makes_a_build(cursor: Any) -> None:
    for news, sql in NEWS.items():
        cursor.execute("savepoint before")
        cursor.execute(BEFORE.get(news, "select"))
        number = build(cursor)
        assert stands(cursor) == number, f"before {news}"
        cursor.execute(sql)
        assert stands(cursor) is None, news
        cursor.execute("rollback to before")


def test_raw_tables_that_somebody_changed_make_a_build(warehouse: Warehouse) -> None:
    warehouse.rows(RUN + BUILT + PAGE + RECORD)
    with postgres.transaction(warehouse.settings()) as cursor:
        number = build(cursor)
    warehouse.rows(RECORD.replace("0", "1"))
    with postgres.transaction(warehouse.settings()) as cursor:
        assert stands(cursor) == number, "more rows: the ledger of loads speaks of those"
    warehouse.rows("update raw.wallhaven_search set record_id = 'cccccc'")
    deadline = time.monotonic() + 20  # what a session did is counted when it ends
    while time.monotonic() < deadline:
        with postgres.transaction(warehouse.settings()) as cursor:
            if stands(cursor) is None:
                return
        time.sleep(0.05)
    pytest.fail("nobody noticed")


def test_the_project_is_its_files_and_the_profile(tmp_path: Path) -> None:
    project, profile = tmp_path / "project", tmp_path / "profiles.yml"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    profile.write_text("threads: 4")
    first = dbt_project.digest(project, profile)
    (project / "target").mkdir()
    (project / "target" / "manifest.json").write_text("{}")
    assert dbt_project.digest(project, profile) == first
    seen = {first}
    changed = ["models/marts/wallpapers.sql", "macros/uploads.sql", "seeds/duplicate_verdicts.csv", "dbt_project.yml"]
    for name in [*changed, "tests/assert_records_arrive_with_their_load.sql", "models/marts/_marts__models.yml"]:
        path = project / name
        path.write_text(path.read_text() + "\n")
        seen.add(dbt_project.digest(project, profile))
    (project / "models" / "new.sql").write_text("select 1 as id")
    seen.add(dbt_project.digest(project, profile))
    profile.write_text("threads: 8")
    seen.add(dbt_project.digest(project, profile))
    assert len(seen) == 9


def test_a_run_says_that_it_has_nothing_to_build_and_a_failed_build_is_repeated(warehouse: Warehouse) -> None:
    with started("jsonplaceholder") as twin:
        world, site = World("jsonplaceholder", twin, warehouse), twin.sites["jsonplaceholder"]
        assert isinstance(site, Jsonplaceholder)
        world.settings = world.settings.model_copy(update={"quarantine_max_share": 0.05})
        first, notes = built(world)
        assert "skipped" not in first
        vacuumed = "select vacuum_count from pg_stat_user_tables where relid = 'ops.picture_changes'::regclass"
        assert warehouse.rows(vacuumed) == [(1,)], "what the build took from the queue is nobody's to read again"
        number = warehouse.rows("select max(build_id) from ops.builds where settled_at is not null")[0][0]
        again, notes = built(world)
        assert again == {"skipped": 1, "build": number}
        assert notes.notes[-1].startswith(f"nothing to build since build {number} (20")
        assert warehouse.rows("select count(*) from ops.dbt_builds") == [(1,)]

        warehouse.rows("drop view draenei_content.run_audit")
        assert "skipped" not in built(world)[0]
        assert warehouse.rows("select count(*) > 0 from draenei_content.run_audit") == [(True,)]
        seen_again = "select bool_and(last_seen_at > updated_at) from draenei_content.jsonplaceholder_posts"
        assert warehouse.rows(seen_again) == [(True,)], "what was left out is made up for"

        for number in range(1, 11):
            site.update("comments", number, postId=999)
        for _ in range(2):
            with pytest.raises(ModelError, match="dangling_is_within_the_budget"):
                built(world)


def built(world: World) -> tuple[dict[str, object], Notes]:
    """A run up to its models."""
    run, notes = world.run(), Notes()
    world.fetch(run)
    world.load(run)
    return model.build_what_is_new(world.settings, run.key, "Model", notes, world.name), notes


def test_a_setting_forbids_it(warehouse: Warehouse) -> None:
    warehouse.rows(RUN + BUILT)
    with postgres.transaction(warehouse.settings()) as cursor:
        number = build(cursor)
    for allowed, found in ((True, number), (False, None)):
        own = warehouse.settings(dbt_skip_unchanged=allowed)
        with postgres.transaction(own) as cursor:
            done = model._done_before(cursor, own, ASKED, READS)
        assert (done.number if done else None) == found
    with postgres.transaction(own) as cursor:
        assert build_ledger.unchanged_since(cursor, ASKED, READS, datetime.timedelta(0)) is None


def test_every_source_reads_what_it_says() -> None:
    parts = {name: set(model._reads(source).parts) for name, source in CATALOGUE.items()}
    every = {"loads", "quarantine", "raw"}
    assert parts["wallhaven"] == every | {"uploads", "pictures", "takedowns"}
    assert parts["randomuser"] == every | {"erasures"}
    assert parts["kaggle"] == every | {"files", "versions", "measured"}
    assert parts["sales"] == parts["jsonplaceholder"] == every
