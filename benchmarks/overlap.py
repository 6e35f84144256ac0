"""A long first run against a stand-in that keeps the API's limit: with and without rounds beside the crawl.

Run: python -m benchmarks.overlap [pages [calls a minute [seconds a picture]]] [--only rounds]; default 120 pages, 450
calls a minute (ten times the site's limit, so that a run is short; 45 is the real one) and 0.1 s until the image host
answers. Each run has a database and a folder of its own, makes the thumbnails that are made by default, and asks for no
details. Prints: seconds from the start to the first stored picture, to the last page, to the last stored picture and to
the end; the share of the allowed calls that the crawl made in whole minutes' allowances after the first, which has the
burst; answers of 429; how many pictures are stored; and what each step took after the last page. Then the goals of a
run in rounds; exit code 1 when one of them is missed or a picture is missing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measurements
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.settings import Settings
from twin import Catalogue, Fault, Twin

PER_PAGE = 24
HEADS = (
    ("1st pic s", 10),
    ("pages s", 10),
    ("pics s", 10),
    ("end s", 10),
    ("share", 9),
    ("429", 6),
    ("stored", 9),
    ("rounds", 8),
)
IN_ROUNDS = "rounds"
CHUNKS = {"steps": 0, IN_ROUNDS: Settings.model_fields["chunk_pages"].default}  # steps: one after the other
GOAL_FIRST_SECONDS, GOAL_SHARE = 60, 0.98
GOAL_END_SECONDS = 30  # from the last page on: the last chunk's builds and pictures, and nothing that waited for it
MOMENTS = """
select
    (select min(finished_at) from ops.uploads where outcome = 'stored'),
    (select max(fetched_at) from ops.pages where entity = 'search'),
    (select max(finished_at) from ops.uploads where outcome = 'stored'),
    (select finished_at from ops.runs),
    (select count(*) from ops.uploads where outcome = 'stored'),
    (select result ->> 'rounds' from ops.steps where step = 'Fetch')
