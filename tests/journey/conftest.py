"""Fixtures of the journeys: a twin and a pipeline beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Warehouse
from tests.journey.running import Pipeline
from twin import Catalogue, Twin

WITHOUT_LIMIT = 1_000_000


@pytest.fixture
def catalogue() -> Catalogue:
    """Twelve small wallpapers; a module that needs others has a fixture of this name."""
    return Catalogue.generate(12, small=True)


@pytest.fixture
def twin(catalogue: Catalogue) -> Iterator[Twin]:
    """The stand-in of the source, without its limit: the journeys are not about patience."""
    with Twin(catalogue, rate_per_minute=WITHOUT_LIMIT) as twin:
        yield twin


@pytest.fixture
def pipeline(twin: Twin, warehouse: Warehouse) -> Iterator[Pipeline]:
    """A pipeline on a fresh database; its home is the test's own."""
    pipeline = Pipeline(twin, warehouse.home, warehouse.environ, warehouse.connect)
    yield pipeline
    pipeline.close()
