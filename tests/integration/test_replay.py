"""Replay: the raw zone alone gives the same tables, hash for hash, and a comparison touches nothing."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.errors import SettingsError, StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import canonical_export, databases, postgres, run_ledger
from luigi_tasks.gateways.canonical_export import TABLES
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.sources import validation
from luigi_tasks.steps import differences, replay
from luigi_tasks.verbs.replay import replay as verb
from tests.conftest import Warehouse
from tests.integration.core_fixtures import MADE_WITH, MINUTE, Collecting
from tests.integration.replay_fixtures import another_database, digests, lively, replayed, site
from tests.prove.depth import DEEP
from twin import Twin

CIRCUMSTANCES = "select run_key, source_address, query, parameters from ops.runs order by 1"


@pytest.fixture
def twin() -> Iterator[Twin]:
    """A site."""
    with site() as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin."""
    return Collecting(warehouse, twin.api_url, quarantine_max_share=1, details_per_run=5)


def test_a_replay_into_an_empty_database_gives_the_same_tables_hash_for_hash(
    collecting: Collecting, twin: Twin, warehouse: Warehouse, tmp_path: Path
) -> None:
    lively(collecting, twin)
    asked = len(twin.requests)
    live = digests(collecting.settings)
    with another_database(warehouse, tmp_path / "replayed") as own:
        result = replayed(collecting, own)
        assert digests(own) == live
        assert len(twin.requests) == asked
        assert hashlib.sha256().hexdigest() not in live.values(), "no table of the proof is empty"
        assert (result["runs"], result["quarantined"]) == (3, 1)
        with postgres.transaction(own) as cursor:
            cursor.execute("select distinct state, source_address, settings_sha256 from ops.runs")
            assert cursor.fetchall() == [("replayed", twin.api_url, collecting.settings.digest())]
        with pytest.raises(SettingsError, match=r"has \d+ loads of wallhaven already.*--diff"):
            replayed(collecting, own)


OTHER_VALUE = {
    **dict.fromkeys(("integer", "bigint", "smallint", "numeric"), "t.{0} + 1000"),
    "jsonb": "jsonb_build_array(t.{0})",
    "ARRAY": "array['another']",
    "text": "coalesce(t.{0}, '') || 'x'",
    "timestamp with time zone": "coalesce(t.{0}, now()) + interval '1 second'",
}
COLUMNS = """
select column_name, case when is_identity = 'YES' then 'default' else data_type end
from information_schema.columns inner join information_schema.tables using (table_schema, table_name)
where table_schema || '.' || table_name = %s and table_type = 'BASE TABLE'
"""
LEFT_OUT = {
    "raw.wallhaven_search": {"batch_id", "fetched_at"},
    "raw.wallhaven_wallpaper": {"batch_id", "fetched_at"},
    "ops.runs": {
        *("state", "started_at", "finished_at", "error"),
        *("code_version", "settings_sha256", "source_address"),
    },
    "ops.pages": {"page_id"},
    "ops.loads": {"page_id", "batch_id", "loaded", "duplicate", "quarantined", "unexpected_fields", "repeats"},
    "ops.quarantine": {"quarantine_id", "page_id", "batch_id", "quarantined_at", "closed_at"},
    "draenei_intermediate.int_wallpaper_observations": {"batch_id"},
    "draenei_content.wallpapers": {"s3_key", "sha256", "upload_status", "upload_attempts", "updated_at"},
}
# Left out as a page's own, and counted per body.
PER_BODY = {("ops.loads", "loaded"), ("ops.loads", "quarantined"), ("ops.loads", "unexpected_fields")}


