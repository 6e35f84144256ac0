"""Which page of a shifting listing to read next, and what may be claimed in the end. Pure: it decides, others read.

While a listing is being read, an upload moves everything one place down, so that a record is seen twice, and a
deletion moves everything one place up, so that one is never seen. Reading is without a gap from page to page when

- the page repeats a record of the stretch read so far (whatever stands between is on the page), or
- it comes right after the page before it, within QUIET_SECONDS, and the source's `total` did not change.

Otherwise the page before is read again, until one of the two holds; after MAX_REREADS of one page the gap is
written down and the walk goes on. The same pages give the same decisions, so a walk is resumed by replaying it.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from luigi_tasks.domain.coverage import Certificate, Gap, Interval, Position, Span, merged, whole_seconds

MAX_REREADS = 3
QUIET_SECONDS = 120
ENOUGH_KNOWN = 2
SECOND = datetime.timedelta(seconds=1)


@dataclass(frozen=True)
class Seen:
    """A record on a page. known: an earlier complete crawl of the query loaded it."""

    record_id: str | None
    position: Position | None
    known: bool = False


@dataclass(frozen=True)
class Read:
    """One response: a page of the listing as it was at a moment."""

    number: int
    is_last: bool
    total: int | None
    moment: datetime.datetime
    records: tuple[Seen, ...]

    @property
    def ids(self) -> set[str]:
        """The usable ids on the page."""
        return {record.record_id for record in self.records if record.record_id is not None}

    @property
    def positions(self) -> list[Position]:
        """The positions on the page, in its order; a record that stands there twice counts where it stands first."""
        return list(dict.fromkeys(record.position for record in self.records if record.position is not None))

    @property
    def in_order(self) -> bool:
        """True when no record is newer than the one before it."""
        return all(older.uploaded_at <= newer.uploaded_at for newer, older in pairwise(self.positions))


class Stretch:
    """Records that were read without a gap between them."""

    def __init__(self, *, at_top: bool) -> None:
        self.at_top = at_top
        self.started = self.at_end = False
        self.newest: Position | None = None
        self.ids: set[str] = set()
        self.positions: list[Position] = []

    def extend(self, read: Read) -> None:
        """Take a page in that continues it."""
        self.started, self.at_end = True, read.is_last
        if self.newest is None and read.positions:
            self.newest = read.positions[0]
        self.ids |= read.ids
        self.positions += read.positions

    @property
    def end(self) -> Position | None:
        """The oldest record."""
        return min(self.positions, default=None)

    def interval(self, *, to_end: bool) -> Interval | None:
        """What may be claimed of it.

        Nothing above its first record: a page 1 that was read again shows uploads of the meantime, and not all of them.
        """
        below_top = [p for p in self.positions if self.newest and p.uploaded_at <= self.newest.uploaded_at]
        whole = whole_seconds(below_top, open_top=not self.at_top, open_end=not to_end)
        if not whole or self.newest is None:
            return None
        return Interval(self.newest if self.at_top else max(whole), min(whole), to_end)

    def span(self, *, to_end: bool) -> Span | None:
        """The seconds that it leaves nothing out of; None for an empty listing, which is believed of nobody."""
        if not self.positions:
            return None
        oldest, newest = min(self.positions).uploaded_at + SECOND, max(self.positions).uploaded_at - SECOND
        return Span(datetime.datetime.min if to_end else oldest, datetime.datetime.max if self.at_top else newest)


class Detour(Protocol):
    """Reads that are made below where the crawl may stop, because the total says that something changed there."""

    next: int | None
    reads: int

    @property
    def residual(self) -> int:
        """What is left unexplained."""

    def take(self, read: Read) -> None:
        """Take in the page that `next` asked for."""

    def stretches(self) -> list[Stretch]:
        """What was read without a gap."""


class Walk:
    """The crawl of one query: ask `next`, read that page, `take` it, until `next` is None.

    closed: what earlier crawls certified. expected_total: their accounted_total. ordered: newest first; without
    order every page is read once and nothing is certified. search: begins a search below a page for what the total
    does not explain; without one, or where it gives None, the crawl goes on to the end.
    """

    def __init__(
        self,
        closed: Sequence[Interval],
        expected_total: int | None,
        *,
        ordered: bool = True,
        search: Callable[[Read], Detour | None] = lambda read: None,
    ) -> None:
        self.next: int | None = 1
        self.stopped_at = ""
        self.closed, self.expected_total, self.ordered = merged(closed), expected_total, ordered
        self._search = search
        self._detour: Detour | None = None
        self._times_read: Counter[int] = Counter()
        self._reads: list[Read] = []
        self._stretches = [Stretch(at_top=True)]
        self._gaps: list[Gap] = []
        self._new: set[str] = set()
        self._accepted: Read | None = None
        self._top_total: int | None = None
        self._inside: list[tuple[int, Interval]] = []

    def times_read(self, number: int) -> int:
        """How often the page was read already."""
        return self._times_read[number]

    @property
    def page_size(self) -> int:
        """How many records page 1 showed."""
        return len(self._reads[0].records) if self._reads else 0

    @property
    def deepest(self) -> int:
        """The last page of the crawl, those of a search apart."""
        return self._accepted.number if self._accepted else 0

    @property
    def last_moment(self) -> datetime.datetime:
        """When the last page was read."""
        return max(read.moment for read in self._reads)

    def take(self, read: Read) -> None:
        """Take in the page that `next` asked for, and decide."""
        assert read.number == self.next, (read.number, self.next)
        self._reads.append(read)
        self._times_read[read.number] += 1
        self._new |= {record.record_id for record in read.records if record.record_id and not record.known}
        if self._detour:
            self._detour.take(read)
            self._follow(self._detour)
            return
        if not self.ordered or self._continues(read):
            self._accept(read)
            return
        again = max(1, read.number - 1)
        if self._times_read[again] <= MAX_REREADS:
            self.next = again
            return
        self._break(read)
        self._accept(read)

    def _continues(self, read: Read) -> bool:
        if not read.in_order:
            return False
        if read.number == 1 or not self._stretches[-1].started or read.ids & self._stretches[-1].ids:
            return True
        before = self._accepted
        return before is not None and before.number == read.number - 1 and nothing_moved(before, read)

    def _break(self, read: Read) -> None:
        self._gaps.append(Gap(self._stretches[-1].end, max(read.positions, default=None) if read.in_order else None))
        self._stretches.append(Stretch(at_top=False))

    def _accept(self, read: Read) -> None:
        self._accepted = read
        if read.in_order:
            self._stretches[-1].extend(read)
        if read.number == 1:
            self._top_total = read.total
        self._note_inside(read)
        if read.is_last:
            self._stop("end")
        elif len(self._inside) < ENOUGH_KNOWN:
            self.next = read.number + 1
        elif self._unexplained() in {0, None}:
            self._stop("known")
        elif detour := self._search(read):
            self._detour = detour
            self._follow(detour)
        else:
            self.next = read.number + 1

    def _follow(self, detour: Detour) -> None:
        self.next = detour.next
        if self.next is None:
            self._stop("known")

    def _note_inside(self, read: Read) -> None:
        interval = self._closed_around(read)
        self._inside = [one for one in self._inside if interval and one[0] == read.number - 1]
        if interval:
            self._inside.append((read.number, interval))

    def _closed_around(self, read: Read) -> Interval | None:
        """The earlier interval that holds all of the page and everything older; each record was loaded, too."""
        if not read.records or not all(record.known and record.position for record in read.records):
            return None
        around = (one for one in self.closed if one.to_end and all(p in one for p in read.positions))
        return next(around, None)

    def _unexplained(self) -> int | None:
        if self.expected_total is None or self._top_total is None:
            return None
        return self._top_total - self.expected_total - len(self._new)

    def _stop(self, why: str) -> None:
        self.next, self.stopped_at = None, why

    def _to_end(self, stretch: Stretch) -> bool:
        return self.stopped_at == "end" and stretch is self._stretches[-1]

    def spans(self) -> list[Span]:
        """The seconds that were read whole: what was expected there and not seen has left the listing."""
        own = [s.span(to_end=self._to_end(s)) for s in self._stretches if self.ordered]
        aside = [s.span(to_end=s.at_end) for s in self._detour.stretches()] if self._detour else []
        return [one for one in (*own, *aside) if one]

    def certificate(self) -> Certificate:
        """What may be claimed; only of a walk that has stopped."""
        assert self.stopped_at, "the crawl is not complete: nothing may be claimed"
        own = [s.interval(to_end=self._to_end(s)) for s in self._stretches if self.ordered]
        aside = [s.interval(to_end=s.at_end) for s in self._detour.stretches()] if self._detour else []
        coverage = list(own)
        if self.stopped_at == "known":
            earlier = self._inside[-1][1]
            coverage[-1] = own[-1].joined(earlier) if own[-1] else earlier
        return Certificate(
            ordered=self.ordered,
            reads=len(self._reads),
            rereads=len(self._reads) - len(self._times_read),
            ids_seen=len(set().union(*(read.ids for read in self._reads))),
            stopped_at=self.stopped_at,
            intervals=tuple(one for one in (*own, *aside) if one),
            coverage=tuple(merged(one for one in coverage if one)),
            gaps=tuple(self._gaps),
            total_first=self._reads[0].total,
            total_last=self._reads[-1].total,
            accounted_total=self._top_total,
            unexplained=self._detour.residual if self._detour else self._unexplained(),
            searched=self._detour.reads if self._detour else 0,
        )


def nothing_moved(before: Read, read: Read) -> bool:
    """True when the two reads may be taken for reads of one moment, the second right below the first."""
    quick = abs(read.moment - before.moment) <= datetime.timedelta(seconds=QUIET_SECONDS)
    joint = [*before.positions[-1:], *read.positions[:1]]
    falling = all(older.uploaded_at <= newer.uploaded_at for newer, older in pairwise(joint))
    return quick and falling and before.total is not None and before.total == read.total
