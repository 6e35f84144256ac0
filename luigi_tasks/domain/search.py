"""The search for what changed deep down in a listing, page by page, where its `total` says that something did. Pure.

expected: the records that earlier crawls left in the listing, counted where they are kept. Where a page shows two
neighbours of different seconds, the number of records above that place is known from the page, and from what is
expected: their difference is the drift. Between two places of equal drift nothing changed, or as much came as went,
which no reading of less than everything tells. Between places of different drift something did: the page in the middle
is read, until the places stand on neighbouring pages, and these are then read without a gap, so that what is absent
there is known to be.

One change in n pages costs log2(n) reads and a few. What more changes cost than may be read is left to the sweep.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from luigi_tasks.domain.walk import MAX_REREADS, Read, Stretch, nothing_moved

SECOND = datetime.timedelta(seconds=1)


@dataclass(frozen=True)
class Place:
    """The drift at a place of a page, known from a read."""

    page: int
    drift: int


class Expected(Protocol):
    """What earlier crawls left in the listing, counted."""

    def since(self, moment: datetime.datetime) -> int:
        """How many records were uploaded at a moment, to the second, or later; datetime.min: all of them."""


@dataclass(frozen=True)
class Model:
    """What is expected, against what pages show."""

    expected: Expected
    base_total: int
    page_size: int

    @property
    def size(self) -> int:
        """How many records are expected."""
        return self.expected.since(datetime.datetime.min)

    def places(self, read: Read) -> tuple[Place, Place] | None:
        """The topmost and the lowest place of a page; None when it has no neighbours of different seconds.

        What happened since the base was read is taken to have happened at the top, where uploads are.
        """
        if not read.in_order or read.total is None:
            return None
        start = (read.number - 1) * self.page_size - (read.total - self.base_total)
        at = [record.position and record.position.uploaded_at for record in read.records]
        steps = [
            (index, newer, older)
            for index, (newer, older) in enumerate(pairwise(at), start + 1)
            if newer and older and newer > older
        ]
        if not steps:
            return None
        (upper, newer, _), (lower, _, older) = steps[0], steps[-1]
        return (
            Place(read.number, upper - self.expected.since(newer)),
            Place(read.number, lower - self.expected.since(older + SECOND)),
        )


class Search:
    """Ask `next`, read that page, `take` it, until `next` is None. `residual`: what is not found of the drift.

    base: a place on the last page that the crawl read, which is not the listing's last. most: so many pages may be
    read.
    """

    def __init__(self, model: Model, base: Place, most: int) -> None:
        self.next: int | None = None
        self.reads = 0
        self._model, self._most = model, most
        self._last_page = max(base.page + 1, -(-model.base_total // model.page_size))
        end = Place(self._last_page + 1, model.base_total - model.size)
        self._open = [(base, end)]
        self._left: list[tuple[Place, Place]] = []
        self._pages_read: set[int] = set()
        self._stretches: list[Stretch] = []
        self._region: range | None = None
        self._tries = 0
        self._before: Read | None = None
        self._go_on()

    @property
    def residual(self) -> int:
        """How many more came than went where the search did not get to."""
        return sum(lower.drift - upper.drift for upper, lower in (*self._open, *self._left))

    def stretches(self) -> list[Stretch]:
        """What was read without a gap: each page alone, and the regions that were read whole."""
        return self._stretches

    def take(self, read: Read) -> None:
        """Take in the page that `next` asked for, and decide."""
        assert read.number == self.next, (read.number, self.next)
        self.reads += 1
        self._pages_read.add(read.number)
        if self._region:
            self._take_in_region(self._region, read)
        else:
            self._narrow(read)
        self._before = read
        self._go_on()

    def _narrow(self, read: Read) -> None:
        self._start_stretch(read)
        places = self._model.places(read)
        if places:  # a page that says nothing is read, and a neighbour of it is asked next
            upper, lower = self._open.pop()
            self._open += [(upper, places[0]), (places[1], lower)]

    def _take_in_region(self, region: range, read: Read) -> None:
        if read.number == region.start or not self._continues(read):
            self._start_stretch(read)
            if read.number != region.start:
                self._tries += 1
                self.next = region.start
                if self._tries > MAX_REREADS:
                    self._leave_region(found=False)
                return
        else:
            self._stretches[-1].extend(read)
        self.next = read.number + 1
        if read.is_last or self.next == region.stop:
            self._leave_region(found=True)

    def _continues(self, read: Read) -> bool:
        before, stretch = self._before, self._stretches[-1]
        together = before is not None and before.number == read.number - 1 and nothing_moved(before, read)
        return read.in_order and (bool(read.ids & stretch.ids) or together)

    def _start_stretch(self, read: Read) -> None:
        self._stretches.append(Stretch(at_top=False))
        if read.in_order:
            self._stretches[-1].extend(read)

    def _leave_region(self, *, found: bool) -> None:
        self._region, self._tries = None, 0
        place = self._open.pop()
        if not found:
            self._left.append(place)

    def _go_on(self) -> None:
        if self._region and self.reads < self._most:
            return
        self._region, self.next = None, None
        self._open = [(upper, lower) for upper, lower in self._open if upper.drift != lower.drift]
        if not self._open or self.reads >= self._most:
            return
        upper, lower = self._open[-1]
        between = [page for page in range(upper.page + 1, lower.page) if page not in self._pages_read]
        if between:
            self.next = between[len(between) // 2]
        else:
            self._region = range(upper.page, min(lower.page, self._last_page) + 1)
            self.next = self._region.start


def begin(expected: Expected, base: Read, accounted: int | None, most: int) -> Search | None:
    """A search below a page; None when reading on to the end costs as little, or too little is known for a search.

    accounted: the total that earlier crawls accounted for. Records that nobody could place make a difference to what
    is expected, which is borne; more than one in ten is a listing that nobody has read whole.
    """
    if not base.records or base.total is None or not most:
        return None
    remaining = -(-base.total // len(base.records)) - base.number
    if remaining <= remaining.bit_length() + 2:
        return None
    model = Model(expected, base.total, len(base.records))
    if not model.size or model.size * 10 < (accounted or 0) * 9:
        return None
    places = model.places(base)
    return Search(model, places[1], most) if places else None
