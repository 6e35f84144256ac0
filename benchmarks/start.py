"""What a command takes before it does anything: `--help` of luigi and of every verb, over the bare interpreter.

Run: python -m benchmarks.start [times]; default 10. Commands are interleaved with `python -c pass`; prints medians of
the wall time and of the CPU time, in milliseconds, each also over the interpreter's own. Exit code 1 over the goal.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import measurements
from luigi_tasks.__main__ import VERBS

ROOT = Path(__file__).parents[1]
BARE = "the interpreter"
GOAL = 300
VERB = [sys.executable, "-m", "luigi_tasks"]
COLLECT = [str(Path(sys.executable).with_name("luigi")), "--module", "luigi_tasks", "Collect", "--help"]
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    "luigi … Collect": COLLECT,
    "luigi_tasks": [*VERB, "--help"],
    **{name: [*VERB, name, "--help"] for name in VERBS},
}


def took(command: list[str]) -> tuple[float, float]:
    """Milliseconds by the clock and of CPU time."""
    begun = time.perf_counter()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return 1000 * (time.perf_counter() - begun), 1000 * (usage.ru_utime + usage.ru_stime)


def main(times: int) -> int:
    """Print the table."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for turn in range(times + 1):
        for name, command in COMMANDS.items():
            cost = took(command)
            if turn:  # the first one writes bytecode
                taken[name].append(cost)
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()}
    bare_wall, bare_cpu = medians[BARE]
    print(f"{'--help of':<20}{'ms':>8}{'over':>8}{'CPU ms':>9}{'over':>8}")
    for name, (wall, cpu) in medians.items():
        missed = "  over the goal" if wall - bare_wall > GOAL else ""
        print(f"{name:<20}{wall:>8.0f}{wall - bare_wall:>8.0f}{cpu:>9.0f}{cpu - bare_cpu:>8.0f}{missed}")
    del medians[BARE]
    figures = {
        name: {"ms over": wall - bare_wall, "CPU ms over": cpu - bare_cpu} for name, (wall, cpu) in medians.items()
    }
    worse = measurements.keep("start", {"times": times}, figures, not_judged=["ms over"])
    return worse or int(any(row["ms over"] > GOAL for row in figures.values()))


if __name__ == "__main__":
    sys.exit(main(*map(int, measurements.words() or ["10"])))
