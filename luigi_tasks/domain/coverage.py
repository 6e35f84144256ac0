"""What is certified of a query: closed intervals of positions, and the certificate that says how they came about."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """Where a record stands in a listing by date; uploaded_at is UTC without a zone, to the second."""

    uploaded_at: datetime.datetime
    record_id: str


class Span(NamedTuple):
    """Seconds of upload, both included, that were read whole, whether or not a record of them was there."""

    oldest: datetime.datetime
    newest: datetime.datetime


@dataclass(frozen=True)
class Interval:
    """Two records and everything between them, whole seconds at either end; to_end: and everything older.

    Membership is by the second: in which order a source lists the records of one second is its secret.
    """

    newest: Position
    oldest: Position
    to_end: bool = False

    def __post_init__(self) -> None:
        assert self.oldest.uploaded_at <= self.newest.uploaded_at, self

    def __contains__(self, position: Position) -> bool:
        return position.uploaded_at <= self.newest.uploaded_at and (
            self.to_end or self.oldest.uploaded_at <= position.uploaded_at
        )

    def joined(self, other: Interval) -> Interval:
        """One interval for two that are known to meet."""
        return Interval(max(self.newest, other.newest), min(self.oldest, other.oldest), self.to_end or other.to_end)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same coverage with as few intervals as possible, newest first."""
    result: list[Interval] = []
    for interval in sorted(intervals, key=lambda one: (one.newest, one.oldest), reverse=True):
        if result and interval.newest in result[-1]:
            result[-1] = result[-1].joined(interval)
        else:
            result.append(interval)
    return result


@dataclass(frozen=True)
class Gap:
    """Between two records that were read, what stood there may not have been; None: nothing was read on that side."""

    newer: Position | None
    older: Position | None


@dataclass(frozen=True)
class Certificate:
    """What one crawl read and may claim.

    ordered: False when the listing has no order by date, so that nothing can be claimed of it.
    intervals: read by this crawl without a gap, nothing else. coverage: the same, the one that led into an earlier
    crawl's interval joined to it. stopped_at: 'end', 'known' (inside an earlier interval that reaches the end).
    total_first, total_last: what the source claimed at the first and the last read. accounted_total: what it claimed
    of the listing that this crawl accounts for, which is what the next one starts from. unexplained: by how much the
    source's total differs from the earlier total plus what this crawl found new, None when there is no earlier one; a
    crawl that meets such a difference searches for it, and then it is what the search did not find, or goes to the end.
    searched: how many of the reads were made by the search.
    """

    ordered: bool
    reads: int
    rereads: int
    ids_seen: int
    stopped_at: str
    intervals: tuple[Interval, ...]
    coverage: tuple[Interval, ...]
    gaps: tuple[Gap, ...]
    total_first: int | None
    total_last: int | None
    accounted_total: int | None
    unexplained: int | None
    searched: int = 0

    @property
    def complete(self) -> bool:
        """True when nothing is known to be missing between its first record and where it stopped."""
        return self.ordered and not self.gaps


def whole_seconds(positions: Sequence[Position], *, open_top: bool, open_end: bool) -> list[Position]:
    """The positions of a stretch that was read, without the seconds at its open ends: of those others may exist."""
    if not positions:
        return []
    first, last = max(positions).uploaded_at, min(positions).uploaded_at
    return [
        position
        for position in positions
        if (position.uploaded_at < first or not open_top) and (position.uploaded_at > last or not open_end)
    ]
