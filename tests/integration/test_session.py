"""What stands around a run: its row tells how it ended, and real and invented wallpapers do not mix."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from luigi_tasks.domain.errors import AlreadyRunning, SettingsError, StoreError, WarehouseError
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.sources import wallhaven
from luigi_tasks.steps import session
from luigi_tasks.steps.session import Session, refuse_to_mix
from tests.conftest import REPOSITORY, Warehouse
from tests.integration.core_fixtures import MINUTE

REAL = "https://wallhaven.cc/api/v1"
TWIN = "http://127.0.0.1:8000/api/v1"
OPENS_AND_WAITS = """
import sys, time
from luigi_tasks import settings
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.steps.session import Session
begun = Session(settings.load(), "wallhaven")
begun.open(Run(Query.of("wallhaven", "draenei", {}), "2026-11-21T06:00"))
print("open", flush=True)
time.sleep(60)
"""


def run_at(minute: int, text: str = "draenei") -> Run:
    """A run of the default query."""
    return Run.at(wallhaven.query(text, {}), MINUTE.replace(minute=minute))


def states(warehouse: Warehouse) -> dict[str, Any]:
    """State and error of each run, by its minute."""
    rows = warehouse.rows("select run_id, state, error, finished_at is not null from ops.runs")
    return {run_id[-5:]: tuple(rest) for run_id, *rest in rows}


def complete(warehouse: Warehouse, run: Run) -> None:
    """What the Report task enters last."""
    with postgres.transaction(warehouse.settings()) as cursor:
        run_ledger.complete_step(cursor, run.key, "Report", datetime.now(UTC), {})


def test_a_run_is_running_until_its_session_ends(warehouse: Warehouse) -> None:
    begun = Session(warehouse.settings(), "wallhaven")
    whole, stopped, failed = run_at(0), run_at(1, "murloc"), run_at(2, "gnome")
    for run in (whole, stopped, failed, whole):
        begun.open(run)
    assert states(warehouse)["07:02"] == ("running", None, False)
    complete(warehouse, whole)
    with postgres.transaction(warehouse.settings()) as cursor:
        run_ledger.note_error(cursor, failed.key, "Fetch: 403")
        run_ledger.note_error(cursor, failed.key, "Load: a later one")
    begun.close()
    begun.close()
    assert states(warehouse) == {
        "07:00": ("succeeded", None, True),
        "07:01": ("failed", "it was stopped before it was complete", True),
        "07:02": ("failed", "Fetch: 403", True),
    }


def test_a_run_that_was_killed_is_settled_by_the_next(warehouse: Warehouse) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", OPENS_AND_WAITS],
        cwd=REPOSITORY,
        env={**os.environ, **warehouse.environ, "WALLHAVEN_API_URL": TWIN},
        stdout=subprocess.PIPE,
    )
    with victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"open\n"
        with pytest.raises(AlreadyRunning, match="2026-11-21T06:00"):
            Session(warehouse.settings(), "wallhaven")
        victim.send_signal(signal.SIGKILL)
    assert states(warehouse)["06:00"][0] == "running"
    begun = Session(warehouse.settings(wallhaven_api_url=TWIN), "wallhaven")
    begun.open(run_at(0))
    begun.close()
    assert states(warehouse)["06:00"] == ("killed", "the process ended without a word", True)


def test_a_run_whose_process_was_killed_after_its_report_is_settled_as_succeeded(warehouse: Warehouse) -> None:
    left_open = Session(warehouse.settings(), "wallhaven")
    left_open.open(run_at(0))
    complete(warehouse, run_at(0))
    left_open._lock.close()
    following = Session(warehouse.settings(), "wallhaven")
    following.open(run_at(1))
    following.close()
    assert states(warehouse)["07:00"] == ("succeeded", None, True)


def test_a_run_that_is_tried_again_runs_again(warehouse: Warehouse) -> None:
    for expected in ("failed", "succeeded"):
        begun = Session(warehouse.settings(), "wallhaven")
        begun.open(run_at(0))
        assert states(warehouse)["07:00"] == ("running", None, False)
        if expected == "succeeded":
            complete(warehouse, run_at(0))
        begun.close()
        assert states(warehouse)["07:00"][0] == expected


def test_the_row_says_what_the_run_was_made_with(warehouse: Warehouse) -> None:
    own = warehouse.settings(wallhaven_api_url=TWIN, wallhaven_api_key="canary")
    begun = Session(own, "wallhaven")
    begun.open(run_at(0))
    begun.close()
    (row,) = warehouse.rows("select source_address, settings_sha256, parameters, query, runs::text from ops.runs")
    assert row[:4] == (TWIN, own.digest(), {"q": "draenei"}, "draenei")
    assert "canary" not in row[4]


@pytest.mark.parametrize(("earlier", "address"), [(TWIN, REAL), (REAL, TWIN), (REAL, "http://localhost:80/")])
def test_real_and_invented_ones_do_not_mix(earlier: str, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        refuse_to_mix([earlier], address)
    assert earlier in str(refused.value)
    assert address in str(refused.value)
    assert "DRAENEI_HOME" in str(refused.value)


@pytest.mark.parametrize(
    ("earlier", "address"),
    [([], REAL), ([], TWIN), ([REAL], REAL), ([TWIN], "http://localhost:9/api"), ([REAL], "https://mirror.example/v1")],
)
def test_the_same_kind_of_source_goes_on(earlier: list[str], address: str) -> None:
    refuse_to_mix(earlier, address)


def test_a_session_that_would_mix_enters_no_run(warehouse: Warehouse) -> None:
    demo = Session(warehouse.settings(wallhaven_api_url=TWIN), "wallhaven")
    demo.open(run_at(0))
    demo.close()
    begun = Session(warehouse.settings(wallhaven_api_url=REAL), "wallhaven")
    with pytest.raises(SettingsError, match="make clean"):
        begun.open(run_at(1))
    begun.close()
    assert states(warehouse).keys() == {"07:00"}


def test_an_empty_database_is_made_ready_once(warehouse: Warehouse) -> None:
    warehouse.rows("drop schema raw cascade; drop schema ops cascade")
    with pytest.raises(WarehouseError, match=r"ops\.runs.*python -m luigi_tasks up"):
        Session(warehouse.settings(), "wallhaven").open(run_at(0))
    assert session.open_warehouse(warehouse.settings())[0] == "0001_raw_and_ops"
    assert session.open_warehouse(warehouse.settings()) == []


def test_a_server_that_is_not_there_is_an_error_with_words(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"refused.*Check the PG\* settings"):
        session.open_warehouse(warehouse.settings(pgport=1))
    with (
        pytest.raises(WarehouseError, match=r"no_such_database"),
        postgres.transaction(warehouse.settings(pgdatabase="no_such_database")),
    ):
        pass


def test_the_user_and_database_that_libpq_would_take_are_said(warehouse: Warehouse) -> None:
    given = postgres.address(warehouse.settings(pguser="velen", pgdatabase=None))
    assert (given["PGUSER"], given["PGDATABASE"]) == ("velen", "velen")


def test_a_store_that_cannot_be_written_to_stops_the_run_before_it_fetches(warehouse: Warehouse) -> None:
    warehouse.home.mkdir(exist_ok=True)
    (warehouse.home / "objects").write_text("a file where the folder should be")
    with pytest.raises(StoreError):
        session.checked_store(warehouse.settings())
