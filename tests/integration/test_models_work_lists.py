"""The live work lists, the upload states and the audit, as the programs that read them see them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from tests.integration.model_fixtures import EPOCH, Dbt, Page, attempt, detail, item, load, tag

IDS = ("aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee")
RUNS = "wallhaven/draenei/run-"


def listing(number: int, **changes: Any) -> Page:
    records = tuple(
        item(name, created_at=f"2025-01-0{place + 1} 00:00:00", **changes) for place, name in enumerate(IDS)
    )
    return Page(f"{RUNS}{number}", "search", "page-00001", EPOCH + timedelta(hours=number), records)


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def pending(connection: Connection) -> list[str]:
    return [row[0] for row in rows(connection, "select wallhaven_id from draenei_content.pending_uploads")]


def wallpapers(connection: Connection, columns: str) -> dict[str, Any]:
    found = rows(connection, f"select wallhaven_id, {columns} from draenei_content.wallpapers order by 1")
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in found}


@pytest.mark.prove
def test_uploads_leave_the_list_at_once_and_move_updated_at_at_the_next_build(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    with closing(warehouse.connect()) as connection:
        load(connection, [listing(0)])
        dbt.run("run")
        assert pending(connection) == ["eeeeee", "dddddd", "cccccc", "bbbbbb", "aaaaaa"]
        assert rows(
            connection, "select s3_key, attempts, next_attempt_at from draenei_content.pending_uploads limit 1"
        ) == [("wallpapers/eeeeee.png", 0, None)]

        now = datetime.now(UTC)
        attempt(connection, "aaaaaa", 1, "stored", EPOCH)
        attempt(connection, "bbbbbb", 1, "gone", EPOCH)
        attempt(connection, "cccccc", 1, "unreachable", now)
        for number in (1, 2):
            attempt(connection, "dddddd", number, "unreachable", now - timedelta(minutes=1))
            attempt(connection, "eeeeee", number, "unreachable", now - timedelta(minutes=3))
        connection.commit()
        # One failure: at once again. Two: after two minutes, which eeeeee has waited and dddddd has not.
        assert pending(connection) == ["eeeeee", "cccccc"]

        dbt.run("run", UPLOAD_MAX_ATTEMPTS="2")
        before = wallpapers(connection, "upload_status, updated_at, sha256")
        assert before["aaaaaa"] == ("stored", EPOCH, "ab" * 32)
        assert {name: row[0] for name, row in before.items()} == {
            "aaaaaa": "stored",
            "bbbbbb": "gone",
            "cccccc": "retrying",
            "dddddd": "given_up",
            "eeeeee": "given_up",
        }
        assert before["cccccc"][1] == now
        assert before["eeeeee"][1] == now - timedelta(minutes=3)
        assert pending(connection) == ["cccccc"]

        # Nothing new but numbers; the retry verb reopens eeeeee; the limit is set back to more.
        load(connection, [listing(1, views=9)])
        reopened_at = now + timedelta(minutes=1)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "update ops.uploads set reopened_at = %s, modelled_in = null where wallhaven_id = 'eeeeee'",
                (reopened_at,),
            )
        dbt.run("run")
        after = wallpapers(connection, "upload_status, updated_at, sha256")
        assert after["eeeeee"] == ("pending", reopened_at, None)
        assert after["dddddd"] == ("retrying", now - timedelta(minutes=1), None)
        for name in ("aaaaaa", "bbbbbb", "cccccc"):
            assert after[name] == before[name]
        assert wallpapers(connection, "views, metrics_updated_at, last_seen_at")["aaaaaa"] == (
            9,
            EPOCH + timedelta(hours=1),
            EPOCH + timedelta(hours=1),
        )
        assert pending(connection) == ["eeeeee", "cccccc"]


def test_details_and_audit(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    waiting = "select array_agg(wallhaven_id order by uploaded_at desc) from draenei_content.pending_details"
    with closing(warehouse.connect()) as connection:
        load(connection, [listing(0), _detail(0, "aaaaaa", [tag(1, alias="one, first"), tag(2)], hours=0)])
        dbt.run("run")
        assert rows(connection, waiting) == [(["eeeeee", "dddddd", "cccccc", "bbbbbb"],)]
        rows(connection, _page(0, "eeeeee", 404))
        rows(connection, _page(0, "dddddd", 429))
        load(connection, [_detail(0, "bbbbbb", [], hours=0)])
        assert rows(connection, waiting) == [(["dddddd", "cccccc"],)]

        # One of two tags is taken off; a wallpaper is rated anew; another run brings a broken and a stored image.
        load(connection, [_detail(1, "aaaaaa", [tag(1, alias="one, first")], hours=1), listing(1, purity="sketchy")])
        attempt(connection, "aaaaaa", 1, "corrupt", EPOCH, run_key=f"{RUNS}1")
        attempt(connection, "aaaaaa", 2, "stored", EPOCH, run_key=f"{RUNS}1")
        rows(
            connection,
            "insert into ops.steps (run_key, step, started_at, result)"
            f" values ('{RUNS}1', 'Report', now(), '{{\"pending\": 4}}')",
        )
        rows(
            connection,
            f"update ops.runs set state = 'failed', error = 'no', finished_at = started_at + interval '90 s'"
            f" where run_key = '{RUNS}1'",
        )
        dbt.run("run")
        assert wallpapers(connection, "tags, uploader, purity, updated_at")["aaaaaa"] == (
            ["tag 1"],
            "ann",
            "sketchy",
            EPOCH + timedelta(hours=1),
        )
        assert rows(connection, "select wallhaven_id, tag_id, aliases from draenei_content.wallpaper_tags") == [
            ("aaaaaa", 1, ["one", "first"])
        ]
        columns = "state, api_calls, seen, inserted, updated, received, loaded, uploaded, bytes, failures"
        audit = f"select {columns}, failures_by_reason, pending_after, duration_seconds from draenei_content.run_audit"
        assert rows(connection, f"{audit} order by run_key") == [
            ("running", 5, 5, 5, 0, 7, 7, 0, 0, 0, {}, None, None),
            ("failed", 2, 5, 0, 5, 6, 6, 1, 1000, 1, {"corrupt": 1}, 4, 90.0),
        ]


def _detail(run: int, name: str, tags: list[dict[str, Any]], hours: int) -> Page:
    created_at = f"2025-01-0{IDS.index(name) + 1} 00:00:00"
    record = detail(name, tags, created_at=created_at)
    return Page(f"{RUNS}{run}", "wallpaper", f"w-{name}", EPOCH + timedelta(hours=hours, minutes=-1), (record,))


def _page(run: int, name: str, status: int) -> str:
    return (
        "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
        " body_bytes, content_type, fetched_at)"
        f" values ('{RUNS}{run}', 'wallhaven', 'wallpaper', 'w-{name}', '{{}}', {status}, '{run}/{name}', '{name}',"
        " 1, 'application/json', now())"
    )
