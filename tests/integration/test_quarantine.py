"""Quarantine: what passes after a fix is driven again and ends as a replay would; too much of it fails the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from luigi_tasks import settings as settings_module
from luigi_tasks.domain.errors import AlreadyRunning, QuarantineOverflow, SourceError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import pipeline_lock, postgres, quarantine_ledger
from luigi_tasks.sources import CATALOGUE, contract
from luigi_tasks.steps import redrive
from luigi_tasks.steps.redrive import Redriven
from luigi_tasks.verbs.quarantine import quarantine
from tests.conftest import Warehouse
from tests.image_server import ImageServer, in_turn, serving, whole
from tests.integration.core_fixtures import Collecting
from tests.integration.model_fixtures import item
from tests.integration.replay_fixtures import another_database, build, digests, replayed
from tests.prove.depth import DEEP

COUNTS = "select page_name, received, loaded, duplicate, quarantined from ops.loads order by page_id"
STATES = "select record_id, state, closed_at is not null from ops.quarantine order by position"


def page(number: int, last: int, *records: dict[str, Any]) -> bytes:
    """A listing as the API shapes it."""
    meta = {"current_page": number, "last_page": last, "total": 9, "per_page": 24, "query": "draenei", "seed": None}
    return json.dumps({"data": records, "meta": meta}).encode()


def record(wallhaven_id: str, **changes: Any) -> dict[str, Any]:
    """A record that satisfies the schema, but for the changes."""
    thumbs = dict.fromkeys(("large", "original", "small"), "https://th.wallhaven.cc/x.jpg")
    return item(wallhaven_id, thumbs=thumbs, **changes)


WILD = record("bbbbb2", short_url="ftp://wild")
FIRST = [
    page(1, 2, record("aaaaa1"), WILD, WILD, record("ccccc3", short_url="worse://x"), record("ddddd4")),
    page(2, 2, record("eeeee5", short_url="ftp://wild"), record("fffff6", views=5)),
]
SECOND = [page(1, 2, record("aaaaa1", views=3), record("bbbbb2", purity="sketchy")), FIRST[1]]


@pytest.fixture
def site() -> Iterator[ImageServer]:
    """An API that gives two runs the same bodies, and a third a new first page."""
    with serving() as running:
        bodies = [*FIRST, *FIRST, *SECOND]
        running.answers["/search"] = in_turn(*(whole(body, "application/json") for body in bodies))
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, site: ImageServer) -> Collecting:
    """The query, collected from that API."""
    return Collecting(warehouse, site.url(""), quarantine_max_share=1)


@pytest.fixture
def schemes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Makes the schema take short URLs of one more scheme, as a fix of the schema would."""

    def allow(scheme: str) -> None:
        folder = tmp_path / "schemas"
        folder.mkdir()
        for file in contract.SCHEMAS.glob("wallhaven_*.json"):
            schema = json.loads(file.read_text())
            schema["properties"]["short_url"]["pattern"] = f"^(https?|{scheme})://"
            (folder / file.name).write_text(json.dumps(schema))
        monkeypatch.setattr(contract, "SCHEMAS", folder)

    return allow


def drive(collecting: Collecting, *, dry_run: bool = False) -> Redriven:
    """Redrive as the verb does it."""
    return redrive.redrive(collecting.settings, "wallhaven", collecting.store, Silent(), dry_run=dry_run)


@DEEP
def test_what_passes_after_a_fix_is_loaded_and_ends_as_a_replay_with_the_fix_would(
    collecting: Collecting, warehouse: Warehouse, schemes: Any, tmp_path: Path
) -> None:
    for _ in range(3):
        run = collecting.run()
        collecting.crawl(run)
        collecting.load(run)
    build(collecting, run)
    versions = "select wallhaven_id, version_number, short_url from draenei_content.wallpaper_versions order by 1, 2"
    assert ("bbbbb2", 1, "https://whvn.cc/bbbbb2") in warehouse.rows(versions)
    assert warehouse.rows(COUNTS)[:4] == [
        ("page-00001", 5, 2, 0, 3),
        ("page-00002", 2, 1, 0, 1),
        ("page-00001", 5, 0, 5, 0),
        ("page-00002", 2, 0, 2, 0),
    ]
    schemes("ftp")
    before = digests(collecting.settings)
    assert drive(collecting, dry_run=True) == Redriven(checked=4, loaded=2, duplicate=1, still_bad=1)
    assert digests(collecting.settings) == before, "a dry run changes nothing"

    assert drive(collecting) == Redriven(checked=4, loaded=2, duplicate=1, still_bad=1)
    assert warehouse.rows(COUNTS)[:4] == [
        ("page-00001", 5, 3, 1, 1),
        ("page-00002", 2, 2, 0, 0),
        ("page-00001", 5, 0, 5, 0),
        ("page-00002", 2, 0, 2, 0),
    ]
    assert warehouse.rows(STATES) == [
        ("eeeee5", "closed", True),
        ("bbbbb2", "closed", True),
        ("bbbbb2", "closed", True),
        ("ccccc3", "open", False),
    ]
    # Seen wild by two runs before the third saw it otherwise, though it was loaded after that one.
    assert [row for row in warehouse.rows(versions) if row[0] == "bbbbb2"] == [
        ("bbbbb2", 1, "ftp://wild"),
        ("bbbbb2", 2, "https://whvn.cc/bbbbb2"),
    ]
    (first_run,) = warehouse.rows("select min(run_key), max(run_key) from ops.runs")
    assert warehouse.rows(
        "select first_run_key, last_run_key from draenei_content.wallpaper_queries where wallhaven_id = 'eeeee5'"
    ) == [first_run], "the same body on other pages was followed"
    with another_database(warehouse, tmp_path / "replayed") as own:
        replayed(collecting, own)
        assert digests(own) == digests(collecting.settings)
    assert drive(collecting) == Redriven(checked=1, still_bad=1)


