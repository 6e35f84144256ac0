"""Earlier transfers beside this one: what changed, and whether something of ours became worse."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measurements
from benchmarks.measurements import Change
from benchmarks.transfer.report import measured_networks, medians, row_name

NAME = "transfer"
MEASURED_AGAINST = "rclone"
OURS = "draenei-collector"


def previous(folder: Path, document: dict[str, Any]) -> dict[str, Any] | None:
    """The newest earlier measurement of the same offer on the same networks and kind of machine, if there is one."""
    return measurements.previous(folder, NAME, document, _circumstances)


def compared(document: dict[str, Any], earlier: dict[str, Any]) -> list[Change]:
    """Every measure of every tool that both have: speed as a ratio to rclone's, so that a busy machine matters less."""
    return measurements.compared(_figures(document), _figures(earlier), ("speed",))


def regressions(document: dict[str, Any], changes: Sequence[Change]) -> list[str]:
    """A sentence for each thing of ours that became worse, or that did not arrive."""
    ours = [one for one in document["results"] if one["tool"].startswith(OURS)]
    rows = {row_name(one) for one in ours}
    said = [
        f"{change.row}: {change.measure} {change.before:.3g} → {change.now:.3g}"
        for change in changes
        if change.row in rows and change.is_worse
    ]
    wrong = [one for one in ours if one["right"] < one["pictures"]]
    return said + [f"{row_name(one)}: {one['right']} of {one['pictures']} right" for one in wrong]


def _circumstances(document: Mapping[str, Any]) -> Hashable:
    return measurements.circumstances(document), *sorted(measured_networks(document))


def _figures(document: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        row_name(row): dict(_of(row, against))
        for rows in (medians(document, network) for network in measured_networks(document))
        for against in [next((row["speed"] for row in rows if row["tool"] == MEASURED_AGAINST), None)]
        for row in rows
    }


def _of(row: dict[str, Any], against: float | None) -> Iterator[tuple[str, float]]:
    if against and row["tool"] != MEASURED_AGAINST:
        yield "speed", row["speed"] / against
    yield "CPU s/GB", row["cpu"] / row["bytes"] * 1e9
    yield "peak RSS", row["peak_rss"] / 2**20
    if row["tool"].startswith(OURS):
        yield "commits a picture", row["commits"] / row["pictures"]
