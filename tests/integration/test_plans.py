"""What a run asks of the warehouse is answered by indexes: beside some thousand rows, no plan reads a growing table."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import collection, crawled
from benchmarks.plans import blocks, built, nodes, statements
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Query
from luigi_tasks.gateways import (
    audit_ledger,
    build_ledger,
    dbt_profile,
    derivative_ledger,
    emptied_queues,
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
from tests.integration.embedded_postgres_probes import wait_until

PAGES, PER_PAGE = 3000, 2
QUERY = Query.of("wallhaven", "draenei", {"q": "draenei"})
ROWS_OF_A_TABLE = 1000  # more than that, by whatever index, is reading the table
BLOCKS_A_STATEMENT = 150  # for two records seen again; the table of items has a thousand
# Details, their tags and rotations of the sweep grow too; of so few as here are, all are read.
GROWING = {
    *("wallhaven_search", "pages", "loads", "uploads"),
    *("wallpapers", "wallpaper_versions", "wallpaper_metrics", "wallpaper_queries"),
    *("manifest_items", "image_metadata", "derivatives"),
    *("listing_changes", "certificates", "coverage", "runs", "steps", "batches", "applied_batches"),
    *("dbt_nodes", "run_metrics"),
    *("int_picture_hashes", "int_picture_bands", "duplicate_pairs", "duplicate_clusters"),
}
# What is about all pictures: docs/performance-growth.md has what that costs.
READ_WHOLE = {
    # How many pictures each query found, and all duplicates; of the pictures those that are shown.
    "gallery: has it changed?": {"wallpaper_queries", "duplicate_pairs", "duplicate_clusters"},
}
# Each wallpaper on the list is asked about alone, and so is each that may be gone, however long ago that was noticed.
LISTED = 100
BLOCKS_A_WALLPAPER = 25
BLOCKS_OF_LISTS = {"details_wanted": LISTED * BLOCKS_A_WALLPAPER, "backlog": LISTED * BLOCKS_A_WALLPAPER}
# Not flat yet: what a build that has something to build reads whole of the pictures.
BUILT_WHOLE = {
    "assert_nobody_told_apart_is_in_one_cluster": {"duplicate_pairs"},
    "duplicate_clusters": {"duplicate_pairs"},  # of which there are none here
    "no_nulls_duplicate_clusters": {"duplicate_clusters"},
    "no_nulls_duplicate_pairs": {"duplicate_pairs"},
}
BLOCKS_OF_LIVES = 250  # two wallpapers that left the listing: their answers, absences, takedowns, sightings
BLOCKS_OF_PAIRS = 250  # two pictures have sixty bands: each is looked up in the index
DUPLICATES = ("int_picture_hashes", "int_picture_bands", "duplicate_pairs", "duplicate_clusters")
# Two of them are to be looked at again, as the last build's models had claimed them.
CLAIMED = """
insert into ops.picture_changes (model, wallhaven_id, claimed_in)
select model, wallhaven_id, (select invocation_id from ops.dbt_builds order by started_at desc limit 1)
from unnest(%s) as model cross join (select wallhaven_id from ops.uploads order by upload_id limit 2) as two
"""


OTHERS_CONNECTED = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
# As many runs as a collection of years has: what a plan reads of one of them is not everything.
SPREAD = """
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address)
select run_key || n, source, query_key, query, parameters, run_id || n, state, code_version, settings_sha256,
       source_address
from ops.runs cross join generate_series(1, 200) as n where run_key = 'wallhaven/draenei/growth';
update ops.pages set run_key = run_key || (1 + page_id % 200)
where run_key = 'wallhaven/draenei/growth' and page_name <> 'page-00000001';
"""
# Who has more than one interval: 1,500 were rated anew, 900 others withheld, some of them denied.
EVENTFUL = """
create temporary table rated_anew on commit drop as
select * from draenei_content.wallpaper_versions
where version_number = 1 and wallhaven_id > '0000ff' order by wallhaven_id limit 1500;
update rated_anew set version_number = 9, purity = 'nsfw', observation_key = observation_key || '-later';
insert into draenei_content.wallpaper_versions select * from rated_anew;
insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256, body_bytes,
                       content_type, fetched_at)
