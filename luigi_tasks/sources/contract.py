"""What a source module offers. Pure: no I/O, no clock, no settings; the same input gives the same output.

A source is a module with NAME, ENTITIES and the functions of the Protocol below; its docstring is its card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from luigi_tasks.domain.coverage import Position
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.run import Query

SCHEMAS = Path(__file__).parent / "schemas"
LONGEST_INTEGER = 1000


@dataclass(frozen=True)
class Entity:
    """One kind of record: its raw table, and the file under schemas/ that every record of it must satisfy.

    statuses: which HTTP statuses, with a JSON body, are an answer; only 200 carries records.
    """

    table: str
    schema: str
    statuses: frozenset[int] = frozenset({200})

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of one record."""
        schema: dict[str, Any] = json.loads((SCHEMAS / self.schema).read_text())
        return schema


@dataclass(frozen=True)
class Request:
    """One GET. page_name is its name within the run ('page-00001'), path is relative to the API's address."""

    entity: str
    page_name: str
    path: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """What a body says: its records as parsed JSON, in order, and what it claims of the whole listing."""

    records: tuple[object, ...]
    number: int = 1
    last_number: int = 1
    total: int | None = None

    @property
    def is_last(self) -> bool:
        """True at the end of the listing; an empty or short page alone is not the end."""
        return self.number >= self.last_number


class Source(Protocol):
    """The protocol that each module in the catalogue satisfies."""

    NAME: str
    ENTITIES: Mapping[str, Entity]

    def query(self, text: str, filters: Mapping[str, str | None]) -> Query:
        """The query for a text and filters. Raises SettingsError for what the source would silently ignore."""

    def first_request(self, query: Query) -> Request:
        """The request that a crawl starts with."""

    def following_request(self, query: Query, page: Page) -> Request | None:
        """The request after a page; None after the last."""

    def detail_request(self, record_id: str) -> Request:
        """The request for one record with all its fields."""

    def parse(self, entity: str, body: bytes) -> Page:
        """Read a body. Raises SourceError when it is not what the entity's bodies are."""

    def record_id(self, record: object) -> str | None:
        """The key of a record, None when it has none that is usable."""

    def position(self, record: object) -> Position | None:
        """Where a record stands in a listing by date, None when that cannot be read."""

    def newest_first(self, query: Query) -> bool:
        """True when known records can only be followed by known ones, so that a crawl may stop early."""


def parse_json(body: bytes) -> Any:
    """Parse a JSON body; numbers that no database holds become infinite, so that only their record suffers.

    Raises SourceError when it is not JSON.
    """
    try:
        return json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError) as problem:
        start = body[:40].decode("utf-8", "replace")
        raise SourceError(f"the body is not JSON ({problem}): it starts with {start!r}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float("inf")
