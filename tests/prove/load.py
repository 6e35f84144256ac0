"""`python -m tests.prove.load`: the whole pipeline over a large site where one request in twenty goes wrong.

Real HTTP, the embedded PostgreSQL, an S3 bucket of our own, `luigi` as a user types it, eight publishing processes. The
first run meets faults of the API, of the image host and of the bucket, the second none; then every invariant must hold,
everything that the site has must be there, and Publish must not have grown while it worked. What a run of the whole
size came to is kept in var/.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.steps.publishers import CHILD
from tests.journey.promised import world_of
from tests.journey.running import Pipeline
from tests.prove import tried
from tests.prove.invariants import check
from tests.prove.load_store import StoreStorm, in_bucket, misplaced
from tests.prove.memory import Samples
from tests.prove.tried import MIB, Load
from tests.s3_double import Server, s3_double
from twin import Account, Catalogue, Fault, Twin
from twin.faults import FaultPlan
from twin.messages import Route

FAULTED = 0.05
PER_MINUTE = 3000
RECORDS, PICTURES, PROCESSES = 100_000, 10_000, 8
HANDS = 2  # pictures that a process fetches at once
GROWTH, SLACK_BYTES = 1.10, 16 << 20
RUNS = ("2026-11-21T07:00", "2026-11-21T08:00")
HOURS = 3600.0
API_FAULTS = (Fault("status", status=503), Fault("reset"), Fault("truncate"), Fault("bad_json"), Fault("html_200"))
IMAGE_FAULTS = (Fault("status", status=503), Fault("reset"), Fault("truncate"), Fault("corrupt"), Fault("wrong_type"))
# Of a tenth of the site pictures are asked for, not of all; a hundred thousand origins would take the night.
NOT_ASKED = frozenset({"everything_is_stored", "explain_resolves"})


class Storm(FaultPlan):
    """Strikes a share of all requests, whichever come."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self._share, self._dice = share, Random(seed)

    def take(self, route: Route) -> Fault | None:
        """A fault that fits the route, or none."""
        with self._lock:
            if route.kind not in ("search", "detail", "image") or self._dice.random() >= self._share:
                return None
            return self._dice.choice(IMAGE_FAULTS if route.kind == "image" else API_FAULTS)


@dataclass(frozen=True)
class Measured:
    """What a run with faults cost: seconds, of which Publish, and bytes of memory of all its processes.

    at_a_tenth, at_the_end: the most while a tenth of the pictures was published, and while all were; processes: the
    most that published at once; faulted: share of the requests.
    """

    seconds: float
    publish_seconds: float
    at_a_tenth: int
    at_the_end: int
    processes: int
    faulted: float

    def __str__(self) -> str:
        tenth, end = (f"{size / MIB:.0f} MiB" for size in (self.at_a_tenth, self.at_the_end))
        return (
            f"first run {self.seconds:.0f} s, pictures {self.publish_seconds:.0f} s of it by {self.processes}"
            f" processes; {self.faulted:.1%} faulted; memory of all its processes at most {tenth} up to a tenth of the"
            f" pictures, {end} up to the last"
        )


def main() -> int:
    """0 when nothing is violated."""
    options, begun = _options(), time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="draenei-load-"))
    try:
        catalogue = Catalogue.of_mosaics(options.records, seed=options.seed)
        with (
            Twin(catalogue, rate_per_minute=PER_MINUTE) as twin,
            s3_double() as double,
            _pipeline(twin, double, home, options.processes) as pipeline,
        ):
            storm = double.state = StoreStorm(share=FAULTED, dice=Random(options.seed))
            measured = first_run(pipeline, options.pictures, options.seed)
            print(measured)
            storm.share = 0.0
            second_run(pipeline, options.pictures)
            if options.lose:
                lose_one(pipeline, double)
            violations = list(found(pipeline, double, options, measured))
    finally:
        embedded_postgres.stop(home / "home")
        shutil.rmtree(home)
    for words in violations:
        print(words)
    seconds = time.monotonic() - begun
    print(
        f"{options.records} records, {options.pictures} pictures, {options.processes} processes, {seconds:.0f} s:"
        f" {len(violations)} violations"
    )
    if options.records >= RECORDS and options.pictures >= PICTURES and not options.lose:
        tried.keep_load(_kept(options, measured, seconds, len(violations)))
        tried.tell(write=options.write)
    return 1 if violations else 0


