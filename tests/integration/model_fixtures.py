"""What the tests of the dbt models share: a dbt child process, and pages as Load would have written them."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from luigi_tasks.gateways import dbt_profile
from luigi_tasks.gateways.dbt_process import kept_child
from luigi_tasks.steps.model import selection
from tests import parse_cache

REPOSITORY = Path(__file__).parent.parent.parent
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MARTS = (
    "draenei_content.wallpapers",
    "draenei_content.wallpaper_versions",
    "draenei_content.wallpaper_metrics",
    "draenei_content.wallpaper_tags",
    "draenei_content.wallpaper_queries",
    "draenei_intermediate.int_wallpaper_details",
)
RUN = """
insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version, settings_sha256,
                      source_address)
values ('r', 'wallhaven', 'q', '', '{}', '2026-11-21T07:00', 'succeeded', '', '', '');
"""


@dataclass(frozen=True)
class Dbt:
    """The project's dbt as a child process on one warehouse; everything that it writes stands in one folder."""

    folder: Path
    environ: Mapping[str, str]

    def run(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """`dbt ARGUMENTS`; its whole output is in the failure's message when it is checked and fails.

        Wallhaven's part of the project, as its runs build it, unless the arguments select something else.
        """
        if arguments[0] in ("build", "run", "test") and "--select" not in arguments:
            arguments = (*arguments, "--indirect-selection", "cautious", "--select", *selection("wallhaven"))
        dbt_profile.write_profile(self.folder, None)
        parse_cache.lend(self.folder, parse_cache.BY_HAND)
        code, said = self._invoke([*arguments, "--project-dir", str(REPOSITORY / "dbt_project")], variables)
        parse_cache.keep(self.folder, parse_cache.BY_HAND)
        assert not check or code == 0, said
        return subprocess.CompletedProcess(arguments, code, said)

    def _invoke(self, arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
        # A program of its own would spend more on importing dbt than most builds take.
        places = ["--profiles-dir", str(self.folder), "--target-path", str(self.folder / "target")]
        environ = {**os.environ, **self.environ, "DBT_USE_COLORS": "false", **variables}
        command = ["--log-path", str(self.folder / "logs"), *arguments, *places]
        with kept_child() as child:
            lines = child.invoke({"arguments": command, "environ": environ, "folder": str(REPOSITORY)})
            said = "\n".join(line["info"]["msg"] for line in lines)
        return child.exit_code, said


@dataclass(frozen=True)
class Page:
    """One response that was loaded: whose records were seen when."""

    run_key: str
    entity: str
    name: str
    fetched_at: datetime.datetime
    records: tuple[Mapping[str, Any], ...]

    @property
    def sha256(self) -> str:
        """Stands for the hash of the body's bytes: equal records, equal body."""
        return hashlib.sha256(json.dumps([self.entity, *self.records]).encode()).hexdigest()


def item(wallhaven_id: str, **changes: Any) -> dict[str, Any]:
    """A search item as the API shapes it."""
    return {
        "id": wallhaven_id,
        "url": f"https://wallhaven.cc/w/{wallhaven_id}",
        "short_url": f"https://whvn.cc/{wallhaven_id}",
        "views": 1,
        "favorites": 0,
        "source": "",
        "purity": "sfw",
        "category": "general",
        "dimension_x": 1920,
        "dimension_y": 1080,
        "resolution": "1920x1080",
        "ratio": "1.78",
        "file_size": 1000,
        "file_type": "image/png",
        "created_at": "2025-01-01 00:00:00",
        "colors": ["#000000", "#ffffff"],
        "path": f"https://w.wallhaven.cc/full/{wallhaven_id[:2]}/wallhaven-{wallhaven_id}.png",
        "thumbs": {},
        **changes,
    }


def tag(tag_id: int, **changes: Any) -> dict[str, Any]:
    """A tag as the API shapes it."""
    shape = {"id": tag_id, "name": f"tag {tag_id}", "alias": "", "category_id": 1, "category": "Anime"}
    return {**shape, "purity": "sfw", "created_at": "2014-02-02 19:28:53", **changes}


def detail(
    wallhaven_id: str, tags: Iterable[Mapping[str, Any]], uploader: str = "ann", **changes: Any
) -> dict[str, Any]:
    """A wallpaper's detail as the API shapes it."""
    return {
        **item(wallhaven_id, **changes),
        "uploader": {"username": uploader, "group": "User"},
        "tags": list(tags),
    }


def load(connection: Connection, pages: Iterable[Page], *, commit: bool = True) -> None:
    """Write pages as one batch, as the pipeline's Load does: a known body is a new load and no new records."""
    with connection.cursor() as cursor:
        for number, page in enumerate(pages):
            register_run(connection, page.run_key)
            if number == 0:
                cursor.execute("insert into ops.batches (run_key) values (%s) returning batch_id", (page.run_key,))
                (batch_id,) = cursor.fetchone() or (None,)
            _load_page(connection, page, batch_id)
    if commit:
        connection.commit()


def register_run(connection: Connection, run_key: str) -> None:
    """Write the run of a key 'wallhaven/QUERY/RUN-ID', once, without committing."""
    query = run_key.split("/")[1]
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address)"
            " values (%s, 'wallhaven', %s, %s, %s, %s, 'running', 'test', 'test', 'http://localhost')"
            " on conflict do nothing",
            (run_key, f"wallhaven/{query}", query, Json({"q": query}), run_key.split("/")[2]),
        )


