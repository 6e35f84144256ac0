"""doctor: every source that can be asked is asked once, within its budget; only one in use has to answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import source_check
from luigi_tasks.verbs.doctor import CHECKS
from tests.conftest import Warehouse
from tests.gcs_double import gcs_double
from tests.integration.source_cases import World, started
from tests.s3_double import Server, s3_double
from twin import Fault

MINUTE = "2026-11-21T07:00"
ASKED = {"wallhaven", "jsonplaceholder", "randomuser"}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_it_answers_by_one_budgeted_request_or_says_why_it_is_not_asked(warehouse: Warehouse, name: str) -> None:
    with started(name) as twin:
        world = World(name, twin, warehouse)
        said = source_check.check(world.settings, name, MINUTE)
        assert said.startswith(f"{name}: ")
        assert said.endswith("answers" if name in ASKED else "not asked")
        spent = warehouse.rows("select cardinality(grants) from ops.request_budget where source = %s", name)
        assert spent == ([(1,)] if name in ASKED else [])
        assert list(world.store.list("")) == []


def test_only_a_source_in_use_has_to_answer(warehouse: Warehouse) -> None:
    with started("randomuser") as twin:
        world = World("randomuser", twin, warehouse)
        twin.faults.add(Fault("status", status=503, times=None))
        assert "does not answer (503 from the source); nothing was" in source_check.check(
            world.settings, "randomuser", MINUTE
        )
        world.run()
        with pytest.raises(SourceError, match="503 from the source"):
            source_check.check(world.settings, "randomuser", MINUTE)


@pytest.mark.parametrize("double", [s3_double, gcs_double])
def test_every_kind_of_bucket_is_tried(double: Callable[[], AbstractContextManager[Server]]) -> None:
    (objects,) = [check for name, check in CHECKS if name == "objects"]
    with double() as server:
        own = Settings(**server.settings())
        assert objects(own).startswith(f"{'gs' if double is gcs_double else 's3'}://")
        assert server.state.requests, "it was asked"
