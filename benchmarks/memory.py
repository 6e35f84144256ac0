"""Peak memory of the transfer at 1,000 and at 20,000 pictures: it is to be bounded by what is in flight.

Run: python -m benchmarks.memory [pictures …]; default 1000 20000. On the network with a round trip of 60 ms, so that as
many are in flight as may be, with all checks but the full decode and with it, which is the default. Pictures of 40 kB,
because 20,000 are to fit into memory; beside them some of 1.8 MB, of which the bytes in flight are the bound. A row
each: MB of the process itself, of its children (the decoders), and of all together, each at its own peak; the most
requests that the image host and the store answered at once; pictures a second; how many arrived right. Then the ratio
of the sizes. Exit code 1 when the process takes more than the goal, the sizes differ by more than RATIO, fewer than
the goal were in flight (with the full decode it is the decoders that bound it), or a picture is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import measurements
from benchmarks.transfer.__main__ import measured, parsed

GOAL_MB, GOAL_IN_FLIGHT, RATIO = 250, 64, 1.1
LARGE = 600
DECODED = "full decode"
TOOLS = {"draenei-collector": "all but decode", "draenei-collector, full decode": DECODED}
OURS = ["--rounds", "1", "--networks", "60ms", *(word for tool in TOOLS for word in ("--only", tool))]
HEADS = "pictures                           own MB  children  together  fetching  putting  a second"


@dataclass(frozen=True)
class Row:
    """One run. MB; fetching, putting: at once, at most."""

    pictures: int
    mode: str
    own: float
    children: float
    together: float
    fetching: int
    putting: int
    speed: float
    right: int

    def __str__(self) -> str:
        return (
            f"{self.pictures:<9}{self.mode:<24}{self.own:>8.0f}{self.children:>10.0f}{self.together:>10.0f}"
            f"{self.fetching:>10}{self.putting:>9}{self.speed:>10.0f}   {self.right} right"
        )

    def missed(self) -> Iterator[str]:
        """What this run lacks of the goals."""
        name = f"{self.pictures} pictures, {self.mode}"
        if self.own > GOAL_MB:
            yield f"{name}: {self.own:.0f} MB of its own, the goal is {GOAL_MB}"
        in_flight = self.fetching + self.putting
        if not self.mode.endswith(DECODED) and in_flight < GOAL_IN_FLIGHT:
            yield f"{name}: only {in_flight} were in flight, so {GOAL_IN_FLIGHT} were not measured"
        if self.right < self.pictures:
            yield f"{name}: {self.pictures - self.right} did not arrive right"


def rows(pictures: int, *, small: bool) -> list[Row]:
    """Both modes with so many pictures."""
    arguments = parsed([*OURS, "--pictures", str(pictures), *(["--small"] if small else [])])
    return [row(result, "40 kB" if small else "1.8 MB") for result in measured(arguments)["results"]]


def row(result: dict[str, Any], size: str) -> Row:
    """What a run of the transfer benchmark took."""
    own, children, together = (result[name] / 2**20 for name in ("own_rss", "children_rss", "peak_rss"))
    return Row(
        pictures=result["pictures"],
        mode=f"{size}, {TOOLS[result['tool']]}",
        own=own,
        children=children,
        together=together,
        fetching=result["fetching"],
        putting=result["putting"],
        speed=result["pictures"] / result["wall"],
        right=result["right"],
    )


def ratios(found: Iterable[Row]) -> dict[str, float]:
    """Of each mode that was measured with several numbers: the most memory as a multiple of the least."""
    taken: dict[str, list[float]] = {}
    for one in found:
        taken.setdefault(one.mode, []).append(one.together)
    return {mode: max(peaks) / min(peaks) for mode, peaks in taken.items() if len(peaks) > 1}


def main(sizes: list[int]) -> int:
    """Print the table, and what misses a goal."""
    print(f"{HEADS}   (goal: {GOAL_MB} MB of its own, {GOAL_IN_FLIGHT} at once)")
    found: list[Row] = []
    for pictures, small in [*((size, True) for size in sizes), (LARGE, False)]:
        for one in rows(pictures, small=small):
            print(one, flush=True)
            found.append(one)
    missed = [sentence for one in found for sentence in one.missed()]
    for mode, ratio in ratios(found).items():
        print(f"ratio {ratio:.2f}: {mode} (goal: {RATIO})")
        if ratio > RATIO:
            missed.append(f"{mode}: ×{ratio:.2f} between the numbers of pictures, the goal is {RATIO}")
    sys.stdout.writelines(f"MISSED: {sentence}\n" for sentence in missed)
    figures = {
        f"{one.pictures}, {one.mode}": {"own": one.own, "together": one.together, "speed": one.speed} for one in found
    }
    worse = measurements.keep(
        "memory", {"sizes": [*sizes, LARGE]}, figures, more_is_better=["speed"], not_judged=["speed"]
    )
    return worse or int(bool(missed))


if __name__ == "__main__":
    sys.exit(main([int(word) for word in measurements.words()] or [1000, 20_000]))
