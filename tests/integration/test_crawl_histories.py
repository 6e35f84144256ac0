"""Random histories of uploads, deletions, late tags and crashes: what certificates claim is held against the site."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Warehouse
from tests.integration.crawl_machine import CrawlMachine
from tests.prove.depth import DEEP

STEPS = 12
# (seed, histories): 1,000 in all.
FIRST, REST = (1, 10), [(2, 90), *((number, 100) for number in range(5, 14))]
PARTS = [
    FIRST,
    *(pytest.param(*one, marks=DEEP) for one in REST),
]


@pytest.mark.parametrize(("number", "histories"), PARTS)
def test_no_certificate_claims_what_the_site_denies_in_any_history(
    warehouse: Warehouse, record_property: Callable[[str, object], None], number: int, histories: int
) -> None:
    limits = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        # A history is short enough to be read, and each that is tried again costs half a second.
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(CrawlMachine.of(warehouse)), settings=limits)
    record_property("cases", histories)