def _load_page(connection: Connection, page: Page, batch_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
            " body_bytes, content_type, fetched_at)"
            " values (%s, 'wallhaven', %s, %s, '{}', 200, %s, %s, 1, 'application/json', %s) returning page_id",
            (page.run_key, page.entity, page.name, f"{page.run_key}/{page.name}", page.sha256, page.fetched_at),
        )
        (page_id,) = cursor.fetchone() or (None,)
        loaded = 0
        for position, record in enumerate(page.records):
            cursor.execute(
                f"insert into raw.wallhaven_{page.entity}"
                " (body_sha256, position, record_id, payload, batch_id, fetched_at)"
                " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
                (page.sha256, position, record["id"], Json(record), batch_id, page.fetched_at),
            )
            loaded += cursor.rowcount
        received = len(page.records)
        row = (page_id, batch_id, page.entity, page.run_key, page.name, page.sha256, page.fetched_at)
        cursor.execute(
            "insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at,"
            " received, loaded, duplicate, quarantined)"
            " values (%s, %s, 'wallhaven', %s, %s, %s, %s, %s, %s, %s, %s, 0)",
            (*row, received, loaded, received - loaded),
        )


def attempt(
    connection: Connection, wallhaven_id: str, number: int, outcome: str, finished_at: datetime.datetime, **columns: Any
) -> None:
    """Write an attempt's outcome as Publish does, without committing; its run must have a page."""
    stored = {"s3_key": f"wallpapers/{wallhaven_id}.png", "sha256": "ab" * 32, "bytes": 1000}
    row = {
        "run_key": "wallhaven/draenei/run-0",
        "wallhaven_id": wallhaven_id,
        "attempt": number,
        "outcome": outcome,
        "started_at": finished_at,
        "finished_at": finished_at,
        **(stored if outcome == "stored" else {}),
        **columns,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into ops.uploads ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})", list(row.values())
        )


def export(connection: Connection, relation: str) -> list[str]:
    """Every column of every row, as text in one fixed order."""
    with connection, connection.cursor() as cursor:
        cursor.execute("set local timezone to 'UTC'")
        cursor.execute(f'select t::text from {relation} as t order by t::text collate "C"')
        return [row[0] for row in cursor.fetchall()]


def random_history(seed: int, runs: int = 8, wallpapers: int = 40) -> list[Page]:
    """Pages of runs over a small world whose wallpapers change and change back; equal times and equal bodies happen."""
    dice = random.Random(seed)
    ids = [f"w{number:05}" for number in range(wallpapers)]
    pages: list[Page] = []
    for number in range(runs):
        run_key = f"wallhaven/{dice.choice(['draenei', 'exodar'])}/run-{number}"
        pages += [_random_listing(dice, run_key, f"page-{page:05}", number, ids, pages) for page in (1, 2, 3)]
        pages += [_random_detail(dice, run_key, number, wallhaven_id) for wallhaven_id in dice.sample(ids, 6)]
    return pages


def _fetched_at(dice: random.Random, run: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(minutes=10 * (run // 2), seconds=dice.randrange(3))


def _values(dice: random.Random) -> dict[str, Any]:
    return {
        "purity": dice.choice(["sfw", "sfw", "sketchy"]),
        "views": dice.randrange(3),
        "favorites": dice.randrange(2),
    }


def _random_listing(
    dice: random.Random, run_key: str, name: str, run: int, ids: list[str], earlier: list[Page]
) -> Page:
    listings = [page for page in earlier if page.entity == "search" and page.run_key != run_key]
    if listings and dice.random() < 0.3:
        records = dice.choice(listings).records
    else:
        records = tuple(item(wallhaven_id, **_values(dice)) for wallhaven_id in dice.choices(ids, k=10))
    return Page(run_key, "search", name, _fetched_at(dice, run), records)


def _random_detail(dice: random.Random, run_key: str, run: int, wallhaven_id: str) -> Page:
    tags = [tag(number) for number in dice.sample(range(1, 5), dice.randrange(4))]
    record = detail(wallhaven_id, tags, dice.choice(["ann", "bob"]), **_values(dice))
    return Page(run_key, "wallpaper", f"w-{wallhaven_id}", _fetched_at(dice, run), (record,))
