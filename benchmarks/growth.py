"""What a run costs beside a small and beside a large collection.

Run: python -m benchmarks.growth [items …]; default 10000 100000. For each size a fresh database on an embedded server
in a temporary folder. Prints medians: seconds by the clock and, which a busy machine disturbs less, seconds that the
server's backends were active; of builds the blocks (8 kB) that the models and tests of Wallhaven touch, which no other
job disturbs, and whether they grow by more than the goal; exits with 1 when they do.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from benchmarks import collection, measurements, plans
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import (
    audit_ledger,
    derivative_ledger,
    embedded_postgres,
    gallery_ledger,
    page_ledger,
    postgres,
)
from luigi_tasks.gateways.dbt import BuildResult, Dbt
from luigi_tasks.gateways.dbt_profile import write_profile
from luigi_tasks.settings import Settings
from luigi_tasks.warehouse import migrate

TIMES = 5
NEW_PAGES = 42  # 1,008 items
GOALS = {"nothing_new": 1.2, "thousand_new": 1.5}  # times the smallest size's blocks
ACTIVE = "select active_time / 1000 from pg_stat_database where datname = current_database()"
PENDING = "select count(*) from draenei_content.pending_uploads"
NO_LIBRARY = "none"
MEASURED = """
insert into ops.image_metadata (sha256, status, reason, attempts, measured_with, bytes)
select sha256, 'unreadable', 'no bytes', 1000, %s, bytes from ops.uploads
"""


def unreadable(cursor: Cursor) -> None:
    """What was to be derived has failed for good."""
    cursor.execute(MEASURED, (NO_LIBRARY,))


class Bench:
    """One collection of a size, and what is measured beside it."""

    def __init__(self, settings: Settings, items: int) -> None:
        self.settings = settings
        self.pages = -(-items // collection.PER_PAGE)
        folder = settings.draenei_home / "dbt"
        write_profile(folder, None)
        self.dbt = Dbt(postgres.address(settings), folder)

    @classmethod
    def fresh(cls, settings: Settings, items: int) -> Bench:
        """Beside a warehouse that has nothing yet."""
        with closing(postgres.connect(settings, as_owner=True)) as connection:
            migrate.migrate(connection)
        return cls(settings, items)

    def fill(self, more: Callable[[Cursor], None] = unreadable, library: str = NO_LIBRARY) -> None:
        """The collection, modelled, tested, its statistics known; more: what is done to it first.

        library: what measured the pictures, of which the work list of derivatives is counted through.
        """
        self.make(more)
        self.build()
        self.settle(library)

    def make(self, more: Callable[[Cursor], None], tuning: str = "") -> None:
        """The collection as it is loaded and registered, not modelled yet. tuning: SQL before it."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            if tuning:
                cursor.execute(tuning)
            collection.add_items(cursor, 1, self.pages)
            collection.register_all(cursor)
            more(cursor)

    def settle(self, library: str = NO_LIBRARY) -> None:
        """As after some runs: statistics are known, and all pictures were looked through for what they lack."""
        with closing(postgres.connect(self.settings, as_owner=True)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("vacuum analyze")
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            work_list = derivative_ledger.WorkList("wallhaven", (), library, 5)
            work_list.count(cursor)
            work_list.passed(cursor)

    def build(self) -> BuildResult:
        """A build of everything, as Model does it."""
        result = self.dbt.build(Silent())
        result.raise_when_failed()
        return result

    def nothing_new(self) -> None:
        """A page that is known, and the build after it."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            collection.see_again(cursor)
        self.build()

    def thousand_new(self) -> None:
        """1,008 new items, and the build after them."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            collection.add_items(cursor, self.pages + 1, NEW_PAGES)
        self.pages += NEW_PAGES
        self.build()

    def pending(self) -> None:
        """What Freeze asks."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            cursor.execute(PENDING)

    def details(self) -> None:
        """What FetchDetails asks."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            page_ledger.details_wanted(cursor, 120)

    def summary(self) -> None:
        """What Report and the summary count."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            audit_ledger.backlog(cursor)
            audit_ledger.upload_statuses(cursor)

    def gallery(self) -> None:
        """What tells whether the gallery may have changed."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            gallery_ledger.as_of(cursor)

    def derive(self) -> None:
        """What tells whether a picture lacks something."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            derivative_ledger.WorkList("wallhaven", (), NO_LIBRARY, 5).count(cursor)

    def timed(self, work: Callable[[], None], times: int = TIMES) -> tuple[float, float]:
        """Medians: seconds by the clock, seconds the server was active."""
        taken = []
        for _ in range(times):
            active, begun = self.active(), time.perf_counter()
            work()
            taken.append((time.perf_counter() - begun, self.active() - active))
        return statistics.median(wall for wall, _ in taken), statistics.median(active for _, active in taken)

    def blocks(self) -> int:
        """Blocks that the statements of the last build touch."""
        with closing(postgres.connect(self.settings, as_owner=True)) as connection, connection.cursor() as cursor:
            return sum(plans.blocks(plans.built(cursor, sql)) for sql in plans.statements(self.dbt.folder).values())

    def active(self) -> float:
        """Seconds that backends were active so far."""
        time.sleep(0.2)  # a backend tells of its time when it ends
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            cursor.execute(ACTIVE)
            (seconds,) = cursor.fetchone() or (0.0,)
        return float(seconds)


@dataclass(frozen=True)
class Measured:
    """Medians of seconds by the clock and of the server; blocks: of a build."""

    wall: float
    active: float
    blocks: int | None = None


def measure(home: Path, items: int) -> dict[str, Measured]:
    """Every measure beside a collection of so many items."""
    settings = Settings(draenei_home=home)
    bench = Bench.fresh(settings, items)
    found = {"first build": Measured(*bench.timed(bench.fill, 1))}
    for work in (bench.pending, bench.details, bench.summary, bench.gallery, bench.derive):
        found[work.__name__] = Measured(*bench.timed(work))
    for work in (bench.nothing_new, bench.thousand_new):
        found[work.__name__] = Measured(*bench.timed(work), bench.blocks())
    return found


def verdict(said: str, value: float, goal: float) -> bool:
    """Print what was measured beside its goal; whether it is met."""
    is_met = value <= goal
    print(f"{said}: {value:.2f} (goal {goal}: {'met' if is_met else f'missed by {value - goal:.2f}'})", flush=True)
    return is_met


def against(items: int, name: str, one: Measured, first: Measured) -> bool:
    """Print a measure against the smallest size's; whether the goal that it may have is met."""
    ratio = f"x{one.wall / first.wall:.2f} wall, x{one.active / max(first.active, 1e-9):.2f} server"
    print(f"{items:>9} items  {name:<14}{one.wall:>9.3f} s wall{one.active:>9.3f} s server   {ratio}", flush=True)
    if one.blocks is None or first.blocks is None:
        return True
    return verdict(f"{'':>17}{name}, {one.blocks:,} blocks, x", one.blocks / first.blocks, GOALS[name])


def main(sizes: list[int]) -> int:
    """Print a row a size and, against the smallest, the ratios; 1 when a goal is missed or a figure got worse."""
    first: dict[str, Measured] = {}
    figures: dict[str, dict[str, float]] = {}
    verdicts = []
    for items in sizes:
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            try:
                measured = measure(Path(folder), items)
            finally:
                embedded_postgres.stop(Path(folder))
        first = first or measured
        for name, one in measured.items():
            verdicts.append(against(items, name, one, first[name]))
            figures[f"{items} items, {name}"] = {of: value for of, value in vars(one).items() if value is not None}
    worse = measurements.keep("growth", {"sizes": sizes}, figures, not_judged=["wall", "active"])
    return worse or int(not all(verdicts))


if __name__ == "__main__":
    sys.exit(main([int(word) for word in measurements.words()] or [10_000, 100_000]))
