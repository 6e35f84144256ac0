"""randomuser on the rails: a gate of JSON Schema, no secret at rest, a masked view, erasure down to the raw zone."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from luigi.task_register import Register
from luigi.tools.range import RangeByMinutes

from luigi_tasks import pipeline, targets, tasks
from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import canonical_export, postgres, run_ledger
from luigi_tasks.gateways.objects import open_store
from luigi_tasks.sources import randomuser
from luigi_tasks.steps import access, fetch, load, model, privacy, replay
from tests.conftest import REPOSITORY, Warehouse
from twin import Catalogue, Fault, Twin
from twin.randomuser import Randomuser

MINUTE = datetime.datetime(2026, 11, 21, 7, 0)
MADE_WITH = run_ledger.Circumstances("test", "0" * 64, "http://127.0.0.1/randomuser")
PEOPLE = 4
BELOW_THE_MASKS = (
    "draenei_restricted.randomuser_contacts",
    "draenei_intermediate.int_randomuser__versions",
    "draenei_staging.stg_randomuser__users",
    "raw.randomuser_users",
    "ops.quarantine",
)
LINE = next(
    line for line in (REPOSITORY / "deploy" / "crontab").read_text().splitlines() if "--of randomuser.Collect" in line
)


class Collecting:
    """Minutes of randomuser on one warehouse."""

    def __init__(self, warehouse: Warehouse, twin: Twin, **overrides: Any) -> None:
        self.warehouse, self.twin = warehouse, twin
        given = {"randomuser_api_url": twin.site_url("randomuser"), "randomuser_rate_per_minute": 6000}
        self.settings = warehouse.settings(
            **given, randomuser_results=PEOPLE, http_max_attempts=1, quarantine_max_share=1, **overrides
        )
        self.store = open_store(self.settings)

    @property
    def site(self) -> Randomuser:
        site = self.twin.sites["randomuser"]
        assert isinstance(site, Randomuser)
        return site

    def run(self, minute: int = 0) -> Run:
        """A run of a minute, entered."""
        run = Run.at(access.query(self.settings, "randomuser"), MINUTE + datetime.timedelta(minutes=minute))
        with postgres.transaction(self.settings) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        return run

    def collect(self, minute: int = 0) -> dict[str, object]:
        """Fetch and load a minute."""
        run = self.run(minute)
        fetch.fetch_requests(self.settings, run, self.store, Silent())
        with postgres.transaction(self.settings) as cursor:
            run_ledger.complete_step(cursor, run.key, "Report", MINUTE.replace(tzinfo=datetime.UTC), {})
            run_ledger.settle_run(cursor, run.key)
        return load.load(self.settings, run.key, "randomuser", "users", self.store, Silent())

    def build(self, minute: int = 0) -> None:
        run = Run.at(access.query(self.settings, "randomuser"), MINUTE + datetime.timedelta(minutes=minute))
        model.build(self.settings, run.key, "Model", Silent(), model.selection("randomuser"))

    def at_rest(self) -> bytes:
        """Everything that the raw zone holds, unpacked."""
        keys = [head.key for head in self.store.list("raw/randomuser/")]
        return b"\n".join(envelopes.unpack(self.store.get(key))[1] for key in keys)

    def people(self, minute: int = 0) -> list[dict[str, Any]]:
        seed = (MINUTE + datetime.timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M")
        return self.site.people(seed, PEOPLE)


@pytest.fixture
def collecting(warehouse: Warehouse) -> Iterator[Collecting]:
    with Twin(Catalogue.generate(0), rate_per_minute=10_000, sites=[Randomuser()]) as twin:
        yield Collecting(warehouse, twin)


def in_database(warehouse: Warehouse) -> str:
    """All that raw and ops hold, as text."""
    tables = warehouse.rows(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
    )
    return "\n".join(str(warehouse.rows(f"select * from {table}")) for (table,) in tables)


def test_no_secret_is_anywhere_and_the_envelope_says_so(collecting: Collecting) -> None:
    collecting.site.change("2026-11-21T07:00", 1, email="nobody")
    assert collecting.collect()["quarantined"] == 1
    at_rest, stored = collecting.at_rest().decode(), in_database(collecting.warehouse)
    for person in collecting.people():
        assert person["login"]["uuid"] in at_rest
        for name in randomuser.SECRET_FIELDS:
            assert person["login"][name] not in at_rest
            assert person["login"][name] not in stored
    [head] = collecting.store.list("raw/randomuser/")
    assert list(envelopes.unpack(collecting.store.get(head.key))[0].redacted) == list(randomuser.SECRET_FIELDS)


def test_without_redaction_the_raw_zone_has_them_and_the_warehouse_does_not(collecting: Collecting) -> None:
    plain = Collecting(collecting.warehouse, collecting.twin, redact_at_rest=False)
    plain.collect()
    password = plain.people()[0]["login"]["password"]
    assert password in plain.at_rest().decode()
    assert password not in in_database(plain.warehouse)


def test_evidence_of_a_broken_answer_is_redacted_too(collecting: Collecting) -> None:
    collecting.twin.faults.add(Fault("truncate", match="site"))
    with pytest.raises(SourceError):
        collecting.collect()
    kept = collecting.at_rest().decode()
    assert not [person for person in collecting.people() if person["login"]["password"] in kept]


def test_the_schema_is_a_gate_and_the_rest_loads(collecting: Collecting) -> None:
    collecting.site.change("2026-11-21T07:00", 2, nat="Germany", phone=5)
    counts = collecting.collect()
    assert (counts["received"], counts["loaded"], counts["quarantined"]) == (PEOPLE, PEOPLE - 1, 1)
    [(violations,)] = collecting.warehouse.rows("select violations from ops.quarantine")
    assert sorted(violation["path"] for violation in violations) == ["/nat", "/phone"]


def test_a_minute_again_is_the_same_people_to_the_byte(collecting: Collecting) -> None:
    collecting.collect()
    before = collecting.at_rest()
    with Twin(Catalogue.generate(0), rate_per_minute=10_000, sites=[Randomuser()]) as other:
        fresh = Collecting(collecting.warehouse, other, draenei_home=collecting.warehouse.home / "elsewhere")
        run = Run.at(access.query(fresh.settings, "randomuser"), MINUTE)
        fresh.warehouse.rows("delete from ops.loads; delete from raw.randomuser_users; delete from ops.pages")
        fetch.fetch_requests(fresh.settings, run, fresh.store, Silent())
        assert fresh.at_rest() == before


def test_readers_see_masks_and_an_erased_person_is_nowhere_again(collecting: Collecting) -> None:
    warehouse = collecting.warehouse
    collecting.site.change("2026-11-21T07:00", 3, nat="Germany")  # into quarantine, whole
    collecting.collect(0)
    collecting.collect(2)
    collecting.build(2)
    assert_tests_read_what_is_untested(collecting)
    assert_masked(collecting)
    gone = collecting.people(2)[1]["login"]["uuid"]
    done = privacy.erase(collecting.settings, collecting.store, "randomuser", gone, "request 17", Silent())
    assert len(done.pages) == 1
    assert_gone(collecting, gone, PEOPLE * 2 - 2)
    again = privacy.erase(collecting.settings, collecting.store, "randomuser", gone, "request 17", Silent())
    assert again == privacy.Erasure((), (), before="finished")
    live = exported(warehouse)
    warehouse.rows("truncate ops.runs, raw.randomuser_users, draenei_intermediate.int_randomuser__versions cascade")
    warehouse.rows("truncate ops.applied_batches, draenei_restricted.randomuser_contacts")
    replay.replay(collecting.settings, "randomuser", collecting.store, Silent())
    assert exported(warehouse) == live
    assert_gone(collecting, gone, PEOPLE * 2 - 2)
    collecting.collect(2)
    assert_gone(collecting, gone, PEOPLE * 2 - 2)


def test_thirty_missed_minutes_are_filled_by_the_crontabs_line_without_thundering(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute one call, as cron makes it: the minute itself first, at most five in a call, none twice."""
    monkeypatch.setattr(targets, "own_settings", lambda: collecting.settings)
    monkeypatch.setattr(pipeline, "own_settings", lambda: collecting.settings)
    monkeypatch.setattr(tasks, "own_settings", lambda: collecting.settings)
    collecting.collect(0)
    back = MINUTE + datetime.timedelta(minutes=31)
    calls = []
    while not calls or len(calls[-1]) > 1:
        moment = back + datetime.timedelta(minutes=len(calls), seconds=1)
        calls.append(wanted := minutes_wanted(moment))
        assert wanted[0] == 31 + len(calls) - 1, "the newest first"
        for minute in wanted:
            collecting.collect(minute)
    assert [len(wanted) for wanted in calls] == [5, 5, 5, 5, 5, 5, 5, 3, 1]
    assert sorted(minute for wanted in calls for minute in wanted) == list(range(1, 40))
    assert len(collecting.twin.requests) == 40, "one request a minute and none besides"
    grants = "select cardinality(grants) from ops.request_budget where source = 'randomuser'"
    assert collecting.warehouse.rows(grants) == [(40,)], "each out of the budget"