def test_what_is_bad_still_says_what_is_wrong_by_the_present_schema(
    collecting: Collecting, warehouse: Warehouse, schemes: Any
) -> None:
    collecting.collect()
    schemes("gopher")
    assert drive(collecting) == Redriven(checked=4, still_bad=4)
    assert all("gopher" in str(row[0]) for row in warehouse.rows("select violations from ops.quarantine"))
    assert warehouse.rows("select count(*) from ops.batches") == [(1,)]


def test_a_page_that_is_cut_into_other_records_takes_a_replay(
    collecting: Collecting, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting.collect()
    source = CATALOGUE["wallhaven"]
    parse = source.parse

    def shorter(entity: str, body: bytes) -> contract.Page:
        read = parse(entity, body)
        return contract.Page(read.records[1:], read.number, read.last_number, read.total)

    monkeypatch.setattr(source, "parse", shorter)
    with pytest.raises(SourceError, match=r"loaded as 5 records and is now read as 4.*replay"):
        drive(collecting)


def test_nothing_is_driven_beside_a_collect(collecting: Collecting) -> None:
    with closing(pipeline_lock.take(collecting.settings, "wallhaven")), pytest.raises(AlreadyRunning):
        drive(collecting)


def test_a_run_with_more_bad_records_than_the_budget_fails_until_something_is_done(
    collecting: Collecting, warehouse: Warehouse, schemes: Any
) -> None:
    strict = collecting.with_settings(quarantine_max_share=0.5)
    run = strict.run()
    strict.crawl(run)
    with pytest.raises(QuarantineOverflow, match=r"4 of 7 records.*57.1%.*allows 50.0%.*quarantine list"):
        strict.load(run)
    assert warehouse.rows("select sum(received), sum(loaded), sum(quarantined) from ops.loads") == [(7, 3, 4)]
    with pytest.raises(QuarantineOverflow):
        strict.load(run)
    again = strict.run()
    strict.crawl(again)
    with pytest.raises(QuarantineOverflow, match=r"4 of 7"):
        strict.load(again)
    schemes("ftp")
    with postgres.transaction(strict.settings) as cursor:
        assert quarantine_ledger.share_of_run(cursor, run.key) == (7, 4)
    drive(strict)
    assert strict.load(run)["pages"] == 0
    assert strict.load(again)["pages"] == 0


def test_the_verbs_show_where_and_why(
    collecting: Collecting, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "load", lambda: collecting.settings)
    assert "No record is in quarantine" in CliRunner().invoke(quarantine, ["list"]).output
    collecting.collect()
    ((number, run_key),) = warehouse.rows(
        "select quarantine_id, run_key from ops.quarantine join ops.pages using (page_id) where record_id = 'ccccc3'"
    )
    listed = CliRunner().invoke(quarantine, ["list"]).output
    assert f"{number:>6}  open    ccccc3        {run_key} page-00001 position 3" in listed
    assert listed.count('/short_url  "ftp://wild" does not match') == 3
    shown = CliRunner().invoke(quarantine, ["show", str(number)]).output
    assert '"short_url": "worse://x"' in shown
    assert "search/page-00001.gz" in shown
    missing = CliRunner().invoke(quarantine, ["show", "999"])
    assert "there is no quarantined record 999" in str(missing.exception)
    dry = CliRunner().invoke(quarantine, ["redrive", "--dry-run"]).output
    assert "4 records checked: 0 would be loaded, 0 stand there already, 4 are bad still" in dry
