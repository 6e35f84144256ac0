"""What showing dbt's nodes in the central scheduler costs a build: the same build, alternately with and without.

    python -m benchmarks.dbt_nodes [--rounds 6]

Uses DRAENEI_HOME's warehouse, which it brings up; starts a luigid of its own on a free port of loopback.
"""

from __future__ import annotations

import argparse
import functools
import socket
import statistics
import sys
import time
from collections.abc import Sequence

import psutil

from benchmarks import measurements
from luigi_tasks import settings
from luigi_tasks.domain.dbt_graph import Watcher
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import central_scheduler, dbt_profile, postgres
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_events import explain, told
from luigi_tasks.gateways.scheduler_nodes import Place, SchedulerNodes
from luigi_tasks.settings import Settings
from luigi_tasks.steps import model, session


def main() -> int:
    """Print both medians and what the showing adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    measurements.add_options(parser)
    rounds = parser.parse_args().rounds
    own = settings.load()
    session.open_warehouse(own)
    dbt_profile.write_profile(own.draenei_home / "dbt", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    central_scheduler.start(own.draenei_home, port)
    try:
        build(own, ())
        seconds: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
        for number in range(rounds):
            seconds["without"].append(build(own, ()))
            seconds["with"].append(build(own, [watcher(own, port, number)]))
    finally:
        central_scheduler.stop(own.draenei_home)
    figures = {}
    for at, what in enumerate(("wall", "CPU of this process, dbt and luigid")):
        without, shown = (statistics.median(one[at] for one in seconds[name]) for name in ("without", "with"))
        print(f"{what}: build {without:.2f} s, shown in the scheduler {shown:.2f} s: {shown / without - 1:+.1%}")
        figures[what] = {"without s": without, "with s": shown, "ratio": shown / without}
    return measurements.keep("dbt_nodes", {"rounds": rounds}, figures)


def watcher(own: Settings, port: int, number: int) -> Watcher:
    """Of a run of its own each time."""
    place = Place(
        f"http://127.0.0.1:{port}/", "Model_1", ("Load_1",), "wallhaven", "run", f"benchmark/{number}", "Model"
    )
    return SchedulerNodes(place, functools.partial(explain, target=own.draenei_home / "dbt" / "target"))


def cpu_seconds() -> float:
    """Of this process and all that it started, those that have ended too."""
    own = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True)))


def build(own: Settings, watchers: Sequence[Watcher]) -> tuple[float, float]:
    """Wall and CPU seconds of a build of Wallhaven's models."""
    variables = {**postgres.address(own), "UPLOAD_MAX_ATTEMPTS": "5"}
    variables |= {"GONE_CONFIRMATIONS": "3", "GONE_SPACING_HOURS": "20"}
    begun, used = time.perf_counter(), cpu_seconds()
    with told(watchers) as tell:
        dbt = Dbt(variables, own.draenei_home / "dbt", observe=tell if watchers else None)
        dbt.build(Silent(), model.selection("wallhaven")).raise_when_failed()
    return time.perf_counter() - begun, cpu_seconds() - used


if __name__ == "__main__":
    sys.exit(main())
