"""What a source module offers. Pure: no I/O, no clock, no settings; the same input gives the same output.

A source is a module with NAME, ENTITIES, CREDENTIAL_HEADER, EVERY_MINUTES and the functions of `Source`; its docstring
is its card. What it offers beside them decides which steps its runs have:

Personal    its records are about people: secrets are redacted before a response is kept, and one may be erased
Requested   it knows every request of a run beforehand:  Fetch → Load (and Clean) → Model → Report
Filed       the same, of a file that its query names: a path, http(s)://… or s3://…
Listing     its search is crawled page by page, with a certificate of what was read, and it has pictures:
            Freeze and Publish, Derive, FetchDetails and LoadDetails, Remodel come in between
Archived    it is one zip of tables and pictures: Fetch takes the tables out as pages, StoreFolder the pictures
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import orjson

from luigi_tasks.domain.coverage import Position
from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.run import Query

SCHEMAS = Path(__file__).parent / "schemas"
LONGEST_INTEGER = 1000
# orjson reads what it takes as json does, but for integers beyond 64 bits: it makes floats of them. What it does not
# take (NaN, lone surrogates, a BOM, UTF-16, great depth) is json's to read or to refuse.
DIGITS_ALIKE, LONG = bytes.maketrans(b"123456789", b"000000000"), b"0" * 19


@dataclass(frozen=True)
class Entity:
    """One kind of record: its raw table, and the file under schemas/ that every record of it must satisfy.

    statuses: which HTTP statuses, with a body of its media type, are an answer; only 200 carries records.
    media: how the media type of its bodies may end. clean: whether its records are written to the clean zone too.
    """

    table: str
    schema: str
    statuses: frozenset[int] = frozenset({200})
    media: tuple[str, ...] = ("/json", "+json")
    clean: bool = False

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


@runtime_checkable
class Source(Protocol):
    """What each module in the catalogue satisfies.

    CREDENTIAL_HEADER: the request header that carries the setting {NAME}_API_KEY, '' when the source takes none.
    EVERY_MINUTES: how often deploy/crontab collects it; alerts expect that, unless EXPECTED_MINUTES says otherwise.
    """

    NAME: str
    ENTITIES: Mapping[str, Entity]
    CREDENTIAL_HEADER: str
    EVERY_MINUTES: int

    def query(self, text: str, filters: Mapping[str, str | None]) -> Query:
        """The query for a text and filters. Raises SettingsError for what the source would silently ignore."""

    def parse(self, entity: str, body: bytes) -> Page:
        """Read a body. Raises SourceError when it is not what the entity's bodies are."""

    def record_id(self, record: object) -> str | None:
        """The key of a record, None when it has none that is usable."""


@runtime_checkable
class Requested(Source, Protocol):
    """A source whose runs consist of requests that are known before the first is sent."""

    def requests(self, query: Query, run_id: str) -> Sequence[Request]:
        """The requests of a run, in order; run_id is its minute in UTC, '2026-11-21T07:00'."""


@runtime_checkable
class Filed(Requested, Protocol):
    """A source that is a file somewhere, which its query names: no setting says where it is."""

    def address(self, query: Query) -> str:
        """What the requests' paths are relative to: a folder, http(s)://… or s3://bucket/…"""


@runtime_checkable
class Listing(Source, Protocol):
    """A source whose search is crawled, newest first, with a certificate; each record is about a picture.

    LISTED: the entity of its search pages. DETAILED: the entity of one record with all its fields.
    """

    LISTED: str
    DETAILED: str

    def first_request(self, query: Query) -> Request:
        """The request that a crawl starts with."""

    def following_request(self, query: Query, page: Page) -> Request | None:
        """The request after a page; None after the last."""

    def detail_request(self, record_id: str) -> Request:
        """The request for one record with all its fields."""

    def position(self, record: object) -> Position | None:
        """Where a record stands in a listing by date, None when that cannot be read."""

    def newest_first(self, query: Query) -> bool:
        """True when known records can only be followed by known ones, so that a crawl may stop early."""


@runtime_checkable
class Personal(Source, Protocol):
    """A source whose records are about people.

    PERSONAL_TABLES: models that hold a person, and the SQL expression that gives the record's key there.
    """

    PERSONAL_TABLES: Mapping[str, str]

    def person(self, text: str) -> str:
        """The key of a person as somebody typed it. Raises SettingsError for what cannot be one."""

    def redact(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        """A body, also a broken one, without what must never be kept, and the names of the fields it had."""

    def erase(self, body: bytes, record_ids: Collection[str]) -> bytes:
        """A body without these people; unchanged when none of them is in it. Raises SourceError when it is no JSON."""


@runtime_checkable
class Archived(Source, Protocol):
    """A source that comes as one zip."""

    def root(self, names: Sequence[str]) -> str:
        """The folder of the archive that is the dataset's, '' or ending in '/'. Raises SourceError when none is."""

    def entity_of(self, name: str) -> str | None:
        """Which entity's table a file below the root is, None when it is none."""


def collected_entities(source: Source) -> tuple[str, ...]:
    """The entities that Fetch brings; a listing's details come later in the run."""
    return (source.LISTED,) if isinstance(source, Listing) else tuple(source.ENTITIES)


def clean_entities(source: Source) -> tuple[str, ...]:
    """Those of them whose records go to the clean zone."""
    return tuple(entity for entity in collected_entities(source) if source.ENTITIES[entity].clean)


def parse_json(body: bytes) -> Any:
    """Parse a JSON body; numbers that no database holds become infinite, so that only their record suffers.

    Raises SourceError when it is not JSON.
    """
    if LONG not in body.translate(DIGITS_ALIKE):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(body)
    try:
        return json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError) as problem:
        start = body[:40].decode("utf-8", "replace")
        raise SourceError(f"the body is not JSON ({problem}): it starts with {start!r}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float("inf")
