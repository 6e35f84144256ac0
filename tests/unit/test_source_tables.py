"""What a replay is compared by, read off the dbt project: nothing that a response feeds is left out."""

from __future__ import annotations

import pytest

from luigi_tasks.gateways import canonical_export
from luigi_tasks.sources import CATALOGUE

VERSIONS = ("record_key", "observation_key")
PLACEHOLDERS = ("users", "posts", "comments", "albums", "photos", "todos")
SALES_VIEWS = (
    *("draenei_intermediate.int_sales_customers", "draenei_intermediate.int_sales_products"),
    *("draenei_content.dim_dates", "draenei_content.sales_by_month", "draenei_content.sales_by_product_line"),
    *("draenei_content.sales_by_territory", "draenei_content.top_customers"),
)
MODELS = {
    "jsonplaceholder": {
        "draenei_intermediate.int_jsonplaceholder__versions": VERSIONS,
        **{f"draenei_content.jsonplaceholder_{name}": ("id",) for name in PLACEHOLDERS},
        "draenei_content.jsonplaceholder_dangling": (),
    },
    "kaggle": {
        "draenei_intermediate.int_kaggle__versions": VERSIONS,
        "draenei_content.kaggle_products": ("dataset", "id"),
    },
    "randomuser": {
        "draenei_intermediate.int_randomuser__versions": VERSIONS,
        "draenei_restricted.randomuser_contacts": ("user_uuid",),
        "draenei_content.randomuser_people": (),
    },
    "sales": {
        "draenei_content.dim_products": ("product_code", "version_number"),
        "draenei_content.dim_customers": ("customer_id", "version_number"),
        "draenei_content.dim_statuses": ("status",),
        "draenei_content.fct_sales": ("order_line_key",),
        **dict.fromkeys(SALES_VIEWS, ()),
    },
}


@pytest.mark.parametrize("source", sorted(set(CATALOGUE) - {"wallhaven"}))
def test_the_tables_of_a_source_are_found(source: str) -> None:
    found = {table.name: table.key for table in canonical_export.tables_of(source) if not table.name.startswith("ops.")}
    raw = {entity.table: ("body_sha256", "position") for entity in CATALOGUE[source].ENTITIES.values()}
    assert found == raw | MODELS[source]


@pytest.mark.parametrize("source", sorted(CATALOGUE))
def test_no_table_stands_twice_and_the_ledgers_are_the_source_s(source: str) -> None:
    tables = canonical_export.tables_of(source)
    assert len({table.name for table in tables}) == len(tables)
    ledgers = [table for table in tables if table.name.startswith("ops.")]
    assert len(ledgers) >= 4
    assert {table.source for table in ledgers} == {source}
