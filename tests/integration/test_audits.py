"""What the latest fsck of each part says of the whole: an audit counts until one that saw as much came after it."""

from __future__ import annotations

import pytest

from luigi_tasks.domain.damage import Part
from luigi_tasks.gateways import audits
from tests.conftest import Warehouse

Entered = tuple[str, bool, Part, dict[str, int]]
WHOLE, ONE, TWO = Part(), Part(1, 2), Part(2, 2)


@pytest.mark.parametrize(
    ("entered", "damaged"),
    [
        ([("wallhaven", False, WHOLE, {"wrong_size": 2, "empty_object": 1})], {"wallhaven": 3}),
        ([("wallhaven", False, WHOLE, {"wrong_size": 2}), ("wallhaven", False, WHOLE, {})], {"wallhaven": 0}),
        ([("wallhaven", False, WHOLE, {"wrong_size": 1}), ("kaggle", False, WHOLE, {})], {"kaggle": 0, "wallhaven": 1}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", True, TWO, {})], {"wallhaven": 1}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", True, TWO, {"x": 4})], {"wallhaven": 5}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", True, ONE, {})], {"wallhaven": 0}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", False, WHOLE, {})], {"wallhaven": 1}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", True, WHOLE, {})], {"wallhaven": 0}),
        ([("wallhaven", False, ONE, {"wrong_size": 1}), ("wallhaven", True, WHOLE, {})], {"wallhaven": 0}),
        ([("wallhaven", True, ONE, {"wrong_bytes": 1}), ("wallhaven", True, Part(3, 7), {})], {"wallhaven": 0}),
        ([("wallhaven", True, WHOLE, {"x": 1}), ("wallhaven", False, WHOLE, {"x": 1})], {"wallhaven": 1}),
    ],
    ids=[
        *("all classes", "a later one counts", "each source by itself", "the other part does not clear it"),
        *("parts add up", "the same part again", "a quick one does not see what a deep one saw", "a deep whole one"),
        *("deep sees what quick does", "another division begins anew", "seen by both is one damage"),
    ],
)
def test_what_stands(warehouse: Warehouse, entered: list[Entered], damaged: dict[str, int]) -> None:
    connection = warehouse.connect()
    for source, deep, part, damage in entered:
        with connection, connection.cursor() as cursor:
            audits.enter(cursor, source, part, deep=deep, objects=9, damage=damage)
    with connection, connection.cursor() as cursor:
        found = audits.standing(cursor)
    connection.close()
    assert {source: number for source, number, _ in found} == damaged
    assert all(last > 1.7e9 for _, _, last in found)
