"""Good or bad: what the schema refuses and what jsonb refuses, with every violation and where it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.sources import wallhaven
from luigi_tasks.sources.contract import parse_json
from luigi_tasks.sources.validation import DEEPEST, RecordCheck
from twin import Catalogue, Twin

CHECK = RecordCheck(wallhaven, wallhaven.ENTITIES["search"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """A good search item."""
    thumbs = dict.fromkeys(("large", "original", "small"), "https://th.wallhaven.cc/x.jpg")
    return {
        "id": "94x38z",
        "url": "https://wallhaven.cc/w/94x38z",
        "short_url": "https://whvn.cc/94x38z",
        "views": 12,
        "favorites": 0,
        "source": "",
        "purity": "sfw",
        "category": "anime",
        "dimension_x": 1920,
        "dimension_y": 1080,
        "resolution": "1920x1080",
        "ratio": "1.78",
        "file_size": 1000,
        "file_type": "image/png",
        "created_at": "2026-11-20 18:30:05",
        "colors": ["#000000"],
        "path": "https://w.wallhaven.cc/full/94/wallhaven-94x38z.png",
        "thumbs": thumbs,
    }


def violations(record: object) -> dict[str, str]:
    """What is wrong with a record that must be bad, by place."""
    sorted_record = CHECK.sort(3, record)
    assert isinstance(sorted_record, BadRecord)
    assert sorted_record.position == 3
    assert len({v["path"] for v in sorted_record.violations}) == len(sorted_record.violations)
    return {violation["path"]: violation["message"] for violation in sorted_record.violations}


def test_a_good_record_keeps_every_value(record: dict[str, Any]) -> None:
    found = CHECK.sort(0, {**record, "source": "https://例え.jp/🐐"})
    assert isinstance(found, GoodRecord)
    assert (found.position, found.record_id) == (0, "94x38z")
    assert json.loads(found.payload) == {**record, "source": "https://例え.jp/🐐"}


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ("a\0b", "/source", "U+0000"),
        ("\ud83d", "/source", "lone surrogate"),
        (float("nan"), "/source", "finite"),
        (float("inf"), "/source", "finite"),
        ({"a": [{"b": "\0"}]}, "/source/a/0/b", "U+0000"),
        ({"a": [1, float("-inf")]}, "/source/a/1", "finite"),
        ({"na\0me": 1}, "/source/na\\u0000me (name)", "U+0000"),
        ({"na\ud800me": 1}, "/source/na\\ud800me (name)", "lone surrogate"),
        ({"a/b~c": "\0"}, "/source/a~1b~0c", "U+0000"),
    ],
)
def test_what_jsonb_refuses_is_found_at_any_depth(record: dict[str, Any], value: Any, path: str, words: str) -> None:
    found = violations({**record, "source": value})
    assert words in found.pop(path)
    assert found.keys() <= {"/source"}, "the schema blames nothing but the field itself"


def test_a_huge_number_is_found_whether_it_is_an_integer_or_not(record: dict[str, Any]) -> None:
    text = json.dumps(record)
    for number in ("1" * 400, "1" * 5000, "1e999", "-1e999"):
        huge = parse_json(text.replace('"views": 12', f'"views": {number}').encode())
        assert "/views" in violations(huge)


def test_an_integer_that_postgres_holds_is_kept_to_the_digit(record: dict[str, Any]) -> None:
    found = CHECK.sort(0, parse_json(json.dumps({**record, "more": 10**800}).encode()))
    assert isinstance(found, GoodRecord)
    assert json.loads(found.payload)["more"] == 10**800


def test_every_violation_is_listed_also_beside_what_jsonb_refuses(record: dict[str, Any]) -> None:
    spoilt = {**record, "views": -1, "purity": "nice", "source": "\0", "colors": ["red", "\0"], "ratio": 1.78}
    del spoilt["path"]
    found = violations(spoilt)
    assert found.keys() == {"/views", "/purity", "/source", "/colors/0", "/colors/1", "/ratio", ""}
    assert found[""] == '"path" is a required property'


@pytest.mark.parametrize("depth", [DEEPEST + 2, 254, 300, 900])
def test_a_record_that_is_nested_too_deeply_is_bad_and_harms_nobody(record: dict[str, Any], depth: int) -> None:
    text = json.dumps({**record, "more": "HERE"}).replace('"HERE"', "[" * depth + "]" * depth)
    found = violations(parse_json(text.encode()))
    assert list(found.values()) == [f"is nested deeper than {DEEPEST} levels"]


def test_a_record_that_is_nested_deeply_enough_to_wonder_is_good(record: dict[str, Any]) -> None:
    text = json.dumps({**record, "more": "HERE"}).replace('"HERE"', "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    assert isinstance(CHECK.sort(0, parse_json(text.encode())), GoodRecord)


@pytest.mark.parametrize("record_of_no_use", [None, 7, "text", [], {}, {"id": "../x"}])
def test_what_is_no_record_at_all_is_bad_without_a_key(record_of_no_use: object) -> None:
    found = CHECK.sort(0, record_of_no_use)
    assert isinstance(found, BadRecord)
    assert found.record_id is None
    assert found.violations


def test_a_bad_record_keeps_its_key_and_its_text_in_plain_ascii(record: dict[str, Any]) -> None:
    found = CHECK.sort(0, {**record, "source": "\ud83d\0é"})
    assert isinstance(found, BadRecord)
    assert found.record_id == "94x38z"
    assert found.record.isascii()
    assert json.loads(found.record)["source"] == "\ud83d\0é"


def test_a_message_that_quotes_a_long_value_is_cut_and_keeps_the_reason(record: dict[str, Any]) -> None:
    message = violations({**record, "views": -(10**900)})["/views"]
    assert len(message) <= 310
    assert message.startswith("-1000")
    assert message.endswith("is less than the minimum of 0")


def test_unexpected_fields_are_named_and_the_record_stays_good(record: dict[str, Any]) -> None:
    strange = {**record, "mood": "calm", "größe": 1}
    assert isinstance(CHECK.sort(0, strange), GoodRecord)
    assert CHECK.unexpected_fields(strange) == {"mood", "größe"}
    assert CHECK.unexpected_fields(record) == CHECK.unexpected_fields([1]) == set()


def test_an_unexpected_name_that_postgres_cannot_hold_is_not_reported(record: dict[str, Any]) -> None:
    assert CHECK.unexpected_fields({**record, "\0": 1, "\ud800": 1}) == set()


@given(JSON)
def test_any_json_value_is_sorted_and_a_bad_one_can_be_kept(value: object) -> None:
    found = CHECK.sort(0, value)
    assert isinstance(found, BadRecord)
    kept = json.dumps(found.violations) + found.record
    assert kept.isascii()
    assert "\0" not in kept
    assert all("\0" not in v["path"] + v["message"] for v in found.violations)


def test_every_item_of_the_twin_is_good() -> None:
    with Twin(Catalogue.generate(24, small=True)) as twin:
        import requests

        records = wallhaven.parse("search", requests.get(f"{twin.api_url}/search", timeout=10).content).records
    assert len(records) == 24
    assert {type(CHECK.sort(0, one)) for one in records} == {GoodRecord}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_not_taken_for_null(record: dict[str, Any], number: float) -> None:
    found = CHECK.sort(0, {**record, "more": {"or less": [None, number]}})
    assert isinstance(found, BadRecord)
    assert [violation["path"] for violation in found.violations] == ["/more/or less/1"]
    null = CHECK.sort(0, {**record, "more": None})
    assert isinstance(null, GoodRecord)
    assert json.loads(null.payload)["more"] is None
