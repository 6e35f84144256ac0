"""A load repeats when it says what was known last, of every record of it; whatever may say otherwise makes it news."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from luigi_tasks.gateways import repeated_loads
from luigi_tasks.sources import CATALOGUE
from tests.conftest import Warehouse

# What bodies say: records and what they have.
BODIES: Mapping[str, Mapping[str, object]] = {
    "old": {"a": {"views": 1, "url": "u"}, "b": {"views": 1}},
    "new": {"a": {"views": 2, "url": "u"}, "b": {"views": 1}},
    "less": {"a": {"views": 1}},
    "same, of one": {"a": {"views": 1, "url": "u"}},
    "others": {"c": {"views": 1}},
    "detail": {"a": {"views": 1, "url": "u", "tags": []}},
    "newer detail": {"a": {"views": 5, "url": "u", "tags": []}},
    "empty": {},
}


@dataclass
class World:
    """Loads of a source, one a run and batch, a minute apart."""

    cursor: Any
    source: str
    minutes: int = 0

    def load(self, body: str, query: str = "q", page: str = "page-00001", entity: str = "", of: int = 0) -> bool:
        """Load a page as Load does; whether it repeats. of: the run's logical time, where that is not the order."""
        entity = entity or next(iter(CATALOGUE[self.source].ENTITIES))
        table = CATALOGUE[self.source].ENTITIES[entity].table
        self.minutes += 1
        run = f"{query}/{self.minutes:05}"
        self.cursor.execute(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address) values (%s, %s, %s, '', '{}', %s, 'succeeded', '', '', '')",
            (run, self.source, query, f"{query}/{of or self.minutes:05}"),
        )
        self.cursor.execute("insert into ops.batches (run_key) values (%s) returning batch_id", (run,))
        batch = self.cursor.fetchone()[0]
        self.cursor.execute("select exists (select from ops.loads where body_sha256 = %s)", (body,))
        is_known = self.cursor.fetchone()[0]
        for position, (name, payload) in enumerate([] if is_known else BODIES[body].items()):
            self.cursor.execute(
                f"insert into {table} values (%s, %s, %s, %s, %s, now())",
                (body, position, name, json.dumps(payload), batch),
            )
        counts = (0, len(BODIES[body])) if is_known else (len(BODIES[body]), 0)
        self.cursor.execute(
            "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
            " body_bytes, content_type, fetched_at) values (%s, %s, %s, %s, '{}', 200, %s, %s, 1, '',"
            " now() + interval '1 minute' * %s) returning page_id, fetched_at",
            (run, self.source, entity, page, run, body, self.minutes),
        )
        page_id, fetched_at = self.cursor.fetchone()
        self.cursor.execute(
            "insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at,"
            " received, loaded, duplicate, quarantined) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0)",
            (page_id, batch, self.source, entity, run, page, body, fetched_at, sum(counts), *counts),
        )
        tables = {name: entity.table for name, entity in CATALOGUE[self.source].ENTITIES.items()}
        listed = self.source == "wallhaven"
        return repeated_loads.mark(self.cursor, batch, table, tables, listed=listed) == 1


@pytest.fixture
def cursor(warehouse: Warehouse) -> Iterator[Any]:
    with warehouse.rolled_back() as cursor:
        yield cursor


def test_a_listing_repeats_while_nothing_says_otherwise(cursor: Any) -> None:
    world = World(cursor, "wallhaven")
    assert not world.load("old")
    assert world.load("old")
    assert not world.load("new")
    assert not world.load("old"), "taken back"
    assert world.load("old")
    assert not world.load("old", query="another"), "the first find of a query"
    assert world.load("old", query="another")
    assert not world.load("others", query="another")
    assert world.load("old"), "of other records"
    assert not world.load("same, of one", query="another")
    assert world.load("old"), "it says the same"
    assert not world.load("less", query="another")
    assert not world.load("old"), "a field was missing in between"
    assert not world.load("detail", page="w-a", entity="wallpaper")
    assert world.load("old"), "the detail says the same, and more"
    assert not world.load("newer detail", page="w-a", entity="wallpaper")
    assert not world.load("old"), "the detail was newer"
    assert world.load("old")
    assert not world.load("old", page="page-00002"), "not where it stood"
    assert not world.load("empty")
    assert not world.load("old")
    world.minutes += 24 * 60
    assert not world.load("old"), "after a day something is built in any case"


def test_a_run_that_saw_something_come_or_go_is_news(cursor: Any) -> None:
    world = World(cursor, "wallhaven")
    world.load("old")
    assert world.load("old")
    cursor.execute("insert into ops.listing_changes values ('q/00002', 'q', 'z', now(), false)")
    cursor.execute("update ops.loads set repeats = false where run_key = 'q/00002'")
    cursor.execute("select batch_id from ops.loads where run_key = 'q/00002'")
    (batch,) = cursor.fetchone()
    tables = {name: entity.table for name, entity in CATALOGUE["wallhaven"].ENTITIES.items()}
    assert repeated_loads.mark(cursor, batch, "raw.wallhaven_search", tables, listed=True) == 0
    cursor.execute("delete from ops.listing_changes")
    assert repeated_loads.mark(cursor, batch, "raw.wallhaven_search", tables, listed=True) == 1


def test_what_is_whole_repeats_only_after_itself(cursor: Any) -> None:
    world = World(cursor, "sales")
    assert not world.load("old", query="one file")
    assert world.load("old", query="one file")
    assert not world.load("others", query="another file")
    assert not world.load("old", query="one file"), "the current file is another one again"
    assert world.load("old", query="one file")
    assert not world.load("old", query="in any order", of=1000)
    assert not world.load("new", query="in any order", of=3000)
    assert not world.load("new", query="in any order", of=2000), "versions begin earlier by it"
    assert world.load("new", query="in any order", of=4000)
    placeholders = World(cursor, "jsonplaceholder", minutes=100)
    assert not placeholders.load("new", entity="posts")
    assert not placeholders.load("empty", entity="users")
    assert placeholders.load("new", entity="posts"), "users are no posts"
