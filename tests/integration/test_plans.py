"""What a run asks of the warehouse is answered by indexes: beside some thousand rows, no plan reads a growing table."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import collection
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import (
    audit_ledger,
    build_ledger,
    dbt_profile,
    derivative_ledger,
    gallery_ledger,
    page_ledger,
    postgres,
    repeated_loads,
    report_ledger,
    table_statistics,
    upload_claims,
    upload_ledger,
)
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps.model import selection
from tests.conftest import Warehouse, _administer

PAGES, PER_PAGE = 3000, 2
BLOCKS_A_STATEMENT = 150  # for two records seen again; the table of items has a thousand
# Details and their tags grow too; here is none, and an empty table is read whole.
GROWING = {
    *("wallhaven_search", "pages", "loads", "uploads"),
    *("wallpapers", "wallpaper_versions", "wallpaper_metrics", "wallpaper_queries"),
    *("manifest_items", "image_metadata", "derivatives"),
    *("int_picture_hashes", "int_picture_bands", "duplicate_pairs", "duplicate_clusters"),
}
DUPLICATES = ("int_picture_hashes", "int_picture_bands", "duplicate_pairs", "duplicate_clusters")

# Every two pictures look alike.
MEASURED = """
insert into ops.image_metadata (sha256, status, measured_with, bytes, format, mode, width, height, exif, colours,
                                brightness, entropy, dhash, phash)
select sha256, 'measured', 'pillow', bytes, 'JPEG', 'RGB', 1920, 1080, '{}', '[{"hex": "#808080", "share": 1}]',
       0.5, 7, hashtextextended((upload_id / 2)::text, 1), hashtextextended((upload_id / 2)::text, 2)
from ops.uploads
"""
# Not flat yet: what a build that has something to build reads whole of the pictures.
READ_WHOLE = {
    "duplicate_clusters": {"int_picture_hashes"},
    "duplicate_pairs": {"int_picture_hashes"},
    "no_nulls_duplicate_clusters": {"duplicate_clusters"},
    "no_nulls_duplicate_pairs": {"duplicate_pairs"},
    "no_nulls_int_picture_hashes": {"int_picture_hashes"},
}
# Two of them are to be looked at again, as the last build's models had claimed them.
CLAIMED = """
insert into ops.picture_changes (model, wallhaven_id, claimed_in)
select model, wallhaven_id, (select invocation_id from ops.dbt_builds order by started_at desc limit 1)
from unnest(%s) as model cross join (select wallhaven_id from ops.uploads order by upload_id limit 2) as two
"""


# As many runs as a collection of years has: what a plan reads of one of them is not everything.
SPREAD = """
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address)
select run_key || n, source, query_key, query, parameters, run_id || n, state, code_version, settings_sha256,
       source_address
from ops.runs cross join generate_series(1, 200) as n;
update ops.pages set run_key = run_key || (1 + page_id % 200) where page_name <> 'page-00000001'
"""

# What Publish and Derive leave behind for each picture.
DONE = """
with frozen as (insert into ops.manifests (run_key, items) select run_key, 0 from ops.runs returning manifest_id),
numbered as (select manifest_id, row_number() over () - 1 as number, count(*) over () as manifests from frozen)
insert into ops.manifest_items
    (manifest_id, position, wallhaven_id, image_url, s3_key, file_type, file_size, width, height)
select manifest_id, upload_id, wallhaven_id, 'http://127.0.0.1/', s3_key, content_type, bytes, 1, 1
from ops.uploads inner join numbered on upload_id % manifests = number;
insert into ops.image_metadata (sha256, status, reason, measured_with, bytes)
select sha256, 'unreadable', 'not one', 'pillow', bytes from ops.uploads on conflict do nothing;
insert into ops.derivatives
    (source_sha256, recipe, operation, parameters, library, status, reason, object_key, content_type)
