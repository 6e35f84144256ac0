"""The walk against a model of a listing that shifts while it is read: what is certified was seen, in any history.

DRAENEI_HISTORIES says how many histories are tried; 200 unless told otherwise.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.unit.shifting_listing import CHANGES, GROWTH, PAGE_SIZE, Event, World, check, check_trusted, histories, world

HISTORIES = int(os.environ.get("DRAENEI_HISTORIES", "200"))
many = settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(st.integers(0, 999), st.integers(0, 90), histories(CHANGES), st.integers(1, 4))
def test_what_a_certificate_claims_was_seen(seed: int, size: int, history: list[list[Event]], runs: int) -> None:
    source = world(seed, size, history)
    for _ in range(runs):
        source.run()
    for crawl, certificate in zip(source.runs, source.certified, strict=True):
        check(crawl, certificate)
    check_trusted(source)


@many
@given(st.integers(0, 999), st.integers(0, 90), histories(GROWTH), st.integers(1, 4))
def test_after_uploads_deletions_and_crashes_a_quiet_run_has_everything(
    seed: int, size: int, history: list[list[Event]], runs: int
) -> None:
    source = world(seed, size, history)
    for _ in range(runs):
        source.run()
    source.history.clear()
    assert source.run() is not None
    assert {p.record_id for p in source.listing.positions()} <= source.loaded


@many
@given(st.integers(0, 999), st.integers(0, 90), histories(CHANGES))
def test_an_unchanged_listing_costs_two_pages(seed: int, size: int, history: list[list[Event]]) -> None:
    source = world(seed, size, history)
    source.run()
    source.history.clear()
    source.run()
    source.run()
    certificate = source.run()
    assert certificate is not None
    assert certificate.reads == min(2, max(1, -(-len(source.listing.order) // PAGE_SIZE)))
    assert certificate.complete


@many
@given(st.integers(0, 999), st.integers(9, 40), st.floats(0, 1))
def test_a_late_arrival_deep_down_is_found_by_the_total(seed: int, size: int, where: float) -> None:
    source = world(seed, size, [])
    source.run()
    source.listing.happen("late", 1, where)
    source.run()
    assert {p.record_id for p in source.listing.positions()} <= source.loaded


def deep_world(seed: int, size: int) -> World:
    """A listing of many pages, read whole."""
    source = world(seed, size, [])
    source.run()
    return source


@many
@given(st.integers(0, 999), st.integers(100, 400), st.sampled_from(["late", "delete"]), st.floats(0, 1))
def test_one_change_deep_down_is_found_with_few_reads(seed: int, size: int, what: str, where: float) -> None:
    source = deep_world(seed, size)
    source.listing.happen(what, 1, where)
    certificate = source.run()
    assert certificate is not None
    event(certificate.stopped_at)
    check(source.runs[-1], certificate)
    now = {p.record_id: p for p in source.listing.positions()}
    assert set(now) <= source.loaded
    pages = -(-size // PAGE_SIZE)
    assert certificate.reads <= pages.bit_length() + 2 * 2 + 8, "log2 of the pages, and the places beside it"
    assert certificate.unexplained in ({0, -1} if certificate.stopped_at == "end" else {0})
    assert source.listed == now, "what is expected next time is what is there"
    assert source.run().reads == 2  # type: ignore[union-attr]


@many
@given(st.integers(0, 999), st.integers(100, 400), histories(CHANGES), st.integers(1, 4), st.integers(1, 40))
def test_what_a_search_claims_was_read_in_any_history(
    seed: int, size: int, history: list[list[Event]], runs: int, most: int
) -> None:
    source = deep_world(seed, size)
    source.history, source.most = history, most
    for _ in range(runs):
        source.listing.happen("late", 1, source.listing.dice.random())
        source.listing.happen("delete", 2, source.listing.dice.random())
        source.run()
    for crawl, certificate in zip(source.runs, source.certified, strict=True):
        event(f"{min(3, certificate.searched)} searched")
        assert certificate.searched <= most
        check(crawl, certificate)
    check_trusted(source)


@many
@given(st.integers(0, 999), st.integers(40, 200), histories(["upload", "delete", "late"]), st.integers(2, 4))
def test_a_rotation_of_the_sweep_reads_everything_that_stays(
    seed: int, size: int, history: list[list[Event]], pages: int
) -> None:
    """Also what came and went in equal number, which no total tells; whatever happens meanwhile."""
    source = deep_world(seed, size)
    source.sweep_pages = pages
    source.listing.happen("swap", 3, 0.7)
    staying = set(source.listing.positions())
    source.run()
    quiet, source.history = source.history, history
    for _ in range(400):
        source.sweep()
        staying &= set(source.listing.order)
        if source.rotations and source.standing is None:
            break
    else:
        # A listing that grows by as much as a slice reads is never swept whole, and an emptied one has no end to reach.
        assert not 0 < len(source.listing.order) <= 4 * size, f"no end: {source.standing}"
        assert source.standing is not None
        assert not any(interval.to_end for interval in source.rotations[-1]), "nor does it claim to be"
        return
    if not source.listing.ever_masked:
        assert {p.record_id for p in staying} <= source.loaded, quiet
