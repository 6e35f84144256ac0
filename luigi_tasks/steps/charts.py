"""Charts as SVG to stand within a page: drawn by pygal, coloured by the page's style sheet, the same for the same.

What pygal adds for files of their own (style, script, date, links) is taken off; a bar's value is its tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from pygal.graph.graph import Graph

SVG = "http://www.w3.org/2000/svg"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LABEL, WIDE_LABEL = 34, 64
WIDTH, WIDE = 540, 1120
PLOT, LETTER, BETWEEN = 460, 7.5, 14  # of a chart along its labels, in its units
Number = float | int | None
Words = Callable[[float], str]
DECIMAL = (1, 2, 5)
BYTES = tuple(digit << power for power in range(0, 50, 10) for digit in (1, 2, 5, 10, 20, 50, 100, 200, 500))
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000)


def plain(value: float) -> str:
    """1,234 or 0.5."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def bars(rows: Sequence[tuple[str, Number]], words: Words = plain, *, wide: bool = False) -> Markup:
    """One horizontal bar a row, the first on top; each says its value. wide: for the whole width of a page."""
    import pygal

    config = _config(words, height=16 + 27 * len(rows)) | {"width": WIDE if wide else WIDTH, "margin_right": 64}
    chart = pygal.HorizontalBar(**config, print_values=True, print_values_position="top", show_x_labels=False)
    chart.x_labels = [_label(name, WIDE_LABEL if wide else LABEL) for name, _ in reversed(rows)]
    chart.add("", [value for _, value in reversed(rows)])
    said = [f"{_label(name)} {_said(words, value)}" for name, value in rows]
    return _drawn(chart, "bars wide" if wide else "bars", said)


def columns(
    labels: Sequence[str],
    series: Mapping[str, Sequence[Number]],
    words: Words = plain,
    ticks: Sequence[int] = DECIMAL,
) -> Markup:
    """Upright bars, the series on top of each other, labels in the order given. ticks: steps of the axis."""
    import pygal

    chart = pygal.StackedBar(**_config(words, legend=len(series) > 1))
    chart.y_labels = _ticks(series.values(), ticks, stacked=True)
    return _along(chart, labels, series, "columns")


def lines(labels: Sequence[str], series: Mapping[str, Sequence[Number]]) -> Markup:
    """One line a series, from zero up; None is a gap."""
    import pygal

    dots = len(labels) <= 40
    config = _config(plain, legend=len(series) > 1) | {"margin_right": 36}
    chart = pygal.Line(**config, show_dots=dots, dots_size=2, include_x_axis=True)
    chart.y_labels = _ticks(series.values(), DECIMAL, stacked=False)
    return _along(chart, labels, series, "lines")


def _along(chart: Graph, labels: Sequence[str], series: Mapping[str, Sequence[Number]], kind: str) -> Markup:
    chart.x_labels = [_label(label) for label in labels]
    every = max(1, -(-len(labels) // _labels_that_fit(chart.x_labels)))
    chart.x_labels_major = [label for number, label in enumerate(chart.x_labels) if number % every == 0]
    chart.show_minor_x_labels = False
    for name, values in series.items():
        chart.add(_label(name), list(values))
    words = chart.config.value_formatter
    ends = [(labels[at], values[at]) for values in series.values() for at in (0, -1)] if labels else []
    told = [f"{_label(label)} {_said(words, value)}" for label, value in ends]
    said = [
        f"{_label(name)}: {first} to {last}" for name, first, last in zip(series, told[::2], told[1::2], strict=False)
    ]
    return _drawn(chart, kind, said)


def _said(words: Words, value: Number) -> str:
    return "–" if value is None else words(value)


def _labels_that_fit(labels: Sequence[str]) -> int:
    return max(2, min(8, int(PLOT // (max(map(len, labels), default=0) * LETTER + BETWEEN))))


def _ticks(series: Collection[Sequence[Number]], steps: Sequence[int], *, stacked: bool) -> list[int]:
    """Whole numbers from 0 to past the highest value, four to eight of them where it is not small."""
    highs = [max([value or 0 for value in values], default=0) for values in series]
    if stacked:
        highs = [sum(value or 0 for value in one) for one in zip(*series, strict=True)]
    high = max(highs, default=0)
    step = next(step for step in _steps(steps) if high <= 5 * step)
    return list(range(0, int(-(-high // step)) * step + 1, step)) or [0]


def _steps(steps: Sequence[int]) -> Iterator[int]:
    """These, then ten times the last three, a hundred times … : 1 2 5 10 20 50 …"""
    yield from steps
    yield from (step * 10**power for power in count(1) for step in steps[-3:])


def _config(words: Words, *, height: int = 210, legend: bool = False) -> dict[str, Any]:
    from pygal.style import Style

    return {
        # The style sheet sets these sizes too; here they make room for the labels.
        "style": Style(label_font_size=13, major_label_font_size=13, legend_font_size=13, value_font_size=12),
        "js": [],
        "no_prefix": True,
        "width": WIDTH,
        "height": height,
        "margin": 8,
        "show_legend": legend,
        "legend_at_bottom": True,
        "legend_box_size": 10,
        "x_label_rotation": 0,
        "truncate_label": -1,  # _label has cut it, and there are no more than fit
        "max_scale": 6,
        "value_formatter": words,
        "no_data_text": "nothing yet",
    }


def _label(text: str, most: int = LABEL) -> str:
    text = NOT_XML.sub("\ufffd", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _drawn(chart: Graph, kind: str, said: Sequence[str]) -> Markup:
    """The chart's SVG without what would reach out, run or change from day to day. said: for who cannot see it."""
    root = ElementTree.fromstring(chart.render(disable_xml_declaration=True))  # noqa: S314 - pygal's own words
    for parent in list(root.iter()):
        told = {child.get("class"): child.text for child in parent if child.tag == f"{{{SVG}}}desc"}
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}{name}" for name in ("defs", "desc", "title", "script")}:
                parent.remove(child)
        if "value" in told:
            title = ElementTree.SubElement(parent, f"{{{SVG}}}title")
            title.text = ": ".join(word for word in (told.get("x_label"), told["value"]) if word)
    root.attrib.pop("id", None)
    root.set("class", f"chart {kind}")
    root.set("role", "img")
    root.set("aria-label", "; ".join(said) or "no data")
    ElementTree.register_namespace("", SVG)
    # The text is escaped where it became XML.
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704
