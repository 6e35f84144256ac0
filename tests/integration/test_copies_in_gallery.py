"""What the gallery says of pictures with the same bytes, whichever of them it shows."""

from __future__ import annotations

from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.gallery_duplicates import Duplicates
from tests.conftest import Warehouse

MODELS = """
create table public.pairs (picture_a text, picture_b text, distance integer, kind text);
create table public.clusters (picture text, cluster_id text, is_canonical boolean);
insert into public.pairs values
    ('a1', 'a2', 0, 'exact'), ('a1', 'a3', 0, 'exact'), ('b1', 'b2', 0, 'exact'), ('a1', 'b1', 3, 'near'),
    ('a1', 'c', 4, 'near')
"""
FIRST = {
    "a1": [["a2", 0, "exact"], ["a3", 0, "exact"], ["b1", 3, "near"], ["c", 4, "near"]],
    "a2": [["a1", 0, "exact"], ["b1", 3, "near"], ["c", 4, "near"]],
    "a3": [["a1", 0, "exact"], ["b1", 3, "near"], ["c", 4, "near"]],
    "b1": [["b2", 0, "exact"], ["a1", 3, "near"]],
    "b2": [["b1", 0, "exact"], ["a1", 3, "near"]],
    "c": [["a1", 4, "near"]],
}
WITHOUT_THE_FIRSTS = {
    "a2": [["a3", 0, "exact"], ["b2", 3, "near"], ["c", 4, "near"]],
    "a3": [["a2", 0, "exact"], ["b2", 3, "near"], ["c", 4, "near"]],
    "b2": [["a2", 3, "near"]],
    "c": [["a2", 4, "near"]],
}


def test_the_first_that_is_shown_stands_for_all_of_the_same_bytes(warehouse: Warehouse) -> None:
    warehouse.rows(MODELS)
    duplicates = Duplicates("public.pairs", "public.clusters", "picture")
    for said in (FIRST, WITHOUT_THE_FIRSTS, {"a3": None}):
        with postgres.transaction(warehouse.settings(), as_owner=True) as cursor:
            names = duplicates.queries(cursor, "select unnest(%(shown)s)")
            cursor.execute(f"with {names} select id, found from near", {"shown": list(said)})
            assert dict(cursor.fetchall()) == {name: found for name, found in said.items() if found}
