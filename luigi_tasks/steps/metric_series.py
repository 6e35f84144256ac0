"""Counters that must be told before they count anything.

What Prometheus sees first at 1 has not increased for it: an alert on increase() would miss the first failure of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.publishing import Outcome
from luigi_tasks.gateways import request_ledger
from luigi_tasks.gateways.prometheus import Sample
from luigi_tasks.sources.contract import Archived, Listing, Source

REQUESTS = (request_ledger.ANSWERED, *sorted({SourceError.outcome, *(k.outcome for k in SourceError.__subclasses__())}))
RUN_ENDS = ("succeeded", "failed")
RECORDS = ("loaded", "duplicate", "quarantined")
TESTED = ("pass", "fail", "warn", "error", "skipped")
BUILT = ("success", "error", "skipped")
DBT = {"model": BUILT, "seed": BUILT, "snapshot": BUILT, "test": TESTED, "unit_test": TESTED}


def with_zeros(told: Iterable[Sample], sources: Mapping[str, Source]) -> list[Sample]:
    """What was counted, and 0 for what each source may count one day."""
    counted = list(told)
    known = {_key(name, labels) for name, labels, _ in counted}
    zeros = [(name, labels, 0.0) for source in sources.values() for name, labels in _series(source)]
    return counted + [sample for sample in zeros if _key(*sample[:2]) not in known]


def _series(source: Source) -> Iterator[tuple[str, Mapping[str, str]]]:
    own = {"source": source.NAME}
    for outcome in REQUESTS:
        yield "draenei_requests_total", {**own, "outcome": outcome}
    for state in RUN_ENDS:
        yield "draenei_run_ends_total", {**own, "state": state}
    for kind, statuses in DBT.items():
        for status in statuses:
            yield "draenei_dbt_nodes_total", {**own, "type": kind, "status": status}
    for name, entity in source.ENTITIES.items():
        for code in sorted(entity.statuses):
            yield "draenei_pages_total", {**own, "entity": name, "status": str(code)}
        for result in RECORDS:
            yield "draenei_records_total", {**own, "entity": name, "result": result}
    yield from _stored(source, own)


def _stored(source: Source, own: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    if isinstance(source, Listing | Archived):
        yield "draenei_stored_bytes_total", own
    if isinstance(source, Listing):
        for upload in Outcome:
            yield "draenei_uploads_total", {**own, "outcome": str(upload)}


def _key(name: str, labels: Mapping[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())
