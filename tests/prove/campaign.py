"""The kill campaign: a process of the pipeline is made to end at a crash point, and everything must still be true.

    python -m tests.prove.campaign --seed 7 --kills 300 --workers 4 --out campaign.json
    python -m tests.prove.campaign --fault publish.put.after:2:kill --seed 7

Each case: a copy of a state, a process that fails as told, the invariants that hold at any instant; then, with faults
off, the same command twice, and all invariants. A stopped process meets a second one before it goes on. The same seed
makes the same cases. Exit code 0: no violation, and every point that was asked for was passed.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from luigi_tasks.gateways import embedded_postgres
from tests.conftest import Warehouse
from tests.prove.arena import Arena
from tests.prove.cases import Result, lines_of, run
from tests.prove.folders import roomiest
from tests.prove.invariants import INVARIANTS
from tests.prove.plan import Case, case_of, plan
from tests.prove.process import LINE

# Where the sweep kills at lines: each scope by the state that it begins from.
SWEPT = {
    "load": "empty",
    "model": "loaded",
    "publish": "modelled",
    "replay": "empty",
    "migrate": "blank",
    **dict.fromkeys(("redrive", "repair", "retry", "takedown"), "collected"),
}
LEAST_STRUCK = 0.9
MOST_BYTES = 2 << 30
UNBURDENED = ("fsync = off", "autovacuum = off", "max_wal_size = '128MB'")


@dataclass
class Campaign:
    """What came of all cases."""

    results: list[Result] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, result: Result) -> None:
        """Keep one result, and say at once what is wrong with it."""
        with self.lock:
            self.results.append(result)
            for name, broken in result.violations.items():
                print(f"VIOLATION {name}: {result.case}: {'; '.join(broken[:3])}", flush=True)
            if result.missed:
                print(f"NEVER PASSED {result.case}: {result.last_words}", flush=True)

    @property
    def failed(self) -> bool:
        """True when anything is wrong."""
        return self.too_few_lines or any(result.violations or result.missed for result in self.results)

    @property
    def too_few_lines(self) -> bool:
        """True when a sweep killed little: its processes ended before the lines that they were to be killed at."""
        swept = [result.struck for result in self.results if result.case.point == LINE]
        return sum(swept) < LEAST_STRUCK * len(swept)

    def by_invariant(self) -> list[dict[str, object]]:
        """[{'invariant', 'says', 'cases', 'violations'}] in the order of the checker."""
        cases = Counter(name for result in self.results for name in result.checked)
        violations = Counter(name for result in self.results for name in result.violations)
        says = {name: invariant.says for name, invariant in INVARIANTS.items()}
        says["harness"] = "the harness could make its case"
        says["quiescence"] = "with faults off, the same command twice ends with everything complete"
        says["zombie_ends"] = "a process that was stopped past its lease ends when it goes on"
        return [
            {"invariant": name, "says": words, "cases": cases[name], "violations": violations[name]}
            for name, words in says.items()
        ]

    def table(self) -> str:
        """Cases and violations per point, then in sum."""
        points: dict[str, list[Result]] = defaultdict(list)
        for result in self.results:
            points[result.case.point].append(result)
        lines = [f"{'point':<32}{'kills':>6}{'violations':>12}  ends"]
        for point, results in sorted(points.items()):
            ends = " ".join(sorted({result.case.action for result in results}))
            bad = sum(bool(result.violations) for result in results)
            unstruck = sum(result.missed for result in results)
            lines.append(
                f"{point:<32}{len(results):>6}{bad:>12}  {ends}" + (f"  ({unstruck} never passed)" * bool(unstruck))
            )
        broken = sum(bool(result.violations) for result in self.results)
        checks = sum(len(result.checked) for result in self.results)
        return "\n".join(
            [*lines, f"{len(self.results)} kills at {len(points)} points, {checks} checks, {broken} violations"]
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign that the command line describes; its exit code."""
    options = _options(arguments)
    begun = time.monotonic()
    campaign = Campaign()
    folder = Path(tempfile.mkdtemp(prefix="draenei-prove-", dir=roomiest(MOST_BYTES)))
    server = embedded_postgres.ensure_running(folder / "server")
    try:
        _unburden(server)
        cases = _swept(options, server, folder) if options.sweep else _cases(options)
        _work_off(cases, campaign, server, folder, options, begun + options.within)
    finally:
        embedded_postgres.stop(folder / "server")
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(campaign.table())
    if left := len(cases) - len(campaign.results):
        print(f"{left} of {len(cases)} cases were not begun within {options.within:.0f} s")
    if campaign.too_few_lines:
        print(f"TOO FEW LINES: fewer than {LEAST_STRUCK:.0%} of the processes were still there to be killed at theirs")
    print(f"seed {options.seed}, {time.monotonic() - begun:.0f} s")
    if options.out:
        options.out.write_text(json.dumps(campaign.by_invariant(), indent=2) + "\n")
    return 1 if campaign.failed or not campaign.results else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove.campaign", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--seed", type=int, default=20261121, help="which cases, and in which order")
    parser.add_argument("--kills", type=int, default=300, help="how many (default 300)")
    parser.add_argument("--workers", type=int, default=4, help="so many cases at once (default 4)")
    parser.add_argument(
        "--fault", action="append", help="only this fault, point:n:kill|term|stop|exception; repeatable"
    )
    parser.add_argument("--points", default="", help="only points that start so, such as publish.")
    parser.add_argument("--store", choices=("folder", "s3", "overwrites"), help="with --fault: over this store")
    parser.add_argument("--sweep", choices=("lines",), help=f"kill at executed lines of {len(SWEPT)} scopes instead")
    parser.add_argument("--stride", type=int, default=0, help="with --sweep: every so many lines; default: --kills")
    parser.add_argument("--load", action="store_true", help="with --fault line:k:kill: of Load rather than of Publish")
    parser.add_argument("--within", type=float, default=math.inf, help="begin no case after so many seconds")
    parser.add_argument("--out", type=Path, help="write [{invariant, says, cases, violations}] as JSON here")
    parser.add_argument("--keep", action="store_true", help="keep the folder with what the processes said")
    return parser.parse_args(arguments)


