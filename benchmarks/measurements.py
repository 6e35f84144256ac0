"""What every benchmark keeps of a measurement, and what changed since the newest earlier one of the same.

A measurement is a JSON file of benchmarks/history/: when, on what machine, of what (`offered`), and its figures. On
every benchmark's command line --no-history keeps nothing (the comparison is printed all the same), --history FOLDER
keeps it elsewhere, and --fail-on-regression makes exit code 1 of a figure that became worse.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parent / "history"
TOLERANCE = 0.15  # medians of three rounds on a quiet machine differ by less
Figures = Mapping[str, Mapping[str, float]]  # of each row its measures


@dataclass(frozen=True)
class Change:
    """One measure of one row, before and now. judged: whether worse counts; a busy machine alone changes some."""

    row: str
    measure: str
    before: float
    now: float
    less_is_better: bool
    judged: bool = True

    @property
    def factor(self) -> float:
        """Now as a multiple of before; 1 when both are nothing."""
        return self.now / self.before if self.before else 1.0 + bool(self.now)

    @property
    def is_worse(self) -> bool:
        """By more than what two measurements of the same differ."""
        worse = self.factor > 1 + TOLERANCE if self.less_is_better else self.factor < 1 / (1 + TOLERANCE)
        return self.judged and worse

    def __str__(self) -> str:
        return f"{self.measure} ×{self.factor:.2f}{' worse' if self.is_worse else ''}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every benchmark takes."""
    parser.add_argument("--history", type=Path, default=HISTORY, help="folder of measurements")
    parser.add_argument("--no-history", action="store_true", help="compare with the last one, but keep nothing")
    parser.add_argument("--fail-on-regression", action="store_true", help="exit code 1 when ours became worse")


def options(argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """These options of a command line, its own one by default, and the words that are the benchmark's own."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_options(parser)
    return parser.parse_known_args(argv)


def words(argv: Sequence[str] | None = None) -> list[str]:
    """The command line without these options."""
    return options(argv)[1]


def keep(
    name: str,
    offered: Mapping[str, Any],
    figures: Figures,
    *,
    more_is_better: Collection[str] = (),
    not_judged: Collection[str] = (),
    argv: Sequence[str] | None = None,
) -> int:
    """Print what changed, and keep it unless the command line forbids; 1 when something is worse and that was asked.

    offered: what was measured, of which only the same is compared; the measures that are not named in more_is_better
    are costs. not_judged: measures that are shown but cannot be worse.
    """
    told, _ = options(argv)
    document = {"at": now(), "machine": machine(), "offered": dict(offered), "figures": figures}
    earlier = previous(told.history, name, document)
    changes = compared(figures, earlier["figures"], more_is_better, not_judged) if earlier else []
    if not told.no_history:
        sys.stdout.write(f"kept: {write(told.history, name, document)}\n")
    return int(said(changes, earlier) and told.fail_on_regression)


def said(changes: Sequence[Change], earlier: Mapping[str, Any] | None) -> bool:
    """Print every row's change; whether something became worse."""
    if earlier:
        load = earlier["machine"]["load before the end"][0]
        sys.stdout.write(f"against {earlier['at']}, load average {load:.1f}:\n")
    for row in dict.fromkeys(change.row for change in changes):
        own = ", ".join(str(change) for change in changes if change.row == row)
        sys.stdout.write(f"  {row}: {own}\n")
    sys.stdout.flush()
    return any(change.is_worse for change in changes)


def now() -> str:
    """The moment, as it stands in names of files."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")


def write(folder: Path, name: str, document: Mapping[str, Any]) -> Path:
    """Keep a measurement; where."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{document['at']}.json"
    file.write_text(json.dumps(document, indent=1) + "\n")
    return file


def circumstances(document: Mapping[str, Any]) -> Hashable:
    """What has to be the same for two measurements to be compared: the kind of machine, and what was offered."""
    about = document["machine"]
    return about["processor"], about["cores"], json.dumps(document["offered"], sort_keys=True)


def previous(
    folder: Path,
    name: str,
    document: Mapping[str, Any],
    alike: Callable[[Mapping[str, Any]], Hashable] = circumstances,
) -> dict[str, Any] | None:
    """The newest earlier measurement of the same on the same kind of machine; None when there is none."""
    for path in sorted(folder.glob(f"{name}-????-??-??*.json"), reverse=True):
        earlier: dict[str, Any] = json.loads(path.read_text())
        if earlier["at"] < document["at"] and alike(earlier) == alike(document):
            return earlier
    return None


def compared(
    figures: Figures, before: Figures, more_is_better: Collection[str] = (), not_judged: Collection[str] = ()
) -> list[Change]:
    """Every measure of every row that both have."""
    return [
        Change(row, measure, before[row][measure], value, measure not in more_is_better, measure not in not_judged)
        for row, measures in figures.items()
        for measure, value in measures.items()
        if measure in before.get(row, {})
    ]


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy the machine was besides."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "load before the end": os.getloadavg(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((one.partition(":")[2].strip() for one in lines if one.startswith("model name")), platform.machine())
