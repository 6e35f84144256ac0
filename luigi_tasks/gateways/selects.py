"""What a query gives, as dictionaries by the names of its columns, and which relations are there to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

AT_ONCE = 1000
Given = Sequence[object] | Mapping[str, object] | None


def rows(cursor: Cursor, sql: str, given: Given = None) -> list[dict[str, Any]]:
    """Every row."""
    return list(streamed(cursor, sql, given))


def streamed(cursor: Cursor, sql: str, given: Given = None) -> Iterator[dict[str, Any]]:
    """Every row, some at a time; the cursor is busy until the last."""
    cursor.execute(sql, given)
    assert cursor.description, "a select has columns"
    names = [column.name for column in cursor.description]
    while found := cursor.fetchmany(AT_ONCE):
        yield from (dict(zip(names, row, strict=True)) for row in found)


def first(cursor: Cursor, sql: str, given: Given = None) -> dict[str, Any] | None:
    """The first row, None when there is none."""
    return next(iter(rows(cursor, sql, given)), None)


def existing(cursor: Cursor, relations: Iterable[str]) -> set[str]:
    """Of these relations those that are there."""
    cursor.execute("select n from unnest(%s::text[]) as n where to_regclass(n) is not null", (list(relations),))
    return {name for (name,) in cursor.fetchall()}


def exists(cursor: Cursor, relation: str) -> bool:
    """True when there is such a table or view: before the first dbt build there is no model."""
    return relation in existing(cursor, [relation])
