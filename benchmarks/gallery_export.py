"""What the gallery costs a run beside a collection: python -m benchmarks.gallery_export [PICTURES …].

Each size is a process of its own with a fresh database. Measured: the question whether anything changed, the export of
everything, and the export after 24 new pictures; seconds by the clock, CPU seconds of this process, seconds that the
server was active, and the most memory that this process held so far.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import collection, measurements
from benchmarks.growth import Bench
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import gallery
from luigi_tasks.steps.recipes import thumbnails

MAKE_THUMBNAIL = """
insert into ops.derivatives (source_sha256, recipe, operation, parameters, library, status, object_key, sha256, bytes,
                             content_type)
select sha256, %(recipe)s, 'thumbnail', '{}', 'benchmark', 'made', %(folder)s || sha256 || '.webp', sha256, 20000,
       'image/webp'
from ops.uploads where outcome = 'stored'
on conflict do nothing
"""


class Export:
    """A collection of a size, its thumbnails entered as made."""

    def __init__(self, home: Path, pictures: int) -> None:
        self.settings = Settings(draenei_home=home)
        self.store, self.out = FolderStore(home / "objects"), gallery.home(self.settings)
        self.bench = Bench.fresh(self.settings, pictures)
        self.bench.fill()
        self._thumbnails()
        self.figures: dict[str, dict[str, float]] = {}

    def add(self) -> None:
        """A page of new pictures, stored and modelled."""
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            collection.add_items(cursor, self.bench.pages + 1, 1)
            cursor.execute(f"{collection.ENTER_UPLOADS} on conflict do nothing", {"run": collection.RUN})
        self.bench.build()
        self._thumbnails()

    def _thumbnails(self) -> None:
        with postgres.transaction(self.settings, as_owner=True) as cursor:
            for recipe in thumbnails(self.settings):
                given = {"recipe": recipe.digest, "folder": f"derivatives/thumbnail/{recipe.digest}/"}
                cursor.execute(MAKE_THUMBNAIL, given)

    def written(self) -> dict[str, int]:
        """The parts of the data by name: bytes."""
        return {path.name: path.stat().st_size for path in (self.out / "data").iterdir()}

    def timed(self, name: str, work: Callable[[], object]) -> None:
        """Print and note what it took."""
        active, cpu, begun = self.bench.active(), time.process_time(), time.perf_counter()
        work()
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        server, memory = self.bench.active() - active, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told = f"{wall:8.2f} s wall {cpu:8.2f} s CPU {server:8.2f} s server {memory:8.0f} MiB"
        print(f"{self.bench.pages * collection.PER_PAGE:>9,} pictures  {name:<25}{told}", flush=True)
        self.figures[name] = {"wall s": wall, "CPU s": cpu, "server s": server, "MiB": memory}


def measure(home: Path, pictures: int) -> int:
    """Print a line a measure, then what was written."""
    export = Export(home, pictures)

    def refresh() -> object:
        return gallery.refresh(export.settings, export.store)

    export.timed("everything", refresh)
    before = export.written()
    export.timed("nothing has changed", refresh)
    export.add()
    export.timed("24 new pictures", refresh)
    after = export.written()
    export.settings = export.settings.model_copy(update={"gallery_pictures": 10**9})
    export.timed("without GALLERY_PICTURES", refresh)
    new = {name: size for name, size in after.items() if name not in before}
    sizes = f"{sum(after.values()) / 2**20:.1f} MiB in {len(after):,} files"
    told = f"{sum(new.values()) / 2**20:.1f} MiB in {len(new)} were new"
    print(f"{'':>9}           data: {sizes}; of these {told}", flush=True)
    export.figures["data"] = {"bytes": sum(after.values()), "new bytes": sum(new.values())}
    return measurements.keep("gallery_export", {"pictures": pictures}, export.figures, not_judged=["wall s"])


def main(sizes: list[int]) -> int:
    """A process for each size; or, with one size, that one here."""
    if len(sizes) > 1:
        options = [word for word in sys.argv[1:] if not word.isdecimal()]
        program = [sys.executable, "-m", "benchmarks.gallery_export", *options]
        return max([subprocess.run([*program, str(size)], check=False).returncode for size in sizes], key=abs)
    with tempfile.TemporaryDirectory(prefix="gallery-export-") as folder:
        try:
            return measure(Path(folder), sizes[0])
        finally:
            embedded_postgres.stop(Path(folder))


if __name__ == "__main__":
    sys.exit(main([int(word) for word in measurements.words()] or [10_000, 100_000]))
