"""A long first run against a stand-in that keeps the API's limit: with and without rounds beside the crawl.

Run: python -m benchmarks.overlap [pages [calls a minute [seconds a picture [way …]]]]; default 120 pages, 450 calls a
minute (ten times the site's limit, so that a run is short; 45 is the real one) and 0.1 s until the image host answers.
Each run has a database and a folder of its own. Prints: seconds from the start to the first stored picture, to the last
page, to the last stored picture and to the end; the share of the allowed calls that it made in its whole minutes,
which says nothing of a crawl of less than one; answers of 429, which must be none; and how many pictures are stored.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
CHUNKS = {"one after the other": 0, "in rounds": Settings.model_fields["chunk_pages"].default}
MOMENTS = """
select
    (select min(finished_at) from ops.uploads where outcome = 'stored'),
    (select max(fetched_at) from ops.pages where entity = 'search'),
    (select max(finished_at) from ops.uploads where outcome = 'stored'),
    (select finished_at from ops.runs),
    (select count(*) from ops.uploads where outcome = 'stored'),
    (select result ->> 'rounds' from ops.steps where step = 'Fetch')
"""


@dataclass(frozen=True)
class Measured:
    """One run. Seconds from its start; share: of the allowed calls that were made while the crawl went on."""

    first_stored: float
    last_page: float
    last_stored: float
    end: float
    share: float
    refused: int
    stored: int
    rounds: int

    def line(self, name: str) -> str:
        """One row of the table."""
        return (
            f"{name:<20}{self.first_stored:>10.1f}{self.last_page:>10.1f}{self.last_stored:>10.1f}{self.end:>10.1f}"
            f"{self.share:>9.1%}{self.refused:>6}{self.stored:>9}{self.rounds:>8}"
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
            "DERIVATIVES": "none",
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
    with closing(postgres.connect(settings)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(MOMENTS)
        *moments, stored, rounds = cursor.fetchone() or ()
        cursor.execute("select fetched_at from ops.pages where entity = 'search' order by fetched_at")
        calls = [at.timestamp() for (at,) in cursor.fetchall()]
    seconds = [moment.timestamp() - begun for moment in moments if isinstance(moment, datetime)]
    minutes = max(1, int((calls[-1] - calls[0]) // 60))
    within = sum(at < calls[0] + 60 * minutes for at in calls)
    refused = sum(request.status == 429 for request in twin.requests)
    return Measured(*seconds, within / (minutes * per_minute), refused, stored, int(rounds or 0))


def main(pages: int = 120, per_minute: int = 450, image_seconds: float = 0.1, *names: str) -> None:
    """Print a row a way."""
    catalogue = Catalogue.generate(pages * PER_PAGE, small=True, shared_picture=True)
    print(f"{pages} pages, {pages * PER_PAGE} pictures, {per_minute} calls a minute, {image_seconds} s a picture")
    print(f"{'':<20}{''.join(f'{head:>{width}}' for head, width in HEADS)}")
    for name, chunk_pages in CHUNKS.items():
        if not names or name in names:
            print(measure(catalogue, chunk_pages, per_minute, image_seconds).line(name), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*map(int, words[:2]), *map(float, words[2:3]), *words[3:])
