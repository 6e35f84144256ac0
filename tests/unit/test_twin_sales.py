"""The stand-in's files have the published sample's numbers, and change as a system of record does."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from twin.sales import CAPPED, COLUMNS, CUSTOMERS, ENCODINGS, LINES, ORDERS, PRODUCTS, extract


def rows(visit: int) -> list[dict[str, str]]:
    """The lines of a visit's file."""
    text = extract(visit).decode(ENCODINGS[min(visit, 2)])
    return list(csv.DictReader(io.StringIO(text)))


def test_the_first_file_has_the_numbers_of_the_sample_data() -> None:
    lines = rows(0)
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == LINES == 2823
    for column, number in (("ORDERNUMBER", ORDERS), ("PRODUCTCODE", PRODUCTS), ("CUSTOMERID", CUSTOMERS)):
        assert len({line[column] for line in lines}) == number
    differing = [
        line for line in lines if Decimal(line["SALES"]) != Decimal(line["PRICEEACH"]) * int(line["QUANTITYORDERED"])
    ]
    assert len(differing) == CAPPED == 1306
    assert {line["PRICEEACH"] for line in differing} == {"100"}
    assert len({(line["ORDERNUMBER"], line["ORDERLINENUMBER"]) for line in lines}) == LINES
    assert {"1/6/2003 0:00", "5/31/2005 0:00"} <= {line["ORDERDATE"] for line in lines}
    assert {"Ítaca", "NA", ""} <= {line[name] for line in lines for name in ("CITY", "TERRITORY", "SHIPDATE")}
    assert any("," in line["CUSTOMERNAME"] and '"' in line["CUSTOMERNAME"] for line in lines)


def test_later_files_change_leave_out_and_bring_back() -> None:
    first, second, third = (rows(visit) for visit in range(3))
    products = [{line["PRODUCTCODE"] for line in lines} for lines in (first, second, third)]
    gone = products[0] - products[1]
    assert len(gone) == 1
    assert gone <= products[2]
    assert sum(line["PRICEEACH"] == "95,70" for line in second) == 1
    late = {line["ORDERNUMBER"] for line in second} - {line["ORDERNUMBER"] for line in first}
    assert {"20001", "30001"} <= late
    assert extract(1) == extract(1)
