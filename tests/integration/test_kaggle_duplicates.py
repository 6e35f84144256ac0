"""Pictures of Kaggle's datasets that are one: by their bytes, by what they show, by what a person said."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from psycopg2.extras import execute_values

from luigi_tasks.gateways import gallery_ledger, postgres
from tests.conftest import Warehouse
from tests.integration.duplicate_fixtures import Duplicates, Stored, measured
from tests.integration.model_fixtures import register_run

RUN_KEY = "kaggle/duplicates/run-0"
MODELS = ("+kaggle_duplicate_clusters", "kaggle_products")
PAIRS = "select picture_a, picture_b, kind, verdict, distance from draenei_content.kaggle_duplicate_pairs order by 1, 2"
CLUSTERS = "select picture, cluster_id, is_canonical from draenei_content.kaggle_duplicate_clusters order by 1"
ENTRIES = """
insert into ops.archive_entries (dataset, name, folder, run_key, outcome, object_key, sha256, bytes, crc32) values %s
"""
HASH = 0x0F1E2D3C4B5A6978


def enter(warehouse: Warehouse, *pictures: Stored) -> None:
    """As StoreFolder and Derive enter them; the id is dataset/file."""
    rows = [
        (*_parts(one.wallhaven_id), "images", RUN_KEY, "stored", f"datasets/{one.wallhaven_id}", one.sha256, 9, 1)
        for one in pictures
    ]
    with contextlib.closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        register_run(connection, RUN_KEY)
        execute_values(cursor, ENTRIES, rows)
        measured(cursor, pictures)


def _parts(picture: str) -> tuple[str, str]:
    owner, dataset, name = picture.split("/")
    return f"{owner}/{dataset}", name


def test_the_same_bytes_cluster_what_is_near_is_told_and_a_person_is_heard(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first, copy = Stored("a/b/1.jpg", HASH, HASH, body="one"), Stored("a/c/1.jpg", HASH, HASH, body="one")
    near = Stored("a/b/2.jpg", HASH ^ 0b1111, HASH ^ 0b11)
    tinted = Stored("a/b/3.jpg", HASH, HASH, colour="#c08080")
    plain = Stored("a/b/4.jpg", HASH, HASH, entropy=2.9)
    far = Stored("a/b/5.jpg", ~HASH & (2**64 - 1), HASH ^ 0xFFFF0000)
    enter(warehouse, copy, first, near, tinted, plain, far)
    built = Duplicates.of(warehouse, tmp_path)
    built.judge((first.sha256, near.sha256, "different"), (far.sha256, first.sha256, "same"))
    built.build("duplicate_verdicts", *MODELS)
    assert warehouse.rows(PAIRS) == [
        ("a/b/1.jpg", "a/b/2.jpg", "near", "different", 4),
        ("a/b/1.jpg", "a/b/5.jpg", "verdict", "same", 64),
        ("a/b/1.jpg", "a/c/1.jpg", "exact", None, 0),
    ]
    assert warehouse.rows(CLUSTERS) == [("a/b/1.jpg", "a/b/1.jpg", True), ("a/c/1.jpg", "a/b/1.jpg", False)]
    with postgres.transaction(warehouse.settings()) as cursor:
        shown = {row["id"]: row for row in gallery_ledger.pictures(cursor, "small", "large", 100)}
    assert {name: (row["cluster"], row["canonical"]) for name, row in shown.items() if row["cluster"]} == {
        "a/b/1.jpg": ("a/b/1.jpg", True),
        "a/c/1.jpg": ("a/b/1.jpg", False),
    }
    assert shown["a/b/2.jpg"]["near"] == [["a/b/1.jpg", 4, "near"]]
    assert json.dumps(shown["a/b/3.jpg"]["near"]) == "null"
