"""Files of sales through the plain command: all of it, nothing new, what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.running import Pipeline
from twin import Catalogue
from twin.sales import CAPPED, CUSTOMERS, FILE, LINES, PRODUCTS, extract

DIMENSIONS = ("draenei_content.dim_products", "draenei_content.dim_customers")
REVENUE = "select sum(revenue + cancelled)::text from draenei_content."


@pytest.fixture
def catalogue() -> Catalogue:
    """No wallpapers: they are not what this is about."""
    return Catalogue.generate(1, small=True)


def test_three_files(pipeline: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(extract())
    words = ("--source", "sales", "--file", str(file))
    first = pipeline.collect("2026-11-21T07:00", *words)
    assert first.returncode == 0, first.stderr
    assert f"seen        {LINES}" in first.stdout
    assert f"new         {PRODUCTS + CUSTOMERS}, changed 0, quarantined 0" in first.stdout
    assert pipeline.count("draenei_content.fct_sales") == LINES
    assert pipeline.count("draenei_content.fct_sales", "sales_difference <> 0") == CAPPED
    assert pipeline.count("ops.dbt_nodes", f"status = 'warn' and message like 'Got {CAPPED} results%'") == 1
    views = ("sales_by_month", "sales_by_product_line", "sales_by_territory", "top_customers")
    assert len({pipeline.rows(REVENUE + view)[0] for view in views}) == 1

    second = pipeline.collect("2026-11-21T07:01", *words)
    assert "new         0, changed 0, quarantined 0" in second.stdout
    assert [pipeline.count(name) for name in DIMENSIONS] == [PRODUCTS, CUSTOMERS]

    file.write_bytes(extract(1))
    third = pipeline.collect("2026-11-21T07:02", *words)
    assert third.returncode == 0, third.stderr
    assert "changed 7, quarantined 1" in third.stdout
    for name, changed in zip(DIMENSIONS, (3, 4), strict=True):
        assert pipeline.count(name, "is_current") == pipeline.count(name, "version_number = 1")
        assert pipeline.count(name, "version_number = 2") == changed
        assert pipeline.count(name, "is_deleted and is_current") == 1

    file.write_bytes(b"".join(extract(1).splitlines(keepends=True)[: LINES // 2]))
    cut_short = pipeline.collect("2026-11-21T07:03", *words)
    assert cut_short.returncode == 30
    assert "run the same command with SALES_MIN_SHARE=0 before it" in cut_short.stdout + cut_short.stderr
    assert [pipeline.count(name, "is_deleted and is_current") for name in DIMENSIONS] == [1, 1]
    assert pipeline.audit("2026-11-21T07:03")["state"] == "failed"