def minutes_wanted(now: datetime.datetime) -> list[int]:
    """What the crontab's line would collect at a moment: the real task with the line's own words, asked not run."""
    said = dict(re.findall(r"--(task-limit|minutes-back|param-name|of) (\S+)", LINE))
    assert "--reverse" in LINE
    task = RangeByMinutes(
        of=Register.get_task_cls(said["of"]),
        param_name=said["param-name"],
        start=MINUTE,
        minutes_back=int(said["minutes-back"]),
        task_limit=int(said["task-limit"]),
        reverse=True,
        now=int(now.replace(tzinfo=datetime.UTC).timestamp()),
    )
    return [int((wanted.run_id - MINUTE).total_seconds()) // 60 for wanted in task.requires()]


def assert_masked(collecting: Collecting) -> None:
    """A reader has the view, with masks, and nothing below it."""
    warehouse = collecting.warehouse
    first = collecting.people(0)[0]
    [(email, phone)] = warehouse.rows(
        "set role draenei_reader; select email, phone from draenei_content.randomuser_people where user_uuid = %s",
        first["login"]["uuid"],
    )
    assert email == f"{first['email'][0].lower()}***@example.com"
    assert phone == f"***{first['phone'][-2:]}"
    for below in BELOW_THE_MASKS:
        assert warehouse.rows(f"select count(*) > 0 from {below}") == [(True,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            warehouse.rows(f"set role draenei_reader; select * from {below}")
    assert warehouse.rows("select minute from draenei_content.randomuser_missing_minutes") == [
        (MINUTE + datetime.timedelta(minutes=1),)
    ]


def assert_tests_read_what_is_untested(collecting: Collecting) -> None:
    """A run a minute cannot afford tests that read every person there ever was."""
    compiled = (collecting.settings.draenei_home / "dbt").rglob("compiled/**/*.sql")
    read = {path.stem: path.read_text() for path in compiled if path.parts[-2].endswith((".yml", "randomuser"))}
    about = re.compile("(unique|not_null).*(int_randomuser__versions|randomuser_contacts)")
    tests = {name: sql for name, sql in read.items() if about.match(name)}
    assert len(tests) >= 4
    assert [name for name, sql in tests.items() if "tested_in is null" not in sql] == []
    assert "tested_in is null" in read["assert_no_secret_and_nobody_erased_is_kept"]


def assert_gone(collecting: Collecting, gone: str, others: int) -> None:
    assert gone not in collecting.at_rest().decode()
    found = in_database(collecting.warehouse).count(gone)
    assert found <= 1, "the erasure itself names the key"
    assert collecting.warehouse.rows("select count(*) from draenei_restricted.randomuser_contacts") == [(others,)]
    assert collecting.warehouse.rows("select record_id, reason from ops.erasures") == [(gone, "request 17")]


def exported(warehouse: Warehouse) -> dict[str, str]:
    connection = warehouse.connect()
    try:
        names = {"raw.randomuser_users", "draenei_restricted.randomuser_contacts"}
        tables = [table for table in canonical_export.tables_of("randomuser") if table.name in names]
        assert len(tables) == len(names)
        return {table.name: canonical_export.digest(connection, table)[0] for table in tables}
    finally:
        connection.close()


def test_a_page_fetched_after_the_erasure_comes_without_the_person(collecting: Collecting) -> None:
    gone = collecting.people()[0]["login"]["uuid"]
    collecting.warehouse.rows(
        "insert into ops.erasures (source, record_id, reason) values ('randomuser', %s, 'before')", gone
    )
    assert collecting.collect()["received"] == PEOPLE - 1
    assert gone not in collecting.at_rest().decode()
    assert json.loads(collecting.at_rest())["results"][0] == {"erased": True}