select run_key, 'wallhaven', 'wallpaper', 'w-' || wallhaven_id, '{}',
       case when right(wallhaven_id, 1) = '0' then 404 else 401 end,
       'raw/denied-' || wallhaven_id, '', 1, 'application/json', '2025-12-31'
from draenei_content.wallpapers where wallhaven_id > '000800' order by wallhaven_id limit 900
"""

# What Derive leaves behind for each picture.
DONE = """
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
        with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
            collection.add_items(cursor, 1, PAGES, PER_PAGE)
            collection.register_all(cursor)
            crawled.add_crawl(cursor, QUERY, "pillow", runs=100, nodes=5)
        self.build()
        self.analyzed_first = self.analyzed
        warehouse.rows(SPREAD)
        warehouse.rows(EVENTFUL)
        with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
            collection.see_again(cursor, PER_PAGE)
        self.build()

    def build(self) -> None:
        """Build and test everything; what the planner knows of the tables is what the product tells it, no more.

        Somebody else has an older snapshot all the while, as dbt's own connections have now and then: no index learns
        from those who use it which rows are dead.
        """
        self.analyzed = self.analyze()
        with closing(self.warehouse.connect()) as other, other.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute("select from ops.runs")
            self.dbt.build(Silent(), selection("wallhaven")).raise_when_failed()
        self.analyzed += self.analyze()
        emptied_queues.vacuum(self.warehouse.settings())

    def analyze(self) -> list[str]:
        """As Model does before and after a build; what was changed is counted when its connection is gone."""
        wait_until(lambda: self.warehouse.rows(OTHERS_CONNECTED) == [(0,)])
        with postgres.transaction(self.warehouse.settings(), as_owner=True) as cursor:
            return table_statistics.analyze_changed(cursor)

    def vacuum(self) -> None:
        """As autovacuum does some time after a run."""
        with closing(self.warehouse.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("vacuum")

    def asked(self, ask: Callable[[Any], Any]) -> Asked:
        """What is asked of the warehouse, and what that took; of what it wrote nothing is left."""
        with closing(self.warehouse.connect()) as connection, connection.cursor() as cursor:
            # So small a table would be read whole here by a plan that does not there, sorted or not.
            cursor.execute("set local max_parallel_workers_per_gather = 0")
            asked = Asked(cursor)
            ask(asked)
        return asked

    def built(self, sql: str) -> dict[str, Any]:
        """The executed plan of a statement of the last build."""
        with postgres.transaction(self.warehouse.settings(), as_owner=True) as cursor:
            cursor.execute(CLAIMED, (list(DUPLICATES),))
            return built(cursor, sql)


@pytest.fixture
def grown(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    folder = tmp_path_factory.mktemp("plans")
    dbname = f"test_plans_{folder.parent.name.replace('-', '_')}"
    _administer(postgres_server, f'create database "{dbname}" template test_template strategy file_copy')
    yield Grown(Warehouse(postgres_server, dbname, folder / "home"), folder / "dbt")
    _administer(postgres_server, f'drop database "{dbname}" with (force)')


class Asked:
    """A cursor that executes and explains, for the gateways' own functions."""

    def __init__(self, cursor: Any) -> None:
        self.cursor, self.scanned, self.blocks, self.statements = cursor, set[str](), 0, 0

    def execute(self, sql: str, arguments: Any = None) -> None:
        self.statements += 1
        self.cursor.execute("savepoint explained")
        self.cursor.execute(f"explain (analyze, buffers, format json) {sql}", arguments)
        ((plans,),) = self.cursor.fetchall()
        self.cursor.execute("rollback to savepoint explained")
        self.cursor.execute(sql, arguments)
        self.scanned |= read_whole(plans[0]["Plan"])
        self.blocks = max(self.blocks, blocks(plans[0]["Plan"]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


SET = json.dumps(
    [
        {"wallhaven_id": f"f{number:05x}", "fence": number, "outcome": "gone", "reason": "", "flags": [], "seconds": 1}
        | {"run_key": collection.RUN, "s3_key": f"wallpapers/f{number:05x}.jpg", "sha256": f"{number:064x}"}
        for number in range(32)
    ]
)
LACKING = {
    "source": "wallhaven",
    "recipes": ["0123456789abcdef"],
    "library": "pillow",
    "most": 5,
    "run": "another",
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
    "known_ids": lambda cursor: page_ledger.known_ids(cursor, "raw.wallhaven_search", "search", QUERY.key, ["000001"]),
    "details_wanted": lambda cursor: page_ledger.details_wanted(cursor, LISTED),
    "pages_to_load": lambda cursor: page_ledger.pages_to_load(cursor, f"{QUERY.key}/other", "search", 100),
    "loaded_bodies": lambda cursor: page_ledger.loaded_bodies(cursor, "wallhaven", "search", ["ab" * 32]),
    "find_page": lambda cursor: page_ledger.find_page(cursor, f"{QUERY.key}/other", "search", "page-00001"),
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
    "derive: totals": lambda cursor: derivative_ledger.totals(cursor, "another"),
    "gallery: may it have changed?": lambda cursor: cursor.execute(gallery_ledger.HAPPENED),
    "gallery: has it changed?": lambda cursor: gallery_ledger.state(cursor, LISTED),
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
    "backlog": audit_ledger.backlog,
}


def read_whole(plan: dict[str, Any]) -> set[str]:
    """The growing tables that an executed plan read from end to end; what it never came to does not count."""
    read = [node for node in nodes(plan) if node["Actual Loops"]]
    return {node.get("Relation Name", "") for node in read if _is_whole(node)} & GROWING


def _is_whole(node: dict[str, Any]) -> bool:
    rows = node["Actual Rows"] + sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return bool(node["Node Type"] == "Seq Scan" or rows * node["Actual Loops"] > ROWS_OF_A_TABLE)


# One test, because each process that runs a part of it would make the collection anew.
def test_what_a_run_asks_and_a_build_reads_is_found_by_indexes(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_ledger, "MOST_DETAILS", LISTED)
    assert {"raw.wallhaven_search", "ops.pages", "draenei_content.wallpapers"} <= set(grown.analyzed_first)
    for sql in ("max(fetched_at) from raw.wallhaven_search", "count(record_id) from raw.wallhaven_search"):
        whole = grown.asked(lambda cursor, sql=sql: cursor.execute(f"select {sql}"))
        assert whole.scanned == {"wallhaven_search"}, "a plan that reads a whole table or index is seen"

    plans = {name: grown.built(sql) for name, sql in statements(grown.dbt.folder).items()}
    grown.warehouse.rows(DONE)
    grown.warehouse.rows("truncate ops.derive_queue")
    grown.analyze()
    grown.vacuum()
    asked = {name: grown.asked(ask) for name, ask in ASKED.items()}
    assert [name for name, one in asked.items() if not one.statements] == []
    assert {name: one.scanned for name, one in asked.items() if one.scanned} == READ_WHOLE
    most = {name: one.blocks for name, one in asked.items() if name not in READ_WHOLE}
    bounds = dict.fromkeys(most, BLOCKS_A_STATEMENT) | BLOCKS_OF_LISTS
    assert {name: number for name, number in most.items() if number > bounds[name]} == {}

    assert {"wallpapers", "wallpaper_versions", "unique_wallpapers_wallhaven_id"} <= plans.keys()
    assert len(plans) > 30
    assert sum(map(blocks, plans.values())) > len(plans), "the batch is not tested, so there is something to read"
    lives = [name for name in plans if "wallpaper_li" in name or "wallpaper_l_" in name]  # dbt cuts long names
    assert len(lives) == 3
    assert {name: read_whole(plan) for name, plan in plans.items() if read_whole(plan)} == BUILT_WHOLE
    most = dict.fromkeys(plans, BLOCKS_A_STATEMENT) | dict.fromkeys(lives, BLOCKS_OF_LIVES)
    most["duplicate_pairs"] = BLOCKS_OF_PAIRS
    read = {name: blocks(plan) for name, plan in plans.items() if blocks(plan) > most[name]}
    assert read.keys() <= BUILT_WHOLE.keys(), read
