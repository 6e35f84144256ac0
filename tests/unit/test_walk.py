"""The walk, decision by decision: what continues what, when it goes back, what it may claim."""

from __future__ import annotations

import datetime

import pytest

from luigi_tasks.domain.coverage import Certificate, Gap, Interval, Position, merged
from luigi_tasks.domain.walk import MAX_REREADS, QUIET_SECONDS, Read, Seen, Walk

EPOCH = datetime.datetime(2026, 11, 20, 12)


def position(record_id: str) -> Position:
    """The position of '50a' is at second 50."""
    return Position(EPOCH + datetime.timedelta(seconds=int(record_id[:2])), record_id)


def read(number: int, ids: str, total: int, *, last: bool = False, known: bool = False, at: float = 0) -> Read:
    """A page of '50a 49a'."""
    records = tuple(Seen(record_id, position(record_id), known) for record_id in ids.split())
    return Read(number, last, total, EPOCH + datetime.timedelta(seconds=at), records)


def interval(newest: str, oldest: str, *, to_end: bool = False) -> Interval:
    """From one id to another."""
    return Interval(position(newest), position(oldest), to_end)


def walked(walk: Walk, *reads: Read) -> Certificate:
    """The certificate after these pages, each being what the walk asks for."""
    for one in reads:
        walk.take(one)
    assert walk.next is None
    return walk.certificate()


def falling(first: str, second: str) -> list[Read]:
    """Pages 1 and 2 in turn, the total falling each time, until page 1 may not be read again."""
    pages = [(1, first), (2, second)] * (MAX_REREADS + 1)
    return [read(number, ids, 99 - moment) for moment, (number, ids) in enumerate(pages)]


def test_pages_that_nothing_moved_between_are_one_interval() -> None:
    certificate = walked(Walk((), None), read(1, "50a 49a", 4), read(2, "48a 47a", 4, last=True))
    assert certificate.intervals == certificate.coverage == (interval("50a", "47a", to_end=True),)
    assert (certificate.reads, certificate.rereads, certificate.ids_seen, certificate.complete) == (2, 0, 4, True)


@pytest.mark.parametrize(
    "second",
    [
        read(2, "47a 46a", 3),
        read(2, "47a 46a", 5),
        read(2, "47a 46a", 4, at=QUIET_SECONDS + 1),
        read(2, "47a 48a", 4),
        read(2, "51a 48a", 4),
        read(2, "", 3, last=True),
    ],
    ids=["total fell", "total rose", "long ago", "out of order", "newer than the page before", "nothing left"],
)
def test_a_page_that_may_not_continue_the_one_before_sends_the_walk_back(second: Read) -> None:
    walk = Walk((), None)
    walk.take(read(1, "50a 49a", 4))
    walk.take(second)
    assert (walk.next, walk.times_read(1)) == (1, 1)


def test_a_page_that_repeats_a_record_continues_whatever_the_total_says() -> None:
    walk = Walk((), None)
    walk.take(read(1, "50a 49a", 4))
    walk.take(read(2, "49a 48a", 9, at=QUIET_SECONDS + 1))
    assert walk.next == 3


def test_the_limit_a_deletion_and_a_late_arrival_in_equal_number_hide_each_other() -> None:
    """The listing 50a 49a 48a 47a loses 50a and gains 40a between the reads: 48a moves up and is not seen."""
    certificate = walked(Walk((), None), read(1, "50a 49a", 4), read(2, "47a 40a", 4, last=True))
    assert certificate.complete, "docs/decisions/0007 says so; when this can be told, say it there"


def test_nothing_above_the_first_record_is_claimed() -> None:
    reads = [
        read(1, "50a 49a", 5),
        read(2, "46a 45a", 4),
        read(1, "60a 50a", 5),
        read(2, "49a 47a", 5),
        read(3, "46a", 5, last=True),
    ]
    certificate = walked(Walk((), None), *reads)
    assert certificate.intervals == (interval("50a", "46a", to_end=True),)
    assert certificate.ids_seen == 6


def test_a_gap_is_written_down_and_the_seconds_beside_it_are_not_claimed() -> None:
    reads = [*falling("50a 49a", "45a 45b"), read(3, "44a 43a", 92, last=True)]
    certificate = walked(Walk((), None), *reads)
    assert certificate.gaps == (Gap(position("49a"), position("45b")),)
    assert certificate.intervals == (interval("50a", "50a"), interval("44a", "43a", to_end=True))
    assert not certificate.complete


def test_a_second_that_was_read_in_part_is_not_claimed() -> None:
    certificate = walked(
        Walk((), None),
        read(1, "50a 50b", 99),
        *falling("60a 50a", "45a 44a")[1:],
        read(3, "43a", 92, last=True),
    )
    assert certificate.intervals == (interval("44a", "43a", to_end=True),)


def test_a_page_that_stays_out_of_order_is_read_and_not_claimed() -> None:
    disordered = [read(1, "48a 50a", 4)] * (MAX_REREADS + 1)
    certificate = walked(Walk((), None), *disordered, read(2, "47a 46a", 4, last=True))
    assert certificate.gaps == (Gap(None, None),)
    assert certificate.intervals == (interval("46a", "46a", to_end=True),)


def test_it_stops_only_in_an_interval_that_reaches_the_end() -> None:
    walk = Walk([interval("50a", "48a"), interval("45a", "41a", to_end=True)], 9)
    walk.take(read(1, "50a 49a", 9, known=True))
    walk.take(read(2, "49b 48a", 9, known=True))
    assert walk.next == 3
    certificate = walked(walk, read(3, "45a 44a", 9, known=True), read(4, "43a 42a", 9, known=True))
    assert certificate.stopped_at == "known"
    assert certificate.intervals == (interval("50a", "43a"),)
    assert certificate.coverage == (interval("50a", "41a", to_end=True),)


@pytest.mark.parametrize(("total", "expected"), [(8, 9), (10, 9)])
def test_a_total_that_nothing_explains_sends_it_on(total: int, expected: int) -> None:
    walk = Walk([interval("50a", "41a", to_end=True)], expected)
    walk.take(read(1, "50a 49a", total, known=True))
    walk.take(read(2, "49b 48a", total, known=True))
    assert walk.next == 3
    certificate = walked(walk, read(3, "47a", total, known=True, last=True))
    assert (certificate.stopped_at, certificate.unexplained) == ("end", total - expected)


def test_a_page_inside_with_a_record_that_nobody_loaded_is_not_known() -> None:
    walk = Walk([interval("50a", "41a", to_end=True)], None)
    walk.take(read(1, "50a 49a", 9))
    walk.take(read(2, "49b 48a", 9, known=True))
    assert walk.next == 3


def test_nothing_is_claimed_of_a_crawl_that_is_not_complete() -> None:
    walk = Walk((), None)
    walk.take(read(1, "50a 49a", 4))
    with pytest.raises(AssertionError, match="not complete"):
        walk.certificate()


def test_intervals_that_meet_are_one() -> None:
    given = [interval("45a", "41a", to_end=True), interval("60a", "55a"), interval("50a", "45b")]
    assert merged(given) == [interval("60a", "55a"), interval("50a", "41a", to_end=True)]