@DEEP
def test_every_column_counts_but_the_ones_that_are_left_out_by_name(
    collecting: Collecting, twin: Twin, warehouse: Warehouse
) -> None:
    assert {table.name: set(table.without) for table in TABLES if table.without} == LEFT_OUT
    lively(collecting, twin)
    checked = 0
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(COLUMNS, (table.name,))  # of views none
            for column, kind in cursor.fetchall():
                before = canonical_export.digest(connection, table)
                _drop_constraints(cursor, table.name)
                other = "'closed'" if (table.name, column) == ("ops.quarantine", "state") else OTHER_VALUE.get(kind)
                cursor.execute(
                    f"update {table.name} as t set {column} = {(other or 'default').format(column)}"
                    f" where ctid = (select min(ctid) from {table.name})"
                )
                assert cursor.rowcount == 1, table.name
                after = canonical_export.digest(connection, table)
                connection.rollback()
                left_out = column in table.without and (table.name, column) not in PER_BODY
                assert (after == before) == left_out, (table.name, column)
                checked += 1
    assert checked > 120


def _drop_constraints(cursor: Any, table: str) -> None:
    cursor.execute(
        "select conrelid::regclass::text, conname from pg_constraint"
        " where (contype = 'c' and conrelid = %(table)s::regclass)"
        " or (contype = 'f' and %(table)s::regclass in (conrelid, confrelid))",
        {"table": table},
    )
    for owner, name in cursor.fetchall():
        cursor.execute(f"alter table {owner} drop constraint {name}")


