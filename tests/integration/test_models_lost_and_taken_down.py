"""What fsck lost is pending again, what was taken down never is, and the lifecycle cites its evidence."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from luigi_tasks.gateways import fsck_ledger, takedown_ledger
from luigi_tasks.gateways.takedown_ledger import Concerned
from tests.integration.model_fixtures import EPOCH, Dbt, Page, attempt, export, item, load

RUN = "wallhaven/draenei/run-"
IDS = ("aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee")


def listing(number: int, *ids: str) -> Page:
    records = tuple(item(name) for name in ids)
    return Page(f"{RUN}{number}", "search", "page-00001", EPOCH + timedelta(hours=number), records)


def answered(warehouse: Any, name: str, status: int, hours: int) -> None:
    warehouse.rows(
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at)"
        " values (%s, 'wallhaven', 'wallpaper', %s, '{}', %s, %s, '', 1, 'application/json', %s)",
        f"{RUN}0",
        f"w-{name}",
        status,
        f"raw/{name}/{status}",
        EPOCH + timedelta(hours=hours),
    )


def test_lost_is_pending_and_taken_down_is_not_and_the_lifecycle_cites_its_evidence(
    warehouse: Any, tmp_path: Path
) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    pending = "select wallhaven_id from draenei_content.pending_uploads order by 1"
    with closing(warehouse.connect()) as connection:
        load(connection, [listing(0, *IDS)])
        attempt(connection, "aaaaaa", 1, "corrupt", EPOCH)
        attempt(connection, "aaaaaa", 2, "stored", EPOCH)
        attempt(connection, "bbbbbb", 1, "stored", EPOCH, sha256="cd" * 32)
        connection.commit()
        answered(warehouse, "dddddd", 404, 1)
        answered(warehouse, "eeeeee", 401, 1)
        load(connection, [listing(2, "aaaaaa", "bbbbbb", "cccccc", "dddddd")])
        dbt.run("run")
        assert warehouse.rows(pending) == [("cccccc",), ("dddddd",), ("eeeeee",)]

        with connection, connection.cursor() as cursor:
            fsck_ledger.lose(cursor, "aaaaaa")
            takedown_ledger.bury(cursor, Concerned(("bbbbbb", "cccccc"), ("cd" * 32,)), "the artist asked")
        assert warehouse.rows(pending) == [("dddddd",), ("eeeeee",)], "a takedown needs no build"
        load(connection, [listing(99999, "bbbbbb")])  # the site shows it years later

        dbt.run("build", "--select", "+wallpapers", "pending_uploads", "wallpaper_lifecycle")
        assert warehouse.rows(
            "select wallhaven_id, upload_status, s3_key, sha256, upload_attempts from draenei_content.wallpapers"
            " order by 1 limit 3"
        ) == [
            ("aaaaaa", "pending", None, None, 0),
            ("bbbbbb", "taken_down", None, None, 0),
            ("cccccc", "taken_down", None, None, 0),
        ]
        assert warehouse.rows(pending) == [("aaaaaa",), ("dddddd",), ("eeeeee",)]
        stones = dict(warehouse.rows("select wallhaven_id, taken_down_at from ops.tombstones where sha256 is null"))
        assert warehouse.rows(
            "select wallhaven_id, updated_at from draenei_content.wallpapers where upload_status = 'taken_down'"
            " order by 1"
        ) == sorted(stones.items())

        seen, page = f"{RUN}0", "page-00001"
        hour = [EPOCH + timedelta(hours=number) for number in range(3)]
        bbb, ccc = stones["bbbbbb"], stones["cccccc"]
        assert warehouse.rows(
            "select wallhaven_id, state, valid_from, valid_to, run_key, page_name, reason"
            " from draenei_content.wallpaper_lifecycle order by 1, 3"
        ) == [
            ("aaaaaa", "active", hour[0], None, seen, page, None),
            ("bbbbbb", "active", hour[0], bbb, seen, page, None),
            ("bbbbbb", "taken_down", bbb, None, None, None, "the artist asked"),
            ("cccccc", "active", hour[0], ccc, seen, page, None),
            ("cccccc", "taken_down", ccc, None, None, None, "the artist asked"),
            ("dddddd", "active", hour[0], hour[1], seen, page, None),
            ("dddddd", "missing", hour[1], hour[2], seen, "w-dddddd", "the detail answers 404"),
            ("dddddd", "active", hour[2], None, f"{RUN}2", page, None),
            ("eeeeee", "active", hour[0], hour[1], seen, page, None),
            ("eeeeee", "withheld", hour[1], None, seen, "w-eeeeee", None),
        ]

        attempt(connection, "aaaaaa", 3, "stored", EPOCH + timedelta(days=1))
        connection.commit()
        dbt.run("run", "--select", "wallpapers")
        incremental = export(connection, "draenei_content.wallpapers")
        assert sum(",stored," in row for row in incremental) == 1
        dbt.run("run", "--select", "wallpapers", "--full-refresh")
        assert export(connection, "draenei_content.wallpapers") == incremental
