"""Parquet files of the clean zone: the same records and fields give the same bytes, by the same pyarrow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as arrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from luigi_tasks.domain.cleaning import Field

CONTENT_TYPE = "application/vnd.apache.parquet"
SCALARS = {
    "integer": arrow.int64(),
    "number": arrow.float64(),
    "boolean": arrow.bool_(),
    "string": arrow.string(),
    "timestamp": arrow.timestamp("us", tz="UTC"),
    "date": arrow.date32(),
    "json": arrow.string(),
}


def packed(fields: Sequence[Field], rows: Sequence[Mapping[str, Any]], facts: Mapping[str, str]) -> bytes:
    """The file; facts: what its metadata says of it. Raises pyarrow's ArrowInvalid for a value outside of its type."""
    schema = arrow.schema([(field.name, _type(field)) for field in fields], metadata=dict(sorted(facts.items())))
    return _written(arrow.Table.from_pylist([dict(row) for row in rows], schema=schema))


def read(body: bytes) -> list[dict[str, Any]]:
    """The rows of a file."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(arrow.BufferReader(body)).to_pylist()
    return rows


def without(body: bytes, column: str, values: Collection[str]) -> tuple[bytes | None, int]:
    """A file without the rows whose column has one of these values, and how many rows that is; (None, 0): none has.

    Raises pyarrow's ArrowInvalid, a ValueError, for what is no such file.
    """
    table = pyarrow.parquet.read_table(arrow.BufferReader(body))
    if column not in table.column_names:
        raise arrow.ArrowInvalid(f"the file has no column {column}")
    stays = [value not in values for value in table.column(column).to_pylist()]
    if all(stays):
        return None, 0
    left = table.filter(arrow.array(stays, arrow.bool_())).combine_chunks()
    return _written(left), left.num_rows


def _written(table: Any) -> bytes:
    sink = arrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    packed_file: bytes = sink.getvalue().to_pybytes()
    return packed_file


def _type(field: Field) -> Any:
    if field.kind == "record":
        return arrow.struct([(child.name, _type(child)) for child in field.children])
    if field.kind == "list":
        return arrow.list_(_type(field.children[0]))
    return SCALARS[field.kind]