"""
AFTER = """
select s.step, extract(epoch from s.finished_at - greatest(s.started_at, p.last_page))::float
from ops.steps as s, (select max(fetched_at) from ops.pages where entity = 'search') as p (last_page)
order by s.finished_at
"""


@dataclass(frozen=True)
class Measured:
    """One run. Seconds from its start; share: of the calls that were allowed; None: too few to say.

    after: what each step took after the last page, in seconds.
    """

    first_stored: float
    last_page: float
    last_stored: float
    end: float
    share: float | None
    refused: int
    stored: int
    rounds: int
    after: tuple[tuple[str, float], ...] = ()

    def goals(self, pictures: int) -> Iterator[tuple[str, bool]]:
        """Each goal with what was reached, and whether it is met."""
        last = self.end - self.last_page
        yield (
            f"first picture {self.first_stored:.1f} s, goal {GOAL_FIRST_SECONDS}",
            self.first_stored <= GOAL_FIRST_SECONDS,
        )
        if self.share is not None:
            yield f"share of the allowed calls {self.share:.1%}, goal {GOAL_SHARE:.0%}", self.share >= GOAL_SHARE
        yield f"answers of 429: {self.refused}, goal 0", not self.refused
        yield f"end {last:.1f} s after the last page, goal {GOAL_END_SECONDS}", last <= GOAL_END_SECONDS
        yield f"stored {self.stored} of {pictures}", self.stored == pictures

    def line(self, name: str) -> str:
        """One row of the table."""
        used = "short" if self.share is None else f"{self.share:.1%}"
        return (
            f"{name:<20}{self.first_stored:>10.1f}{self.last_page:>10.1f}{self.last_stored:>10.1f}{self.end:>10.1f}"
            f"{used:>9}{self.refused:>6}{self.stored:>9}{self.rounds:>8}"
        )


def measure(catalogue: Catalogue, chunk_pages: int, per_minute: int, image_seconds: float) -> Measured:
    """Collect the catalogue into a new home."""
    slow = Fault("slow", "image", times=None, seconds=image_seconds)
    with tempfile.TemporaryDirectory(prefix="overlap-") as folder, Twin(catalogue, rate_per_minute=per_minute) as twin:
        twin.faults.add(slow)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "DRAENEI_HOME": folder,
            "WALLHAVEN_API_URL": twin.api_url,
            "WALLHAVEN_IMAGE_HOSTS": twin.image_host,
            "WALLHAVEN_RATE_PER_MINUTE": str(per_minute),
            "CHUNK_PAGES": str(chunk_pages),
            "DETAILS_PER_RUN": "0",
            "DRAENEI_PROGRESS": "none",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }
        luigi = str(Path(sys.executable).with_name("luigi"))
        command = [luigi, "--module", "luigi_tasks", "Collect", "--local-scheduler"]
        try:
            begun = time.time()
            subprocess.run(command, env=environ, check=True, capture_output=True)
            return _read(Settings(draenei_home=Path(folder)), twin, begun, per_minute)
        finally:
            embedded_postgres.stop(Path(folder))


def _read(settings: Settings, twin: Twin, begun: float, per_minute: int) -> Measured:
    with closing(postgres.connect(settings, as_owner=True)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(MOMENTS)
        *moments, stored, rounds = cursor.fetchone() or ()
        cursor.execute(AFTER)
        after = tuple(cursor.fetchall())
    first, page, last, end = (moment.timestamp() - begun for moment in moments)
    used = share(sorted(call.at for call in twin.api_calls()), per_minute)
    refused = sum(request.status == 429 for request in twin.requests)
    return Measured(first, page, last, end, used, refused, stored, int(rounds or 0), after)


def share(calls: Sequence[float], per_minute: int) -> float | None:
    """How much of the allowance was used, by calls at these moments; None for a crawl of less than two allowances.

    The burst at the start is paid for by a pause before the first minute's end, and so on in each minute after it. So
    what counts are whole allowances, from the first call after the first one to the first call of the last one.
    """
    first, last = per_minute, (len(calls) - 1) // per_minute * per_minute
    return (last - first) / ((calls[last] - calls[first]) * per_minute / 60) if last > first else None


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row a way, and the goals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlap", description=__doc__)
    parser.add_argument("pages", type=int, nargs="?", default=120)
    parser.add_argument("per_minute", type=int, nargs="?", default=450)
    parser.add_argument("image_seconds", type=float, nargs="?", default=0.1)
    parser.add_argument("--only", choices=CHUNKS, help="this way alone")
    measurements.add_options(parser)
    told = parser.parse_args(argv)
    pictures = told.pages * PER_PAGE
    # Each its own: of a few that all share, the pairs of duplicates alone would keep the models busy for minutes.
    catalogue = Catalogue.generate(pictures, small=True)
    print(
        f"{told.pages} pages, {pictures} pictures, {told.per_minute} calls a minute, {told.image_seconds} s a picture"
    )
    print(f"{'':<20}{''.join(f'{head:>{width}}' for head, width in HEADS)}")
    ways = {}
    for name in [told.only] if told.only else CHUNKS:
        ways[name] = measure(catalogue, CHUNKS[name], told.per_minute, told.image_seconds)
        print(ways[name].line(name))
        after = ", ".join(f"{step} {seconds:.1f}" for step, seconds in ways[name].after)
        print(f"  seconds after the last page: {after}", flush=True)
    missed = [False]
    for sentence, met in ways[IN_ROUNDS].goals(pictures) if IN_ROUNDS in ways else ():
        print(f"{sentence}: {'met' if met else 'MISSED'}")
        missed.append(not met)
    offered = {"pages": told.pages, "per minute": told.per_minute, "image seconds": told.image_seconds}
    offered |= {"derivatives": ",".join(Settings.model_fields["derivatives"].default)}
    figures = {
        name: {of: one for of, one in vars(way).items() if one is not None and of != "after"}
        for name, way in ways.items()
    }
    kinds = {"more_is_better": ("share", "stored"), "not_judged": ("rounds",)}
    worse = measurements.keep("overlap", offered, figures, **kinds, argv=argv)
    return worse or any(missed)


if __name__ == "__main__":
    sys.exit(main())
