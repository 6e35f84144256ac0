"""An erasure that is killed between any two of its effects, or that fsck came in between of, ends with nobody left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.damage import Part
from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.domain.faults import EFFECTS, InjectedFault, armed
from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps import privacy
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.steps.repair import Repairer
from luigi_tasks.verbs.erase import erase as verb
from tests.conftest import Warehouse
from tests.contracts.store_fixtures import Bucket, bucket  # noqa: F401
from tests.integration.fsck_fixtures import MOMENT
from tests.integration.test_randomuser import PEOPLE, Collecting, in_database
from twin import Catalogue, Twin
from twin.randomuser import Randomuser

ORDER = [f"erase.{effect}.{when}" for effect in EFFECTS["erase"] for when in ("before", "after")]


@pytest.fixture
def twin() -> Iterator[Twin]:
    with Twin(Catalogue.generate(0), rate_per_minute=10_000, sites=[Randomuser()]) as running:
        yield running


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.prove)])
def collecting(request: pytest.FixtureRequest, warehouse: Warehouse, twin: Twin) -> Collecting:
    """Two minutes, in a folder or a bucket; somebody of the second is in quarantine."""
    where = {}
    if request.param == "bucket":
        names = {"bucket_name", "s3_endpoint_url", "s3_force_path_style"}
        names |= {"aws_access_key_id", "aws_secret_access_key", "aws_default_region"}
        where = request.getfixturevalue("bucket").settings.model_dump(include=names)
    found = Collecting(warehouse, twin, **where)
    found.site.change("2026-11-21T07:02", 2, nat="Germany")
    found.collect(0)
    assert found.collect(2)["quarantined"] == 1
    return found


def erase(collecting: Collecting, person: str) -> privacy.Erasure:
    """The command."""
    return privacy.erase(collecting.settings, collecting.store, "randomuser", person, "request 17", Silent())


def traces(collecting: Collecting, person: str) -> list[str]:
    """Where a person still is: objects whose bodies name them, and how often the database does beside the erasure."""
    bodies = {
        head.key: envelopes.unpack(collecting.store.get(head.key))[1].decode() for head in collecting.store.list("")
    }
    found = [key for key, body in bodies.items() if person in body.lower()]
    return found + ["database"] * max(0, in_database(collecting.warehouse).lower().count(person) - 1)


def test_killed_between_any_two_effects_the_same_command_ends_it(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = collecting.people(2)[1]["login"]["uuid"]
    assert traces(collecting, person)
    for point in ORDER:
        with monkeypatch.context() as killed:
            killed.setattr(privacy, "crash_point", armed(f"{point}:1:exception"))
            with pytest.raises(InjectedFault):
                erase(collecting, person)
    assert erase(collecting, person).before == "finished"
    assert traces(collecting, person) == []
    left = "select count(*) from raw.randomuser_users union all select count(*) from ops.quarantine"
    assert collecting.warehouse.rows(left) == [(2 * PEOPLE - 2,), (1,)]
    assert collecting.warehouse.rows("select finished_at is null from ops.erasures") == [(False,)]


def test_somebody_in_quarantine_goes_as_well(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy.model, "build", lambda *_: {})
    person = collecting.people(2)[2]["login"]["uuid"]
    assert collecting.warehouse.rows("select record_id from ops.quarantine") == [(person,)]
    assert len(erase(collecting, person).pages) == 1
    assert traces(collecting, person) == []
    assert collecting.warehouse.rows("select count(*) from raw.randomuser_users") == [(2 * PEOPLE - 1,)]


def test_what_fsck_moved_aside_in_between_is_found_there(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy.model, "build", lambda *_: {})
    person = collecting.people(2)[1]["login"]["uuid"]
    with monkeypatch.context() as killed:
        killed.setattr(privacy, "crash_point", armed("erase.remove.before:1:exception"))
        with pytest.raises(InjectedFault):
            erase(collecting, person)
    checked = fsck(collecting.settings, collecting.store, Part(), deep=True, progress=Silent())
    Repairer(collecting.settings, collecting.store, MOMENT).repair(checked, Silent())
    (aside,) = traces(collecting, person)
    assert aside.startswith("aside/")
    assert erase(collecting, person).evidence == (aside,)
    assert traces(collecting, person) == []


def test_of_a_page_whose_body_is_lost_only_the_persons_rows_go(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy.model, "build", lambda *_: {})
    for head in list(collecting.store.list("raw/randomuser/")):
        collecting.store.remove(head.key)
    collecting.warehouse.rows("update ops.pages set lost_at = now()")
    person = collecting.people(2)[1]["login"]["uuid"]
    assert len(erase(collecting, person).lost) == 1
    assert traces(collecting, person) == []
    assert collecting.warehouse.rows("select count(*) from raw.randomuser_users") == [(2 * PEOPLE - 2,)]


def test_a_person_whose_key_is_written_otherwise_is_the_same_person(
    warehouse: Warehouse, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy.model, "build", lambda *_: {})
    collecting = Collecting(warehouse, twin)
    person = collecting.people()[1]["login"]["uuid"]
    collecting.site.change("2026-11-21T07:00", 1, login={"uuid": person.upper()})
    assert collecting.collect()["quarantined"] == 1
    assert len(erase(collecting, f" {person.upper()} ").pages) == 1
    assert traces(collecting, person) == []


def test_the_verb_asks_for_a_key_and_says_when_nobody_has_it(
    warehouse: Warehouse, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from luigi_tasks import settings as machine

    monkeypatch.setattr(privacy.model, "build", lambda *_: {})
    collecting = Collecting(warehouse, twin)
    collecting.collect()
    monkeypatch.setattr(machine, "load", lambda: collecting.settings)
    person, nobody = collecting.people()[0]["login"]["uuid"], "155e77ee-ba6d-486f-95ce-0e0c0fb4b919"
    refused = CliRunner().invoke(verb, ["155e77ee", "--reason", "r", "--yes"])
    assert isinstance(refused.exception, SettingsError)
    assert warehouse.rows("select count(*) from ops.erasures") == [(0,)]
    rehearsed, done = (CliRunner().invoke(verb, [nobody, "--reason", "r", *yes]) for yes in ([], ["--yes"]))
    assert (rehearsed.exit_code, done.exit_code) == (1, 1)
    assert "Nobody of that id is here" in rehearsed.output
    assert "is kept out" in done.output
    assert warehouse.rows("select record_id from ops.erasures") == [(nobody,)]
    erased = CliRunner().invoke(verb, [person.upper(), "--reason", "r", "--yes"])
    assert (erased.exit_code, erased.output.splitlines()[0].split()[0]) == (0, "rewritten")
    again = CliRunner().invoke(verb, [person, "--reason", "r", "--yes"])
    assert (again.exit_code, again.output) == (0, "Nobody of that id is here: erased before, and kept out.\n")
