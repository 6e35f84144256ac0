"""What is tried again and when: each class of failure waits in its own way, and `retry` opens what it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from luigi_tasks.domain.publishing import Outcome
from luigi_tasks.gateways import embedded_postgres, fsck_ledger
from luigi_tasks.verbs.retry import retry
from tests.conftest import Warehouse, database
from tests.integration.model_fixtures import EPOCH, Dbt, Page, attempt, item, load

FINAL = (Outcome.GONE, Outcome.REFUSED, Outcome.CONFLICT)
FAILED = tuple(outcome for outcome in Outcome if outcome is not Outcome.STORED)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# How long after its last attempt a picture is due again, by the number of attempts so far.
WAITS = {
    Outcome.THROTTLED: {1: 5 * MINUTE, 2: 10 * MINUTE, 4: 40 * MINUTE, 30: DAY},
    Outcome.CORRUPT: {1: 0 * MINUTE, 2: HOUR, 4: 4 * HOUR, 30: DAY},
    Outcome.UNSTORED: {1: 0 * MINUTE, 2: MINUTE, 4: 4 * MINUTE, 30: HOUR},
    Outcome.UNREACHABLE: {1: 0 * MINUTE, 2: 2 * MINUTE, 4: 8 * MINUTE, 30: DAY},
}
NEVER_FAILED, STORED, LOST, MENDED = "neverf", "stored", "lostxx", "mended"
GIVEN_UP = "givenu"
# One wallpaper a bit before its moment (early) and one after it (late), of each class and number of attempts.
ONES = {f"{outcome}{attempts}{at}" for outcome, waits in WAITS.items() for attempts in waits for at in ("e", "l")}
UNTRIED = ONES | {NEVER_FAILED}
IDS = sorted(UNTRIED | {*FAILED, STORED, LOST, MENDED, GIVEN_UP})
PENDING = "select wallhaven_id from draenei_content.pending_uploads"
ATTEMPTS = "select wallhaven_id, attempt from ops.uploads where reopened_at is {} order by 1, 2"


@pytest.fixture(scope="module")
def built(
    postgres_server: embedded_postgres.Server, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[str]:
    """A database with the models of so many wallpapers, none of which was attempted; up to 40 attempts are allowed."""
    with database(postgres_server, f"retry_models_{worker_id}") as name:
        warehouse = Warehouse(postgres_server, name, tmp_path_factory.mktemp("home"))
        with closing(warehouse.connect()) as connection:
            load(connection, [Page("wallhaven/draenei/run-0", "search", "page-00001", EPOCH, tuple(map(item, IDS)))])
        dbt = Dbt(tmp_path_factory.mktemp("dbt"), warehouse.environ)
        dbt.run("run", "--select", "+pending_uploads", UPLOAD_MAX_ATTEMPTS="40")
        yield name


@pytest.fixture
def modelled(
    built: str, postgres_server: embedded_postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Warehouse]:
    """A copy of it, which is also where a verb of this process goes."""
    with database(postgres_server, f"{built}_copy", template=built) as name:
        warehouse = Warehouse(postgres_server, name, tmp_path / "home")
        for setting, value in {**warehouse.environ, "DRAENEI_HOME": str(tmp_path / "home")}.items():
            monkeypatch.setenv(setting, value)
        yield warehouse


@pytest.fixture
def attempted(modelled: Warehouse) -> Warehouse:
    """One attempt of every class; what failed and was stored then; what was lost and failed since; what is given up."""
    long_ago = datetime.now(UTC) - 30 * DAY
    with closing(modelled.connect()) as connection:
        for outcome in FAILED:
            attempt(connection, outcome, 1, outcome, long_ago)
        attempt(connection, STORED, 1, "stored", long_ago)
        attempt(connection, MENDED, 1, "gone", long_ago)
        attempt(connection, MENDED, 2, "stored", long_ago)
        attempt(connection, LOST, 1, "gone", long_ago)
        attempt(connection, LOST, 2, "stored", long_ago)
        with connection.cursor() as cursor:
            fsck_ledger.lose(cursor, LOST)
        attempt(connection, LOST, 3, "gone", long_ago)
        for number in range(1, 41):
            attempt(connection, GIVEN_UP, number, "unreachable", long_ago)
        connection.commit()
    assert pending(modelled) == UNTRIED | (set(FAILED) - set(FINAL)), "what is final waits for the verb"
    return modelled


def pending(warehouse: Warehouse) -> set[str]:
    return {name for (name,) in warehouse.rows(PENDING)}


def tried(warehouse: Warehouse, *words: str) -> tuple[str, set[tuple[str, int]]]:
    """What the verb says, and which attempts that counted before count no more."""
    counted = set(warehouse.rows(ATTEMPTS.format("null")))
    done = CliRunner().invoke(retry, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output, counted - set(warehouse.rows(ATTEMPTS.format("null")))


def test_without_a_reason_every_failure_of_what_is_not_stored_is_opened(attempted: Warehouse) -> None:
    said, opened = tried(attempted)
    given_up = {(GIVEN_UP, number) for number in range(1, 41)}
    assert opened == {(outcome, 1) for outcome in FAILED} | given_up | {(LOST, 3)}
    assert said.startswith("9 pictures will be tried again")
    assert pending(attempted) == UNTRIED | set(FAILED) | {GIVEN_UP, LOST}, "at once, without a build"
    before = attempted.rows("select upload_id, reopened_at from ops.uploads order by 1")
    assert tried(attempted)[0].startswith("0 pictures")
    assert attempted.rows("select upload_id, reopened_at from ops.uploads order by 1") == before


def test_a_reason_opens_that_outcome_and_no_other(attempted: Warehouse) -> None:
    said, opened = tried(attempted, "--reason", "gone")
    assert opened == {("gone", 1), (LOST, 3)}
    assert said.startswith("2 pictures will be tried again")
    retried = set(FAILED) - {Outcome.REFUSED, Outcome.CONFLICT}
    assert pending(attempted) == UNTRIED | retried | {LOST}


def test_a_dry_run_says_the_same_number_and_changes_nothing(attempted: Warehouse) -> None:
    before = attempted.rows("select * from ops.uploads order by upload_id"), pending(attempted)
    said, opened = tried(attempted, "--dry-run")
    assert said.startswith("9 pictures would be tried again")
    assert opened == set()
    assert tried(attempted, "--dry-run", "--reason", "gone")[0].startswith("2 pictures would be tried again")
    assert (attempted.rows("select * from ops.uploads order by upload_id"), pending(attempted)) == before


def test_stored_is_no_reason(attempted: Warehouse) -> None:
    assert CliRunner().invoke(retry, ["--reason", "stored"]).exit_code == 2
    assert attempted.rows(ATTEMPTS.format("not null")) == [(LOST, 1), (LOST, 2)]


def test_each_class_of_failure_is_due_at_its_own_moment(modelled: Warehouse) -> None:
    assert set(WAITS) == set(FAILED) - set(FINAL)
    now = datetime.now(UTC)
    late = timedelta(seconds=20)  # more than the statements take
    with closing(modelled.connect()) as connection:
        for outcome, waits in WAITS.items():
            # The last outcome decides; those before it were of another class.
            other = Outcome.CORRUPT if outcome is not Outcome.CORRUPT else Outcome.THROTTLED
            for attempts, wait in waits.items():
                for name, finished_at in (("e", now - wait + late), ("l", now - wait - late)):
                    wallhaven_id = f"{outcome}{attempts}{name}"
                    for number in range(1, attempts):
                        attempt(connection, wallhaven_id, number, other, finished_at - DAY)
                    attempt(connection, wallhaven_id, attempts, outcome, finished_at)
        connection.commit()
    due = pending(modelled)
    assert due & ONES == {name for name in ONES if name.endswith("l")}