def _cases(options: argparse.Namespace) -> list[Case]:
    if options.fault:
        dice = random.Random(options.seed)
        cases = [case_of(fault, dice) for fault in options.fault]
        cases = [Case(c.fault, c.scope, c.state, options.store or c.store) for c in cases]
        return [Case(c.fault, "load", "empty", c.store) if options.load and c.point == LINE else c for c in cases]
    return plan(options.seed, options.kills, options.points)


def _swept(options: argparse.Namespace, server: embedded_postgres.Server, folder: Path) -> list[Case]:
    """A kill at every stride-th line of each scope, from a seeded first one to the last."""
    cases = []
    with Arena(server, folder / "counting", 99) as arena:
        for scope, state in SWEPT.items():
            number = lines_of(arena, scope, state)
            stride = options.stride or max(1, len(SWEPT) * number // options.kills)
            first = random.Random(options.seed).randint(1, stride)
            print(f"{scope}: {number} lines, a kill at every {stride}. from the {first}. on", flush=True)
            cases += [Case(f"{LINE}:{k}:kill", scope, state, "folder") for k in range(first, number + 1, stride)]
    return random.Random(options.seed).sample(cases, len(cases))


def _unburden(server: embedded_postgres.Server) -> None:
    """It is the pipeline that is killed here, never the server: what the server need not fear costs no time."""
    with closing(Warehouse(server, "postgres", Path()).connect()) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for setting in UNBURDENED:
            cursor.execute(f"alter system set {setting}")
        cursor.execute("select pg_reload_conf()")


def _work_off(
    cases: list[Case],
    campaign: Campaign,
    server: embedded_postgres.Server,
    folder: Path,
    options: argparse.Namespace,
    until: float,
) -> None:
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    number = min(options.workers, len(cases))
    with ThreadPoolExecutor(number) as pool:
        for worker in [
            pool.submit(_worker, waiting, campaign, server, folder / f"worker{one}", one, until)
            for one in range(number)
        ]:
            worker.result()


def _worker(
    waiting: queue.SimpleQueue[Case],
    campaign: Campaign,
    server: embedded_postgres.Server,
    folder: Path,
    number: int,
    until: float,
) -> None:
    with Arena(server, folder, number) as arena:
        while time.monotonic() < until:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            campaign.add(run(arena, case))


if __name__ == "__main__":
    sys.exit(main())
