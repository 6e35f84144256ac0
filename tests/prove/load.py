"""`python -m tests.prove.load`: the whole pipeline over a large site where one request in twenty goes wrong.

Real HTTP, the embedded PostgreSQL, an S3 bucket of our own, `luigi` as a user types it. The first run meets faults of
the API, of the image host and of the bucket, the second none; then the site, the tables and the bucket must agree, and
Publish must not have grown while it worked.
"""

from __future__ import annotations

import argparse
import bisect
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
from tests.journey.running import Pipeline
from tests.prove.load_store import StoreStorm, in_bucket, misplaced
from tests.prove.memory import Samples
from tests.s3_double import Server, s3_double
from twin import Catalogue, Fault, Twin
from twin.faults import FaultPlan
from twin.messages import Route

FAULTED = 0.05
PER_MINUTE = 3000
WORKERS = 8
GROWTH, SLACK_BYTES = 1.10, 16 << 20
RUNS = ("2026-11-21T07:00", "2026-11-21T08:00")
HOURS = 3600.0
API_FAULTS = (Fault("status", status=503), Fault("reset"), Fault("truncate"), Fault("bad_json"), Fault("html_200"))
IMAGE_FAULTS = (Fault("status", status=503), Fault("reset"), Fault("truncate"), Fault("corrupt"), Fault("wrong_type"))
CONSERVATION = "select page_name from ops.loads where received <> loaded + duplicate + quarantined"


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
    """What a run with faults cost: seconds, of which Publish, and bytes of memory."""

    seconds: float
    publish_seconds: float
    first_third: float
    last_third: float
    peak: int
    faulted: float

    def __str__(self) -> str:
        first, last, peak = (f"{size / 2**20:.0f} MiB" for size in (self.first_third, self.last_third, self.peak))
        return (
            f"first run {self.seconds:.0f} s, pictures {self.publish_seconds:.0f} s of it; {self.faulted:.1%} faulted\n"
            f"memory of all its processes: {first} in the first third of Publish, {last} in the last; peak {peak}"
        )


def main() -> int:
    """0 when nothing is violated."""
    options = _options()
    home = Path(tempfile.mkdtemp(prefix="draenei-load-"))
    try:
        catalogue = Catalogue.generate(options.records, seed=options.seed, small=True, shared_picture=True)
        with (
            Twin(catalogue, rate_per_minute=PER_MINUTE) as twin,
            s3_double() as double,
            _pipeline(twin, double, home) as pipeline,
        ):
            storm = double.state = StoreStorm(share=FAULTED, dice=Random(options.seed))
            measured = first_run(pipeline, options.pictures, options.seed)
            print(measured)
            storm.share = 0.0
            second_run(pipeline, options.pictures)
            if options.lose:
                lose_one(pipeline, double)
            violations = list(found(pipeline, double, options.pictures, measured))
    finally:
        embedded_postgres.stop(home / "home")
        shutil.rmtree(home)
    for words in violations:
        print(words)
    print(f"{options.records} records, {options.pictures} pictures: {len(violations)} violations")
    return 1 if violations else 0


def first_run(pipeline: Pipeline, pictures: int, seed: int) -> Measured:
    """Collect through the storm."""
    twin, begun = pipeline.twin, time.monotonic()
    twin.faults = Storm(FAULTED, seed)
    child = pipeline.start(RUNS[0], UPLOAD_BATCH_LIMIT=str(pictures))
    with Samples(child.pid) as samples:
        ended = child.ended(HOURS)
    twin.faults = FaultPlan()
    seconds = time.monotonic() - begun
    _expect_success(ended.returncode, ended.stdout + ended.stderr)
    asked = twin.requests
    images = [request.at for request in twin.image_requests()]
    first, last = samples.thirds(min(images), max(images))
    faulted = sum(bool(request.fault) for request in asked) / len(asked)
    return Measured(seconds, max(images) - min(images), first, last, samples.peak, faulted)


