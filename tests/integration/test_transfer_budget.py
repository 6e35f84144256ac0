"""What a picture may cost, by counts that are the same on every machine: requests, statements, commits, connections."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import psycopg2.extensions
import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.publishing import ClaimLost, Outcome, UploadOutcome
from luigi_tasks.gateways import postgres, upload_claims, upload_ledger
from luigi_tasks.gateways.upload_claims import Worker
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.image_server import serving
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture
from tests.s3_double import s3_double

PICTURES = 64


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server, s3_double() as double:
        yield Publishing(warehouse, server, double)


class Counting(psycopg2.extensions.connection):
    """A connection whose statements are counted."""

    made = 0
    said: ClassVar[Counter[str]] = Counter()

    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)
        Counting.made += 1

    def cursor(self, *arguments: object, **more: object):
        return super().cursor(*arguments, cursor_factory=CountingCursor, **more)


class CountingCursor(psycopg2.extensions.cursor):
    def execute(self, query, values=None) -> None:
        Counting.said[str(query).split()[0]] += 1
        super().execute(query, values)

    def executemany(self, query, rows) -> None:
        rows = list(rows)
        Counting.said[str(query).split()[0]] += len(rows)
        super().executemany(query, rows)

    def copy_expert(self, query, *arguments, **more) -> None:
        Counting.said["copy"] += 1
        super().copy_expert(query, *arguments, **more)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    Counting.made, Counting.said = 0, Counter()
    connect = psycopg2.connect
    monkeypatch.setattr(
        psycopg2, "connect", lambda *given, **more: connect(*given, connection_factory=Counting, **more)
    )
    return Counting


def test_a_picture_costs_two_requests_and_its_share_of_a_statement(
    publishing: Publishing, counting: type[Counting]
) -> None:
    for seed in range(PICTURES):
        publishing.offer(f"w{seed:05}", picture(seed=seed))
    run_key, store, double = publishing.freeze("1"), publishing.store, publishing.double
    counting.made, counting.said = 0, Counter()
    publish(publishing.settings(), run_key, store, Silent())
    assert set(publishing.server.asked.values()) == {1}
    assert double
    asked = Counter(method for method, key in double.state.requests if key.startswith("wallpapers/"))
    assert asked == {"PUT": PICTURES}
    assert counting.said.total() <= 5 * PICTURES, "two for its intent, two for its outcome, a share of the claims"
    assert counting.made <= 8, "not one connection a hand"
    publishing.assert_all_stored_once()


def test_a_set_is_two_statements_whatever_its_size(publishing: Publishing, counting: type[Counting]) -> None:
    together = 8
    for seed in range(together):
        publishing.offer(f"w{seed:05}", picture(seed=seed))
    run_key, settings = publishing.freeze("1"), publishing.settings()
    with Worker(settings, run_key, lambda: None) as worker:
        counting.said = Counter()
        with contextlib.closing(postgres.connect(settings)) as connection:
            claims, _ = worker.take(connection, 0, together)
        assert (len(claims), counting.said.total()) == (together, 2)
        with postgres.transaction(settings) as cursor:
            assert upload_ledger.intend(cursor, run_key, [(claim, "00" * 32) for claim in claims]) == {}
        assert counting.said.total() == 4
        outcomes = [(claim, UploadOutcome(claim.item.wallhaven_id, Outcome.GONE, 0.1)) for claim in claims]
        with postgres.transaction(settings) as cursor:
            assert upload_ledger.register(cursor, run_key, outcomes) == {}
        assert counting.said.total() == 6
    assert set(publishing.outcomes(run_key).values()) == {"gone"}


def test_of_a_set_only_those_whose_claim_was_lost_are_left_out(publishing: Publishing) -> None:
    for seed in range(4):
        publishing.offer(f"w{seed:05}", picture(seed=seed))
    run_key, settings = publishing.freeze("1"), publishing.settings()
    with Worker(settings, run_key, lambda: None) as worker, postgres.transaction(settings) as cursor:
        with contextlib.closing(postgres.connect(settings)) as connection:
            claims, _ = worker.take(connection, 0, 4)
        stale = dataclasses.replace(claims[1], fence=claims[1].fence - 1000)
        upload_claims.release(cursor, claims[2])
        outcomes = [
            (claim, UploadOutcome(claim.item.wallhaven_id, Outcome.GONE, 0.1))
            for claim in (claims[0], stale, *claims[2:])
        ]
        lost = upload_ledger.register(cursor, run_key, outcomes)
        assert {fence: type(problem) for fence, problem in lost.items()} == {
            stale.fence: ClaimLost,
            claims[2].fence: ClaimLost,
        }
    assert set(publishing.outcomes(run_key)) == {claims[0].item.wallhaven_id, claims[3].item.wallhaven_id}
