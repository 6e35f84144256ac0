"""randomuser.me: invented people; a run is one minute, and the minute is the seed, so a retry gets the same people.

Docs         https://randomuser.me/documentation
Pages        none: one response holds RANDOMUSER_RESULTS people (the API allows 5,000)
Rate limit   none is documented; a run is one request
Credential   none
Raw table    raw.randomuser_users
Traps        the same seed gives other people under another version of the API, so the address names one; an error is
             a 200 or 500 with the field `error`; ages are reckoned on the day of the request, so the models leave them
             out; passwords, salts and hashes come with every person and are redacted before anything is kept;
             postcode is a number in some countries and text in others
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.sources.contract import Entity, Page, Request, parse_json

NAME = "randomuser"
VERSION = "1.4"
MOST_RESULTS = 5000
ENTITIES: Mapping[str, Entity] = {"users": Entity("raw.randomuser_users", "randomuser_users.json")}
CREDENTIAL_HEADER = ""
EVERY_MINUTES = 1
SECRET_FIELDS = ("password", "salt", "md5", "sha1", "sha256")
REDACTED = "[redacted]"
# Works on the bytes, so that whatever is kept of an answer that broke off is redacted too, and all else stays as it is.
_SECRET = re.compile(rb'("(?:%s)"\s*:\s*)"(?:[^"\\]|\\.)*"?' % "|".join(SECRET_FIELDS).encode(), re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Models that hold a person, and the column that says whom; an erased one is deleted there.
PERSONAL_TABLES = {
    "draenei_intermediate.int_randomuser__versions": "record_id",
    "draenei_restricted.randomuser_contacts": "user_uuid::text",
}


def query(text: str, filters: Mapping[str, str | None]) -> Query:
    """So many people a run. Raises SettingsError for a text, and for a number that the API would cut in silence."""
    if text:
        raise SettingsError("randomuser has no search", mend="Leave out --query.")
    number = filters.get("results") or "10"
    if not number.isdigit() or not 0 < int(number) <= MOST_RESULTS:
        raise SettingsError(f"RANDOMUSER_RESULTS is {number}", mend=f"A request gets 1 to {MOST_RESULTS} people.")
    return Query.of(NAME, "", {"results": number})


def requests(query: Query, run_id: str) -> Sequence[Request]:
    """The people of the run's minute."""
    return [Request("users", "users", "/", (("seed", run_id), ("results", dict(query.parameters)["results"])))]


def parse(entity: str, body: bytes) -> Page:
    """Read the people, without their secrets and without the erased. Raises SourceError for any other answer."""
    answer = parse_json(body)
    if not isinstance(answer, dict) or "error" in answer:
        raise SourceError(f"the API says: {answer.get('error') if isinstance(answer, dict) else 'something else'}")
    people, info = answer.get("results"), answer.get("info")
    if not isinstance(people, list) or not isinstance(info, dict):
        raise SourceError("the answer has no results and info")
    if info.get("version") != VERSION:
        raise SourceError(f"version {info.get('version')} of the API answered, not {VERSION}: it has other people")
    present = tuple(_without_secrets(person) for person in people if not _is_erased(person))
    return Page(present, total=len(present))


def record_id(record: object) -> str | None:
    """login.uuid."""
    login = record.get("login") if isinstance(record, dict) else None
    found = login.get("uuid") if isinstance(login, dict) else None
    return found if isinstance(found, str) and _UUID.fullmatch(found) else None


def person(text: str) -> str:
    """A login.uuid, in lower case as the API has it. Raises SettingsError."""
    found = text.strip().lower()
    if not _UUID.fullmatch(found):
        raise SettingsError(f"{text[:80]!r} is no login.uuid", mend="Give it as 155e77ee-ba6d-486f-95ce-0e0c0fb4b919.")
    return found


def redact(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The body with every secret's value replaced, and the names of the fields; nothing else changes by a byte."""
    redacted, number = _SECRET.subn(rb'\1"%s"' % REDACTED.encode(), body)
    return redacted, SECRET_FIELDS if number else ()


def erase(body: bytes, record_ids: Collection[str]) -> bytes:
    """The body without these people; of each it says that somebody was erased, not who. Unchanged if none is in it."""
    answer = parse_json(body)
    people = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(people, list) or not any(_named(person) in record_ids for person in people):
        return body
    answer["results"] = [{"erased": True} if _named(person) in record_ids else person for person in people]
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def _named(record: object) -> str | None:
    """Whom a record is about, also one that its schema refuses for the way it writes the key."""
    login = record.get("login") if isinstance(record, dict) else None
    found = login.get("uuid") if isinstance(login, dict) else None
    return found.strip().lower() if isinstance(found, str) else None


def _is_erased(person: object) -> bool:
    return person == {"erased": True}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items() if name not in SECRET_FIELDS}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value
