"""A wallpaper's life as intervals: missing, gone, rated anew, taken down, restored; and what says nothing of it."""

from __future__ import annotations

import datetime
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from luigi_tasks.gateways import page_ledger, takedown_ledger
from luigi_tasks.gateways.takedown_ledger import Concerned
from tests.integration.model_fixtures import Dbt, Page, attempt, detail, item, load, register_run

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
RUN = "wallhaven/draenei/run-"
IDS = ("active", "absent", "vanish", "denied", "rerate", "struck", "stormy", "picgon")


def at(days: float) -> datetime.datetime:
    """So many days after the first sighting, which was 9 days ago."""
    return NOW - timedelta(days=9 - days)


def listing(number: int, days: float, *records: dict[str, Any]) -> Page:
    """A page of a run's listing."""
    return Page(f"{RUN}{number}", "search", "page-00001", at(days), records)


def answered(connection: Any, name: str, status: int, days: float) -> None:
    """An answer at a detail that is not 200, of a run of its own."""
    run_key = f"{RUN}detail-{name}-{days}"
    register_run(connection, run_key)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
            " body_bytes, content_type, fetched_at)"
            " values (%s, 'wallhaven', 'wallpaper', %s, '{}', %s, %s, '', 1, 'application/json', %s)",
            (run_key, f"w-{name}", status, f"raw/{run_key}", at(days)),
        )


def absent(connection: Any, name: str, number: int, days: float, *, counts: bool = True) -> None:
    """A crawl's finding that a record left the listing; its run counts only when its Fetch is complete."""
    run_key = f"{RUN}{number}"
    register_run(connection, run_key)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.certificates (run_key, query_key, ordered, stopped_at, reads, rereads, ids_seen,"
            " intervals, gaps, first_read_at, last_read_at) values (%s, %s, true, 'end', 1, 0, 1, '[]', '[]', %s, %s)"
            " on conflict do nothing",
            (run_key, "wallhaven/draenei", at(days), at(days)),
        )
        cursor.execute(
            "insert into ops.listing_changes values (%s, 'wallhaven/draenei', %s, '2025-01-01', false)", (run_key, name)
        )
        if counts:
            cursor.execute(
                "insert into ops.steps (run_key, step, started_at, result) values (%s, 'Fetch', now(), '{}')"
                " on conflict do nothing",
                (run_key,),
            )


def test_the_life_of_a_wallpaper(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    with closing(warehouse.connect()) as connection:
        load(connection, [listing(0, 0, *map(item, IDS))])
        load(connection, [listing(1, 1, item("rerate", purity="sketchy"), item("active"))])
        absent(connection, "absent", 1, 1)
        absent(connection, "active", 2, 1.5, counts=False)
        absent(connection, "vanish", 1, 1)
        for days in (1.5, 1.6, 3, 5):  # the second is too soon after the first to count
            answered(connection, "vanish", 404, days)
        for days in (2, 4):
            answered(connection, "denied", 404, days)
        load(connection, [Page(f"{RUN}5", "wallpaper", "w-denied", at(4.5), (detail("denied", []),))])
        answered(connection, "denied", 404, 6)
        for days in (1, 3, 5, 7):
            for status in (429, 500, 503):
                answered(connection, "stormy", status, days + status / 10000)
        attempt(connection, "picgon", 1, "gone", at(2), http_status=404)
        with connection, connection.cursor() as cursor:
            takedown_ledger.bury(cursor, Concerned(("struck",), ()), "the artist asked")
            cursor.execute("update ops.tombstones set taken_down_at = %s", (at(2),))
        load(connection, [listing(3, 3, item("struck"))])
        dbt.run("build")

        def life(name: str) -> list[tuple[Any, ...]]:
            return warehouse.rows(
                "select state, valid_from, valid_to, run_key, page_name, reason"
                " from draenei_content.wallpaper_lifecycle where wallhaven_id = %s order by valid_from",
                name,
            )

        first, page = f"{RUN}0", "page-00001"
        assert life("active") == [("active", at(0), None, first, page, None)], "a run that does not count says nothing"
        assert life("stormy") == [("active", at(0), None, first, page, None)], "a storm marks nothing"
        assert life("absent") == [
            ("active", at(0), at(1), first, page, None),
            ("missing", at(1), None, f"{RUN}1", None, "absent from wallhaven/draenei"),
        ]
        assert life("vanish")[1:] == [
            ("missing", at(1), at(5), f"{RUN}1", None, "absent from wallhaven/draenei"),
            ("gone", at(5), None, f"{RUN}detail-vanish-5", "w-vanish", "the detail answers 404"),
        ]
        assert [row[:3] for row in life("denied")] == [
            ("active", at(0), at(2)),
            ("missing", at(2), at(4.5)),
            ("active", at(4.5), at(6)),
            ("missing", at(6), None),
        ], "what was seen in between starts the count again"
        assert life("rerate")[1:] == [("re_rated", at(1), None, f"{RUN}1", page, "sfw → sketchy")]
        assert life("struck")[1:] == [("taken_down", at(2), None, None, None, "the artist asked")]

        # Who is asked whether it is still there: not who was confirmed, and not who was asked a moment ago.
        checks = "select wallhaven_id from draenei_content.pending_details where reason = 'existence' order by 1"
        assert warehouse.rows(checks) == [("absent",), ("denied",), ("picgon",)]
        answered(connection, "absent", 404, 8.9)
        assert warehouse.rows(checks) == [("denied",), ("picgon",)]
        with connection, connection.cursor() as cursor:
            assert page_ledger.details_wanted(cursor, 2)[1:] == [("denied", "existence")], "half of the limit"
            assert {name for name, _ in page_ledger.details_wanted(cursor, 99)} >= {
                "denied",
                "picgon",
                "active",
                "rerate",
            }

        with connection, connection.cursor() as cursor:
            assert takedown_ledger.lift(cursor, Concerned(("struck",), ()), "she agreed") == ["wallpaper struck"]
            cursor.execute("update ops.tombstones set lifted_at = %s", (at(4),))
        load(connection, [listing(6, 6, item("struck"))])
        dbt.run("run", "--select", "+wallpapers", "pending_uploads")
        assert life("struck")[1:] == [
            ("taken_down", at(2), at(4), None, None, "the artist asked"),
            ("restored", at(4), None, None, None, "she agreed"),
        ]
        pending = "select count(*) from draenei_content.pending_uploads where wallhaven_id = 'struck'"
        assert warehouse.rows(pending) == [(1,)], "it comes back through the usual view"
        assert warehouse.rows(
            "select upload_status, updated_at from draenei_content.wallpapers where wallhaven_id = 'struck'"
        ) == [("pending", at(4))]
        with connection, connection.cursor() as cursor:
            takedown_ledger.bury(cursor, Concerned(("struck",), ()), "no, after all")
        assert warehouse.rows(pending) == [(0,)], "it can be taken down anew"
