"""Sales: a CSV file with an order line a row, an extract of everything that its system knows.

Docs         https://www.kaggle.com/datasets/kyanyoga/sample-sales-data: a dealer in model cars, 2003 to 2005
Pages        one: the file
Rate limit   none
Credential   that of the address, where it needs one: S3's
Raw table    raw.sales_lines (cells as text, dates as YYYY-MM-DD)
Traps        copies of the file are UTF-8, UTF-8 with a mark, or Windows' cp1252, and nothing in them says which;
             the territory NA is North America; SALES is not QUANTITYORDERED × PRICEEACH where a price was capped at
             100; dates are American (2/24/2003 0:00), in some copies with two digits for the year; copies without
             CUSTOMERID and SHIPDATE exist
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterator, Mapping, Sequence

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.sources.contract import Entity, Page, Request

NAME = "sales"
MEDIA = ("/csv", "/plain", "/octet-stream", "/vnd.ms-excel")
ENTITIES: Mapping[str, Entity] = {"lines": Entity("raw.sales_lines", "sales_lines.json", media=MEDIA)}
CREDENTIAL_HEADER = ""
EVERY_MINUTES = 24 * 60

REQUIRED = (
    *("ORDERDATE", "ORDERNUMBER", "ORDERLINENUMBER", "PRODUCTCODE", "PRODUCTLINE", "MSRP", "CUSTOMERNAME"),
    *("CITY", "COUNTRY", "TERRITORY", "CONTACTLASTNAME", "CONTACTFIRSTNAME"),
    *("QUANTITYORDERED", "PRICEEACH", "SALES", "STATUS"),
)
DATES = ("ORDERDATE", "SHIPDATE")
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y")
MIDNIGHT = re.compile(r"[ T]0{1,2}:00(:00([.]0+)?)?$")
SECRETS = re.compile(r"(https?|s3)://([^/]*@|[^#]*[?])", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]{1,15}")
MEND = "Is it a file of sales, with a header and commas between cells? Save it as CSV in UTF-8."
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What UTF-8 writes a letter beyond ASCII with. In cp1252 it would read as Ã©, Â°, â‚¬, which no text means.
UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def query(text: str, filters: Mapping[str, str | None]) -> Query:
    """The query for a file's address: a path, http(s)://… or s3://bucket/key. Raises SettingsError without one."""
    address = text or filters.get("file") or ""
    if not address:
        raise SettingsError("sales are collected from a file", mend="Name it: --file raw_sales.csv, or SALES_FILE.")
    if SECRETS.match(address):
        raise SettingsError(
            "the file's address holds a user, a password or a signature, and it is kept with every run",
            mend="Download the file first, or give its s3:// address.",
        )
    return Query.of(NAME, address, {"file": address})


def address(query: Query) -> str:
    """The folder, the site or the bucket that the file stands in."""
    return _split(query)[0]


def requests(query: Query, run_id: str) -> Sequence[Request]:
    """The file, as a page of its own."""
    return [Request("lines", "file", f"/{_split(query)[1]}")]


def _split(query: Query) -> tuple[str, str]:
    folder, slash, name = dict(query.parameters)["file"].rpartition("/")
    return (folder if slash else "."), name


def parse(entity: str, body: bytes) -> Page:
    """The file's lines as {column: cell}; what is wrong beside the cells stands in `_problem`.

    A line with other cells than the header has is no record but a sentence: nobody knows which cell is which.

    Raises SourceError when it is no CSV text with the columns that are needed.
    """
    records = tuple(_records(_rows(decode(body))))
    return Page(records, total=len(records))


def record_id(record: object) -> str | None:
    """Order number and line number, `10107-2`."""
    if not isinstance(record, dict):
        return None
    numbers = [record.get(name) for name in ("ORDERNUMBER", "ORDERLINENUMBER")]
    if not all(isinstance(number, str) and NUMBER.fullmatch(number) for number in numbers):
        return None
    return f"{numbers[0]}-{numbers[1]}"


def encoding(body: bytes) -> str:
    """`utf-8-sig`, `utf-8` or `cp1252`. Raises SourceError for what is none of them.

    A file is cp1252 only when no UTF-8 letter stands in it: one that holds both is UTF-8 with damaged lines.
    """
    if b"\x00" in body:
        raise SourceError("the file holds zero bytes, so it is no CSV text", mend=MEND)
    if body.startswith(BYTE_ORDER_MARK):
        return "utf-8-sig"
    if UTF8_LETTER.search(body) or _decodes(body, "utf-8"):
        return "utf-8"
    if _decodes(body, "cp1252"):
        return "cp1252"
    raise SourceError("the file is neither UTF-8 nor cp1252", mend=MEND)


def _decodes(body: bytes, name: str) -> bool:
    try:
        body.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def decode(body: bytes) -> str:
    """The file's text. A byte that its encoding does not know becomes a lone surrogate, which no schema lets pass."""
    return body.decode(encoding(body), "surrogateescape")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line in the file, cells) of every row that is not empty.

    Strict about quotes: a stray one would take the lines after it into its cell, and nobody would miss them.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as problem:
        raise SourceError(f"line {reader.line_num} of the file is no CSV: {problem}", mend=MEND) from None


def _records(rows: Iterator[tuple[int, list[str]]]) -> Iterator[dict[str, str] | str]:
    header = _header(next(rows, (0, []))[1])
    first_at: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            yield f"line {line} has {len(cells)} cells, the header {len(header)}: {' | '.join(cells)}"
            continue
        record = dict(zip(header, cells, strict=True))
        problems = [f"{name} {record[name]!r} is no day" for name in DATES if not _to_iso_date(record, name)]
        key = record_id(record)
        if key and first_at.setdefault(key, line) != line:
            problems.append(f"line {line} is order line {key}, as line {first_at[key]} is")
        yield record | ({"_problem": "; ".join(problems)} if problems else {})


def _header(cells: list[str]) -> list[str]:
    header = [cell.upper() for cell in cells]
    if missing := [name for name in REQUIRED if name not in header]:
        raise SourceError(f"the file's first line lacks the columns {', '.join(missing)}", mend=MEND)
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise SourceError(f"the file's first line names a column twice: {', '.join(doubled)}", mend=MEND)
    return header


def _to_iso_date(record: dict[str, str], name: str) -> bool:
    """Write the day as YYYY-MM-DD. False, and the cell as it was, when it is no day, or one with a time."""
    cell = record.get(name, "")
    day = MIDNIGHT.sub("", cell)
    for form in DATE_FORMATS:
        try:
            record[name] = datetime.datetime.strptime(day, form).date().isoformat()
        except ValueError:
            continue
        return True
    return not cell
