"""What the benchmarks call met: each goal is missed by what is beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import overlap

RUN = {"first_stored": 20.0, "last_page": 600.0, "last_stored": 610.0, "end": 620.0, "share": 0.99, "refused": 0}


def test_the_burst_at_the_start_is_no_part_of_the_share() -> None:
    burst, even = [0.0] * 10, [60 / 45 * number for number in range(1, 441)]
    assert overlap.share(burst + even, 45) == pytest.approx(1)
    assert overlap.share(burst + [at * 1.1 for at in even], 45) == pytest.approx(1 / 1.1)


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, []),
        ({"first_stored": 60.1}, ["first picture"]),
        ({"share": 0.979}, ["share of"]),
        ({"refused": 1}, ["answers of"]),
        ({"end": 630.1}, ["end 30.1 s"]),
        ({"stored": 23}, ["stored 23"]),
    ],
)
def test_an_overlap_that_misses_a_goal_says_which(change: dict[str, Any], missed: list[str]) -> None:
    run = overlap.Measured(**{**RUN, "stored": 24, "rounds": 1, **change})
    assert [sentence[: len(missed[0]) if missed else 0] for sentence, met in run.goals(24) if not met] == missed
