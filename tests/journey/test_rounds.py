"""A long crawl that is killed while a round beside it publishes, and again while one derives, then the same command."""

from __future__ import annotations

import signal

import pytest

from tests.journey.promised import world_of
from tests.journey.running import RUN, Pipeline, wait_until
from tests.prove.depth import DEEP
from tests.prove.invariants import check
from twin import Catalogue, Fault

PAGES = 5
OWN = {"CHUNK_PAGES": "2", "DETAILS_PER_RUN": "0", "THUMBNAIL_SIZES": "32"}
LATE = Fault("slow", "search", page=PAGES - 1, times=None, seconds=600.0)


@pytest.fixture
def catalogue() -> Catalogue:
    """Five pages."""
    return Catalogue.generate(100, small=True)


@DEEP
def test_kill_in_a_round_then_the_same_command(pipeline: Pipeline) -> None:
    """The fourth page does not come, and yet pictures of the first ones are stored."""
    twin = pipeline.twin
    twin.faults.add(LATE)
    twin.faults.add(Fault("slow", "image", after=10, times=None, seconds=5))
    child = pipeline.start(RUN, **OWN)
    wait_until(lambda: pipeline.count("ops.uploads") >= 10 or not child.runs(), "ten pictures")
    assert child.runs(), child.ended().stderr
    child.kill()
    assert pipeline.count("ops.pages") == PAGES - 2
    assert pipeline.count("ops.steps") == 0
    world = world_of(pipeline)
    assert check(world) == {}
    twin.faults.clear()
    twin.faults.add(LATE)
    assert pipeline.collect(RUN, **OWN, DRAENEI_FAULT="derive.enter.before:1:kill").returncode == -signal.SIGKILL
    assert pipeline.count("ops.steps") == 0
    assert pipeline.count("ops.derivatives") == 0
    assert (pipeline.home / "objects" / "derivatives").is_dir()
    assert check(world) == {}
    early, asked = pipeline.objects(), len(twin.api_calls())
    twin.faults.clear()
    ended = pipeline.collect(RUN, **OWN)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(twin.api_calls()) - asked == 2, "no page is asked twice"
    assert {key: pipeline.objects()[key] for key in early} == early
    assert check(world, at_rest=True) == {}
    assert pipeline.rows("select count(*), count(distinct manifest_id) from ops.manifest_items") == [(100, 1)]
    derived = "select (result ->> 'measured')::int, (result ->> 'made')::int from ops.steps where step = 'Derive'"
    counted = "select (select count(*) from ops.image_metadata), (select count(*) from ops.derivatives)"
    assert pipeline.rows(derived) == pipeline.rows(counted)
    replayed = pipeline.verb("replay", "--diff")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
