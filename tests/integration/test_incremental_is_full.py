"""Incremental models are those of a full refresh, hash for hash, whatever changed at the source and came late.

Wallhaven's are held to it by test_models_replay.py, those of sales by test_sales_histories.py.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.steps import model
from tests.conftest import Warehouse
from tests.integration.core_fixtures import MINUTE
from tests.integration.source_cases import World, digests, started
from tests.prove.depth import marks
from twin import Twin
from twin.jsonplaceholder import Jsonplaceholder
from twin.kaggle import Kaggle
from twin.kaggle import archive as archive_of
from twin.randomuser import Randomuser

RUNS, BUILDS = 6, 3


def _placeholders(twin: Twin, dice: random.Random, number: int) -> None:
    """Some records change, one leaves its list for good."""
    site = twin.sites["jsonplaceholder"]
    assert isinstance(site, Jsonplaceholder)
    for _ in range(4):
        site.update("users", dice.randint(1, 10), email=f"{dice.choice('ab')}@places.example")
        site.update("todos", dice.randint(1, 6), completed=dice.random() < 0.5)
    site.remove("comments", 30 - number)


def _people(twin: Twin, dice: random.Random, number: int) -> None:
    """Some of earlier minutes are met again, perhaps with another address."""
    site = twin.sites["randomuser"]
    assert isinstance(site, Randomuser)
    for position in range(3, 9) if number else ():
        known = site.people(_seed(dice.randrange(number)), 10)[dice.randrange(2)]
        site.change(_seed(number), position, **{**known, "email": f"{dice.choice('ab')}@people.example"})


def _products(twin: Twin, dice: random.Random, _: int) -> None:
    """Another archive, or one that was there before."""
    site = twin.sites["kaggle"]
    assert isinstance(site, Kaggle)
    site.archive = archive_of(dice.choice([6, 8, 10]), sound=True)


def _seed(number: int) -> str:
    return f"{MINUTE + datetime.timedelta(minutes=number):%Y-%m-%dT%H:%M}"


CHANGES: dict[str, Callable[[Twin, random.Random, int], None]] = {
    "jsonplaceholder": _placeholders,
    "kaggle": _products,
    "randomuser": _people,
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name, (), ("kaggle",))) for name in sorted(CHANGES)])
def test_builds_in_any_order_equal_a_full_refresh(name: str, warehouse: Warehouse) -> None:
    dice = random.Random(20261121)
    with started(name) as twin:
        world = World(name, twin, warehouse)
        runs = [world.run() for _ in range(RUNS)]
        for number, run in enumerate(runs):
            CHANGES[name](twin, dice, number)
            world.fetch(run)
        dice.shuffle(runs)
        for build in range(BUILDS):
            for run in runs[build::BUILDS]:
                world.load(run)
            model.build(world.settings, run.key, "Model", Silent(), model.selection(name))
        built = digests(world.settings, name)
        versions = f"select to_jsonb(v) from draenei_intermediate.int_{name}__versions as v order by v::text"
        known = warehouse.rows(versions)
        assert max(row["version_number"] for (row,) in known) > 1, "something changed"
        model.build(world.settings, run.key, "Model", Silent(), model.selection(name), from_the_start=True)
        assert digests(world.settings, name) == built
        assert warehouse.rows(versions) == known
