"""A model of a listing that shifts while it is read, the crawls of it, and what each of these must have seen."""

from __future__ import annotations

import bisect
import datetime
from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random

from hypothesis import event
from hypothesis import strategies as st

from luigi_tasks.domain import search
from luigi_tasks.domain.coverage import Certificate, Interval, Position, Span
from luigi_tasks.domain.listing import vanished
from luigi_tasks.domain.sweep import Standing, Sweep
from luigi_tasks.domain.walk import QUIET_SECONDS, Read, Seen, Walk

PAGE_SIZE = 4
EPOCH = datetime.datetime(2026, 11, 20, 12)
SECOND = datetime.timedelta(seconds=1)
SEARCH_PAGES = 24

Event = tuple[str, int, float]


@dataclass
class Listing:
    """The source: positions newest first, in an order of its own within a second; it counts what happens to it."""

    dice: Random
    order: dict[Position, float] = field(default_factory=dict)
    now: datetime.datetime = EPOCH
    uploads_at: datetime.datetime = EPOCH
    made: int = 0
    uploaded: int = 0
    inserted: int = 0
    deleted: int = 0
    ever_masked: bool = False

    def positions(self) -> list[Position]:
        """The listing as it is."""
        return sorted(self.order, key=lambda p: (p.uploaded_at, self.order[p]), reverse=True)

    def happen(self, what: str, amount: int, where: float) -> None:
        """Let one event happen; where: 0 is the newest, 1 the oldest."""
        if what == "upload":
            self.uploads_at += SECOND * self.dice.choice([1, 1, 5])
            self._add(amount, self.uploads_at)
            self.uploaded += amount
        elif what == "late":
            oldest_first = self.positions()[::-1]
            span = (self.uploads_at - (oldest_first[0].uploaded_at if oldest_first else EPOCH)).total_seconds()
            self._add(amount, self.uploads_at - SECOND * int(span * where))
            self.inserted += amount
        elif what == "delete":
            for _ in range(min(amount, len(self.order))):
                doomed = self.positions()
                del self.order[doomed[int(where * (len(doomed) - 1))]]
                self.deleted += 1
        elif what == "pause":
            self.now += SECOND * amount * 60
        elif what == "swap":  # while the process was away: no total tells it
            amount = min(amount, len(self.order))
            self.happen("delete", amount, where / 2)
            self.happen("late", amount, where)
            self.happen("pause", 5, 0)

    def _add(self, amount: int, moment: datetime.datetime) -> None:
        for _ in range(amount):
            self.made += 1
            self.order[Position(moment, f"w{self.dice.randrange(1000):03}{self.made}")] = self.dice.random()

    def page(self, number: int, loaded: set[str]) -> Read:
        """What the source answers now."""
        self.now += SECOND
        listed = self.positions()
        shown = listed[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        records = tuple(Seen(p.record_id, p, p.record_id in loaded) for p in shown)
        last_number = max(1, -(-len(listed) // PAGE_SIZE))
        return Read(number, number >= last_number, len(listed), self.now, records)


class Counted:
    """What the warehouse counts of the records that are expected."""

    def __init__(self, expected: Collection[Position]) -> None:
        self.moments = sorted(one.uploaded_at for one in expected)

    def since(self, moment: datetime.datetime) -> int:
        """Records that were uploaded at that moment or later."""
        return len(self.moments) - bisect.bisect_left(self.moments, moment)


@dataclass
class Crawl:
    """One run's crawl: its kept pages outlive the process."""

    closed: list[Interval]
    expected_total: int | None
    loaded: set[str]
    expected: dict[str, Position]
    most: int
    kept: list[Read] = field(default_factory=list)
    always_there: set[Position] | None = None
    masked: bool = False

    def resumed(self) -> Walk:
        """A new process: the kept pages replayed, each being just what the walk asks for."""
        walk = Walk(
            self.closed,
            self.expected_total,
            search=lambda read: search.begin(Counted(self.expected.values()), read, self.expected_total, self.most),
        )
        for read in self.kept:
            assert walk.next == read.number, "a resumed walk asks for the pages that were kept, in their order"
            walk.take(read)
        return walk

    @property
    def seen(self) -> set[str]:
        """Every id that was read."""
        return {record_id for read in self.kept for record_id in read.ids}


@dataclass
class World:
    """A source, a history that happens to it, and runs of a query over it."""

    listing: Listing
    history: list[list[Event]]
    runs: list[Crawl] = field(default_factory=list)
    certified: list[Certificate] = field(default_factory=list)
    coverage: list[Interval] = field(default_factory=list)
    expected_total: int | None = None
    loaded: set[str] = field(default_factory=set)
    listed: dict[str, Position] = field(default_factory=dict)
    most: int = SEARCH_PAGES
    sweep_pages: int = 0
    standing: Standing | None = None
    rotations: list[list[Interval]] = field(default_factory=list)

    def run(self) -> Certificate | None:
        """One run; None when it was given up before its crawl was complete."""
        crawl = Crawl(list(self.coverage), self.expected_total, set(self.loaded), dict(self.listed), self.most)
        crawl.always_there = set(self.listing.positions())
        walk = crawl.resumed()
        while walk.next is not None:
            for what, amount, _ in self._happens(crawl):
                if what == "crash" and amount == 1:
                    return None
                if what == "crash":
                    walk = crawl.resumed()
            read = self.listing.page(walk.next, crawl.loaded)
            crawl.kept.append(read)
            walk.take(read)
            assert len(crawl.kept) < 2000, "it ends"
        certificate = walk.certificate()
        self._load(crawl, certificate, walk.spans())
        return certificate

    def _happens(self, crawl: Crawl) -> list[Event]:
        events = self.history.pop(0) if self.history else []
        listing, total = self.listing, len(self.listing.order)
        inserted, deleted, now = listing.inserted, listing.deleted, listing.now
        for one in events:
            listing.happen(*one)
        assert crawl.always_there is not None
        crawl.always_there &= set(listing.order)
        changed_both_ways = listing.inserted > inserted and listing.deleted > deleted
        quick = listing.now - now < SECOND * QUIET_SECONDS
        # What no total can show, and the guarantee leaves out: see docs/decisions/0007.
        masked = changed_both_ways and quick and len(listing.order) == total
        crawl.masked |= masked
        listing.ever_masked |= masked
        return events

    def _load(self, crawl: Crawl, certificate: Certificate, within: list[Span]) -> None:
        self.runs.append(crawl)
        self.certified.append(certificate)
        self.coverage += certificate.coverage
        self.expected_total = certificate.accounted_total
        self.loaded |= crawl.seen
        self._list(crawl, within)

    def _list(self, crawl: Crawl, within: list[Span]) -> None:
        """What was absent where it had to be leaves the listing, as in the ledger of the listing."""
        seen = {p.record_id: p for read in crawl.kept for p in read.positions}
        gone = vanished(self.listed.values(), seen, within)
        assert crawl.always_there is not None
        if not crawl.masked:
            assert not {p.record_id for p in crawl.always_there} & gone, "what is called absent was"
        self.listed = {key: p for key, p in (self.listed | seen).items() if key not in gone}

    def sweep(self) -> None:
        """One slice of the rotating sweep, after a run that had all down to its last certified record."""
        total = len(self.listing.order)
        if self.standing is None:
            (top, *_), reads = self.certified[-1].intervals, self.certified[-1].reads
            self.standing = Standing(top.oldest, reads, total)
            self.rotations.append([])
        crawl = Crawl([], None, set(self.loaded), dict(self.listed), 0)
        crawl.always_there = set(self.listing.positions())
        sweep = Sweep(self.standing, self.standing.page_now(total, PAGE_SIZE), self.sweep_pages)
        while sweep.next is not None:
            self._happens(crawl)
            read = self.listing.page(sweep.next, self.loaded)
            crawl.kept.append(read)
            sweep.take(read)
        found, span = sweep.interval(), sweep.span()
        if found and span and sweep.last:
            self.rotations[-1].append(found)
            self.standing = None if found.to_end else Standing(found.oldest, sweep.last.number, sweep.last.total)
            self._list(crawl, [span])
        self.loaded |= crawl.seen


def check(crawl: Crawl, certificate: Certificate) -> None:
    """Hold a certificate against the truth."""
    read = [p for one in crawl.kept for p in one.positions]
    assert certificate.ids_seen == len(crawl.seen)
    assert (certificate.total_first, certificate.total_last) == (crawl.kept[0].total, crawl.kept[-1].total)
    for interval in certificate.intervals:
        assert interval.newest in read, "what bounds an interval was read"
        assert interval.oldest in read
        if interval.to_end:
            assert any(one.is_last for one in crawl.kept)
    tops = [interval.newest.uploaded_at for interval in certificate.coverage]
    assert len(tops) == len(set(tops)), "the ledger keeps one interval from a second on"
    assert crawl.always_there is not None
    event(f"{min(2, len(certificate.gaps))} gaps")
    if crawl.masked:
        event("masked")
        return
    claimed = {p for p in crawl.always_there if any(p in interval for interval in certificate.intervals)}
    assert {p.record_id for p in claimed} <= crawl.seen, "every record that is certified was seen"
    if certificate.complete and certificate.stopped_at == "end":
        event("complete to the end")
        assert claimed == crawl.always_there, "nothing is left out of a complete certificate"


def check_trusted(source: World) -> None:
    """Hold what later runs trust, the certificates' coverage joined, against what was there all the while."""
    if not source.runs or any(crawl.masked for crawl in source.runs):
        return
    staying = set.intersection(*(crawl.always_there or set() for crawl in source.runs))
    trusted = {p.record_id for p in staying if any(p in interval for interval in source.coverage)}
    assert trusted <= source.loaded, "every record of an interval that lets a later run stop was read"


CHANGES = ["upload", "delete", "late", "pause", "swap", "crash"]
GROWTH = ["upload", "upload", "delete", "crash"]
AMOUNTS = [1, 1, 2, 3, 7]


def histories(kinds: list[str]) -> st.SearchStrategy[list[list[Event]]]:
    """What happens before each read: mostly nothing, or a storm."""
    events = st.tuples(st.sampled_from(kinds), st.sampled_from(AMOUNTS), st.floats(0, 1))
    calm = st.lists(st.one_of(st.just([]), st.lists(events, max_size=3)), max_size=60)
    return st.one_of(calm, st.builds(_storm, st.just(kinds), st.integers(0, 1 << 32), st.sampled_from([0.2, 0.6, 1])))


def _storm(kinds: list[str], seed: int, fury: float) -> list[list[Event]]:
    dice = Random(seed)
    loved = dice.choice([kinds, ["delete", *kinds], ["delete", "delete", "upload", "upload", "delete"]])
    return [
        [(dice.choice(loved), dice.choice(AMOUNTS), dice.random() ** 3) for _ in range(dice.randint(1, 3))]
        if dice.random() < fury
        else []
        for _ in range(dice.randint(20, 120))
    ]


def world(seed: int, size: int, history: list[list[Event]]) -> World:
    """A listing of so many records, many of them of one second."""
    listing = Listing(Random(seed))
    while len(listing.order) < size:
        listing.happen("upload", listing.dice.choice([1, 1, 2, 6]), 0)
    return World(listing, history)
