"""The goals of the transfer beside what one measurement reached, so that both come from one command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.decoding import AS_WE_DO, OF_CPU
from benchmarks.transfer.history import OURS
from benchmarks.transfer.report import measured_networks, medians

DECODED = f"{OURS}, full decode"
TO_S3 = ("rclone", "img2dataset", "Scrapy", "the seed's way")
CURLS = ("curl", "curl, one a core")
Speeds = Mapping[str, float]


@dataclass(frozen=True)
class Goal:
    """goal: at least, or where less is better at most; reached: of the same measure."""

    network: str
    measure: str
    goal: float
    reached: float
    less_is_better: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.reached <= self.goal if self.less_is_better else self.reached >= self.goal


def goals(document: Mapping[str, Any]) -> list[Goal]:
    """Every goal about something that this measurement has."""
    found: list[Goal] = []
    for network in measured_networks(document):
        rows = {row["tool"]: row for row in medians(document, network)}
        speeds = {tool: row["speed"] for tool, row in rows.items()}
        if OURS in rows:
            found += _of_speed(network, speeds)
            own = rows[OURS]
            found.append(Goal(network, "CPU s/GB", 2.5, own["cpu"] / own["bytes"] * 1e9, less_is_better=True))
        if DECODED in rows and "decoder" in document:
            found += _of_decoding(network, speeds[DECODED], document["machine"]["cores"], document["decoder"])
    return found


def _of_speed(network: str, speeds: Speeds) -> Iterator[Goal]:
    wanted: list[tuple[str, Sequence[str], float]]
    if network.startswith("loopback"):
        wanted = [("rclone's", ["rclone"], 1.0), ("the seed's way's", ["the seed's way"], 8.0)]
    else:
        wanted = [("the best that stores to S3", TO_S3, 2.0), ("the best of curl's", CURLS, 0.6)]
    for name, tools, goal in wanted:
        if there := [speeds[tool] for tool in tools if tool in speeds]:
            yield Goal(network, f"pictures/s, as a multiple of {name}", goal, speeds[OURS] / max(there))


def _of_decoding(network: str, speed: float, cores: int, decoder: Speeds) -> Iterator[Goal]:
    for way, words in ((OF_CPU, "the decoder makes"), (AS_WE_DO, "luma alone makes")):
        if way in decoder:
            possible = cores * decoder[way]
            measure = f"full decode, of the {possible:.0f} pictures/s that {words} on all cores"
            yield Goal(network, measure, 0.9, speed / possible)


def table(document: Mapping[str, Any]) -> str:
    """Markdown; nothing when there is no goal to judge."""
    lines = [
        f"| {one.network}, {one.measure} | {'≤' if one.less_is_better else '≥'} {one.goal} | {one.reached:.2f}:"
        f" {'met' if one.met else '**missed**'} |"
        for one in goals(document)
    ]
    return "\n".join(["| medians against the goals | goal | reached |", "|---|---|---|", *lines]) if lines else ""
