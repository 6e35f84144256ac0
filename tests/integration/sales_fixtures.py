"""What the tests of the sales models share: files as Load would have written them, and what versions should become."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

FIRST_FILE = datetime.datetime(2026, 3, 10, 7, 0, tzinfo=datetime.UTC)
BEGINNING = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)
SALES_MODELS = ("draenei_content.dim_products", "draenei_content.dim_customers", "draenei_content.fct_sales")

Cells = Mapping[str, str]


def cells(order: int, line: int = 1, **changes: str) -> dict[str, str]:
    """An order line as the source module gives it."""
    return {
        "ORDERDATE": "2003-02-24",
        "SHIPDATE": "2003-02-26",
        "ORDERNUMBER": str(order),
        "ORDERLINENUMBER": str(line),
        "PRODUCTCODE": "steady",
        "PRODUCTLINE": "Motorcycles",
        "MSRP": "95",
        "CUSTOMERID": "steady",
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
        **changes,
    }


@dataclass(frozen=True)
class File:
    """One file that was collected. unread: the records of its lines in quarantine."""

    time: datetime.datetime
    lines: tuple[Cells, ...]
    unread: tuple[Mapping[str, object], ...] = ()
    name: str = "raw-sales"

    @property
    def run_key(self) -> str:
        """Key of its run."""
        return f"sales/{self.name}/{self.time:%Y-%m-%dT%H:%M}"

    @property
    def sha256(self) -> str:
        """Stands for the hash of the file's bytes."""
        return hashlib.sha256(json.dumps([*self.lines, *self.unread]).encode()).hexdigest()


def load(connection: Connection, file: File) -> None:
    """Write a file as one batch, as the pipeline's Load does: known bytes are a new load and no new lines."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
            " settings_sha256, source_address) values (%s, 'sales', %s, '', '{}', %s, 'running', '', '', '')",
            (file.run_key, f"sales/{file.name}", f"{file.time:%Y-%m-%dT%H:%M}"),
        )
        cursor.execute("insert into ops.batches (run_key) values (%s) returning batch_id", (file.run_key,))
        batch_id = (cursor.fetchone() or (None,))[0]
        cursor.execute(
            "insert into ops.pages (run_key, source, entity, page_name, request, status, object_key, body_sha256,"
            " body_bytes, content_type, fetched_at)"
            " values (%s, 'sales', 'lines', 'file', '{}', 200, %s, %s, 1, 'text/csv', %s) returning page_id",
            (file.run_key, f"{file.run_key}/file", file.sha256, file.time),
        )
        page_id = (cursor.fetchone() or (None,))[0]
        rows = [
            (
                file.sha256,
                at,
                f"{line['ORDERNUMBER']}-{line['ORDERLINENUMBER']}",
                json.dumps(line),
                batch_id,
                file.time,
            )
            for at, line in enumerate(file.lines)
        ]
        execute_values(
            cursor,
            "insert into raw.sales_lines (body_sha256, position, record_id, payload, batch_id, fetched_at) values %s"
            " on conflict do nothing",
            rows,
            page_size=5000,
        )
        execute_values(
            cursor,
            "insert into ops.quarantine (source, entity, page_id, batch_id, body_sha256, position, violations, record)"
            " values %s on conflict do nothing",
            [
                ("sales", "lines", page_id, batch_id, file.sha256, len(rows) + at, "[]", json.dumps(record))
                for at, record in enumerate(file.unread)
            ],
        )
        received = len(file.lines) + len(file.unread)
        cursor.execute(
            "insert into ops.loads (page_id, batch_id, source, entity, run_key, page_name, body_sha256, fetched_at,"
            " received, loaded, duplicate, quarantined)"
            " values (%s, %s, 'sales', 'lines', %s, 'file', %s, %s, %s, %s, 0, %s)",
            (page_id, batch_id, file.run_key, file.sha256, file.time, received, len(rows), len(file.unread)),
        )


@dataclass(frozen=True)
class Version:
    """A version as it should be."""

    number: int
    value: str | None
    is_deleted: bool
    valid_from: datetime.datetime
    valid_to: datetime.datetime


def expected_versions(history: Sequence[tuple[datetime.datetime, str | None]]) -> list[Version]:
    """The versions of a key whose value at each file's time is given, None where the file did not have it.

    Written file by file, which the models are not: the oracle of the tests.
    """
    versions: list[Version] = []
    for time, value in sorted(history, key=lambda entry: entry[0]):
        last = versions[-1] if versions else None
        if value is None and (last is None or last.is_deleted):
            continue
        if last and value is not None and not last.is_deleted and last.value == value:
            continue
        if last:
            versions[-1] = Version(last.number, last.value, last.is_deleted, last.valid_from, time)
        kept = last.value if value is None and last else value
        start = time if last else BEGINNING
        versions.append(Version(len(versions) + 1, kept, value is None, start, END))
    return versions


def version_on(versions: Iterable[Version], day: datetime.date) -> int:
    """Number of the version that stood when a day ended."""
    evening = datetime.datetime.combine(day, datetime.time(), datetime.UTC) + datetime.timedelta(days=1)
    (standing,) = [v.number for v in versions if v.valid_from < evening <= v.valid_to]
    return standing
