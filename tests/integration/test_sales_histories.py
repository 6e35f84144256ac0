"""Every history that a product or customer can have over six files, built file by file: 729 of each at once."""

from __future__ import annotations

import datetime
import itertools
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from tests.integration.model_fixtures import Dbt, export
from tests.integration.sales_fixtures import (
    FIRST_FILE,
    SALES_MODELS,
    File,
    Version,
    cells,
    expected_versions,
    load,
    version_on,
)

FILES = 6
HISTORIES = tuple(itertools.product((None, "ann", "bob"), repeat=FILES))
TIMES = tuple(FIRST_FILE + datetime.timedelta(days=number) for number in range(FILES))
DAYS = tuple(FIRST_FILE.date() + datetime.timedelta(days=number) for number in range(-3, FILES + 3))
SELECT = ("--select", "staging.sales", "intermediate.sales", "marts.sales")


def file_at(number: int) -> File:
    """The number-th file: each key's line, unless the key is absent, and a line of what never changes."""
    lines = [cells(1)]
    for key, history in enumerate(HISTORIES):
        value, day = history[number], DAYS[key % len(DAYS)].isoformat()
        if value:
            # A territory that is empty in the file is null in the models, and null is a value like another.
            customer = {"CUSTOMERID": f"c{key}", "TERRITORY": "" if value == "ann" else value}
            lines.append(cells(2, key, ORDERDATE=day, PRODUCTCODE=f"p{key}", PRODUCTLINE=value))
            lines.append(cells(3, key, ORDERDATE=day, **customer))
    return File(TIMES[number], tuple(lines))


def check(connection: Connection, loaded: list[int]) -> None:
    """Dimensions and fact are what the oracle says of the files that are loaded."""
    expected = {
        key: expected_versions([(TIMES[number], history[number]) for number in loaded])
        for key, history in enumerate(HISTORIES)
    }
    with connection, connection.cursor() as cursor:
        for name, key, value in (
            ("dim_products", "product_code", "product_line"),
            ("dim_customers", "customer_id", "coalesce(territory, 'ann')"),
        ):
            cursor.execute(
                f"select substr({key}, 2)::integer, version_number, {value}, is_deleted, valid_from, valid_to,"
                f" is_current from draenei_content.{name} where {key} <> 'steady' order by 1, 2"
            )
            found: dict[int, list[Version]] = {key: [] for key in expected}
            for member, *version, is_current in cursor.fetchall():
                found[member].append(Version(*version))
                assert is_current == (version[0] == len(expected[member]))
            assert found == expected
        cursor.execute(
            "select order_number, order_line_number, order_date,"
            " split_part(case order_number when 2 then product_version_key else customer_version_key end, '#', 2)"
            " from draenei_content.fct_sales where order_number > 1"
        )
        facts = {(order, key): (day, int(version)) for order, key, day, version in cursor.fetchall()}
    now = max(loaded)
    assert facts == {
        (order, key): (day, version_on(expected[key], day))
        for key, history in enumerate(HISTORIES)
        for order in (2, 3)
        for day in [DAYS[key % len(DAYS)]]
        if history[now]
    }


@pytest.mark.prove
def test_every_history_over_six_files(warehouse: Any, tmp_path: Path) -> None:
    dbt = Dbt(tmp_path / "dbt", warehouse.environ)
    with closing(warehouse.connect()) as connection:
        loaded: list[int] = []
        for batch in ([0, 2], [1, 3, 4], [5]):  # file 1 comes late, with two others
            for number in batch:
                load(connection, file_at(number))
            loaded += batch
            dbt.run("run", *SELECT)
            check(connection, loaded)

        built = {model: export(connection, model) for model in SALES_MODELS}
        dbt.run("run", "--full-refresh", *SELECT)
        rebuilt = {model: export(connection, model) for model in SALES_MODELS}
        for model, rows in built.items():
            assert sorted({*rows} ^ {*rebuilt[model]})[:4] == [], model
