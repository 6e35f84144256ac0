"""JSONPlaceholder: six related resources of invented content, the usual API to try a pipeline with.

Docs         https://jsonplaceholder.typicode.com/guide/
Pages        none: a resource is one JSON array, whole (100 posts, 500 comments, 10 users, 100 albums, 5,000 photos,
             200 todos)
Rate limit   none is documented; a run is six requests
Credential   none
Raw tables   raw.jsonplaceholder_posts, raw.jsonplaceholder_comments, raw.jsonplaceholder_users,
             raw.jsonplaceholder_albums, raw.jsonplaceholder_photos, raw.jsonplaceholder_todos
Traps        a changed record changes the whole array's bytes and nothing else says so: changes are found record by
             record, by the models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.sources.contract import Entity, Page, Request, parse_json

NAME = "jsonplaceholder"
RESOURCES = ("users", "posts", "comments", "albums", "photos", "todos")
ENTITIES: Mapping[str, Entity] = {
    name: Entity(f"raw.jsonplaceholder_{name}", f"jsonplaceholder_{name}.json", clean=True) for name in RESOURCES
}
CREDENTIAL_HEADER = ""
EVERY_MINUTES = 30
LARGEST_ID = 2**63 - 1


def query(text: str, filters: Mapping[str, str | None]) -> Query:
    """The one query there is: everything. Raises SettingsError for a text, which the API has no use for."""
    if text or any(filters.values()):
        raise SettingsError("jsonplaceholder has no search", mend="Leave out --query.")
    return Query.of(NAME, "", {})


def requests(query: Query, run_id: str) -> Sequence[Request]:
    """One request a resource."""
    return [Request(name, name, f"/{name}") for name in RESOURCES]


def parse(entity: str, body: bytes) -> Page:
    """Read a resource. Raises SourceError when it is no JSON array."""
    records = parse_json(body)
    if not isinstance(records, list):
        raise SourceError(f"/{entity} is not a list")
    return Page(tuple(records), total=len(records))


def record_id(record: object) -> str | None:
    """The record's number as text."""
    found = record.get("id") if isinstance(record, dict) else None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= LARGEST_ID:
        return None
    return str(found)
