"""Earlier measurements beside this one: what changed, and whether something of ours became worse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.transfer.report import measured_networks, medians

MEASURED_AGAINST = "rclone"
OURS = "draenei-collector"
TOLERANCE = 0.15  # medians of three rounds on a quiet machine differ by less


@dataclass(frozen=True)
class Change:
    """One measure of one tool, before and now. less_is_better: seconds and bytes, unlike speed."""

    network: str
    tool: str
    measure: str
    before: float
    now: float
    less_is_better: bool

    @property
    def factor(self) -> float:
        """Now as a multiple of before; 1 when both are nothing."""
        return self.now / self.before if self.before else 1.0 + bool(self.now)

    @property
    def is_worse(self) -> bool:
        """By more than what two measurements of the same differ."""
        return self.factor > 1 + TOLERANCE if self.less_is_better else self.factor < 1 / (1 + TOLERANCE)


def previous(folder: Path, document: dict[str, Any]) -> dict[str, Any] | None:
    """The newest earlier measurement of the same offer on the same kind of machine; None when there is none."""
    for path in sorted(folder.glob("transfer-*.json"), reverse=True):
        earlier: dict[str, Any] = json.loads(path.read_text())
        if earlier["at"] < document["at"] and _circumstances(earlier) == _circumstances(document):
            return earlier
    return None


def compared(document: dict[str, Any], earlier: dict[str, Any]) -> list[Change]:
    """Every measure of every tool that both have: speed as a ratio to rclone's, so that a busy machine matters less."""
    changes = []
    for network in measured_networks(document):
        before, now = (_measures(one, network) for one in (earlier, document))
        for tool, measure in now:
            if (tool, measure) in before:
                pair = (before[tool, measure], now[tool, measure])
                changes.append(Change(network, tool, measure, *pair, less_is_better=measure != "speed"))
    return changes


def regressions(document: dict[str, Any], changes: list[Change]) -> list[str]:
    """A sentence for each thing of ours that became worse, or that did not arrive."""
    said = [
        f"{change.network}, {change.tool}: {change.measure} {change.before:.3g} → {change.now:.3g}"
        for change in changes
        if change.tool.startswith(OURS) and change.is_worse
    ]
    wrong = [one for one in document["results"] if one["tool"].startswith(OURS) and one["right"] < one["pictures"]]
    return said + [f"{one['network']}, {one['tool']}: {one['right']} of {one['pictures']} right" for one in wrong]


def _circumstances(document: dict[str, Any]) -> tuple[Any, ...]:
    machine, offer = document["machine"], document["offered"]
    return machine["processor"], machine["cores"], offer, sorted(measured_networks(document))


def _measures(document: dict[str, Any], network: str) -> dict[tuple[str, str], float]:
    rows = medians(document, network)
    against = next((row["speed"] for row in rows if row["tool"] == MEASURED_AGAINST), None)
    return {(row["tool"], name): value for row in rows for name, value in _of(row, against)}


def _of(row: dict[str, Any], against: float | None) -> Iterator[tuple[str, float]]:
    if against and row["tool"] != MEASURED_AGAINST:
        yield "speed", row["speed"] / against
    yield "CPU s/GB", row["cpu"] / row["bytes"] * 1e9
    yield "peak RSS", row["peak_rss"] / 2**20
    if row["tool"].startswith(OURS):
        yield "commits a picture", row["commits"] / row["pictures"]
