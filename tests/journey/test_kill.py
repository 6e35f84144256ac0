"""kill -9 in the middle of every stage, then the same command: complete, and nothing twice."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.gateways.embedded_postgres import Server
from tests.conftest import SERVER_HOME, TEMPLATE, Warehouse
from tests.journey.conftest import WITHOUT_LIMIT
from tests.journey.promised import world_of
from tests.journey.running import RUN, Child, Pipeline, wait_until
from tests.prove.depth import DEEP, marks
from tests.prove.invariants import World, check
from twin import Catalogue, Fault, Twin

Left = dict[str, list[list[object]]]
FOR_EVER = 600.0
# What a run leaves behind, apart from its times, its uploads' order and the twin's port.
LEFT = {
    "wallpapers": """select (to_jsonb(w) - array['first_seen_at', 'last_seen_at', 'updated_at', 'metrics_updated_at',
        'details_fetched_at'])::text from draenei_content.wallpapers as w order by wallhaven_id""",
    "tags": "select wallhaven_id, tag_id from draenei_content.wallpaper_tags order by 1, 2",
    "search": "select record_id, position, payload::text from raw.wallhaven_search order by 1, 2",
    "details": "select record_id, position, payload::text from raw.wallhaven_wallpaper order by 1, 2",
    "pages": "select entity, page_name, status, request::text from ops.pages order by 1, 2",
    "loads": "select entity, page_name, received, loaded, duplicate, quarantined from ops.loads order by 1, 2",
    "manifest": "select position, wallhaven_id from ops.manifest_items order by 1",
    "uploads": "select wallhaven_id, outcome, attempt, sha256, bytes from ops.uploads order by 1",
    "steps": "select step from ops.steps order by 1",
    "audit": """select state, error, seen, inserted, updated, received, loaded, duplicate, quarantined, uploaded, bytes,
        failures, pending_after, api_calls from draenei_content.run_audit""",
}


def left(pipeline: Pipeline) -> Left:
    """What stands in the database and in the store, comparable between two homes."""
    text = json.dumps({name: pipeline.rows(sql) for name, sql in LEFT.items()}, default=str)
    found = json.loads(text.replace(pipeline.twin.image_host, "TWIN"))
    objects = sorted([key, sha256] for key, (_, _, sha256) in pipeline.objects().items())
    return {**found, "objects": objects, "raw zone": sorted([key] for key in pipeline.objects("raw"))}


@pytest.fixture
def catalogue() -> Catalogue:
    """Two pages."""
    return Catalogue.generate(30, small=True)


@pytest.fixture(scope="session")
def undisturbed(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What a run that nobody disturbs leaves behind; made once a session, by the first worker that asks."""
    kept = Path(os.environ[SERVER_HOME]) / "undisturbed.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(_collected(postgres_server, tmp_path_factory.mktemp("undisturbed"))))
    found: Left = json.loads(kept.read_text())
    return found


