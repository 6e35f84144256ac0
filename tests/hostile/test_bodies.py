"""Hostile bodies of the API through judge, parse and the check of records: none loads what must not, none is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from luigi_tasks.domain.errors import SourceError, SourceRefused
from luigi_tasks.domain.loading import GoodRecord
from luigi_tasks.sources import wallhaven
from luigi_tasks.sources.answers import Retry, judge
from luigi_tasks.sources.validation import RecordCheck
from tests.conftest import Warehouse
from tests.hostile.bodies import Case, cases

CHECKS = {name: RecordCheck(wallhaven, entity) for name, entity in wallhaven.ENTITIES.items()}
WHERE = "http://127.0.0.1/api/v1/search"


def outcome(case: Case) -> str:
    """As bodies.py names it."""
    headers = {} if case.content_type is None else {"content-type": case.content_type}
    try:
        judge(wallhaven, case.entity, case.status, headers, case.body, where=WHERE)
    except Retry:
        return "retry"
    except SourceRefused:
        return "refused"
    except SourceError:
        return "error"
    sorted_records = [CHECKS[case.entity].sort(*record) for record in enumerate(records(case))]
    bad = [record for record in sorted_records if not isinstance(record, GoodRecord)]
    if not all(record.violations for record in bad):
        return "quarantined without a reason"
    return f"{len(sorted_records) - len(bad)}+{len(bad)}"


def records(case: Case) -> tuple[object, ...]:
    """What parse finds."""
    return wallhaven.parse(case.entity, case.body).records


def test_there_are_at_least_120_under_names_of_their_own() -> None:
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names) >= 120


def test_every_body_has_its_outcome_in_time(record_property: Callable[[str, object], None]) -> None:
    expected, found, slow = {}, {}, {}
    for case in cases():
        begun = time.monotonic()
        expected[case.name], found[case.name] = case.expected, outcome(case)
        if time.monotonic() - begun > 2:
            slow[case.name] = time.monotonic() - begun
    assert found == expected
    assert slow == {}
    record_property("cases", len(found))


def test_postgres_takes_every_record_that_passed_and_every_reason(warehouse: Warehouse) -> None:
    connection = warehouse.connect()
    passed = 0
    with connection, connection.cursor() as cursor:
        for case in cases():
            if "+" not in case.expected:
                continue
            for position, record in enumerate(records(case)[:50]):
                one = CHECKS[case.entity].sort(position, record)
                text = one.payload.decode() if isinstance(one, GoodRecord) else json.dumps(one.violations)
                cursor.execute("select %s::jsonb is not null, %s::text is not null", (text, one.record_id))
                passed += isinstance(one, GoodRecord)
    connection.close()
    assert passed > 60
