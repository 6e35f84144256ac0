"""Whatever the order in which sightings arrive and are built, the marts are the same: a pure function of the data."""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from luigi_tasks.gateways import audit_ledger
from tests.integration.model_fixtures import (
    EPOCH,
    MARTS,
    Dbt,
    Page,
    attempt,
    export,
    load,
    random_history,
    register_run,
)
from tests.prove.depth import marks

BUILDS = 4
# One history in `make test` and `make prove`; each costs five builds.
SEEDS = [pytest.param(seed, marks=marks(seed, (20261121,))) for seed in (20261121, 1, 2, 3, 4)]


@pytest.mark.parametrize("seed", SEEDS)
def test_incremental_builds_in_any_order_equal_a_full_refresh_and_the_definition(
    warehouse: Any, tmp_path: Path, seed: int
) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    dice = random.Random(seed)
    pages = random_history(seed)
    dice.shuffle(pages)
    batches = [pages[start : start + 5] for start in range(0, len(pages), 5)]
    with closing(warehouse.connect()) as connection:
        for build in range(BUILDS):
            for batch in batches[build::BUILDS]:
                load(connection, batch)
            _upload_some(connection, dice, build)
            dbt.run("run")
        incremental = {mart: export(connection, mart) for mart in MARTS}
        assert incremental["draenei_content.wallpapers"]
        assert _rows(connection) == _definition(pages)
        _statuses_are_counted(connection)

        dbt.run("run", "--full-refresh", "--select", *(mart.split(".")[1] for mart in MARTS))
        for mart in MARTS:
            assert export(connection, mart) == incremental[mart], mart
        _statuses_are_counted(connection)
        # The live views hang on wallpapers, and were not selected.
        assert export(connection, "draenei_content.pending_uploads")
        assert export(connection, "draenei_content.pending_details")


def _statuses_are_counted(connection: Connection) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("select upload_status, count(*) from draenei_content.wallpapers group by 1")
        counted = dict(cursor.fetchall())
        assert audit_ledger.upload_statuses(cursor) == counted


def _upload_some(connection: Connection, dice: random.Random, build: int) -> None:
    register_run(connection, "wallhaven/draenei/run-0")
    for number in dice.sample(range(40), 12):
        outcome = dice.choice(["stored", "gone", "unreachable", "unreachable", "corrupt"])
        finished_at = EPOCH + datetime.timedelta(hours=build, seconds=number)
        with connection.cursor() as cursor:
            cursor.execute(
                "select bool_or(outcome = 'stored') from ops.uploads where wallhaven_id = %s", (f"w{number:05}",)
            )
            if not (cursor.fetchone() or (None,))[0]:
                attempt(connection, f"w{number:05}", build + 1, outcome, finished_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "update ops.uploads set reopened_at = %s, modelled_in = null where attempt = %s and outcome <> 'stored'"
            " and reopened_at is null and hashtext(wallhaven_id) %% 3 = 0",
            (EPOCH + datetime.timedelta(hours=build, minutes=30), build),
        )
    connection.commit()


def _rows(connection: Connection) -> dict[str, tuple[Any, ...]]:
    columns = "purity, views, favorites, run_key, page_name, first_seen_at, last_seen_at, uploader, tags"
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"select wallhaven_id, {columns}, (select count(*) from draenei_content.wallpaper_versions as v"
            " where v.wallhaven_id = w.wallhaven_id), (select count(*) from draenei_content.wallpaper_metrics as m"
            " where m.wallhaven_id = w.wallhaven_id), array(select t.name from draenei_content.wallpaper_tags as t"
            " where t.wallhaven_id = w.wallhaven_id order by 1) from draenei_content.wallpapers as w"
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _definition(pages: list[Page]) -> dict[str, tuple[Any, ...]]:
    """The same rows, computed in Python from the words of the models' descriptions."""
    seen = defaultdict(list)
    for page in pages:
        for position, record in enumerate(page.records):
            seen[record["id"]].append((page.fetched_at, page.run_key, page.name, position, record))
    return {wallhaven_id: _define(sorted(rows, key=lambda row: row[:4])) for wallhaven_id, rows in seen.items()}


def _define(sightings: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    versions = _changes(sightings, lambda record: record["purity"])
    metrics = _changes(sightings, lambda record: (record["views"], record["favorites"]))
    details = [record for *_, record in sightings if "tags" in record]
    tags = sorted(tag["name"] for tag in details[-1]["tags"]) if details else None
    last, first_of_version = sightings[-1], versions[-1]
    return (
        last[4]["purity"],
        last[4]["views"],
        last[4]["favorites"],
        first_of_version[1],
        first_of_version[2],
        sightings[0][0],
        last[0],
        details[-1]["uploader"]["username"] if details else None,
        tags,
        len(versions),
        len(metrics),
        tags or [],
    )


def _changes(sightings: list[tuple[Any, ...]], value: Any) -> list[tuple[Any, ...]]:
    pairs = zip([None, *sightings], sightings, strict=False)
    return [now for before, now in pairs if before is None or value(before[4]) != value(now[4])]
