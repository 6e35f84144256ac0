"""The sales source: encodings told apart, bad lines named, good lines untouched."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.sources import sales_csv
from luigi_tasks.sources.validation import RecordCheck

LINE = {
    "ORDERDATE": "2/24/2003 0:00",
    "SHIPDATE": "2/28/2003 0:00",
    "ORDERNUMBER": "10107",
    "ORDERLINENUMBER": "2",
    "PRODUCTCODE": "S10_1678",
    "PRODUCTLINE": "Motorcycles",
    "MSRP": "95",
    "CUSTOMERID": "C1",
    "CUSTOMERNAME": "Land of Toys Inc.",
    "CITY": "NYC",
    "COUNTRY": "USA",
    "TERRITORY": "NA",
    "CONTACTLASTNAME": "Yu",
    "CONTACTFIRSTNAME": "Kwai",
    "QUANTITYORDERED": "30",
    "PRICEEACH": "95.7",
    "SALES": "2871",
    "STATUS": "Shipped",
}
COLUMNS = tuple(LINE)
PUBLISHED = Path(__file__).parent.parent / "fixtures" / "sales_as_published.csv"


def file_of(*lines: dict[str, str], encoding: str = "utf-8") -> bytes:
    """A file with these lines, each one with another line number unless it names one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, changes in enumerate(lines, 1):
        line = {**LINE, "ORDERLINENUMBER": str(number), **changes}
        writer.writerow(line[name] for name in COLUMNS)
    return text.getvalue().encode(encoding)


def sort(body: bytes) -> list[GoodRecord | BadRecord]:
    """What Load makes of a file's lines."""
    check = RecordCheck(sales_csv, sales_csv.ENTITIES["lines"])
    return [check.sort(position, record) for position, record in enumerate(sales_csv.parse("lines", body).records)]


def violations(body: bytes) -> list[str]:
    """The violations of a file whose every line is bad, as 'path: message'."""
    bad = sort(body)
    assert all(isinstance(record, BadRecord) for record in bad)
    return [f"{v['path']}: {v['message']}" for record in bad for v in record.violations]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_encoding_is_told_from_the_bytes(encoding: str) -> None:
    body = file_of({"CITY": "Ítaca"}, {"CITY": "Münster – „West“"}, encoding=encoding)
    assert sales_csv.encoding(body) == encoding
    assert [record["CITY"] for record in sales_csv.parse("lines", body).records] == ["Ítaca", "Münster – „West“"]
    assert all(isinstance(record, GoodRecord) for record in sort(body))


