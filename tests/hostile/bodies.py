"""Hostile bodies of the API, each with what must come of it.

'retry' stands for what may pass (the request is sent again), 'refused' and 'error' for what will not, and 'a+b' for an
answer of which a records load and b go to quarantine.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.integration import model_fixtures

JSON, HTML = "application/json", "text/html; charset=UTF-8"
META = {"current_page": 1, "last_page": 1, "per_page": 24, "total": 2, "query": "draenei", "seed": None}


@dataclass(frozen=True)
class Case:
    """One response. expected: see the module."""

    name: str
    expected: str
    body: bytes
    status: int = 200
    content_type: str | None = JSON
    entity: str = "search"


THUMBS = dict.fromkeys(("large", "original", "small"), "https://th.wallhaven.cc/x.jpg")


def item(wallhaven_id: str, **changes: Any) -> dict[str, Any]:
    """A record that loads, but for the changes."""
    return model_fixtures.item(wallhaven_id, **{"thumbs": THUMBS, **changes})


def listing(*records: Any, **meta: Any) -> bytes:
    """A search listing; meta: what its envelope says otherwise."""
    return json.dumps({"data": records, "meta": {**META, **meta}}).encode()


def raw_record(field: str, value: str) -> bytes:
    """A listing of a good record and of one whose field has a value that is written as it stands."""
    marked = listing(item("good01"), item("bad001", **{field: "MARK"}))
    return marked.replace(b'"MARK"', value.encode("utf-8", "surrogatepass"))


def envelopes() -> Iterator[Case]:
    """Bodies that are not a listing at all."""
    texts = {
        "empty": b"",
        "space": b"  \n",
        "null": b"null",
        "true": b"true",
        "number": b"1",
        "string": b'"data"',
        "list": b"[]",
        "empty-object": b"{}",
        "two-documents": b"{}{}",
        "comment": b"/* a */ {}",
        "single-quotes": b"{'data': []}",
        "trailing-comma": b'{"data": [],}',
        "unclosed": b'{"data": [',
        "script": b"<script>alert(1)</script>",
        "challenge": b"<!DOCTYPE html><title>Just a moment...</title>",
        "xml": b'<?xml version="1.0"?><data/>',
        "jsonp": b"callback({})",
        "prefix": b")]}',\n{}",
        "nul-bytes": b"\0" * 100,
        "utf-16-half": "{}".encode("utf-16-le")[:3],
        "latin-1": '{"data": "é"}'.encode("latin-1"),
        "overlong-utf-8": b'{"data": "\xc0\xaf"}',
        "lone-continuation": b'{"data": "\x80"}',
        "gzip": gzip.compress(b"{}", mtime=0),
        "control-character": b'{"data": "\x01"}',
        "bad-escape": rb'{"data": "\x41"}',
        "half-escape": rb'{"data": "\u12"}',
        "nested-lists": b"[" * 100_000 + b"]" * 100_000,
        "nested-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "hex-number": b'{"data": 0x1}',
        "leading-zero": b'{"data": 01}',
        "error-object": b'{"error": "Nothing here"}',
        "data-only": b'{"data": []}',
        "meta-only": b'{"meta": {}}',
        "data-null": b'{"data": null, "meta": {}}',
        "data-object": b'{"data": {}, "meta": {}}',
        "data-string": b'{"data": "[]", "meta": {}}',
        "meta-null": b'{"data": [], "meta": null}',
        "meta-list": b'{"data": [], "meta": []}',
    }
    for name, body in texts.items():
        yield Case(f"body-{name}", "retry", body)
    whole = listing(item("good01"), item("good02"))
    for part in range(1, 12):
        yield Case(f"body-cut-at-{part}-of-12", "retry", whole[: len(whole) * part // 12])
    yield Case("body-with-a-byte-order-mark", "2+0", b"\xef\xbb\xbf" + whole)
    yield Case("body-with-something-behind", "retry", whole + b"<!-- -->")


def counts() -> Iterator[Case]:
    """Envelopes whose counts cannot be."""
    for name in ("current_page", "last_page", "total"):
        for value in (None, -1, "one", 1.5, True, [], {}, "9" * 30, 1e400):
            yield Case(f"meta-{name}-{str(value)[:6]}", "retry", listing(item("good01"), **{name: value}))
    yield Case("meta-more-pages-but-nothing-here", "retry", listing(last_page=9, total=200))
    yield Case("meta-page-beyond-the-last", "1+0", listing(item("good01"), current_page=9))
    yield Case("meta-total-of-a-thousand-digits", "1+0", listing(item("good01"), total=10**900))
    yield Case("meta-nothing-at-all", "0+0", listing(total=0))


def records() -> Iterator[Case]:
    """Whole listings in which one record is not what records are; the other one loads."""
    for record in (None, 1, "a", True, [], {}, [[]], {"id": "bad001"}):
        yield Case(f"record-{json.dumps(record)[:12]}", "1+1", listing(item("good01"), record))
    ids = (
        "",
        " ",
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "a" * 33,
        "a.b",
        "a b",
        "é",
        "a\n",
        "%2e%2e",
        "\u202e",
        None,
        7,
        ["a"],
    )
    for number, value in enumerate((*ids, True, {}, "a\x00", "-\ud800")):
        yield Case(f"id-{number}", "1+1", listing(item("good01"), {**item("x"), "id": value}))
    for field in item("x"):
        missing = {name: value for name, value in item("bad001").items() if name != field}
        yield Case(f"without-{field}", "1+1", listing(item("good01"), missing))


def values() -> Iterator[Case]:
    """Fields whose values no column takes."""
    for value in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 1001, "-" + "9" * 5000, "null", "[]", "{}", '"1"'):
        yield Case(f"views-{value[:9]}", "1+1", raw_record("views", value))
    for value in (r'"\u0000"', r'"\ud800"', r'"\udfff\ud800"', r'"a\u0000b"', '"\udc80"'):
        name = value.encode("ascii", "backslashreplace").decode()
        yield Case(f"source-{name}", "1+1", raw_record("source", value))
    deep = "[" * 300 + "]" * 300
    yield Case("thumbs-300-levels", "1+1", raw_record("thumbs", f'{{"a": {deep}}}'))
    yield Case("unknown-field-300-levels", "1+1", listing(item("good01"), {**item("bad001"), "new": json.loads(deep)}))
    yield Case("unknown-field-with-nul-in-its-name", "1+1", listing(item("good01"), {**item("bad001"), "a\x00": 1}))
    yield Case("unknown-field", "2+0", listing(item("good01"), {**item("good02"), "new": {"a": [1]}}))
    yield Case("a-key-twice", "1+1", raw_record("views", '1, "id": "../x"'))
    yield Case("a-megabyte-of-text", "2+0", raw_record("source", json.dumps("x" * (1 << 20))))
    yield Case("sql-in-text", "2+0", raw_record("source", '"\'; drop table raw.wallhaven_search; --"'))
    yield Case("copy-escapes-in-text", "2+0", raw_record("source", json.dumps("\\N\t\n\\.\n")))
    yield Case("right-to-left-text", "2+0", raw_record("source", json.dumps("\u202egpj.exe")))
    yield Case("a-thousand-good-ones", "1000+0", listing(*[item(f"g{number:05}") for number in range(1000)]))
    yield Case("a-thousand-empty-ones", "0+1000", listing(*[{}] * 1000))


def statuses() -> Iterator[Case]:
    """Good bodies under another status or type."""
    good = listing(item("good01"))
    for status in (408, 429, 500, 502, 503, 504, 520, 521, 522, 524, 599):
        yield Case(f"status-{status}", "retry", good, status)
    for status in (201, 204, 206, 301, 302, 304, 307, 400, 404, 405, 410, 418, 451):
        yield Case(f"status-{status}", "error", good, status)
    for status in (401, 403):
        yield Case(f"status-{status}", "refused", good, status)
    for content_type in (None, "", "text/html", "text/plain", "application/xml", "application/octet-stream", "json"):
        yield Case(f"type-{content_type}", "retry", good, 200, content_type)
    for body, due in ((b'{"error": "x"}', "0+0"), (b"<html>", "retry"), (b'{"data": []}', "retry"), (b"{}", "retry")):
        yield Case(f"detail-404-{body.decode()}", due, body, 404, entity="wallpaper")
    yield Case("detail-404-as-page", "retry", b"<html>", 404, HTML, "wallpaper")
    yield Case("detail-of-a-list", "retry", listing(item("good01")), entity="wallpaper")
    yield Case("detail-of-nothing-usable", "0+1", b'{"data": {}}', entity="wallpaper")


def cases() -> Iterator[Case]:
    """All of them."""
    for make in (envelopes, counts, records, values, statuses):
        yield from make()
