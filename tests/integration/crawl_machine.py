"""Random histories of a site and of the runs that crawl it, as a state machine: whatever happens is held to the truth.

The real Fetch and Load, the real database, a twin over HTTP. What the site cannot show is left out by construction:
between two answers of a crawl it changes once, see docs/decisions/0007.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from luigi_tasks.domain.faults import InjectedFault, armed
from luigi_tasks.domain.run import Run
from luigi_tasks.domain.walk import MAX_REREADS
from luigi_tasks.gateways import request_budget
from luigi_tasks.steps import crawl, fetch, load
from tests.conftest import Warehouse
from tests.integration.certified import certified
from tests.integration.core_fixtures import Collecting
from tests.integration.restless_site import HOW_MANY, KINDS, LATE, REMOVALS, Change, Site
from twin import Catalogue, Twin

FAST = {"wallhaven_rate_per_minute": 1_000_000, "wallhaven_sweep_rest_hours": 0}
# Edges of pages of 24, and a listing that is deep enough to be searched.
SIZES = (1, 24, 25, 48, 49, 60, 72, 75, 100, 180)
SWEEPS = (0, 2, 40)
PASSED_EACH_PAGE = [f"fetch.{effect}.{when}" for effect in ("request", "put", "page") for when in ("before", "after")]
PASSED_ONCE = [
    *("crawl.certificate.before", "sweep.enter.before", "sweep.enter.after", "crawl.certificate.after"),
    *("load.batch.before", "load.copy.before", "load.enter.after", "load.commit.before", "load.commit.after"),
]
CHANGES = st.builds(Change, st.sampled_from(KINDS), st.integers(0, 300))
# One that goes after each answer: no two reads agree, and what is given up on is a gap.
FLICKER = st.builds(
    lambda kind, times: [Change(kind)] * times, st.sampled_from(REMOVALS), st.integers(2 * MAX_REREADS, 4 * MAX_REREADS)
)
BETWEEN = st.lists(st.none() | CHANGES, max_size=6) | FLICKER
DEATHS = st.builds("{}:{}:exception".format, st.sampled_from(PASSED_EACH_PAGE), st.integers(1, 5)) | st.sampled_from(
    [f"{point}:1:exception" for point in PASSED_ONCE]
)
EMPTIED = (
    "delete from ops.listing_changes; delete from ops.sweep_slices; delete from ops.coverage;"
    " delete from ops.certificates; truncate ops.runs, raw.wallhaven_search, ops.request_budget cascade"
)


@contextlib.contextmanager
def dying_at(fault: str) -> Iterator[None]:
    """A process with this fault, '' for none: nothing runs after its point but what ends with an exception."""
    with pytest.MonkeyPatch.context() as patched:
        point = armed(fault)
        for module in (crawl, fetch, load, request_budget):
            patched.setattr(module, "crash_point", point)
        yield


class CrawlMachine(RuleBasedStateMachine):
    """`of`: gives the class a warehouse, which every history empties."""

    warehouse: Warehouse
    minutes = 0

    @classmethod
    def of(cls, warehouse: Warehouse) -> type[CrawlMachine]:
        """A machine on that warehouse."""
        return type("OnWarehouse", (cls,), {"warehouse": warehouse})

    @initialize(
        size=st.sampled_from(SIZES), seed=st.integers(0, 9), pages=st.sampled_from(SWEEPS), collected=st.booleans()
    )
    def begin(self, size: int, seed: int, pages: int, *, collected: bool) -> None:
        """A site of so many, and runs that sweep so many pages each; collected: the first has been."""
        self.warehouse.rows(EMPTIED)
        catalogue = Catalogue.generate(size, seed=seed, small=True, shared_picture=True, others=6)
        self.twin = Twin(catalogue, rate_per_minute=1_000_000)
        self.twin.start()
        self.site, self.sweeps = Site(self.twin, catalogue), pages
        self.twin.after_search = self.site.answered
        self.collecting = Collecting(self.warehouse, self.twin.api_url, wallhaven_sweep_pages=pages, **FAST)
        self.collecting._minutes = CrawlMachine.minutes
        self.open: Run | None = None
        self._look()
        if collected:
            self._process(self.collecting.run(), [])

    def teardown(self) -> None:
        """Of a history nothing is left but its objects, whose keys are of its own minutes."""
        if hasattr(self, "twin"):
            self.twin.stop()
            CrawlMachine.minutes = self.collecting._minutes

    @rule(kind=st.sampled_from(list(HOW_MANY)))
    def upload(self, kind: str) -> None:
        """One, or several of one second."""
        self.site.happen(Change(kind))

    @rule(kind=st.sampled_from(REMOVALS), place=st.integers(0, 300))
    def remove(self, kind: str, place: int) -> None:
        """One goes, or is rated so that the query finds it no more."""
        self.site.happen(Change(kind, place))

    @rule(place=st.integers(0, 300))
    def tag_late(self, place: int) -> None:
        """An old one is found from now on."""
        self.site.happen(Change(*LATE, place))

    @rule(between=BETWEEN)
    def crawl(self, between: list[Change | None]) -> None:
        """A new run, whatever became of the one before; the site may change after each of its answers."""
        self._process(self.collecting.run(), between)

    @rule(between=BETWEEN, fault=DEATHS)
    def crawl_that_dies(self, between: list[Change | None], fault: str) -> None:
        """A new run that leaves an interval open, or a certificate that does not count."""
        self._process(self.collecting.run(), between, fault)

    @precondition(lambda self: self.open and not self.site.watches[self.open.key].blinded)
    @rule(between=BETWEEN, fault=st.just("") | DEATHS)
    def same_command_again(self, between: list[Change | None], fault: str) -> None:
        """The run that died goes on."""
        assert self.open
        self._process(self.open, between, fault)

    @precondition(lambda self: self.open)
    @rule()
    def load_what_is_there(self) -> None:
        """A round beside the crawl, or Load before it died: pages of an open interval are here."""
        assert self.open
        self.collecting.load(self.open)
        self._look()

    @rule()
    def settle(self) -> None:
        """Two runs while nothing changes: everything in the listing is stored."""
        for _ in range(2):
            self._process(self.collecting.run(), [])
        missing = self.site.listed.keys() - self.loaded
        event(f"settled, {'nothing' if not missing else 'something'} missing, sweeps {self.sweeps}")
        assert not {one for one in missing if not self._hidden_by_a_removal(one)}, "it is listed and not stored"
        if self.sweeps == max(SWEEPS):
            assert self.expected == self.site.listed, "what the ledger says of the listing is the listing"

    def _process(self, run: Run, between: list[Change | None], fault: str = "") -> None:
        self.site.watch(run.key, between)
        self.open = run
        with dying_at(fault), contextlib.suppress(InjectedFault):
            self.collecting.crawl(run)
            self.collecting.load(run)
            self.open = None
        self.site.planned.clear()
        self.site.watches[run.key].interrupted()
        self._look()
        event("died" if self.open else "whole")

    def _hidden_by_a_removal(self, one: str) -> bool:
        """A late arrival that no total tells, because one went meanwhile; the sweep finds it when its turn comes."""
        came = self.site.came_late.get(one)
        if came is None or self.sweeps == max(SWEEPS):
            return False
        begun = [0, 0, *sorted(self.site.watches[key].began for key in self.counted)]
        earlier = [at for at in begun if at < came]
        later = next((at for at in begun if at >= came), self.site.now)
        return any(earlier[-2] <= at <= later for at in self.site.removed_at)

    def _look(self) -> None:
        self.counted, self.loaded, self.expected, self.absent = certified(self.warehouse)

    @invariant()
    def no_certificate_claims_what_the_site_denies(self) -> None:
        """Each is of what was shown, and whatever stood in its intervals while it read is among what it read."""
        for key, one in self.counted.items():
            watch = self.site.watches[key]
            assert one.bounds <= watch.shown, "what bounds an interval was read"
            assert one.read <= watch.shown
            assert one.ids_seen <= len(one.read), "what the sweep read beside it is not the certificate's"
            assert self.sweeps or one.ids_seen == len(one.read)
            assert set(one.totals) <= set(watch.totals)
            assert all(newest <= watch.top for _, newest in one.intervals), "nothing above its first record is claimed"
            claimed = {r for r in watch.standing if one.claims(self.site.placed[r])}
            assert claimed <= one.read, "every record that is certified was seen"
            unnamed = {r for r in watch.standing - claimed if not one.trusts(self.site.placed[r])}
            assert all(one.doubts(self.site.placed[r]) for r in unnamed), "what may be missing is named as a gap"

    @invariant()
    def what_later_runs_trust_is_loaded(self) -> None:
        """Whatever stands since before the first run that counts and covers it is here."""
        covered: set[str] = set()
        for key in sorted(self.counted, key=lambda key: self.site.watches[key].began):
            one, began = self.counted[key], self.site.watches[key].began
            trusted = {r for r, at in self.site.listed.items() if r not in covered and one.trusts(at)}
            covered |= trusted
            assert {r for r in trusted if self.site.since[r] <= began} <= self.loaded

    @invariant()
    def what_is_called_absent_was(self) -> None:
        """No run says of a record that it left the listing while it stood there."""
        for key, record_id in self.absent:
            if key in self.counted:
                assert record_id not in self.site.watches[key].standing