select sha256, recipe, 'thumbnail', '{}', 'pillow', 'failed', 'not one', 'derivatives/' || sha256 || recipe, ''
from ops.uploads cross join unnest(array['0123456789abcdef', 'fedcba9876543210']) as recipe
"""


class Grown:
    """A warehouse with a collection, built twice: the second time as a run builds that found a page again."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        dbt_profile.write_profile(folder, None)
        self.dbt = Dbt(postgres.address(warehouse.settings()), folder)
        with postgres.transaction(warehouse.settings()) as cursor:
            collection.add_items(cursor, 1, PAGES, PER_PAGE)
            collection.register_all(cursor)
            cursor.execute(MEASURED)
        self.build()
        self.analyzed_first = self.analyzed
        warehouse.rows(SPREAD)
        with postgres.transaction(warehouse.settings()) as cursor:
            collection.see_again(cursor, PER_PAGE)
        self.build()

    def build(self) -> None:
        """Build and test everything; what the planner knows of the tables is what the product tells it, no more."""
        self.analyzed = self.analyze()
        self.dbt.build(Silent(), selection("wallhaven")).raise_when_failed()
        self.analyzed += self.analyze()

    def analyze(self) -> list[str]:
        """As Model does before and after a build."""
        with postgres.transaction(self.warehouse.settings()) as cursor:
            return table_statistics.analyze_changed(cursor)

    def vacuum(self) -> None:
        """As autovacuum does some time after a run."""
        with closing(self.warehouse.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("vacuum")

    def scanned(self, sql: str, arguments: Any = None, *, executed: bool = False) -> set[str]:
        """The growing tables that a statement's plan reads from end to end; executed: no more than what it comes to."""
        with postgres.transaction(self.warehouse.settings()) as cursor:
            # So small a table would be read whole here by a plan that does not there, sorted or not.
            cursor.execute("set local max_parallel_workers_per_gather = 0")
            cursor.execute(f"explain (analyze {executed}, format json) {sql}", arguments)
            ((plans,),) = cursor.fetchall()
        return read_whole(plans[0]["Plan"])

    def statements(self) -> dict[str, str]:
        """The models and tests of the last build that a run of Wallhaven builds, by name."""
        compiled = sorted((self.dbt.folder / "target" / "compiled").rglob("*.sql"))
        own = [file for file in compiled if not OTHERS & set(file.parts) and not file.stem.startswith(VIEWS)]
        return {file.stem: file.read_text() for file in own}

    def built(self, sql: str) -> dict[str, Any]:
        """The executed plan of a statement of the last build, its batch not tested yet."""
        with postgres.transaction(self.warehouse.settings()) as cursor:
            cursor.execute(
                "update ops.batches set tested_in = null where batch_id = (select max(batch_id) from ops.batches)"
            )
            cursor.execute(CLAIMED, (list(DUPLICATES),))
            cursor.execute(f"explain (analyze, buffers, format json) {sql}", ())
            ((plans,),) = cursor.fetchall()
            cursor.connection.rollback()
        plan: dict[str, Any] = plans[0]["Plan"]
        return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.fixture
def grown(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    folder = tmp_path_factory.mktemp("plans")
    dbname = f"test_plans_{folder.parent.name.replace('-', '_')}"
    _administer(postgres_server, f'create database "{dbname}" template test_template strategy file_copy')
    yield Grown(Warehouse(postgres_server, dbname, folder / "home"), folder / "dbt")
    _administer(postgres_server, f'drop database "{dbname}" with (force)')


class Asked:
    """A cursor that explains instead of executing, for the gateways' own functions."""

    description = ()
    rowcount = 0

    def __init__(self, grown: Grown, executed: bool) -> None:
        self.grown, self.executed, self.scanned = grown, executed, set[str]()
        self.statements = 0

    def execute(self, sql: str, arguments: Any = None) -> None:
        self.statements += 1
        self.scanned |= self.grown.scanned(sql, arguments, executed=self.executed)

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> None:
        return None


SET = json.dumps([{"wallhaven_id": f"{number:06x}", "fence": number, "outcome": "gone"} for number in range(32)])
LACKING = {
    "source": "wallhaven",
    "recipes": ["0123456789abcdef"],
    "library": "pillow",
    "most": 5,
    "asked": "",
    "after": "",
    "limit": 64,
}
TABLES = ("raw.wallhaven_search", "raw.wallhaven_wallpaper")
READS = build_ledger.Reads("wallhaven", TABLES, pictures=True)


def queued(statement: str) -> str:
    """A statement of Derive's work list after all pictures were looked through once."""
    return statement.format(missing=derivative_ledger.MISSING.format(which=derivative_ledger.QUEUED))


ASKED: dict[str, Callable[[Any], Any]] = {
    "known_ids": lambda cursor: page_ledger.known_ids(cursor, "raw.wallhaven_search", "wallhaven/draenei", ["000001"]),
    "details_wanted": lambda cursor: page_ledger.details_wanted(cursor, 120),
    "pages_to_load": lambda cursor: page_ledger.pages_to_load(cursor, "wallhaven/draenei/other", "search", 100),
    "loaded_bodies": lambda cursor: page_ledger.loaded_bodies(cursor, "wallhaven", "search", ["ab" * 32]),
    "find_page": lambda cursor: page_ledger.find_page(cursor, "wallhaven/draenei/other", "search", "page-00001"),
    "freeze": lambda cursor: cursor.execute(upload_ledger.FILL_MANIFEST, {"manifest_id": 1, "limit": None}),
    "claim": lambda cursor: cursor.execute(
        upload_claims.TAKE, {"after": 0, "worker": 1, "run_key": "r", "lease": 60, "limit": 1}
    ),
    "freeze, growing": lambda cursor: cursor.execute(upload_ledger.GROW_MANIFEST, {"run_key": "r", "limit": None}),
    "still open": lambda cursor: cursor.execute(upload_ledger.COUNT_OPEN, {"run_key": "r"}),
    "totals": lambda cursor: cursor.execute(upload_ledger.TOTALS, ("r",)),
    "drop if done": lambda cursor: cursor.execute(upload_claims.DROP_IF_DONE, ([1, 2],)),
    "of others": lambda cursor: cursor.execute(upload_claims.OF_OTHERS, {"run_key": "r", "worker": 1}),
    "renew": lambda cursor: cursor.execute(upload_claims.RENEW, (60, 1)),
    "hold": lambda cursor: cursor.execute(upload_ledger.HOLD, {"rows": SET}),
    "intend": lambda cursor: cursor.execute(upload_ledger.INTEND, {"rows": SET}),
    "register": lambda cursor: cursor.execute(upload_ledger.REGISTER, {"rows": SET}),
    "derive: count": lambda cursor: cursor.execute(queued(derivative_ledger.COUNT_WANTED), LACKING),
    "derive: next": lambda cursor: cursor.execute(queued(derivative_ledger.WANTED), LACKING),
    "derive: looked through": lambda cursor: cursor.execute(queued(derivative_ledger.LOOKED_THROUGH), LACKING),
    "gallery: may it have changed?": lambda cursor: cursor.execute(gallery_ledger.HAPPENED),
    "model: is there anything to build?": lambda cursor: build_ledger.unchanged_since(
        cursor, build_ledger.Asked((), ""), READS, datetime.timedelta(1)
    ),
    "load: does it repeat?": lambda cursor: repeated_loads.mark(
        cursor, 1, "raw.wallhaven_search", {"search": "raw.wallhaven_search"}, listed=True
    ),
    **{
        f"report: {name}": lambda cursor, sql=sql: cursor.execute(sql, {"run": "another", "examples": 3})
        for name, sql in (report_ledger.PARTS | report_ledger.SINGLES).items()
    },
    "overview": lambda cursor: cursor.execute(report_ledger.LAST, {"limit": 50, "sources": sorted(CATALOGUE)}),
    "run_audit": lambda cursor: cursor.execute("select * from draenei_content.run_audit where run_key = 'another'"),
    "pending_uploads": lambda cursor: cursor.execute("select count(*) from draenei_content.pending_uploads"),
    "upload_statuses": audit_ledger.upload_statuses,
}
# A view has a statement for each who asks it; what a run asks of them stands above.
VIEWS = (
    *("stg_wallhaven__", "int_wallpaper_observations", "int_wallpaper_uploads", "run_audit", "pending_"),
    "wallpaper_lifecycle",
)
OTHERS = CATALOGUE.keys() - {"wallhaven"}


def read_whole(plan: dict[str, Any]) -> set[str]:
    """The growing tables that a plan reads from end to end; what it never came to does not count."""
    read = [node for node in nodes(plan) if node.get("Actual Loops") != 0]
    return {node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"} & GROWING


def blocks(plan: dict[str, Any]) -> int:
    """Blocks of 8 kB that a plan touched, temporary ones included."""
    return sum(int(plan[f"{kind} Blocks"]) for kind in ("Shared Hit", "Shared Read", "Temp Read", "Temp Written"))


# One test, because each process that runs a part of it would make the collection anew.
def test_what_a_run_asks_and_a_build_reads_is_found_by_indexes(grown: Grown) -> None:
    assert {"raw.wallhaven_search", "ops.pages", "draenei_content.wallpapers"} <= set(grown.analyzed_first)
    whole = grown.scanned("select max(fetched_at) from raw.wallhaven_search")
    assert whole == {"wallhaven_search"}, "a plan that reads a whole table is seen"

    plans = {name: grown.built(sql.replace("%", "%%")) for name, sql in grown.statements().items()}
    grown.warehouse.rows(DONE)
    grown.warehouse.rows("truncate ops.derive_queue")
    grown.analyze()
    grown.vacuum()
    scanned = {}
    for name, ask in ASKED.items():
        # Whether a certificate counts is asked of its run's pages, and here all pages are of one run.
        cursor = Asked(grown, executed=name == "details_wanted")
        ask(cursor)
        assert cursor.statements > 0, name
        scanned[name] = cursor.scanned
    assert {name: tables for name, tables in scanned.items() if tables} == {}

    assert {"wallpapers", "wallpaper_versions", "unique_wallpapers_wallhaven_id"} <= plans.keys()
    assert len(plans) > 30
    assert {name: tables for name, plan in plans.items() if (tables := read_whole(plan))} == READ_WHOLE
    assert sum(map(blocks, plans.values())) > len(plans), "the batch is not tested, so there is something to read"
    read = {name: number for name, plan in plans.items() if (number := blocks(plan)) > BLOCKS_A_STATEMENT}
    assert read.keys() <= READ_WHOLE.keys(), read
