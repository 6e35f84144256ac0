"""Which records the warehouse takes: those that satisfy their JSON Schema and that Postgres can hold."""

from __future__ import annotations

import json
import math

import jsonschema_rs
import orjson

from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.sources.contract import Entity, Source

MESSAGE_LIMIT = 300
# The schema's check gives up at 255 levels, Python and Postgres later; no record of a source has ten.
DEEPEST = 100
STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class RecordCheck:
    """The check of one entity's records; the schema is compiled once."""

    def __init__(self, source: Source, entity: Entity) -> None:
        schema = entity.json_schema()
        self._record_id = source.record_id
        self._validator = jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.RegexOptions())
        self._known_fields = frozenset(schema.get("properties", {}))

    def sort(self, position: int, record: object) -> GoodRecord | BadRecord:
        """Good when it may be loaded, bad with every violation when it may not."""
        text = _plain_text(record)
        if text and self._validator.is_valid(record) and (plain_id := self._record_id(record)) is not None:
            return GoodRecord(position, plain_id, text)
        violations = self._violations(record)
        record_id = self._record_id(record)
        if record_id is None and not violations:
            violations = [_violation("", "it has no usable key")]
        if violations or record_id is None:
            return BadRecord(position, record_id, tuple(violations), _text(record))
        return GoodRecord(position, record_id, json.dumps(record, ensure_ascii=False).encode())

    def _violations(self, record: object) -> list[dict[str, str]]:
        unstorable: list[dict[str, str]] = []
        readable = _readable(record, "", unstorable)
        found = [(_pointer(error.instance_path), error.message) for error in self._validator.iter_errors(readable)]
        blamed = [violation["path"] for violation in unstorable]
        return unstorable + [_violation(path, message) for path, message in found if not _within(path, blamed)]

    def unexpected_fields(self, record: object) -> set[str]:
        """Top-level fields that the schema does not name: reported and loaded, not refused."""
        if not isinstance(record, dict) or record.keys() <= self._known_fields:
            return set()
        names = set(record) - self._known_fields
        return {name for name in names if not _unstorable(name)}


def _plain_text(record: object) -> bytes:
    """The record's JSON when it plainly holds nothing that jsonb refuses; b'' when only a close look can tell."""
    try:
        # Copied, for orjson's own bytes are cut from a larger buffer, which costs more when many are kept.
        text = b"%b" % orjson.dumps(record)
        if b"null" in text:  # which orjson also writes for a number that is none
            text = STRICT.encode(record).encode()
    except (TypeError, ValueError, RecursionError):  # a long integer, no number, a lone surrogate, a depth
        return b""
    return b"" if (b"\\" in text and b"\\u0000" in text) or text.count(b"{") + text.count(b"[") > DEEPEST else text


def _readable(value: object, path: str, problems: list[dict[str, str]]) -> object:
    """The value without what jsonb refuses, which the schema's check cannot read either; each is a problem."""
    problem = _unstorable(value)
    if isinstance(value, dict | list) and path.count("/") > DEEPEST:
        problem = f"is nested deeper than {DEEPEST} levels"
    if problem:
        problems.append(_violation(path, problem))
        return None
    if isinstance(value, dict):
        bad_names = filter(_unstorable, value)
        problems.extend(_violation(f"{path}/{_escape(name)} (name)", _unstorable(name)) for name in bad_names)
        return {
            (_escape(name) if _unstorable(name) else name): _readable(inner, f"{path}/{_escape(name)}", problems)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_readable(inner, f"{path}/{index}", problems) for index, inner in enumerate(value)]
    return value


def _unstorable(value: object) -> str:
    """Why jsonb refuses a string or number: NUL, a lone surrogate, NaN or an infinity; '' when it does not."""
    if isinstance(value, str):
        if "\x00" in value:
            return "contains the character U+0000, which Postgres cannot hold"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return "contains a lone surrogate, which is not Unicode text"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number that Postgres can hold"
    return ""


def _within(path: str, others: list[str]) -> bool:
    return any(path == other or path.startswith(f"{other}/") for other in others)


def _text(record: object) -> str:
    try:
        return json.dumps(record, sort_keys=True)
    except RecursionError:
        return "nested too deeply to be written here: see the page in the raw zone"


def _violation(path: str, message: str) -> dict[str, str]:
    if len(message) > MESSAGE_LIMIT:
        message = f"{message[: MESSAGE_LIMIT // 2]} … {message[-MESSAGE_LIMIT // 2 :]}"  # the reason stands at the end
    return {"path": path, "message": message}


def _pointer(parts: list[str | int]) -> str:
    return "".join(f"/{_escape(str(part))}" for part in parts)


def _escape(name: str) -> str:
    return (
        name.replace("~", "~0")
        .replace("/", "~1")
        .encode("ascii", "backslashreplace")
        .decode()
        .replace("\x00", "\\u0000")
    )
