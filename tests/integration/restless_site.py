"""A site that changes while it is read, and the truth about it that certificates are held against."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from twin import Catalogue, Twin
from twin.search import find
from twin.wallhaven import PAGE_SIZE

# What a site can do to a listing: more of one second at its top, or anywhere one that goes and one that comes.
REMOVALS, LATE = ("delete", "rerate"), ("late",)
HOW_MANY = {"upload": 1, "bulk": 3, "flood": 25}
KINDS = (*HOW_MANY, *REMOVALS, *LATE)

QUERY = {"q": "draenei", "purity": "100"}


class Change(NamedTuple):
    """One change. place: which one, counted from the newest, round and round."""

    kind: str
    place: int = 0


@dataclass
class Watch:
    """What a crawl could see. standing: listed at every moment since it began; top: the newest when its first answer
    may have been kept; shown: records of its answers, with the totals that these claimed; moved: kinds of what happened
    since its last answer."""

    began: int
    standing: set[str]
    top: datetime.datetime
    shown: set[str] = field(default_factory=set)
    totals: list[int] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    moved_before: set[str] = field(default_factory=set)

    def answered(self, top: datetime.datetime) -> None:
        """What happens from now on does so after this answer; nobody knows yet whether it is kept."""
        self.top = self.top if self.totals else top
        self.moved_before, self.moved = self.moved, set()

    def interrupted(self) -> None:
        """Nobody knows whether the last answer was kept."""
        self.moved |= self.moved_before
        if len(self.totals) <= 1:
            self.top = datetime.datetime.max

    @property
    def blinded(self) -> bool:
        """True when as much may have come below as went above between two answers: no total tells, see 0007."""
        return bool(self.moved & set(REMOVALS)) and bool(self.moved & set(LATE))


class Site:
    """A twin's catalogue and its past. listed: when each was uploaded that the query finds, placed: each that
    it ever found. since: the moment, a count of changes, from which on it found it."""

    def __init__(self, twin: Twin, catalogue: Catalogue) -> None:
        self.twin, self.catalogue = twin, catalogue
        self.now = 0
        self.listed: dict[str, datetime.datetime] = {}
        self.placed: dict[str, datetime.datetime] = {}
        self.since: dict[str, int] = {}
        self.removed_at: list[int] = []
        self.came_late: dict[str, int] = {}
        self.watches: dict[str, Watch] = {}
        self.reading = ""
        self.planned: list[Change | None] = []
        self._look()

    def _look(self) -> None:
        found = find(self.catalogue.snapshot()[1], QUERY, keyed=False, seed="")
        self.listed = {one.id: one.created_at for one in found.shown}
        self.placed |= self.listed
        self.since = {key: self.since.get(key, self.now) for key in self.listed}

    def newest_first(self) -> list[str]:
        """What is listed."""
        return sorted(self.listed, key=lambda key: (self.listed[key], key), reverse=True)

    def happen(self, change: Change) -> None:
        """Let it happen; nothing does where there is nothing to happen to. One record stays."""
        self.now += 1
        if change.kind in HOW_MANY:
            self.catalogue.upload(HOW_MANY[change.kind])
        elif change.kind in REMOVALS and len(self.listed) > 1:
            self._remove(change)
        elif change.kind in LATE and (hidden := sorted(set(self.catalogue.ids) - self.listed.keys())):
            self._appear(hidden[change.place % len(hidden)])
        self._look()
        for watch in self.watches.values():
            watch.standing &= self.listed.keys()
            watch.moved.add(change.kind)

    def _remove(self, change: Change) -> None:
        doomed = self.newest_first()[change.place % len(self.listed)]
        if change.kind == "delete":
            self.catalogue.delete(doomed)
        else:
            self.catalogue.rerate(doomed, "sketchy")
        self.removed_at.append(self.now)

    def _appear(self, one: str) -> None:
        self.catalogue.retag(one, [self.catalogue.query_tag])
        self.catalogue.rerate(one, "sfw")
        self.came_late[one] = self.now

    def watch(self, run_key: str, planned: Iterable[Change | None]) -> None:
        """A process reads for the run from now on; after each of its answers the next of these happens."""
        self.watches.setdefault(run_key, Watch(self.now, set(self.listed), datetime.datetime.max))
        self.reading, self.planned = run_key, list(planned)

    def answered(self, _: str) -> None:
        """An answer is about to leave."""
        params = self.twin.requests[-1].params
        number, found = int(params.get("page", "1")), find(self.catalogue.snapshot()[1], params, keyed=False, seed="")
        watch = self.watches[self.reading]
        watch.shown |= {one.id for one in found.shown[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]}
        watch.answered(max(self.listed.values()))
        watch.totals.append(found.total)
        if self.planned and (change := self.planned.pop(0)):
            self.happen(change)
