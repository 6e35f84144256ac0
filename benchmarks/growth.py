"""What a run costs beside a small and beside a large collection.

Run: python -m benchmarks.growth [items …]; default 10000 100000. For each size a fresh database on an embedded server
in a temporary folder. Prints medians: seconds by the clock and, which a busy machine disturbs less, seconds that the
server's backends were active.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from benchmarks import collection
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import (
    audit_ledger,
    derivative_ledger,
    embedded_postgres,
    gallery_ledger,
    page_ledger,
    postgres,
)
from luigi_tasks.gateways.dbt import Dbt
from luigi_tasks.gateways.dbt_profile import write_profile
from luigi_tasks.settings import Settings
from luigi_tasks.warehouse import migrate

TIMES = 5
NEW_PAGES = 42  # 1,008 items
ACTIVE = "select active_time / 1000 from pg_stat_database where datname = current_database()"
PENDING = "select count(*) from draenei_content.pending_uploads"
NO_LIBRARY = "none"
MEASURED = """
insert into ops.image_metadata (sha256, status, reason, attempts, measured_with, bytes)
select sha256, 'unreadable', 'no bytes', 1000, %s, bytes from ops.uploads
"""


def unreadable(cursor: Cursor) -> int:
    """What was to be derived has failed for good."""
    cursor.execute(MEASURED, (NO_LIBRARY,))
    return 0


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
        with closing(postgres.connect(settings)) as connection:
            migrate.migrate(connection)
        return cls(settings, items)

    def fill(self, more: Callable[[Cursor], int] = unreadable, library: str = NO_LIBRARY) -> int:
        """The collection, modelled, tested, its statistics known; returns what `more`, before that, does.

        library: what measured the pictures, of which the work list of derivatives is counted through.
        """
        with postgres.transaction(self.settings) as cursor:
            collection.add_items(cursor, 1, self.pages)
            collection.register_all(cursor)
            added = more(cursor)
        self.build()
        with closing(postgres.connect(self.settings)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("vacuum analyze")
        with postgres.transaction(self.settings) as cursor:
            work_list = derivative_ledger.WorkList("wallhaven", (), library, 5)
            work_list.count(cursor)
            work_list.passed(cursor)
        return added

    def build(self) -> None:
        """A build of everything, as Model does it."""
        self.dbt.build(Silent()).raise_when_failed()

    def nothing_new(self) -> None:
        """A page that is known, and the build after it."""
        with postgres.transaction(self.settings) as cursor:
            collection.see_again(cursor)
        self.build()

    def thousand_new(self) -> None:
        """1,008 new items, and the build after them."""
        with postgres.transaction(self.settings) as cursor:
            collection.add_items(cursor, self.pages + 1, NEW_PAGES)
        self.pages += NEW_PAGES
        self.build()

    def pending(self) -> None:
        """What Freeze asks."""
        with postgres.transaction(self.settings) as cursor:
            cursor.execute(PENDING)

    def details(self) -> None:
        """What FetchDetails asks."""
        with postgres.transaction(self.settings) as cursor:
            page_ledger.details_wanted(cursor, 120)

    def summary(self) -> None:
        """What Report and the summary count."""
        with postgres.transaction(self.settings) as cursor:
            audit_ledger.backlog(cursor)
            audit_ledger.upload_statuses(cursor)

    def gallery(self) -> None:
        """What tells whether the gallery may have changed."""
        with postgres.transaction(self.settings) as cursor:
            gallery_ledger.as_of(cursor)

    def derive(self) -> None:
        """What tells whether a picture lacks something."""
        with postgres.transaction(self.settings) as cursor:
            derivative_ledger.WorkList("wallhaven", (), NO_LIBRARY, 5).count(cursor)

    def timed(self, work: Callable[[], None], times: int = TIMES) -> tuple[float, float]:
        """Medians: seconds by the clock, seconds the server was active."""
        taken = []
        for _ in range(times):
            active, begun = self.active(), time.perf_counter()
            work()
            taken.append((time.perf_counter() - begun, self.active() - active))
        return statistics.median(wall for wall, _ in taken), statistics.median(active for _, active in taken)

    def active(self) -> float:
        """Seconds that backends were active so far."""
        time.sleep(0.2)  # a backend tells of its time when it ends
        with postgres.transaction(self.settings) as cursor:
            cursor.execute(ACTIVE)
            (seconds,) = cursor.fetchone() or (0.0,)
        return float(seconds)


def measure(home: Path, items: int) -> dict[str, tuple[float, float]]:
    """Every measure beside a collection of so many items."""
    settings = Settings(draenei_home=home)
    bench = Bench.fresh(settings, items)
    filled = bench.timed(bench.fill, 1)
    works = (
        bench.pending,
        bench.details,
        bench.summary,
        bench.gallery,
        bench.derive,
        bench.nothing_new,
        bench.thousand_new,
    )
    return {"first build": filled} | {work.__name__: bench.timed(work) for work in works}


def main(sizes: list[int]) -> None:
    """Print a row a size and, against the smallest, the ratios."""
    first: dict[str, tuple[float, float]] = {}
    for items in sizes:
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            try:
                measured = measure(Path(folder), items)
            finally:
                embedded_postgres.stop(Path(folder))
        first = first or measured
        for name, (wall, active) in measured.items():
            ratio = f"x{wall / first[name][0]:.2f} wall, x{active / max(first[name][1], 1e-9):.2f} server"
            print(f"{items:>9} items  {name:<14}{wall:>9.3f} s wall{active:>9.3f} s server   {ratio}", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10_000, 100_000])
