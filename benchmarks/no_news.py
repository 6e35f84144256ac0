"""A whole run that finds nothing new, as cron starts it: `luigi … Collect`, of a query whose listing is a collection.

Run: python -m benchmarks.no_news [items …]; default 10000. For each size a fresh warehouse on an embedded server in a
temporary folder, filled inside the server (collection.py) as if runs had crawled it (crawled.py); a stand-in lists it
(listing.py). Prints medians of the runs after the first: seconds by the clock, CPU seconds of luigi and its children,
seconds that the server was active, API calls, the seconds of each step, and the goals; exits with 1 when one is missed.
Fetching of details, derivatives and the gallery are off, because the stand-in has no pictures.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from benchmarks import growth, measurements
from benchmarks.crawled import add_crawl
from benchmarks.listing import Listing
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps.recipes import recipes
from luigi_tasks.steps.rendering import library

TIMES = 5
GOAL_SECONDS, GOAL_CALLS = 6, 3
RUNS_SO_FAR = "select count(*) from ops.runs where run_id >= '2026-02-01'"
STEPS = """
select step, extract(epoch from finished_at - started_at)::double precision from ops.steps
where run_key = (select run_key from ops.runs order by started_at desc limit 1) order by started_at
"""
STOPPED = """
select result ->> 'stopped_at' from ops.steps
where step = 'Fetch' and run_key = (select run_key from ops.runs order by started_at desc limit 1)
"""


@dataclass(frozen=True)
class Run:
    """Seconds, calls of the API, and the seconds of each step."""

    wall: float
    cpu: float
    server: float
    calls: int
    steps: dict[str, float]


def crawl(cursor: Cursor, settings: Settings) -> int:
    """As if runs of these settings' query had crawled what is there; returns what the source claims as its total."""
    query = CATALOGUE["wallhaven"].query(settings.wallhaven_query, settings.filters())
    return add_crawl(cursor, query, library(), recipes(settings, "wallhaven"))


class Bench:
    """A collection of a size and what lists it."""

    def __init__(self, built: growth.Bench, total: int) -> None:
        self.growth = built
        self.listing = Listing(built.settings, built.pages, total)

    @classmethod
    def fresh(cls, settings: Settings, items: int) -> Bench:
        """Beside a warehouse that has nothing yet."""
        made, totals = growth.Bench.fresh(settings, items), list[int]()
        made.fill(lambda cursor: totals.append(crawl(cursor, settings)), library())
        made.build()
        return cls(made, *totals)

    def run(self) -> Run:
        """One more minute's run."""
        with postgres.transaction(self.growth.settings, as_owner=True) as cursor:
            cursor.execute(RUNS_SO_FAR)
            ((number,),) = cursor.fetchall()
        asked, active, begun = len(self.listing.asked), self.growth.active(), time.perf_counter()
        luigi = str(Path(sys.executable).with_name("luigi"))
        command = [luigi, "--module", "luigi_tasks", "Collect", "--local-scheduler"]
        command += ["--run-id", f"2026-02-01T{number // 60:02}:{number % 60:02}"]
        process = subprocess.Popen(command, env=self._environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr
        said = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        if process.returncode:
            sys.exit(f"the run ended with {process.returncode}: {said.decode(errors='replace')[-2000:]}")
        with postgres.transaction(self.growth.settings, as_owner=True) as cursor:
            cursor.execute(STEPS)
            steps = dict(cursor.fetchall())
            cursor.execute(STOPPED)
            stopped = cursor.fetchall()
        if stopped != [("known",)]:
            sys.exit(f"the run was to stop at what is known: {stopped}")
        calls = len(self.listing.asked) - asked
        return Run(wall, usage.ru_utime + usage.ru_stime, self.growth.active() - active, calls, steps)

    def _environ(self) -> dict[str, str]:
        home = str(self.growth.settings.draenei_home)
        return {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": home,
            "DRAENEI_HOME": home,
            "WALLHAVEN_API_URL": f"http://{self.listing.host}/api/v1",
            "WALLHAVEN_IMAGE_HOSTS": self.listing.host,
            "WALLHAVEN_RATE_PER_MINUTE": "600",
            "DETAILS_PER_RUN": "0",
            "DERIVATIVES": "none",
            "GALLERY": "none",
            "DRAENEI_PROGRESS": "none",
        }


def measure(items: int, times: int = TIMES) -> list[Run]:
    """The runs after the first."""
    with tempfile.TemporaryDirectory(prefix="no-news-") as folder:
        home = Path(folder)
        try:
            bench = Bench.fresh(Settings(draenei_home=home), items)
            with bench.listing:
                return [bench.run() for _ in range(times + 1)][1:]
        finally:
            embedded_postgres.stop(home)


def main(sizes: list[int]) -> int:
    """Print a row a size, and the goals; 1 when one is missed or a figure got worse."""
    print(f"{'items':>9}{'wall s':>9}{'CPU s':>8}{'server s':>10}{'calls':>7}")
    figures: dict[str, dict[str, float]] = {}
    verdicts, smallest = [], 0.0
    for items in sizes:
        runs = measure(items)
        wall, cpu, server, calls = (
            statistics.median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "server", "calls")
        )
        print(f"{items:>9}{wall:>9.2f}{cpu:>8.2f}{server:>10.2f}{calls:>7.0f}", flush=True)
        figures[f"{items} items"] = {"wall s": wall, "CPU s": cpu, "server s": server, "calls": calls}
        for step in runs[0].steps:
            print(f"{'':>12}{step:<14}{statistics.median(run.steps[step] for run in runs):>6.2f}", flush=True)
        smallest = smallest or wall
        verdicts += goals(items, wall, calls, smallest)
    worse = measurements.keep("no_news", {"sizes": sizes}, figures, not_judged=["wall s"])
    return worse or int(not all(verdicts))


def goals(items: int, wall: float, calls: float, smallest: float) -> list[bool]:
    """Print the goals of a run without news; which are met. smallest: wall of the smallest size."""
    return [
        growth.verdict(f"{items:>9} items, run without news, s", wall, GOAL_SECONDS),
        growth.verdict(f"{items:>9} items, run without news, calls", calls, GOAL_CALLS),
        growth.verdict(f"{items:>9} items, run without news, x", wall / smallest, growth.GOALS["nothing_new"]),
    ]


if __name__ == "__main__":
    sys.exit(main([int(word) for word in measurements.words()] or [10_000]))