def test_a_file_of_two_encodings_quarantines_the_lines_that_are_not_its_own() -> None:
    body = file_of({"CITY": "Ítaca"}, {"CITY": "Luleå"}, {"CITY": "NYC"})
    mixed = body.replace("Luleå".encode(), "Luleå".encode("cp1252"))
    itaca, lulea, nyc = sort(mixed)
    assert isinstance(itaca, GoodRecord)
    assert "Ítaca".encode() in itaca.payload
    assert isinstance(lulea, BadRecord)
    assert "surrogate" in lulea.violations[0]["message"]
    assert isinstance(nyc, GoodRecord)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe" + "ORDERDATE".encode("utf-16-le"), "zero bytes"),
        (file_of({"CITY": "x"}).replace(b",x,", b",\x81,"), "neither UTF-8 nor cp1252"),
        (b"", "lacks the columns ORDERDATE"),
        (b"<html><body>Sign in</body></html>", "lacks the columns"),
        (file_of({}).replace(b"CITY", b"STATUS"), "lacks the columns CITY"),
        (file_of({}).replace(b"CUSTOMERID", b"CITY"), "twice: CITY"),
        (file_of({}, {}, {}).replace(b"\r\n2/24", b'\r\n"2/24', 1), "is no CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_whole(body: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        sales_csv.parse("lines", body)


def test_a_stray_quote_never_swallows_lines_in_silence() -> None:
    whole = file_of(*[{"CITY": f"c{number}"} for number in range(50)])
    for number in range(50):
        with pytest.raises(SourceError, match="is no CSV"):
            sales_csv.parse("lines", whole.replace(f",c{number},".encode(), f',"c{number},'.encode()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ORDERDATE": "2003-02-30"}, "ORDERDATE '2003-02-30' is no day"),
        ({"ORDERDATE": "24/2/2003 0:00"}, "ORDERDATE '24/2/2003 0:00' is no day"),
        ({"ORDERDATE": "2/24/2003 13:30"}, "is no day"),
        ({"ORDERDATE": ""}, '/ORDERDATE: "" does not match'),
        ({"ORDERDATE": "0203-02-24"}, "/ORDERDATE: "),
        ({"SHIPDATE": "soon"}, "SHIPDATE 'soon' is no day"),
        ({"PRICEEACH": "95,70"}, '/PRICEEACH: "95,70" does not match'),
        ({"SALES": "$2871"}, "/SALES: "),
        ({"SALES": "NaN"}, "/SALES: "),
        ({"QUANTITYORDERED": "30.5"}, "/QUANTITYORDERED: "),
        ({"ORDERNUMBER": "ten"}, "/ORDERNUMBER: "),
        ({"CUSTOMERID": ""}, "/CUSTOMERID: "),
        ({"CITY": "M\ufffdnster"}, "/CITY: "),
    ],
)
def test_a_bad_cell_is_named(changes: dict[str, str], words: str) -> None:
    assert any(words in violation for violation in violations(file_of(changes)))


def test_extra_and_missing_cells_and_a_second_line_of_one_key_are_named() -> None:
    lines = file_of({}, {"PRODUCTLINE": "a, b"}, {"ORDERLINENUMBER": "2"}, {}).decode().splitlines()
    lines[2] = lines[2].replace('"a, b"', "a, b")
    lines[4] = lines[4].rpartition(",")[0]
    good, extra, second, missing = sort("\r\n".join(lines).encode())
    assert isinstance(good, GoodRecord)
    assert "line 3 has 19 cells, the header 18" in extra.violations[0]["message"]
    assert isinstance(second, GoodRecord), "the line that could not be read has no key"
    assert "line 5 has 17 cells" in missing.violations[0]["message"]
    first, again = sort(file_of({}, {"ORDERLINENUMBER": "1", "SALES": "1"}))
    assert isinstance(first, GoodRecord)
    assert again.record_id == "10107-1"
    assert "line 3 is order line 10107-1, as line 2 is" in again.violations[0]["message"]


def test_dates_are_days_and_every_other_cell_stays_as_it_is() -> None:
    body = file_of({"ORDERDATE": "2/4/2003 0:00", "SHIPDATE": ""}, {"ORDERDATE": "2/24/03", "SHIPDATE": "2003-03-01"})
    first, second = sales_csv.parse("lines", body).records
    assert (first["ORDERDATE"], first["SHIPDATE"]) == ("2003-02-04", "")
    assert (second["ORDERDATE"], second["SHIPDATE"]) == ("2003-02-24", "2003-03-01")
    days = {"ORDERDATE", "SHIPDATE", "ORDERLINENUMBER"}
    assert {name: cell for name, cell in first.items() if name not in days} == {
        name: cell for name, cell in LINE.items() if name not in days
    }


@settings(deadline=None)
@given(st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zs")), max_size=30))
def test_a_text_comes_through_every_encoding_or_is_refused_but_never_changed(city: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        body = file_of({"CITY": city}, encoding=encoding)
        if encoding == "cp1252" and sales_csv.UTF8_LETTER.search(body):
            continue  # bytes that are a text in both: nothing in them says which
        try:
            (record,) = sort(body)
        except SourceError:
            continue
        assert isinstance(record, BadRecord) or sales_csv.parse("lines", body).records[0]["CITY"] == city


def test_the_published_layout_is_read_whole() -> None:
    """Lines of the sample file as many publish it: 25 columns, no SHIPDATE, no CUSTOMERID, years of two digits."""
    lines = PUBLISHED.read_bytes().splitlines()
    assert not any(isinstance(record, BadRecord) for record in sort(PUBLISHED.read_bytes()))
    records = sales_csv.parse("lines", PUBLISHED.read_bytes()).records
    assert len(records) == len(lines) - 1
    assert {record["ORDERDATE"][:4] for record in records} == {"2003", "2004", "2005"}
    assert "Australian Collectors, Co." in {record["CUSTOMERNAME"] for record in records}
    assert "NA" in {record["TERRITORY"] for record in records}


@pytest.mark.parametrize(
    "address", ["", "https://user:word@host/f.csv", "https://host/f.csv?X-Amz-Signature=1", "s3://id:word@bucket/key"]
)
def test_an_address_without_a_file_or_with_a_secret_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"--file|kept with every run"):
        sales_csv.query(address, {})


def test_the_setting_names_the_file_when_nothing_else_does() -> None:
    query = sales_csv.query("", {"file": "a.csv"})
    assert query == sales_csv.query("a.csv", {"file": "b.csv"})
    assert [request.path for request in sales_csv.requests(query, "2026-11-21T07:00")] == ["/a.csv"]
    assert sales_csv.address(query) == "."
