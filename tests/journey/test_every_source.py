"""Every source through the plain command: all of it, the same run again, a later run that finds nothing new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from luigi_tasks.sources import CATALOGUE
from tests.conftest import Warehouse
from tests.integration.source_cases import World, digests, started
from tests.journey.running import RUN, Pipeline
from tests.prove.depth import marks
from twin.sales import LINES

LATER = "2026-11-21T07:01"
# Of a first run: received, stored pictures, and what the later run finds. A minute of randomuser is ten other people;
# a picture of Kaggle's belongs to no product.
COUNTS = {
    "wallhaven": (30 + 30, 30, 0),
    "jsonplaceholder": (122, 0, 0),
    "kaggle": (2 * 8, 8 + 1, 0),
    "randomuser": (10, 0, 10),
    "sales": (LINES, 0, 0),
}
# The default run takes the cheapest, `make prove` an archive as well; wallhaven and sales have journeys of their own.
SAMPLE, PROOF = ("jsonplaceholder",), ("kaggle",)


@pytest.fixture(params=[pytest.param(name, marks=marks(name, SAMPLE, PROOF)) for name in sorted(CATALOGUE)])
def world(request: pytest.FixtureRequest, warehouse: Warehouse) -> Iterator[World]:
    """The source's stand-in, and the settings with which it is found."""
    with started(request.param) as twin:
        yield World(request.param, twin, warehouse)


def test_collect_then_the_same_run_then_a_later_one(world: World, warehouse: Warehouse) -> None:
    pipeline = Pipeline(world.twin, warehouse.home, warehouse.environ, warehouse.connect)
    words = ("--source", world.name)
    received, stored, new = COUNTS[world.name]

    first = pipeline.collect(RUN, *words, **world.environ)
    assert first.returncode == 0, first.stderr
    audit = pipeline.audit()
    assert (audit["state"], audit["source"], audit["error"]) == ("succeeded", world.name, None)
    assert (audit["quarantined"], audit["uploaded"], audit["failures"]) == (0, stored, 0)
    assert audit["received"] == received
    assert 0 not in {audit["api_calls"], audit["seen"], audit["inserted"]}, audit
    assert "succeeded" in first.stdout
    made, objects = digests(world.settings, world.name), pipeline.objects("")

    asked = len(world.twin.requests)
    same = pipeline.collect(RUN, *words, **world.environ)
    assert same.returncode == 0, same.stderr
    assert "is complete: nothing to do" in same.stdout
    assert len(world.twin.requests) == asked
    assert digests(world.settings, world.name) == made

    later = pipeline.collect(LATER, *words, **world.environ)
    assert later.returncode == 0, later.stderr
    assert (pipeline.audit(LATER)["inserted"], pipeline.audit(LATER)["updated"]) == (new, 0)
    assert {key: pipeline.objects("")[key] for key in objects} == objects, "nothing is written a second time"
    pipeline.close()


def test_every_source_has_its_counts() -> None:
    assert COUNTS.keys() == CATALOGUE.keys()