@pytest.mark.prove
def test_the_order_is_that_of_the_responses_not_of_the_keys(
    collecting: Collecting, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = collecting.run()
    earlier = Run.at(later.query, MINUTE - datetime.timedelta(days=1))
    collecting.crawl(later)
    with postgres.transaction(collecting.settings) as cursor:
        run_ledger.open_run(cursor, earlier, MADE_WITH, alive=[later.key])
    collecting.crawl(earlier)
    pages = replay.raw_pages(collecting.store, "wallhaven")
    assert [page.envelope.fetched_at for page in pages] == sorted(page.envelope.fetched_at for page in pages)
    assert [page.key for page in pages] != sorted(page.key for page in pages), "else this proves nothing"
    monkeypatch.setattr(settings_module, "load", lambda: collecting.settings)
    name = f"{warehouse.dbname[:50]}_rebuilt"
    try:
        done = CliRunner().invoke(verb, ["--into", name])
        assert (done.exit_code, done.exception) == (0, None)
        assert "runs 2  pages 4  received 60  loaded 30  duplicate 30" in done.output
        own = databases.beside(collecting.settings, name, tmp_path)
        assert [line.split()[::-1] for line in done.output.splitlines()[-len(TABLES) :]] == [
            *map(list, digests(own).items())
        ]
        with postgres.transaction(own) as cursor:
            cursor.execute("select run_key, sum(loaded), sum(duplicate) from ops.loads group by 1 order by 1")
            assert cursor.fetchall() == [(earlier.key, 0, 30), (later.key, 30, 0)]
            cursor.execute(
                "select count(*) from raw.wallhaven_search r where fetched_at <>"
                " (select min(fetched_at) from ops.loads l where l.body_sha256 = r.body_sha256)"
            )
            assert cursor.fetchone() == (0,)
        again = CliRunner().invoke(verb, ["--into", name])
        assert "already" in str(again.exception)
    finally:
        _drop(warehouse, name)


def _drop(warehouse: Warehouse, name: str) -> None:
    with closing(warehouse.connect()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')


@DEEP
def test_objects_of_before_the_query_was_kept_are_replayed_too(
    collecting: Collecting, warehouse: Warehouse, tmp_path: Path
) -> None:
    collecting.collect()
    old = FolderStore(tmp_path / "old")
    for head in collecting.store.list("raw/"):
        envelope, body = envelopes.unpack(collecting.store.get(head.key))
        packed = _packed_as_before(envelope, body)
        old.put_if_absent(head.key, packed, content_type="x", sha256=envelopes.digest(packed), metadata={})
    with another_database(warehouse, tmp_path / "replayed") as other:
        own = other.model_copy(update={"wallhaven_api_url": MADE_WITH.source_address})
        replay.replay(own, "wallhaven", old, Silent())
        with postgres.transaction(own) as cursor:
            cursor.execute(CIRCUMSTANCES)
            assert cursor.fetchall() == warehouse.rows(CIRCUMSTANCES)


def _packed_as_before(envelope: envelopes.Envelope, body: bytes) -> bytes:
    import gzip
    import json

    packed = envelopes.pack(envelope, body)
    fields = json.loads(gzip.decompress(packed).partition(b"\n")[0])
    for name in ("query", "source_address", "settings_sha256"):
        del fields[name]
    return gzip.compress(json.dumps(fields).encode() + b"\n" + body)


def test_a_run_that_is_not_what_it_is_named_after_is_refused(collecting: Collecting, tmp_path: Path) -> None:
    collecting.crawl(collecting.run())
    forged = FolderStore(tmp_path / "forged")
    for head in collecting.store.list("raw/"):
        envelope, body = envelopes.unpack(collecting.store.get(head.key))
        other = dataclasses.replace(envelope, query={"text": "exodar", "parameters": {}})
        packed = envelopes.pack(other, body)
        forged.put_if_absent(head.key, packed, content_type="x", sha256=envelopes.digest(packed), metadata={})
    with pytest.raises(StoreError, match=r"not what the run is named after"):
        replay.replay(collecting.settings, "wallhaven", forged, Silent())


def test_nothing_to_replay_and_a_damaged_object_are_said_with_their_place(collecting: Collecting) -> None:
    with pytest.raises(StoreError, match=r"no response of wallhaven.*raw/wallhaven"):
        replayed(collecting, collecting.settings)
    run = collecting.run()
    collecting.crawl(run)
    path = collecting.settings.draenei_home / "objects" / f"{run.raw_prefix}/search/page-00001.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"damaged.*page-00001"):
        replayed(collecting, collecting.settings)


@pytest.mark.prove
def test_a_diff_names_what_a_change_of_the_code_changes_and_touches_nothing(
    collecting: Collecting, twin: Twin, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lively(collecting, twin)
    before = _everything(warehouse)
    with monkeypatch.context() as patch:
        patch.setattr(settings_module, "load", lambda: collecting.settings)
        done = CliRunner().invoke(verb, ["--diff"])
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert [line.endswith(" rows, equal") for line in done.stdout.splitlines()] == [True] * len(TABLES)

    read = validation.json.dumps

    def blind(record: object, **options: object) -> str:
        return read({**record, "favorites": 0} if isinstance(record, dict) else record, **options)

    monkeypatch.setattr(validation.json, "dumps", blind)
    monkeypatch.setattr(validation, "_plain_text", lambda record: "")
    compare, found = differences.differences, list[differences.TableDifference]()
    monkeypatch.setattr(differences, "differences", lambda *given: found.extend(compare(*given)) or found)
    with monkeypatch.context() as patch:
        patch.setattr(settings_module, "load", lambda: collecting.settings)
        done = CliRunner().invoke(verb, ["--diff"])
    assert done.exit_code == 1
    monkeypatch.undo()
    changed = {difference.table: difference for difference in found if not difference.equal}
    assert {"raw.wallhaven_search", "draenei_content.wallpapers"} <= changed.keys()
    wallpapers = changed["draenei_content.wallpapers"]
    assert wallpapers.fields["favorites"] > 10
    assert (wallpapers.added_rows, wallpapers.removed_rows) == (0, 0)
    text = done.stdout
    assert f"favorites: {wallpapers.fields['favorites']}" in text
    assert "→ 0" in text
    assert _everything(warehouse) == before


def _everything(warehouse: Warehouse) -> dict[str, object]:
    names = warehouse.rows(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('raw', 'ops', 'draenei_content', 'draenei_intermediate')"
    )
    whole = "select md5(string_agg(t::text, ' ' order by t::text)) from {} as t"
    return {name: warehouse.rows(whole.format(name)) for (name,) in names}


def test_what_a_killed_diff_left_is_dropped_by_a_later_one(warehouse: Warehouse) -> None:
    leftover = "draenei_replay_1600000000_of_test"
    databases.create(warehouse.settings(), leftover)
    with databases.scratch(warehouse.settings()) as own, databases.scratch(warehouse.settings()):
        names = [row[0] for row in warehouse.rows("select datname from pg_database")]
        assert leftover not in names
        assert own.pgdatabase in names, "one in use is not a leftover"
    assert own.pgdatabase not in [row[0] for row in warehouse.rows("select datname from pg_database")]