def _collected(server: Server, folder: Path) -> Left:
    with closing(Warehouse(server, "postgres", folder).connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create database undisturbed template {TEMPLATE} strategy file_copy")
    warehouse = Warehouse(server, "undisturbed", folder)
    with Twin(Catalogue.generate(30, small=True), rate_per_minute=WITHOUT_LIMIT) as twin:
        pipeline = Pipeline(twin, folder / "home", warehouse.environ, warehouse.connect)
        ended = pipeline.collect(RUN)
        assert ended.returncode == 0, ended.stderr
        return left(pipeline)


@contextmanager
def fetch(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    pipeline.twin.faults.add(Fault("slow", "search", page=2, seconds=FOR_EVER))
    yield lambda: any(request.route.page == 2 for request in pipeline.twin.api_calls())


@contextmanager
def publish(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    pipeline.twin.faults.add(Fault("slow", "image", after=10, times=None, seconds=5))
    yield lambda: pipeline.count("ops.uploads") >= 10


@contextmanager
def publish_before_registering(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    """Objects are put and their rows are not there yet."""
    pipeline.twin.faults.add(Fault("slow", "image", times=None, seconds=1))
    wait_until(lambda: pipeline.has_step("Model"), "the end of Model")
    with pipeline.kept_out_of("ops.uploads"):
        yield lambda: bool(pipeline.objects())


@contextmanager
def fetch_details(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    pipeline.twin.faults.add(Fault("slow", "detail", after=5, times=None, seconds=FOR_EVER))
    yield lambda: sum(request.route.kind == "detail" for request in pipeline.twin.api_calls()) == 6


@contextmanager
def remodel(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    pipeline.twin.faults.add(Fault("slow", "image", seconds=1))
    wait_until(lambda: pipeline.has_step("Model"), "the end of Model")
    with pipeline.kept_out_of("ops.applied_batches") as somebody_waits:
        yield somebody_waits


@contextmanager
def report(pipeline: Pipeline) -> Iterator[Callable[[], bool]]:
    """The last row of the run cannot be entered: somebody else is just entering it."""
    wait_until(lambda: pipeline.count("ops.runs") == 1, "the run")
    entry = (
        "insert into ops.steps (run_key, step, started_at, result) select run_key, 'Report', now(), '{}' from ops.runs"
    )
    with pipeline.holding(entry) as somebody_waits:
        yield somebody_waits


def behind_a_lock(table: str) -> Callable[[Pipeline], AbstractContextManager[Callable[[], bool]]]:
    """A stage that waits at the door of a table."""
    return lambda pipeline: pipeline.kept_out_of(table)


STAGES: dict[str, Callable[[Pipeline], AbstractContextManager[Callable[[], bool]]]] = {
    "Fetch": fetch,
    "Load": behind_a_lock("raw.wallhaven_search"),
    "Model": behind_a_lock("ops.applied_batches"),
    "Freeze": behind_a_lock("ops.manifests"),
    "Publish": publish,
    "Publish-unregistered": publish_before_registering,
    "Derive": behind_a_lock("ops.image_metadata"),
    "FetchDetails": fetch_details,
    "LoadDetails": behind_a_lock("raw.wallhaven_wallpaper"),
    "Remodel": remodel,
    "Report": report,
}
BEFORE = {
    "Fetch": [],
    "Load": ["Fetch"],
    "Model": ["Load"],
    "Freeze": ["Model"],
    "Publish": ["Freeze"],
    "Derive": ["Publish"],
    "FetchDetails": ["Model"],
    "LoadDetails": ["FetchDetails"],
    "Remodel": ["Derive", "LoadDetails", "Publish"],
    "Report": ["Remodel"],
}


def stopped_in(pipeline: Pipeline, stage: str, stop: Callable[[Child], None]) -> Child:
    """Start Collect, wait until it is in the middle of the stage, and stop it there."""
    child = pipeline.start(RUN)
    with STAGES[stage](pipeline) as in_the_middle:
        wait_until(lambda: in_the_middle() or not child.runs(), f"the middle of {stage}")
        assert child.runs(), child.ended().stderr
        stop(child)
    task = stage.partition("-")[0]
    assert not pipeline.has_step(task)
    assert all(pipeline.has_step(step) for step in BEFORE[task])
    pipeline.twin.faults.clear()
    return child


def assert_completes(pipeline: Pipeline, undisturbed: Left, world: World) -> None:
    """The same command completes, and what it leaves is whole, and what an undisturbed run leaves."""
    ended = pipeline.collect(RUN)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert check(world, at_rest=True) == {}
    found = left(pipeline)
    assert {name: found[name] for name in undisturbed} == undisturbed


# `make test` and `make prove` kill in one stage, `make prove-deep` in every other.
SAMPLE = ("Publish-unregistered",)


def sampled(stages: Iterable[str], sample: Sequence[str]) -> list[Any]:
    """The stages as parameters; what is not of the sample is a proof, or deeper."""
    return [pytest.param(stage, marks=marks(stage, sample)) for stage in stages]


@pytest.mark.parametrize("stage", sampled(STAGES, SAMPLE))
def test_kill_then_the_same_command(pipeline: Pipeline, stage: str, undisturbed: Left) -> None:
    stopped_in(pipeline, stage, Child.kill)
    world = world_of(pipeline)
    assert check(world) == {}
    assert pipeline.value("select state from ops.runs") == "running"
    known = pipeline.objects("")
    asked, attempted = pipeline.count("ops.pages"), pipeline.count("ops.uploads")
    pipeline.twin.clear_requests()
    assert_completes(pipeline, undisturbed, world)
    after = pipeline.objects("")
    assert {key: after[key][:2] for key in known if ".tmp" not in key.split("/")} == {
        key: facts[:2] for key, facts in known.items() if ".tmp" not in key.split("/")
    }
    assert len(pipeline.twin.api_calls()) <= len(undisturbed["pages"]) - asked
    assert len(pipeline.twin.image_requests()) <= len(undisturbed["uploads"]) - attempted


@DEEP
@pytest.mark.parametrize("stage", ["Fetch", "Model", "Publish"])
def test_sigterm_stops_with_a_line_then_the_same_command(pipeline: Pipeline, stage: str, undisturbed: Left) -> None:
    child = stopped_in(pipeline, stage, Child.terminate)
    stopped = child.ended()
    assert stopped.returncode not in (0, 10)
    assert stopped.stderr.splitlines() == [
        "Stopped. Everything that was done is kept; the same command goes on from here."
    ]
    assert "Traceback" not in stopped.stderr
    assert pipeline.rows("select state, error from ops.runs") == [("failed", "it was stopped before it was complete")]
    assert_completes(pipeline, undisturbed, world_of(pipeline))
