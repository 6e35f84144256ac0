"""The star schema of sales beside its histories: quarantine hides and does not delete, any year, warnings count."""

from __future__ import annotations

import datetime
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.integration.model_fixtures import Dbt
from tests.integration.sales_fixtures import FIRST_FILE, File, cells, load

SELECT = ("--select", "path:models/*/sales", "path:tests/sales")
DAY = datetime.timedelta(days=1)


def member(order: int, key: str, **changes: str) -> dict[str, str]:
    """A line of a product and a customer of this key."""
    return cells(order, PRODUCTCODE=key, CUSTOMERID=key, **changes)


def test_what_a_file_says_and_what_quarantine_hides(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    first = File(
        FIRST_FILE,
        (
            member(1, "stays", ORDERDATE="1999-12-31", SHIPDATE="2000-01-02", STATUS="Cancelled"),
            member(2, "hidden", SALES="2871.01", ORDERDATE="2031-07-01", SHIPDATE=""),
            member(3, "leaves", PRICEEACH="100", SALES="3500"),
            # One customer under two names in one file: the latest order's counts.
            member(4, "stays", CUSTOMERNAME="Old Name", ORDERDATE="1999-12-30"),
        ),
    )
    with closing(warehouse.connect()) as connection:
        load(connection, first)
        said = dbt.run("build", *SELECT).stdout
    assert "WARN 2 assert_sales_are_quantity_times_price" in said
    assert "WARN 1 assert_sales_members_agree_within_a_file" in said
    assert warehouse.rows(
        "select count(*), min(date_day)::text, max(date_day)::text, count(*) filter (where is_weekend)"
        " from draenei_content.dim_dates"
    ) == [(12053, "1999-01-01", "2031-12-31", 3444)]
    assert warehouse.rows("select status, is_revenue from draenei_content.dim_statuses order by 1") == [
        ("Cancelled", False),
        ("Shipped", True),
    ]
    assert warehouse.rows("select sum(revenue)::text, sum(cancelled)::text from draenei_content.sales_by_month") == [
        ("9242.0100", "2871.0000")
    ]
    assert warehouse.rows("select place, customer_id, customer_name, lines from draenei_content.top_customers") == [
        (1, "leaves", "Land of Toys Inc.", 1),
        (2, "hidden", "Land of Toys Inc.", 1),
        (3, "stays", "Land of Toys Inc.", 2),
    ]

    # A file of which a line cannot be read, and one of the same minute, before it, that it replaces.
    unread = {"PRODUCTCODE": "hidden", "CUSTOMERID": "hidden", "PRICEEACH": "95,70"}
    replaced = File(FIRST_FILE + DAY, (member(9, "never"),), name="a-first-try")
    second = File(FIRST_FILE + DAY, (member(1, "stays"),), (unread,))
    # And one of which nobody knows what a line speaks of.
    third = File(FIRST_FILE + 2 * DAY, (member(3, "leaves"),), ("line 3 has 19 cells, the header 18: …",))
    with closing(warehouse.connect()) as connection:
        for file in (replaced, second, third):
            load(connection, file)
        dbt.run("run", *SELECT)
    for name, key in (("dim_products", "product_code"), ("dim_customers", "customer_id")):
        assert warehouse.rows(
            f"select {key}, array_agg(is_deleted order by version_number) from draenei_content.{name}"
            " group by 1 order by 1"
        ) == [("hidden", [False]), ("leaves", [False, True, False]), ("stays", [False])]
    assert warehouse.rows("select order_line_key, customer_version_key from draenei_content.fct_sales") == [
        ("3-1", "leaves#1")
    ]
