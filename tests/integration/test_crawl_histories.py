"""Random histories of a whole crawl, twin and database included: what a certificate claims is held against the site."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting, Interrupted, KilledAfter
from twin import Catalogue, Twin

# (runs, wallpapers): a dozen long histories, then many of two or three pages, where whatever happens is near an edge.
LONG, SHORT = (4, (40, 110)), (3, (20, 56))
PER_SEED = [pytest.param(seed, marks=() if seed == 1 else pytest.mark.prove) for seed in range(1, 61)]
Positions = dict[str, tuple[datetime.datetime, str]]


class Restless:
    """A site that changes after some of its answers; one kind of change between two answers, so that a total tells.

    standing: the wallpapers that the query found at every moment since `forget` was called. came_late: old ones that
    it found from some moment on; whether those are found is another guarantee's.
    """

    def __init__(self, twin: Twin, dice: Random) -> None:
        self.twin, self.dice, self.fury = twin, dice, dice.choice([0.15, 0.4, 0.8])
        self.changes: list[Callable[[], None]] = [self.upload, self.delete, self.rerate, self.appear]
        self.standing: Positions = {}
        self.came_late: set[str] = set()
        twin.after_search = self.answered

    def listed(self) -> Positions:
        """What the query finds now."""
        tag = self.twin.catalogue.query_tag
        found = [one for one in self.twin.catalogue.snapshot()[1] if one.purity == "sfw" and tag in one.tags]
        return {one.id: (one.created_at, one.id) for one in found}

    def forget(self) -> None:
        """A new crawl begins."""
        self.standing = self.listed()

    def answered(self, _: str) -> None:
        """Maybe change something."""
        if self.dice.random() < self.fury:
            self.dice.choice(self.changes)()
            now = self.listed()
            self.standing = {key: position for key, position in self.standing.items() if key in now}

    def upload(self) -> None:
        """Some more of one second, at the top."""
        self.twin.catalogue.upload(self.dice.choice([1, 1, 2, 30]))

    def delete(self) -> None:
        """Anywhere."""
        self.twin.catalogue.delete(self.dice.choice(sorted(self.listed())))

    def rerate(self) -> None:
        """One that the query finds no more."""
        self.twin.catalogue.rerate(self.dice.choice(sorted(self.listed())), "sketchy")

    def appear(self) -> None:
        """An old one that the query finds from now on."""
        hidden = sorted(set(self.twin.catalogue.ids) - self.listed().keys())
        if hidden:
            one = self.dice.choice(hidden)
            self.twin.catalogue.retag(one, [self.twin.catalogue.query_tag])
            self.twin.catalogue.rerate(one, "sfw")
            self.came_late.add(one)


@pytest.mark.parametrize("seed", PER_SEED)
def test_no_certificate_claims_what_the_site_had_and_the_crawl_did_not_see(warehouse: Warehouse, seed: int) -> None:
    dice, (runs, size) = Random(seed), LONG if seed <= 12 else SHORT
    catalogue = Catalogue.generate(dice.randint(*size), seed=seed, small=True, shared_picture=True, others=6)
    with Twin(catalogue, rate_per_minute=100_000) as twin:
        site, collecting = Restless(twin, dice), Collecting(warehouse, twin.api_url)
        for _ in range(runs):
            site.forget()
            key = _crawled_in_spite_of_a_kill(collecting, dice)
            _hold(collecting, key, site.standing)
        site.changes.clear()
        site.fury = 0
        collecting.collect()
        assert site.listed().keys() - site.came_late <= _loaded(collecting)


def _crawled_in_spite_of_a_kill(collecting: Collecting, dice: Random) -> str:
    run = collecting.run()
    if dice.random() < 0.5:
        with contextlib.suppress(Interrupted):
            collecting.crawl(run, KilledAfter(collecting.store, dice.randint(0, 5), last_lands=dice.random() < 0.5))
        if dice.random() < 0.5:  # nobody repeats the command: another run comes
            run = collecting.run()
    collecting.crawl(run)
    collecting.load(run)
    return run.key


def _hold(collecting: Collecting, run_key: str, standing: Positions) -> None:
    """What stood in an interval of the run's certificate for as long as it read is among what it read."""
    ((intervals, complete, stopped_at, seen),) = collecting.warehouse.rows(
        "select intervals, gaps = '[]', stopped_at, array(select r.record_id from ops.pages p"
        " join raw.wallhaven_search r using (body_sha256) where p.run_key = c.run_key) from ops.certificates c"
        " where run_key = %s",
        run_key,
    )
    claimed = {key for key, position in standing.items() if any(_within(position, one) for one in intervals)}
    assert claimed <= set(seen), "every record that is certified was seen"
    if complete and stopped_at == "end":
        assert claimed == standing.keys(), "nothing is left out of a complete certificate"


def _within(position: tuple[datetime.datetime, str], interval: dict[str, Any]) -> bool:
    newest, oldest = (_position(interval[end]) for end in ("newest", "oldest"))
    return position[0] <= newest[0] and (interval["to_end"] or position[0] >= oldest[0])


def _position(said: dict[str, str]) -> tuple[datetime.datetime, str]:
    return datetime.datetime.fromisoformat(said["uploaded_at"]), said["record_id"]


def _loaded(collecting: Collecting) -> set[str]:
    return {row[0] for row in collecting.warehouse.rows("select record_id from raw.wallhaven_search")}
