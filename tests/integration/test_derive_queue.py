"""Derive's work list reads what is queued, and that is what a look at all pictures finds, whatever happened to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.gateways import derivative_ledger
from luigi_tasks.gateways.derivative_ledger import ALL, QUEUED, WANTED, WorkList
from tests.conftest import Warehouse
from tests.integration.model_fixtures import RUN

STORED = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at)
select 'r', n::text, 1, 'stored', 'wallpapers/' || n, lpad(to_hex(n), 64, '0'), 1, now() from generate_series(1, 5) as n
"""
MEASURED = """
insert into ops.image_metadata (sha256, status, reason, attempts, measured_with, bytes)
select sha256, 'unreadable', 'broken', ATTEMPTS, 'pillow', 1 from ops.uploads where WHICH
"""
FILE = """
insert into ops.archive_entries (dataset, name, folder, run_key, outcome, object_key, sha256, bytes, crc32)
values ('d', 'n', 'f', 'r', 'stored', 'datasets/n', lpad('7', 64, '0'), 1, 1)
"""
MOST = 5
# In order; each is followed by a Derive that makes nothing, as one that is killed or whose decoder fails.
HAPPENS = [
    STORED,
    MEASURED.replace("ATTEMPTS", "5").replace("WHICH", "wallhaven_id in ('1', '2', '3')"),
    MEASURED.replace("ATTEMPTS", "1").replace("WHICH", "wallhaven_id = '4'"),
    "update ops.uploads set modelled_in = 'i'",
    "update ops.uploads set lost_at = now(), reopened_at = now() where wallhaven_id = '1'",
    "update ops.image_metadata set attempts = 0 where sha256 like '%2'",
    "delete from ops.image_metadata where sha256 like '%3'",
    "update ops.uploads set lost_at = null, reopened_at = null where wallhaven_id = '1'",
    "update ops.image_metadata set attempts = 5",
    MEASURED.replace("ATTEMPTS", "5").replace("WHICH", "wallhaven_id in ('3', '5')"),
    FILE,
    "delete from ops.image_metadata where sha256 like '%1'",
]


@pytest.fixture
def cursor(warehouse: Warehouse) -> Iterator[Any]:
    with warehouse.rolled_back() as cursor:
        cursor.execute(RUN)
        yield cursor


def work_list(source: str = "wallhaven", library: str = "pillow") -> WorkList:
    return WorkList(source, (), library, MOST)


def found(cursor: Any, which: str, source: str = "wallhaven") -> list[str]:
    about = {"source": source, "recipes": [], "library": "pillow", "most": MOST, "run": None, "after": "", "limit": 64}
    missing = derivative_ledger.MISSING.format(which=which)
    cursor.execute(WANTED.format(missing=missing), about)
    return [row[0][-1] for row in cursor.fetchall()]


def test_what_is_queued_is_what_is_missing(cursor: Any) -> None:
    seen = []
    for happened in HAPPENS:
        cursor.execute(happened)
        for source in ("wallhaven", "kaggle"):
            for _ in range(2):
                work = work_list(source)
                everything = found(cursor, ALL, source)
                assert work.count(cursor) == len(everything), happened
                assert [wanted.sha256[-1] for wanted in work.after(cursor, "", 64)] == everything, happened
                work.passed(cursor)
                assert found(cursor, QUEUED, source) == everything, "what failed stays, and comes again"
        seen.append("".join(found(cursor, ALL)))
    assert seen == ["12345", "45", "45", "45", "45", "245", "2345", "2345", "35", "", "", "1"]
    assert found(cursor, ALL, "kaggle") == ["7"]
    cursor.execute("select count(*) from ops.derive_queue")
    assert cursor.fetchone() == (2,), "who lacks nothing is not queued"


def test_other_demands_look_at_all_once_more(cursor: Any) -> None:
    cursor.execute(STORED)
    cursor.execute(MEASURED.replace("ATTEMPTS", "5").replace("WHICH", "true"))
    first = work_list()
    assert first.count(cursor) == 0
    first.passed(cursor)
    passed = "select asked, passed_at from ops.derive_passes"
    cursor.execute(passed)
    before = cursor.fetchall()
    again = work_list()
    assert again.count(cursor) == 0
    again.passed(cursor)
    cursor.execute(passed)
    assert cursor.fetchall() == before, "nothing was there to look at"
    assert work_list(library="pillow, newer").count(cursor) == 5