def first_run(pipeline: Pipeline, pictures: int, seed: int) -> Measured:
    """Collect through the storm."""
    twin, begun = pipeline.twin, time.monotonic()
    twin.faults = Storm(FAULTED, seed)
    child = pipeline.start(RUNS[0], UPLOAD_BATCH_LIMIT=str(pictures))
    with Samples(child.pid, CHILD) as samples:
        ended = child.ended(HOURS)
    twin.faults = FaultPlan()
    seconds = time.monotonic() - begun
    _expect_success(ended.returncode, ended.stdout + ended.stderr)
    asked = twin.requests
    images = sorted(request.at for request in twin.image_requests())
    return Measured(
        seconds,
        images[-1] - images[0],
        samples.peak(images[0], images[len(images) // 10]),
        samples.peak(images[0], images[-1]),
        max(1, samples.at_once - 1),  # one of them only starts the others
        sum(bool(request.fault) for request in asked) / len(asked),
    )


def second_run(pipeline: Pipeline, pictures: int) -> None:
    """Collect again in fair weather, as many pictures as the first run was left without."""
    stored = pipeline.count("ops.uploads", "outcome = 'stored'")
    pipeline.verb("retry")
    ended = pipeline.start(RUNS[1], UPLOAD_BATCH_LIMIT=str(max(1, pictures - stored))).ended(HOURS)
    _expect_success(ended.returncode, ended.stdout + ended.stderr)


def found(pipeline: Pipeline, double: Server, options: argparse.Namespace, measured: Measured) -> Iterator[str]:
    """Every violation in words."""
    world = world_of(pipeline, double, per_minute=PER_MINUTE)
    for name, broken in check(world, at_rest=True, without=NOT_ASKED).items():
        yield f"{name}: {len(broken)} times, first {broken[0]}"
    site = sorted(pipeline.twin.catalogue.snapshot()[1], key=lambda one: (one.created_at, one.id))
    ids = [wallhaven_id for (wallhaven_id,) in pipeline.rows("select wallhaven_id from draenei_content.wallpapers")]
    if sorted(ids) != sorted(one.id for one in site):
        yield f"{len(set(ids))} ids in {len(ids)} rows, the site has {len(site)}"
    newest = {one.id: hashlib.sha256(one.picture.body() or b"").hexdigest() for one in site[-options.pictures :]}
    yield from misplaced(in_bucket(double), newest)
    for gaps, seen, total in pipeline.rows(
        "select gaps, ids_seen, total_last from ops.certificates where stopped_at = 'end'"
    ):
        if gaps or seen != total:
            yield f"the crawl saw {seen} of {total}, with {len(gaps)} gaps"
    if measured.processes != options.processes:
        yield f"{measured.processes} processes published at once, {options.processes} were asked for"
    if not measured.at_a_tenth:
        yield "a tenth of so few pictures was published between two looks at the memory"
    elif measured.at_the_end > GROWTH * measured.at_a_tenth + SLACK_BYTES:
        yield "memory grew while pictures were published"


def lose_one(pipeline: Pipeline, double: Server) -> None:
    """Take a picture away whole, row, intent and object, as a bug might: all that is left agrees with itself."""
    key = min(in_bucket(double))
    with closing(pipeline.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.uploads where s3_key = %s", (key,))
    del double.state.versions[key]


def _expect_success(code: int, said: str) -> None:
    if code:
        raise SystemExit(f"luigi exited with {code}:\n{said[-2000:]}")


@contextmanager
def _pipeline(twin: Twin, double: Server, home: Path, processes: int) -> Iterator[Pipeline]:
    settings = Settings(draenei_home=home / "home")
    pipeline = Pipeline(twin, home / "home", {}, lambda: postgres.connect(settings, as_owner=True))
    pipeline.environ |= {name.upper(): str(value) for name, value in double.settings().items()}
    pipeline.environ |= {"WALLHAVEN_RATE_PER_MINUTE": str(PER_MINUTE), "UPLOAD_PROCESSES": str(processes)}
    pipeline.environ |= {"UPLOAD_CONCURRENCY": str(HANDS * processes), "WALLHAVEN_API_KEY": Account().key}
    try:
        yield pipeline
    finally:
        pipeline.close()


def _kept(options: argparse.Namespace, measured: Measured, seconds: float, violations: int) -> Load:
    return Load(
        options.records,
        options.pictures,
        options.processes,
        seconds,
        measured.faulted,
        violations,
        measured.at_a_tenth,
        measured.at_the_end,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.load", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS, help=f"of the site (default {RECORDS})")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"to publish (default {PICTURES})")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"that publish (default {PROCESSES})")
    parser.add_argument(
        "--write", action="store_true", help="say in docs/guarantees.md what it came to, if of that size"
    )
    parser.add_argument("--seed", type=int, default=1, help="of site and faults (default 1)")
    parser.add_argument("--lose", action="store_true", help="take one picture away in the end: this has to be noticed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
