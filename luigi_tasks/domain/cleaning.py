"""Typed records: what a JSON Schema says of each field, as the clean zone's columns, and a record in that shape.

Names go from camelCase to snake_case. A property's own `"x-clean": "lower"` makes its text lower case. Fields that the
schema does not name stay in the raw zone and in raw.*.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCALARS = {"integer": "integer", "number": "number", "boolean": "boolean", "string": "string"}
FORMATS = {"date-time": "timestamp", "date": "date"}


@dataclass(frozen=True)
class Field:
    """A column, or a field within one.

    kind: integer number boolean string timestamp date record list json. children: of a record its fields, of a list
    its one element. path: the field's name in the source.
    """

    path: str
    name: str
    kind: str
    children: tuple[Field, ...] = ()
    lower: bool = False


def snake_case(name: str) -> str:
    """'thumbnailUrl' → 'thumbnail_url', 'userID' → 'user_id'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of an object's schema, in its order."""
    return tuple(_field(name, inner) for name, inner in schema.get("properties", {}).items())


def _field(path: str, schema: Mapping[str, Any]) -> Field:
    kind = _kind(schema)
    children: tuple[Field, ...] = ()
    if kind == "record":
        children = fields(schema)
    elif kind == "list":
        children = (_field("element", schema.get("items", {})),)
    return Field(path, snake_case(path), kind, children, schema.get("x-clean") == "lower")


def _kind(schema: Mapping[str, Any]) -> str:
    given = schema.get("type", "string" if "enum" in schema else None)
    types = [one for one in (given if isinstance(given, list) else [given]) if one != "null"]
    if len(types) != 1:
        return "json"
    if types[0] == "object":
        return "record" if schema.get("properties") else "json"
    if types[0] == "array":
        return "list"
    return FORMATS.get(schema.get("format", ""), "string") if types[0] == "string" else SCALARS.get(types[0], "json")


def cleaned(record: Mapping[str, Any], of: tuple[Field, ...]) -> dict[str, Any]:
    """The record with typed values under clean names; a field that it lacks is None."""
    return {field.name: _value(record.get(field.path), field) for field in of}


def _value(value: Any, field: Field) -> Any:  # noqa: PLR0911 - one return a kind
    if value is None:
        return None
    match field.kind:
        case "integer":
            return int(value)
        case "number":
            return float(value)
        case "timestamp":
            return datetime.datetime.fromisoformat(value)
        case "date":
            return datetime.date.fromisoformat(value)
        case "record":
            return cleaned(value, field.children)
        case "list":
            return [_value(inner, field.children[0]) for inner in value]
        case "json":
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value.lower() if field.lower else value
