"""Outcomes that are handed over: committed before the clerk is left, never lost in silence, never more than so many."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2.errors import UndefinedTable

from luigi_tasks.domain.publishing import Claim, Outcome, UploadOutcome
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.upload_claims import Worker
from luigi_tasks.steps.clerk import Clerk
from tests.conftest import Warehouse
from tests.image_server import serving
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture

PICTURES = 4


@dataclasses.dataclass
class Desk:
    """A run of some pictures, all of them claimed, and what the clerk told of them."""

    publishing: Publishing
    run_key: str
    claims: list[Claim]
    told: list[UploadOutcome | None] = dataclasses.field(default_factory=list)
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)

    def clerk(self, waiting: int = PICTURES) -> Clerk:
        return Clerk(self.publishing.settings(), self.run_key, self.told.append, self.stop.set, waiting)


@pytest.fixture
def desk(warehouse: Warehouse) -> Iterator[Desk]:
    with serving() as server:
        publishing = Publishing(warehouse, server)
        for seed in range(PICTURES):
            publishing.offer(f"w{seed:05}", picture(seed=seed))
        run_key, settings = publishing.freeze("1"), publishing.settings()
        with Worker(settings, run_key, lambda: None) as worker:
            with closing(postgres.connect(settings)) as connection:
                claims, _ = worker.take(connection, 0, PICTURES)
            yield Desk(publishing, run_key, claims)


def gone(claim: Claim) -> UploadOutcome:
    return UploadOutcome(claim.item.wallhaven_id, Outcome.GONE, 0.1)


def hand_over_all(desk: Desk, waiting: int) -> None:
    with desk.clerk(waiting) as clerk:
        for claim in desk.claims:
            clerk.register(claim, gone(claim))


def test_all_that_was_handed_over_is_committed_when_the_clerk_is_left(desk: Desk) -> None:
    hand_over_all(desk, waiting=1)
    assert set(desk.publishing.outcomes(desk.run_key).values()) == {"gone"}
    assert len(desk.publishing.outcomes(desk.run_key)) == len(desk.told) == PICTURES
    assert not desk.stop.is_set()


def test_an_outcome_whose_claim_was_lost_changes_nothing_and_is_not_counted(desk: Desk) -> None:
    stale = dataclasses.replace(desk.claims[0], fence=desk.claims[0].fence - 1000)
    with desk.clerk() as clerk:
        clerk.register(stale, gone(stale))
        clerk.register(desk.claims[1], gone(desk.claims[1]))
    assert sorted(outcome is None for outcome in desk.told) == [False, True]
    assert set(desk.publishing.outcomes(desk.run_key)) == {desk.claims[1].item.wallhaven_id}


def test_outcomes_that_cannot_be_written_stop_the_run_and_are_raised(desk: Desk) -> None:
    desk.publishing.warehouse.rows("alter table ops.uploads rename to elsewhere")
    with pytest.raises(UndefinedTable, match="uploads"):
        hand_over_all(desk, waiting=1)  # nor does it wait for ever for what was not written
    assert desk.stop.is_set()
    assert desk.told == []
