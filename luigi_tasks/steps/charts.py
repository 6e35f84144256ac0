"""Charts as SVG to stand within a page: drawn by pygal, coloured by the page's style sheet, the same for the same.

What pygal adds for files of their own (style, script, date, links) is taken off; a bar's value is its tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from pygal.graph.graph import Graph

SVG = "http://www.w3.org/2000/svg"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LABEL = 34
WIDTH = 720
Number = float | int | None
Words = Callable[[float], str]


def plain(value: float) -> str:
    """1,234 or 0.5."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def bars(rows: Sequence[tuple[str, Number]], words: Words = plain) -> Markup:
    """One horizontal bar a row, the first on top; each says its value."""
    import pygal

    chart = pygal.HorizontalBar(
        **_config(words, height=36 + 30 * len(rows)), print_values=True, print_values_position="top", spacing=0
    )
    chart.x_labels = [_label(name) for name, _ in reversed(rows)]
    chart.add("", [value for _, value in reversed(rows)])
    return _drawn(chart, "bars")


def columns(labels: Sequence[str], series: Mapping[str, Sequence[Number]], words: Words = plain) -> Markup:
    """Upright bars, the series on top of each other, labels in the order given."""
    import pygal

    chart = pygal.StackedBar(**_config(words, legend=len(series) > 1))
    return _along(chart, labels, series, "columns")


def lines(labels: Sequence[str], series: Mapping[str, Sequence[Number]], words: Words = plain) -> Markup:
    """Lines from zero up, each filled when it is the only one; None is a gap."""
    import pygal

    dots = len(labels) <= 40
    config = _config(words, legend=len(series) > 1)
    chart = pygal.Line(**config, fill=len(series) == 1, show_dots=dots, dots_size=2, include_x_axis=True)
    return _along(chart, labels, series, "lines")


def _along(chart: Graph, labels: Sequence[str], series: Mapping[str, Sequence[Number]], kind: str) -> Markup:
    chart.x_labels = [_label(label) for label in labels]
    every = max(1, -(-len(labels) // 8))
    chart.x_labels_major = [label for number, label in enumerate(chart.x_labels) if number % every == 0]
    chart.show_minor_x_labels = False
    for name, values in series.items():
        chart.add(_label(name), list(values))
    return _drawn(chart, kind)


def _config(words: Words, *, height: int = 230, legend: bool = False) -> dict[str, Any]:
    return {
        "js": [],
        "no_prefix": True,
        "width": WIDTH,
        "height": height,
        "margin": 8,
        "show_legend": legend,
        "legend_at_bottom": True,
        "legend_box_size": 10,
        "x_label_rotation": 0,
        "max_scale": 6,
        "value_formatter": lambda value: words(value) if value is not None else "",
        "no_data_text": "nothing yet",
    }


def _label(text: str) -> str:
    text = NOT_XML.sub("\ufffd", text)
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def _drawn(chart: Graph, kind: str) -> Markup:
    """The chart's SVG without what would reach out, run or change from day to day."""
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
    ElementTree.register_namespace("", SVG)
    # The text is escaped where it became XML.
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704
