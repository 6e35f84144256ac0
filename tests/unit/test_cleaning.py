"""The clean zone's records: names, types, and the same bytes for the same records."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from luigi_tasks.domain import cleaning
from luigi_tasks.gateways import parquet
from luigi_tasks.sources import jsonplaceholder
from twin.jsonplaceholder import Jsonplaceholder

SCHEMA: dict[str, Any] = {
    "properties": {
        "userID": {"type": "integer"},
        "eMail": {"type": "string", "x-clean": "lower"},
        "bornAt": {"type": ["string", "null"], "format": "date-time"},
        "since": {"type": "string", "format": "date"},
        "score": {"type": "number"},
        "isNew": {"type": "boolean"},
        "tagNames": {"type": "array", "items": {"type": "string"}},
        "geo": {"type": "object", "properties": {"latDeg": {"type": "number"}}},
        "anything": {},
    }
}
RECORD = {
    "userID": 5.0,
    "eMail": "A.B@Example.ORG",
    "bornAt": "2026-11-21T07:00:00Z",
    "since": "2026-02-28",
    "score": 1,
    "isNew": True,
    "tagNames": ["X", "y"],
    "geo": {"latDeg": 2, "ignored": 1},
    "anything": {"b": 1, "a": [2]},
    "notInTheSchema": "stays in raw",
}


@pytest.mark.parametrize(
    ("name", "clean"),
    [("userId", "user_id"), ("thumbnailUrl", "thumbnail_url"), ("userID", "user_id"), ("HTTPServer", "http_server")],
)
def test_camel_case_becomes_snake_case(name: str, clean: str) -> None:
    assert cleaning.snake_case(name) == clean


def test_a_record_gets_the_types_of_its_schema_and_keeps_them_in_the_file() -> None:
    fields = cleaning.fields(SCHEMA)
    (row,) = parquet.read(parquet.packed(fields, [cleaning.cleaned(RECORD, fields)], {}))
    assert row == {
        "user_id": 5,
        "e_mail": "a.b@example.org",
        "born_at": datetime.datetime(2026, 11, 21, 7, tzinfo=datetime.UTC),
        "since": datetime.date(2026, 2, 28),
        "score": 1.0,
        "is_new": True,
        "tag_names": ["X", "y"],
        "geo": {"lat_deg": 2.0},
        "anything": '{"a": [2], "b": 1}',
    }
    assert isinstance(row["user_id"], int)


def test_what_a_record_lacks_is_null() -> None:
    fields = cleaning.fields(SCHEMA)
    assert set(cleaning.cleaned({"bornAt": None}, fields).values()) == {None}


@pytest.mark.parametrize("entity", jsonplaceholder.RESOURCES)
def test_the_same_records_make_the_same_bytes_and_other_ones_others(entity: str) -> None:
    fields = cleaning.fields(jsonplaceholder.ENTITIES[entity].json_schema())
    site = Jsonplaceholder(photos=20, comments=20)

    def file() -> bytes:
        rows = [cleaning.cleaned(json.loads(json.dumps(one)), fields) for one in site.records(entity)]
        return parquet.packed(fields, rows, {"source": "jsonplaceholder", "entity": entity})

    once = file()
    assert file() == once
    site.update(entity, 1, id=999)
    assert file() != once
