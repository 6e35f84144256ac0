"""Every recorded response of the real API is read by the pipeline's own parser and satisfies its own schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.sources import wallhaven
from luigi_tasks.sources.answers import judge
from luigi_tasks.sources.validation import RecordCheck

SAMPLES = Path(__file__).parents[3] / "shared" / "wallhaven" / "samples"
JSON = {"content-type": "application/json"}


def recorded(*patterns: str, apart: tuple[str, ...] = ()) -> Any:
    """A parameter over the recorded files; one skipped case when there are none."""
    files = sorted(file for pattern in patterns for file in SAMPLES.glob(pattern) if file.name not in apart)
    missing = pytest.param(None, marks=pytest.mark.skip(f"no recorded responses at {SAMPLES}"))
    return pytest.mark.parametrize("file", files or [missing], ids=lambda file: file.stem if file else "none")


BARE = "detail-r25peq-data-only.json"


def check(entity: str) -> RecordCheck:
    """The check of an entity's records."""
    return RecordCheck(wallhaven, wallhaven.ENTITIES[entity])


def assert_good(entity: str, record: object) -> None:
    """The record is loaded as it is, and knows no field that we do not."""
    found = check(entity).sort(0, record)
    assert not isinstance(found, BadRecord), found.violations
    assert json.loads(found.payload) == record
    assert check(entity).unexpected_fields(record) == set()


@recorded("search-*.json", "collection-*.json")
def test_every_listing_is_an_answer_and_all_its_records_are_good(file: Path) -> None:
    body = file.read_bytes()
    judge(wallhaven, "search", 200, JSON, body, where=file.name)
    page = wallhaven.parse("search", body)
    document = json.loads(body)
    assert list(page.records) == document["data"]
    assert (page.number, page.last_number, page.total) == tuple(
        document["meta"][name] for name in ("current_page", "last_page", "total")
    )
    for record in page.records:
        assert_good("search", record)
    keys = [wallhaven.record_id(record) for record in page.records]
    assert None not in keys
    assert len(set(keys)) == len(keys)


@recorded("detail-*.json", apart=(BARE,))
def test_every_detail_is_an_answer_and_its_record_is_good(file: Path) -> None:
    judge(wallhaven, "wallpaper", 200, JSON, file.read_bytes(), where=file.name)
    (record,) = wallhaven.parse("wallpaper", file.read_bytes()).records
    assert_good("wallpaper", record)
    assert wallhaven.record_id(record) == file.stem.split("-")[1]


@recorded("item-*.json", BARE)
def test_every_bare_record_is_good(file: Path) -> None:
    assert_good("wallpaper" if file.name == BARE else "search", json.loads(file.read_text()))


@recorded("error-*.json")
def test_every_error_is_no_listing(file: Path) -> None:
    with pytest.raises(SourceError):
        wallhaven.parse("search", file.read_bytes())
    assert wallhaven.parse("wallpaper", file.read_bytes()).records == ()


@recorded("settings-*.json", "tag-*.json", "collections-*.json")
def test_the_bodies_of_other_routes_are_no_listing(file: Path) -> None:
    with pytest.raises(SourceError):
        wallhaven.parse("search", file.read_bytes())


def violations(file: Path, entity: str) -> set[str]:
    """Where the records of an invented or outdated body are wrong."""
    sorter = check(entity)
    found = [sorter.sort(0, record) for record in wallhaven.parse(entity, file.read_bytes()).records]
    return {v["path"] or v["message"] for bad in found if isinstance(bad, BadRecord) for v in bad.violations}


@recorded("doc-examples/search-doc.json", "doc-examples/detail-*.json")
def test_the_documentations_examples_are_good_though_out_of_date(file: Path) -> None:
    assert violations(file, "search" if "search" in file.stem else "wallpaper") == set()


def test_enough_was_recorded_for_this_to_mean_something() -> None:
    if not SAMPLES.exists():
        pytest.skip(f"no recorded responses at {SAMPLES}")
    listings = [*SAMPLES.glob("search-*.json"), *SAMPLES.glob("collection-*.json")]
    records = [record for file in listings for record in wallhaven.parse("search", file.read_bytes()).records]
    assert len(listings) >= 30
    assert len(records) >= 600
    assert sum(isinstance(check("search").sort(0, record), GoodRecord) for record in records) == len(records)
