"""The goals of growth beside collections of millions, in steps that are kept: stopped, the same command goes on.

Run: python -m benchmarks.at_size FOLDER [items …] [--again]; default 10000 5000000. Each size has a warehouse of its
own below FOLDER, which stays until you remove it, and what was measured stands in its `measured.json`; --again measures
anew beside what was made. 5,000,000 items take some 40 GB and, on four idle cores, about an hour; everything from the
made collection on is dbt's and luigi's own work.

Until the collection is built its server has no fsync, no triggers (a first build reads all pictures, whatever is
queued) and much memory; then it is started anew with the product's settings, and measured. Exits with 1 when a goal is
missed: six seconds and three calls for a run without news and 1.2 times the smallest size's seconds; 1.5 times for a
build with 1,008 new items.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import collection, growth, measurements, no_news
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.steps.rendering import library
from luigi_tasks.warehouse import migrate

RUNS, BUILDS = 5, 3
MEASURES = ("no news", "thousand new")
TUNED = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "autovacuum_naptime": "5s",  # a model's tests are planned by what is known of its table
    "jit": "off",
}
UNTRIGGERED = "set local session_replication_role = replica"
PAGES = """
select max(substr(page_name, 6, 8)::integer) from ops.pages
where run_key = %s and entity = 'search' and page_name like 'page-%%'
"""
# The stand-in has no pictures: a run that comes later is not to ask for any.
REFUSED = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, started_at, finished_at)
select %s, wallhaven_id, 1, 'refused', s3_key, now(), now() from draenei_content.pending_uploads
"""


class Kept:
    """A collection of a size below a folder, and what is known of it so far."""

    def __init__(self, folder: Path, items: int) -> None:
        self.items, self.home = items, folder / str(items)
        self.settings = Settings(draenei_home=self.home)
        self.notes = self.home / "measured.json"
        self.known: dict[str, Any] = json.loads(self.notes.read_text()) if self.notes.exists() else {}

    def measure_again(self) -> None:
        """What was measured is not known; what was made stays."""
        for name in MEASURES:
            self.known.pop(name, None)

    def step(self, name: str, work: Callable[[], object]) -> Any:
        """What a step came to; done unless it is known."""
        if name not in self.known:
            begun = time.perf_counter()
            found = work()
            self.known[name] = found
            self.known[f"{name}, seconds"] = round(time.perf_counter() - begun, 1)
            self.notes.write_text(json.dumps(self.known, indent=1))
            print(f"{self.items:>9} items  {name}: {self.known[f'{name}, seconds']} s  {json.dumps(found)}", flush=True)
        return self.known[name]

    def measure(self) -> dict[str, Any]:
        """All steps; returns what is known."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.step("server tuned", lambda: self._tune("alter system set {name} = '{value}'"))
        self._migrate()
        total = self.step("collection made", self._make)
        self.step("its statistics", self._analyze)  # as Model has them before it builds
        self.step("first build", self._build)
        self.step("statistics", lambda: self._bench().settle(library()))
        self.step("server as shipped", lambda: self._tune("alter system reset {name}"))
        for name, work in zip(MEASURES, (lambda: self._no_news(total), self._thousand_new), strict=True):
            self.step(name, work)
        embedded_postgres.stop(self.home)
        return self.known

    def _tune(self, statement: str) -> None:
        with closing(postgres.connect(self.settings, as_owner=True)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for name, value in TUNED.items():
                    cursor.execute(statement.format(name=name, value=value))
        embedded_postgres.stop(self.home)

    def _migrate(self) -> None:
        # Each time: what was kept may be older than the code.
        with closing(postgres.connect(self.settings, as_owner=True)) as connection:
            migrate.migrate(connection)

    def _bench(self) -> growth.Bench:
        bench = growth.Bench(self.settings, self.items)
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            cursor.execute(PAGES, (collection.RUN,))
            ((pages,),) = cursor.fetchall()
        bench.pages = pages or bench.pages
        return bench

    def _make(self) -> int:
        totals = list[int]()
        self._bench().make(lambda cursor: totals.append(no_news.crawl(cursor, self.settings)), UNTRIGGERED)
        return totals[0]

    def _analyze(self) -> None:
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            cursor.execute("analyze")

    def _build(self) -> dict[str, float]:
        """Seconds of the ten slowest models and tests; of a build that was stopped only what was left of it."""
        nodes = sorted(self._bench().build().nodes, key=lambda node: -node.execution_seconds)
        return {node.name: round(node.execution_seconds, 1) for node in nodes[:10]}

    def _no_news(self, total: int) -> dict[str, float]:
        """Medians of runs; the first one builds, for none that the pipeline knows of was before."""
        bench = no_news.Bench(self._bench(), total)
        with bench.listing:
            first, *runs = [bench.run() for _ in range(RUNS + 1)]
        names = ("wall", "cpu", "server", "calls")
        found = {name: round(statistics.median(getattr(run, name) for run in runs), 2) for name in names}
        return found | {"first, wall": round(first.wall, 1), "first, server": round(first.server, 1)}

    def _thousand_new(self) -> dict[str, float]:
        bench = self._bench()
        wall, server = bench.timed(bench.thousand_new, BUILDS)
        blocks = bench.blocks()
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            cursor.execute(REFUSED, (collection.RUN,))
        return {"wall": round(wall, 2), "server": round(server, 2), "blocks": blocks}


def judge(items: int, one: dict[str, Any], first: dict[str, Any]) -> bool:
    """Print the goals, against the smallest size; whether all are met."""
    runs, new, before = one["no news"], one["thousand new"], first["thousand new"]
    verdicts = no_news.goals(items, runs["wall"], runs["calls"], first["no news"]["wall"])
    for name in ("wall", "server"):
        said = f"{items:>9} items, 1,008 new, x {name}"
        verdicts.append(growth.verdict(said, new[name] / before[name], growth.GOALS["thousand_new"]))
    # The goal is about time; blocks tell where it will go, for indexes get deeper.
    print(f"{items:>9} items, 1,008 new, x blocks: {new['blocks'] / before['blocks']:.2f}", flush=True)
    return all(verdicts)


def main(folder: Path, sizes: list[int], again: bool) -> int:
    """Every size, and the goals; 1 when one is missed or a figure got worse. again: what was measured is anew."""
    kept = [Kept(folder, items) for items in sizes]
    for one in kept if again else ():
        one.measure_again()
    found = {one.items: one.measure() for one in kept}
    verdicts = [judge(items, one, found[sizes[0]]) for items, one in found.items()]
    figures = {f"{items} items, {name}": one[name] for items, one in found.items() for name in MEASURES}
    not_judged = ["wall", "server", "first, wall", "first, server"]
    worse = measurements.keep("at_size", {"sizes": sizes}, figures, not_judged=not_judged)
    return worse or int(not all(verdicts))


if __name__ == "__main__":
    given = measurements.words()
    if not given:
        sys.exit(f"A folder is needed. {__doc__}")
    asked = [int(word) for word in given[1:] if word != "--again"]
    sys.exit(main(Path(given[0]).absolute(), asked or [10_000, 5_000_000], "--again" in given))
