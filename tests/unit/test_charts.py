"""Charts can be read: no label is cut or in another's way, ticks are round, values have units."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from luigi_tasks.domain.progress import human_bytes
from luigi_tasks.steps import charts, pages

MONTHS = [f"{year}-{month:02}" for year in (2003, 2004, 2005) for month in range(1, 13)]


def words(chart: str) -> list[str]:
    """The texts of a chart; no tooltip."""
    return re.findall(r"<text[^>]*>(.*?)</text>", chart)


@pytest.mark.parametrize("labels", [MONTHS, [f"11-21 19:{minute:02}" for minute in range(60)], ["2007", "unknown"]])
def test_no_label_is_cut_or_in_anothers_way(labels: list[str]) -> None:
    chart = charts.columns(labels, {"n": [1] * len(labels)})
    shown = re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*[-:a-z][^<]*|20\d\d)</text>', chart)
    assert shown
    assert {label for _, label in shown} <= set(labels), "none is cut"
    places = sorted((float(x), len(label) * 7.5) for x, label in shown)
    for (x, width), (right, other) in pairwise(places):
        assert x + width / 2 < right - other / 2


def test_a_wide_chart_says_the_names_of_tests_in_full() -> None:
    name = "Remodel: not_null_int_jsonplaceholder__versions_record_key"
    assert name in words(charts.bars([(name, 1.0)], wide=True))
    assert name not in words(charts.bars([(name, 1.0)]))


@pytest.mark.parametrize(
    ("high", "told", "ticks"),
    [
        (9_900_000, (human_bytes, charts.BYTES), ["0 B", "2.0 MiB", "4.0 MiB", "6.0 MiB", "8.0 MiB", "10.0 MiB"]),
        (167, (pages.seconds, charts.SECONDS), ["0 s", "1:00 min", "2:00 min", "3:00 min"]),
        (700_000, (charts.plain, charts.DECIMAL), ["0", "200,000", "400,000", "600,000", "800,000"]),
        (0, (charts.plain, charts.DECIMAL), ["0"]),
        (900_000, (pages.seconds, charts.SECONDS), ["0 s", "50:00:00 h", "100:00:00 h"]),
    ],
)
def test_ticks_are_round_and_have_units(high: int, told: tuple, ticks: list[str]) -> None:
    assert words(charts.columns(["a"], {"n": [high]}, *told))[: len(ticks)] == ticks


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0 s"), (0.416, "0.42 s"), (12.34, "12.3 s"), (59.96, "1:00 min"), (3599.6, "1:00:00 h")],
)
def test_a_duration_says_its_unit(value: float | None, said: str) -> None:
    assert pages.seconds(value) == said


def test_a_chart_says_in_words_what_it_shows() -> None:
    assert 'aria-label="seen 64; new 1,200; none –"' in charts.bars([("seen", 64), ("new", 1200), ("none", None)])
    drawn = charts.columns(["a", "b", "c"], {"size": [1024, 9, 4096], "x": [0, 0, 0]}, human_bytes, charts.BYTES)
    assert 'aria-label="size: a 1.0 KiB to c 4.0 KiB; x: a 0 B to c 0 B"' in drawn
    assert 'aria-label="no data"' in charts.lines([], {"due": []})
