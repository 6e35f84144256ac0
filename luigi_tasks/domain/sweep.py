"""The rotating sweep: every run reads a few pages more of what is certified, on from where the last one ended. Pure.

A slice is read without a gap, its pages continuing each other as those of a crawl do. It begins on a page that shows a
record of the second at which the slice before ended, or of a later one, so that the slices of a rotation meet and the
rotation has read everything when one of them reaches the end.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from luigi_tasks.domain.coverage import Interval, Position, Span
from luigi_tasks.domain.walk import Read, Stretch, nothing_moved

# More pages than asked for, seldom needed: to find the place again in a listing that shifted much without its total
# telling, and to get past a second of very many records.
PATIENCE = 24


@dataclass(frozen=True)
class Standing:
    """Where a rotation stands: everything down to `end` is read, and `end` stood on that page of such a total."""

    end: Position
    page: int
    total: int | None

    def page_now(self, total: int | None, page_size: int) -> int:
        """The page to look at first: what came since then came at the top."""
        shift = ((total or 0) - (self.total or 0)) // page_size
        return min(max(1, self.page + shift), max(1, -(-(total or 0) // page_size)))


class Sweep:
    """Ask `next`, read that page, `take` it, until `next` is None."""

    def __init__(self, standing: Standing, first_page: int, pages: int) -> None:
        self.next: int | None = first_page if pages else None
        self.reads = 0
        self.last: Read | None = None
        self._standing = standing
        self._second: datetime.datetime = standing.end.uploaded_at
        self._pages, self._step = pages, 1
        self._above: int | None = None
        self._below: int | None = None
        self._stretch = Stretch(at_top=False)
        self._in_slice = 0

    def interval(self) -> Interval | None:
        """What the slice has read without a gap, None when it leads no further than the one before."""
        found = self._stretch.interval(to_end=self._stretch.at_end)
        if found is None and self._stretch.at_end:
            return Interval(self._standing.end, self._standing.end, to_end=True)  # nothing is older any more
        return found if found and (found.to_end or found.oldest.uploaded_at < self._second) else None

    def span(self) -> Span | None:
        """The seconds that were read whole."""
        return self._stretch.span(to_end=self._stretch.at_end) if self.interval() else None

    def take(self, read: Read) -> None:
        """Take in the page that `next` asked for, and decide."""
        assert read.number == self.next, (read.number, self.next)
        self.reads += 1
        if not read.in_order or self.reads > self._pages + PATIENCE:
            self.next = None
        elif not read.positions and not self._stretch.started and read.number > 1:  # past the end of a shorter listing
            self._below = read.number
            self._look_elsewhere()
        elif not read.positions:
            self.next = None
        elif not self._stretch.started and not self._is_here(read):
            self._look_elsewhere()
        elif not self._stretch.started or self._continues(read):
            self._extend(read)
        else:
            self.next = None

    def _is_here(self, read: Read) -> bool:
        """True where the slice has to begin: at the place itself, or on the last page that is above it."""
        first, last = read.positions[0].uploaded_at, read.positions[-1].uploaded_at
        if first < self._second and read.number > 1:
            self._below = read.number
            return False
        self._above = read.number
        return last <= self._second or read.is_last or self._below == read.number + 1

    def _look_elsewhere(self) -> None:
        """Between a page above the place and one below it; without one of them, ever further away."""
        if self._above and self._below:
            self.next = max(self._above, min((self._above + self._below) // 2, self._below - 1))
        elif self._below:
            self.next = max(1, self._below - self._step)
        else:
            self.next = (self._above or 1) + self._step
        self._step *= 2

    def _continues(self, read: Read) -> bool:
        last = self.last
        together = last is not None and last.number == read.number - 1 and nothing_moved(last, read)
        return bool(read.ids & self._stretch.ids) or together

    def _extend(self, read: Read) -> None:
        self._stretch.extend(read)
        self.last = read
        self._in_slice += 1
        enough = self._in_slice >= self._pages and self.interval() is not None
        self.next = None if read.is_last or enough else read.number + 1
