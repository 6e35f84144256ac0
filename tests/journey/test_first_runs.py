"""A collection's first runs: everything, then nothing, then what is new, then nothing again."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.journey.running import RUN, Pipeline
from tests.prove.depth import DEEP
from twin import Catalogue, Fault

RUN_2, RUN_3 = "2026-11-21T07:01", "2026-11-21T07:02"
COLUMNS = """wallhaven_id url short_url image_url resolution width height ratio category purity file_size file_type
colors views favorites source uploaded_at tags uploader s3_key sha256 upload_status first_seen_at last_seen_at
updated_at run_key page_name"""


@pytest.fixture
def catalogue() -> Catalogue:
    """What "done when" counts with."""
    return Catalogue.generate(100, small=True)


def test_all_then_nothing_then_five_then_nothing(pipeline: Pipeline) -> None:
    first = pipeline.collect(RUN)
    assert (first.returncode, first.stderr) == (0, "")
    pipeline.whole()
    assert pipeline.count("draenei_content.wallpapers") == 100
    assert_summary_and_audit(pipeline, first.stdout)
    assert_raw_zone(pipeline)
    assert_columns(pipeline)
    assert_contact_sheet(first.stdout)
    assert_second_run_moves_nothing(pipeline)
    assert_third_run_stores_five(pipeline)
    assert_same_run_does_nothing(pipeline)


def assert_summary_and_audit(pipeline: Pipeline, said: str) -> None:
    size = sum(len(one.picture.body() or b"") for one in pipeline.twin.catalogue.snapshot()[1])
    audit = pipeline.audit()
    expected = {
        "state": "succeeded",
        "error": None,
        "api_calls": 105,
        "seen": 100,
        "inserted": 100,
        "updated": 0,
        "received": 200,
        "loaded": 200,
        "duplicate": 0,
        "quarantined": 0,
        "uploaded": 100,
        "bytes": size,
        "failures": 0,
        "failures_by_reason": {},
        "pending_after": 0,
    }
    assert {name: audit[name] for name in expected} == expected
    assert isinstance(audit["duration_seconds"], float)
    assert audit["duration_seconds"] > 0
    assert len(pipeline.twin.api_calls()) == 105
    assert re.search(r"^Run wallhaven/draenei-\w{8}/2026-11-21T07:00 succeeded in \d+:\d\d$", said, re.M)
    assert "seen        100 of 100 that the source claims, 105 API answers" in said
    assert "new         100, changed 0, quarantined 0" in said
    assert f"uploaded    100 pictures, {size / 1024:.1f} KiB" in said
    assert "collection  stored 100" in said


def assert_raw_zone(pipeline: Pipeline) -> None:
    pages = pipeline.rows("select object_key, body_sha256, status, entity from ops.pages")
    assert len(pages) == 105
    assert {key for key, *_ in pages} == set(pipeline.objects("raw"))
    for key, sha256, status, entity in pages:
        line, _, body = gzip.decompress((pipeline.home / "objects" / key).read_bytes()).partition(b"\n")
        envelope = json.loads(line)
        assert (envelope["sha256"], envelope["status"], envelope["entity"]) == (sha256, status, entity)
        assert envelope["body_bytes"] == len(body)
        assert {"request", "headers", "fetched_at", "code_version"} <= envelope.keys()


def assert_columns(pipeline: Pipeline) -> None:
    ((row,),) = pipeline.rows("select to_jsonb(w) from draenei_content.wallpapers as w order by wallhaven_id limit 1")
    wallpaper = pipeline.twin.catalogue.get(row["wallhaven_id"])
    assert wallpaper is not None
    assert set(COLUMNS.split()) <= row.keys()
    assert (row["width"], row["height"], row["file_type"]) == (wallpaper.width, wallpaper.height, wallpaper.file_type)
    assert row["tags"] == sorted(tag.name for tag in wallpaper.tags)
    assert row["uploader"] == wallpaper.uploader.username
    page = list(reversed(pipeline.twin.catalogue.ids)).index(row["wallhaven_id"]) // 24 + 1
    assert (row["run_key"], row["page_name"]) == (pipeline.audit()["run_key"], f"page-{page:05}")
    assert pipeline.count("draenei_content.wallpapers", "tags is null or uploader is null") == 0


def assert_contact_sheet(said: str) -> None:
    path = Path(re.findall(r"^  pictures +(.+)$", said, re.M)[0])
    with Image.open(path) as sheet:
        sheet.load()
        assert sheet.format == "WEBP"
        assert sheet.width > 1000
        colors = sheet.convert("RGB").getcolors(1 << 24)
    assert colors is not None
    assert len(colors) > 100


def assert_second_run_moves_nothing(pipeline: Pipeline) -> None:
    tables = "select wallhaven_id, updated_at, upload_status, sha256 from draenei_content.wallpapers order by 1"
    objects, rows, uploads = pipeline.objects(), pipeline.rows(tables), pipeline.count("ops.uploads")
    pipeline.twin.clear_requests()
    second = pipeline.collect(RUN_2)
    assert (second.returncode, second.stderr) == (0, "")
    assert 1 <= len(pipeline.twin.requests) <= 3
    assert pipeline.twin.image_requests() == []
    assert pipeline.objects() == objects
    assert pipeline.rows(tables) == rows
    assert pipeline.count("ops.uploads") == uploads
    audit = pipeline.audit(RUN_2)
    assert (audit["inserted"], audit["updated"], audit["uploaded"], audit["state"]) == (0, 0, 0, "succeeded")


def assert_third_run_stores_five(pipeline: Pipeline) -> None:
    fresh = {wallpaper.id for wallpaper in pipeline.twin.catalogue.upload(5)}
    before = pipeline.objects()
    pipeline.twin.clear_requests()
    third = pipeline.collect(RUN_3)
    assert third.returncode == 0, third.stderr
    assert {request.route.id for request in pipeline.twin.image_requests()} == fresh
    assert len(pipeline.twin.image_requests()) == 5
    after = pipeline.objects()
    assert {key.rpartition("/")[2].partition(".")[0] for key in after.keys() - before.keys()} == fresh
    assert {key: after[key] for key in before} == before
    pipeline.whole()
    assert pipeline.audit(RUN_3)["uploaded"] == 5
    assert "uploaded    5 pictures" in third.stdout


def assert_same_run_does_nothing(pipeline: Pipeline) -> None:
    ledgers = "select to_jsonb(r) from ops.runs as r order by run_key"
    objects, rows = pipeline.objects(""), pipeline.rows(ledgers)
    pipeline.twin.clear_requests()
    begun = time.monotonic()
    again = pipeline.collect(RUN_3)
    assert time.monotonic() - begun < 30
    assert again.returncode == 0, again.stderr
    assert f"{RUN_3} is complete: nothing to do" in again.stdout
    assert pipeline.twin.requests == []
    assert (pipeline.objects(""), pipeline.rows(ledgers)) == (objects, rows)


@DEEP
def test_pictures_that_fail_keep_none_of_the_others_waiting(pipeline: Pipeline) -> None:
    catalogue, faults = pipeline.twin.catalogue, pipeline.twin.faults
    corrupt, gone, throttled, late = catalogue.ids[:4]
    faults.add(
        Fault("corrupt", "image", id=corrupt, times=None),
        Fault("gone", "image", id=gone, times=None),
        Fault("throttle", "image", id=throttled, retry_after=1),
        Fault("throttle", "search", page=2, retry_after=1),
        Fault("gone", "detail", id=late, times=None),
    )
    ended = pipeline.collect()
    assert ended.returncode == 0, ended.stderr
    outcomes = dict(pipeline.rows("select wallhaven_id, outcome from ops.uploads where outcome <> 'stored'"))
    assert outcomes == {corrupt: "corrupt", gone: "gone"}
    stored = {key.rpartition("/")[2].partition(".")[0] for key in pipeline.objects()}
    assert stored == set(catalogue.ids) - {corrupt, gone}
    statuses = dict(pipeline.rows("select wallhaven_id, upload_status from draenei_content.wallpapers"))
    assert (statuses[corrupt], statuses[gone], statuses[throttled]) == ("retrying", "gone", "stored")
    audit = pipeline.audit()
    assert (audit["uploaded"], audit["failures"]) == (98, 2)
    assert audit["failures_by_reason"] == {"corrupt": 1, "gone": 1}
    assert audit["pending_after"] == 1
    assert "failed      2: corrupt 1, gone 1" in ended.stdout
    faults.clear()
    assert pipeline.collect(RUN_2).returncode == 0
    assert pipeline.count("ops.uploads", f"wallhaven_id = '{corrupt}' and outcome = 'stored'") == 1
    assert pipeline.count("draenei_content.wallpapers", "upload_status = 'stored'") == 99