def second_run(pipeline: Pipeline, pictures: int) -> None:
    """Collect again in fair weather, as many pictures as the first run was left without."""
    stored = pipeline.count("ops.uploads", "outcome = 'stored'")
    pipeline.verb("retry")
    ended = pipeline.start(RUNS[1], UPLOAD_BATCH_LIMIT=str(max(1, pictures - stored))).ended(HOURS)
    _expect_success(ended.returncode, ended.stdout + ended.stderr)


def found(pipeline: Pipeline, double: Server, pictures: int, measured: Measured) -> Iterator[str]:
    """Every violation in words."""
    site = pipeline.twin.catalogue.snapshot()[1]
    ids = [wallhaven_id for (wallhaven_id,) in pipeline.rows("select wallhaven_id from draenei_content.wallpapers")]
    if sorted(ids) != sorted(one.id for one in site):
        yield f"{len(set(ids))} ids in {len(ids)} rows, the site has {len(site)}"
    yield from (f"{page}: records are missing" for (page,) in pipeline.rows(CONSERVATION))
    yield from _pictures(pipeline, double, pictures)
    for gaps, seen, total in pipeline.rows(
        "select gaps, ids_seen, total_last from ops.certificates where stopped_at = 'end'"
    ):
        if gaps or seen != total:
            yield f"the crawl saw {seen} of {total}, with {len(gaps)} gaps"
    for table in ("ops.upload_intents", "ops.upload_claims", "ops.quarantine"):
        if left := pipeline.count(table):
            yield f"{left} rows are left in {table}"
    calls = sorted(request.at for request in pipeline.twin.api_calls())
    most = max(number + 1 - bisect.bisect_left(calls, at - 60) for number, at in enumerate(calls))
    if most > PER_MINUTE:
        yield f"{most} requests in 60 s, {PER_MINUTE} are allowed"
    if fsck := pipeline.verb("fsck", "--deep").returncode:
        yield f"fsck --deep exits with {fsck}"
    if measured.last_third > GROWTH * measured.first_third + SLACK_BYTES:
        yield "memory grew while pictures were published"


def lose_one(pipeline: Pipeline, double: Server) -> None:
    """Take a picture away whole, row, intent and object, as a bug might: all that is left agrees with itself."""
    key = min(in_bucket(double))
    with closing(pipeline.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.uploads where s3_key = %s", (key,))
    del double.state.versions[key]


def _pictures(pipeline: Pipeline, double: Server, pictures: int) -> Iterator[str]:
    newest = sorted(pipeline.twin.catalogue.snapshot()[1], key=lambda one: (one.created_at, one.id))[-pictures:]
    rows = dict(pipeline.rows("select s3_key, sha256 from ops.uploads where outcome = 'stored'"))
    of_site = {one.id: hashlib.sha256(one.picture.body() or b"").hexdigest() for one in newest}
    yield from misplaced(rows, in_bucket(double), of_site)


def _expect_success(code: int, said: str) -> None:
    if code:
        raise SystemExit(f"luigi exited with {code}:\n{said[-2000:]}")


@contextmanager
def _pipeline(twin: Twin, double: Server, home: Path) -> Iterator[Pipeline]:
    settings = Settings(draenei_home=home / "home")
    pipeline = Pipeline(twin, home / "home", {}, lambda: postgres.connect(settings, as_owner=True))
    pipeline.environ |= {name.upper(): str(value) for name, value in double.settings().items()}
    pipeline.environ |= {"WALLHAVEN_RATE_PER_MINUTE": str(PER_MINUTE), "UPLOAD_CONCURRENCY": str(WORKERS)}
    try:
        yield pipeline
    finally:
        pipeline.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.load", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of the site (default 100000)")
    parser.add_argument("--pictures", type=int, default=10_000, help="to publish (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="of site and faults (default 1)")
    parser.add_argument("--lose", action="store_true", help="take one picture away in the end: this has to be noticed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
