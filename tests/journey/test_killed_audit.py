"""A run that was killed with SIGKILL has its audit row settled by the next run, with counts taken from what it left."""

from __future__ import annotations

import pytest

from tests.journey.promised import world_of
from tests.journey.running import RUN, Child, Pipeline
from tests.journey.test_kill import stopped_in
from tests.prove.depth import DEEP
from tests.prove.invariants import check
from twin import Catalogue

NEXT = "2026-11-21T09:30"


@pytest.fixture
def catalogue() -> Catalogue:
    """Two pages."""
    return Catalogue.generate(30, small=True)


@DEEP
def test_the_next_run_settles_the_row_of_one_that_was_killed(pipeline: Pipeline) -> None:
    stopped_in(pipeline, "Publish", Child.kill)
    assert pipeline.value("select state from ops.runs") == "running"
    left = {
        "api_calls": pipeline.count("ops.pages"),
        "uploaded": pipeline.count("ops.uploads", "outcome = 'stored'"),
        "received": pipeline.value("select sum(received) from ops.loads"),
        "bytes": pipeline.value("select sum(bytes) from ops.uploads where outcome = 'stored'"),
    }
    assert left["uploaded"] not in (0, len(pipeline.twin.catalogue.ids)), "it was killed in the middle"

    ended = pipeline.collect(NEXT)
    assert ended.returncode == 0, ended.stderr
    killed, after = pipeline.audit(RUN), pipeline.audit(NEXT)
    assert (killed["state"], killed["error"]) == ("killed", "the process ended without a word")
    assert {name: killed[name] for name in left} == left
    assert (killed["seen"], killed["failures"], killed["pending_after"]) == (30, 0, None)
    duration = killed["duration_seconds"]
    assert isinstance(duration, int | float)
    assert 0 < duration < 600
    assert (after["state"], after["pending_after"]) == ("succeeded", 0)
    assert killed["uploaded"] + after["uploaded"] == len(pipeline.twin.catalogue.ids)  # type: ignore[operator]
    assert check(world_of(pipeline), at_rest=True) == {}
    again = pipeline.audit(RUN)
    assert pipeline.collect(NEXT).returncode == 0
    assert pipeline.audit(RUN) == again, "settled once"
